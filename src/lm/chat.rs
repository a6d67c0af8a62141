//! Chat templates: messages → the text that a model was trained to answer.
//!
//! The template comes with the checkpoint (`chat_template.jinja`, else `chat_template` in
//! `tokenizer_config.json`) and is rendered as transformers' `apply_chat_template` renders it:
//! Jinja with `trim_blocks` and `lstrip_blocks`, Python's string methods, `tojson`,
//! `raise_exception`, `strftime_now`, and the special tokens by name.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, context};
use serde::Serialize;
use serde_json::{Map, json};

use super::LmError;
use crate::checkpoint::Checkpoint;

/// Special tokens that templates know by name.
const TOKENS: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    pub content: String,
}

impl Message {
    /// What `role` said.
    pub fn new(role: &str, content: impl Into<String>) -> Self {
        Self { role: role.to_owned(), content: content.into() }
    }
}

/// A checkpoint's chat template.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    tokens: Map<String, serde_json::Value>,
}

/// The name of the one template in its environment.
const NAME: &str = "chat_template";

impl ChatTemplate {
    /// A checkpoint's own template; `None` where it has none.
    pub fn of(checkpoint: &Checkpoint) -> Result<Option<Self>, LmError> {
        let config = checkpoint.file("tokenizer_config.json");
        let config: serde_json::Value = match &config {
            Some(bytes) => serde_json::from_slice(bytes)
                .map_err(|e| LmError::Chat(format!("tokenizer_config.json is not JSON: {e}")))?,
            None => json!({}),
        };
        let file = checkpoint.file("chat_template.jinja");
        let source = match (&file, &config["chat_template"]) {
            (Some(bytes), _) => String::from_utf8_lossy(bytes).into_owned(),
            (None, serde_json::Value::String(text)) => text.clone(),
            // Several by name: the default one.
            (None, serde_json::Value::Array(all)) => {
                let default = all.iter().find(|t| t["name"] == "default");
                match default.and_then(|t| t["template"].as_str()) {
                    Some(text) => text.to_owned(),
                    None => return Ok(None),
                }
            }
            _ => return Ok(None),
        };
        Self::new(source, &config).map(Some)
    }

    /// From a template's text, with the special tokens of a `tokenizer_config.json`.
    pub fn new(source: String, tokenizer_config: &serde_json::Value) -> Result<Self, LmError> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|e| broken(&e))?);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, message))
        });
        environment
            .add_function("strftime_now", |format: String| strftime(&format, std::time::SystemTime::now()));
        environment.add_filter("tojson", to_json);
        environment.add_template_owned(NAME, source).map_err(|e| broken(&e))?;
        let mut tokens = Map::new();
        for name in TOKENS {
            let value = &tokenizer_config[name];
            if let Some(text) = value.as_str().or(value["content"].as_str()) {
                tokens.insert(name.to_owned(), json!(text));
            }
        }
        Ok(Self { environment, tokens })
    }

    /// The messages as text. `add_generation_prompt` appends what an answer begins with.
    pub fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String, LmError> {
        let variables = context! {
            messages => Value::from(Serde(messages)),
            add_generation_prompt,
            ..Value::from(Serde(&self.tokens))
        };
        let template = self.environment.get_template(NAME).map_err(|e| broken(&e))?;
        template.render(variables).map_err(|e| broken(&e))
    }

    /// The text of the beginning-of-sequence token, where the checkpoint names one.
    #[must_use]
    pub fn bos_token(&self) -> Option<&str> {
        self.tokens.get("bos_token")?.as_str()
    }
}

fn broken(error: &Error) -> LmError {
    // What a template itself raises is said without minijinja's frame.
    let text = error.detail().map_or_else(|| error.to_string(), str::to_owned);
    let line = error.line().map_or(String::new(), |line| format!(", line {line}"));
    LmError::Chat(format!("{}{line}", text.replace('\n', ", ")))
}

/// Python's `json.dumps(value, ensure_ascii=False, indent=…)`, which transformers has for `tojson`:
/// a space after commas and colons, nothing escaped for HTML.
#[expect(clippy::needless_pass_by_value, reason = "a filter takes its arguments so")]
fn to_json(value: &Value, options: Kwargs) -> Result<String, Error> {
    let indent: Option<usize> = options.get("indent")?;
    // Python's other arguments are accepted, since templates pass them.
    let _: (Option<bool>, Option<bool>) = (options.get("ensure_ascii")?, options.get("sort_keys")?);
    options.assert_all_used()?;
    let mut out = String::new();
    write_json(value, indent, 0, &mut out)?;
    Ok(out)
}

/// Keys stay in their order, as Python's do.
fn write_json(value: &Value, indent: Option<usize>, depth: usize, out: &mut String) -> Result<(), Error> {
    let plain = |value: &Value| {
        serde_json::to_string(value).map_err(|e| Error::new(ErrorKind::BadSerialization, e.to_string()))
    };
    let is_map = value.kind() == ValueKind::Map;
    if !is_map && !matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) {
        out.push_str(&plain(value)?);
        return Ok(());
    }
    let line = |depth: usize, out: &mut String| {
        if let Some(width) = indent {
            out.push('\n');
            out.push_str(&" ".repeat(width * depth));
        }
    };
    out.push(if is_map { '{' } else { '[' });
    let mut empty = true;
    for item in value.try_iter()? {
        if !empty {
            out.push_str(if indent.is_some() { "," } else { ", " });
        }
        empty = false;
        line(depth + 1, out);
        if is_map {
            out.push_str(&plain(&item)?);
            out.push_str(": ");
            write_json(&value.get_item(&item)?, indent, depth + 1, out)?;
        } else {
            write_json(&item, indent, depth + 1, out)?;
        }
    }
    if !empty {
        line(depth, out);
    }
    out.push(if is_map { '}' } else { ']' });
    Ok(())
}

/// `datetime.now().strftime(format)` in UTC, for the parts that templates use.
fn strftime(format: &str, now: std::time::SystemTime) -> Result<String, Error> {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    const DAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
    let seconds = now.duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let days = seconds / 86_400;
    let (year, month, day) = civil(days as i64);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let month_name = MONTHS[month as usize - 1];
    let day_name = DAYS[(days % 7) as usize];
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let part = match chars.next() {
            Some('Y') => year.to_string(),
            Some('y') => format!("{:02}", year % 100),
            Some('m') => format!("{month:02}"),
            Some('d') => format!("{day:02}"),
            Some('e') => format!("{day:>2}"),
            Some('B') => month_name.to_owned(),
            Some('b' | 'h') => month_name[..3].to_owned(),
            Some('A') => day_name.to_owned(),
            Some('a') => day_name[..3].to_owned(),
            Some('H') => format!("{hour:02}"),
            Some('M') => format!("{minute:02}"),
            Some('S') => format!("{second:02}"),
            Some('F') => format!("{year}-{month:02}-{day:02}"),
            Some('%') => "%".to_owned(),
            other => {
                let part = other.map_or(String::new(), String::from);
                let what = format!("strftime_now does not know %{part}");
                return Err(Error::new(ErrorKind::InvalidOperation, what));
            }
        };
        out.push_str(&part);
    }
    Ok(out)
}

/// Year, month and day of a day since 1970-01-01 in the Gregorian calendar (Hinnant,
/// `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, doy - (153 * mp + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Golden {
        name: String,
        template: String,
        tokens: serde_json::Value,
        cases: Vec<Case>,
    }

    #[derive(serde::Deserialize)]
    struct Case {
        messages: Vec<serde_json::Value>,
        add_generation_prompt: bool,
        /// What transformers made of it; `None` where the template raises.
        text: Option<String>,
        error: Option<String>,
    }

    #[test]
    fn templates_render_as_transformers_renders_them() {
        let golden = include_str!("../../tests/golden/chat/golden.json");
        let golden: Vec<Golden> = serde_json::from_str(golden).unwrap();
        assert!(golden.len() >= 5);
        for one in golden {
            let template = ChatTemplate::new(one.template, &one.tokens).unwrap();
            for case in one.cases {
                let text = |v: &serde_json::Value, key: &str| v[key].as_str().unwrap().to_owned();
                let messages: Vec<Message> = case
                    .messages
                    .iter()
                    .map(|m| Message::new(&text(m, "role"), text(m, "content")))
                    .collect();
                let rendered = template.render(&messages, case.add_generation_prompt);
                if let Some(text) = case.text {
                    assert_eq!(rendered.unwrap(), text, "{}", one.name);
                } else {
                    let error = rendered.unwrap_err().to_string();
                    assert!(error.contains(&case.error.unwrap()), "{}: {error}", one.name);
                }
            }
        }
    }

    #[test]
    fn dates_are_the_calendars() {
        let at = |seconds| std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        let say = |seconds| strftime("%d %b %Y, %A %B %e %H:%M:%S %y-%m %%", at(seconds)).unwrap();
        assert_eq!(say(0), "01 Jan 1970, Thursday January  1 00:00:00 70-01 %");
        assert_eq!(say(951_782_399), "28 Feb 2000, Monday February 28 23:59:59 00-02 %");
        assert_eq!(say(1_709_210_096), "29 Feb 2024, Thursday February 29 12:34:56 24-02 %");
        assert!(strftime("%Q", at(0)).is_err());
    }

    #[test]
    fn a_broken_template_has_its_sentence() {
        let error = ChatTemplate::new("{% if %}".to_owned(), &json!({})).unwrap_err().to_string();
        assert!(error.contains("chat template") && !error.contains('\n'), "{error}");
    }
}
