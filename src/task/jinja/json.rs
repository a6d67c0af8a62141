//! Python's `json.dumps`, which transformers uses for `tojson`: a space after commas and colons, no HTML escapes,
//! characters beyond ASCII unescaped. A value comes in, its JSON text goes out.

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind, State};

use super::{All, arguments, pay, take, text, wrong};

/// The format options of the JSON text.
struct Style {
    ascii: bool,
    indent: Option<String>,
    comma: String,
    colon: String,
    sort: bool,
}

/// A JSON text that grows. Its bytes are charged to the template.
struct Writer<'a, 's> {
    state: &'a State<'s, 's>,
    style: Style,
    out: String,
    paid: usize,
}

/// `value | tojson(ensure_ascii=false, indent=none, separators=none, sort_keys=false)`.
pub(super) fn to_json(state: &mut State, value: &Value, args: All) -> Result<String, Error> {
    let names = ["ensure_ascii", "indent", "separators", "sort_keys"];
    let [ascii, indent, separators, sort] = arguments(args, names)?;
    let indent = match indent {
        None => None,
        Some(value) => Some(if let Some(text) = value.as_str() {
            text.to_owned()
        } else {
            let width = i64::try_from(value).map_err(|_| wrong("tojson: indent is a number or a text"))?;
            let width = usize::try_from(width).unwrap_or(0);
            pay(state, width)?;
            " ".repeat(width)
        }),
    };
    let (comma, colon) = match separators {
        None => (if indent.is_some() { "," } else { ", " }.to_owned(), ": ".to_owned()),
        Some(pair) => {
            let parts: Vec<Value> = pair.try_iter()?.collect();
            match parts.iter().map(Value::as_str).collect::<Vec<_>>()[..] {
                [Some(comma), Some(colon)] => (comma.to_owned(), colon.to_owned()),
                _ => return Err(wrong("tojson: separators are two texts")),
            }
        }
    };
    let (ascii, sort) = (take(ascii, false)?, take(sort, false)?);
    let style = Style { ascii, indent, comma, colon, sort };
    let mut writer = Writer { state, style, out: String::new(), paid: 0 };
    writer.value(value, 0)?;
    Ok(writer.out)
}

impl Writer<'_, '_> {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        // An empty list is charged too, because a value can contain one list many times.
        pay(self.state, self.out.len() - self.paid + 64)?;
        self.paid = self.out.len();
        match value.kind() {
            ValueKind::None => self.out.push_str("null"),
            ValueKind::Bool => self.out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => self.out.push_str(&number(value)),
            ValueKind::String => self.text(value.as_str().unwrap_or_default()),
            ValueKind::Seq | ValueKind::Iterable => {
                let items: Vec<Value> = value.try_iter()?.collect();
                self.all('[', ']', &items, depth, Self::value)?;
            }
            ValueKind::Map => {
                let mut pairs = Vec::new();
                for key in value.try_iter()? {
                    pairs.push((key_text(&key)?, value.get_item(&key)?));
                }
                if self.style.sort {
                    pairs.sort_by(|a, b| a.0.cmp(&b.0));
                }
                self.all('{', '}', &pairs, depth, |writer, (key, value), depth| {
                    writer.text(key);
                    let colon = writer.style.colon.clone();
                    writer.out.push_str(&colon);
                    writer.value(value, depth)
                })?;
            }
            other => {
                let what = format!("tojson: a value of kind {other} is not JSON");
                return Err(Error::new(ErrorKind::BadSerialization, what));
            }
        }
        Ok(())
    }

    fn all<T>(
        &mut self,
        open: char,
        close: char,
        items: &[T],
        depth: usize,
        write: impl Fn(&mut Self, &T, usize) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.out.push(open);
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                let comma = self.style.comma.clone();
                self.out.push_str(&comma);
            }
            self.line(depth + 1)?;
            write(self, item, depth + 1)?;
        }
        if !items.is_empty() {
            self.line(depth)?;
        }
        self.out.push(close);
        Ok(())
    }

    fn line(&mut self, depth: usize) -> Result<(), Error> {
        if let Some(indent) = &self.style.indent {
            pay(self.state, indent.len().saturating_mul(depth))?;
            self.out.push('\n');
            self.out.push_str(&indent.repeat(depth));
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        use std::fmt::Write;
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\u{8}' => self.out.push_str("\\b"),
                '\u{c}' => self.out.push_str("\\f"),
                c if c < ' ' || self.style.ascii && c > '~' => {
                    let mut units = [0; 2];
                    for unit in c.encode_utf16(&mut units) {
                        let _ = write!(self.out, "\\u{unit:04x}");
                    }
                }
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }
}

/// A number as Python writes it in JSON.
fn number(value: &Value) -> String {
    match text::float(value).unwrap_or_else(|| value.to_string()).as_str() {
        "nan" => "NaN".to_owned(),
        "inf" => "Infinity".to_owned(),
        "-inf" => "-Infinity".to_owned(),
        text => text.to_owned(),
    }
}

/// A dict's key as `json.dumps` writes it.
fn key_text(key: &Value) -> Result<String, Error> {
    match key.kind() {
        ValueKind::String => Ok(key.as_str().unwrap_or_default().to_owned()),
        ValueKind::None => Ok("null".to_owned()),
        ValueKind::Bool => Ok(if key.is_true() { "true" } else { "false" }.to_owned()),
        ValueKind::Number => Ok(number(key)),
        other => Err(wrong(format!("tojson: a {other} cannot be a key"))),
    }
}
