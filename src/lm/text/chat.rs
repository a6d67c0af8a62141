//! Chat templates. Messages come in; the text that the model was trained to answer goes out.
//!
//! The template comes with the checkpoint and is rendered as transformers' `apply_chat_template` renders it: Jinja with
//! `trim_blocks` and `lstrip_blocks`, Python's string methods, `tojson`, `raise_exception`, `strftime_now`,
//! `{% generation %}`, and the special tokens by name, within the limits of `task::jinja`.

use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::Serialize;
use serde_json::{Map, json};

use crate::checkpoint::{Checkpoint, TokenizerFiles, chat_template};
use crate::lm::LmError;
use crate::task::jinja::{Jinja, Rules};

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    pub content: String,
}

impl Message {
    /// Content of the message.
    pub fn new(role: &str, content: impl Into<String>) -> Self {
        Self { role: role.to_owned(), content: content.into() }
    }
}

/// A checkpoint's chat template.
#[derive(Debug)]
pub struct ChatTemplate {
    jinja: Jinja,
    /// The special tokens by name.
    tokens: Map<String, serde_json::Value>,
    /// Name of its file, for errors.
    place: String,
}

impl ChatTemplate {
    /// A checkpoint's own template; `None` if it has none.
    ///
    /// # Errors
    /// A file that cannot be used or a broken template; the message names the file and says what is wrong.
    pub fn of(checkpoint: &Checkpoint) -> Result<Option<Self>, LmError> {
        let bad = |e: crate::checkpoint::CheckpointError| LmError::Files(e.to_string());
        if chat_template(checkpoint).map_err(bad)?.is_none() {
            return Ok(None);
        }
        Self::with_files(checkpoint, &TokenizerFiles::read(checkpoint).map_err(bad)?)
    }

    /// Like [`Self::of`], for tokenizer files that were already read.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn with_files(checkpoint: &Checkpoint, files: &TokenizerFiles) -> Result<Option<Self>, LmError> {
        let bad = |e: crate::checkpoint::CheckpointError| LmError::Files(e.to_string());
        let Some((source, file)) = chat_template(checkpoint).map_err(bad)? else { return Ok(None) };
        let named = files.named.iter();
        let tokens = named.map(|(name, token)| (name.clone(), json!(token.content))).collect();
        Self::new(&source, tokens, format!("{file} of {}", checkpoint.reference())).map(Some)
    }

    /// From a template's text, with special tokens by name; `place` names its file in errors.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn new(source: &str, tokens: Map<String, serde_json::Value>, place: String) -> Result<Self, LmError> {
        let mut jinja = Jinja::new(Rules::Chat);
        jinja.set(source).map_err(|e| LmError::Chat(format!("{place}: {e}")))?;
        Ok(Self { jinja, tokens, place })
    }

    /// The messages as text. `add_generation_prompt` appends the beginning of the answer.
    ///
    /// # Errors
    /// An exception raised by the template, a mistake in it, or a limit that it exceeds.
    pub fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String, LmError> {
        self.render_values(messages, add_generation_prompt)
    }

    /// As [`Self::render`], for messages with any fields.
    ///
    /// # Errors
    /// As [`Self::render`].
    pub fn render_values<M: Serialize + ?Sized>(
        &self,
        messages: &M,
        add_generation_prompt: bool,
    ) -> Result<String, LmError> {
        let mut variables = self.tokens.clone();
        variables.insert("add_generation_prompt".to_owned(), json!(add_generation_prompt));
        // Always defined, as in transformers, so that `tools is defined` gives the same.
        variables.insert("tools".to_owned(), serde_json::Value::Null);
        variables.insert("documents".to_owned(), serde_json::Value::Null);
        // Fields keep their order.
        let messages = Value::from(Serde(messages));
        let text = self.jinja.render(context! { messages, ..Value::from(Serde(&variables)) });
        text.map_err(|e| LmError::Chat(format!("{}: {e}", self.place)))
    }
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
        let golden = include_str!("../../../tests/golden/chat/golden.json");
        let golden: Vec<Golden> = serde_json::from_str(golden).unwrap();
        assert!(golden.len() >= 5);
        for one in golden {
            let text = |v: &serde_json::Value| json!(v.as_str().or(v["content"].as_str()).unwrap());
            let tokens = one.tokens.as_object().unwrap();
            let tokens = tokens.iter().map(|(name, v)| (name.clone(), text(v))).collect();
            let template = ChatTemplate::new(&one.template, tokens, "here".to_owned()).unwrap();
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
    fn a_broken_template_has_its_sentence() {
        let error = ChatTemplate::new("{% if %}", Map::new(), "x.jinja".to_owned()).unwrap_err().to_string();
        assert!(error.contains("chat template: x.jinja") && !error.contains('\n'), "{error}");
    }
}
