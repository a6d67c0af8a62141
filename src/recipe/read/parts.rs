//! Reads tokenizer, precision, alignment and model references. Tree nodes come in, parts of a recipe go out; the
//! readers of both notations call it.

use super::node::{Node, Tree};
use super::{Read, Reader, nearest};
use crate::limits::PAD_TO_MULTIPLE;
use crate::recipe::{
    Align, AlignBy, ConfigSettings, Precision, Rope, TokenName, TokenOrigin, TokenSpec, TokenizerSource,
    TokenizerSpec, Window,
};

const TOKENIZER: [&str; 3] = ["source", "tokens", "pad_to_multiple_of"];
const TOKEN: [&str; 2] = ["source", "force"];
const ORIGIN: [&str; 4] = ["kind", "model", "token_id", "token"];
const REFERENCE: [&str; 3] = ["model", "lora", "override_architecture"];
const MODEL_PATH: [&str; 2] = ["path", "revision"];
const ALIGN: [&str; 2] = ["by", "prompts"];
const CONFIG: [&str; 2] = ["rope", "window"];

/// The value of a key, unless it is missing or null.
pub(in crate::recipe) fn given<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    node.get(key).filter(|n| !matches!(n.tree, Tree::Null))
}

impl Reader<'_> {
    /// `bfloat16`, with or without `torch.`.
    pub(in crate::recipe) fn precision(&self, node: &Node, key: &str) -> Read<Option<Precision>> {
        let Some(n) = node.get(key).filter(|n| !matches!(n.tree, Tree::Null)) else { return Ok(None) };
        let text = self.text_of(n, key)?;
        let name = text.strip_prefix("torch.").unwrap_or(&text);
        let found = Precision::ALL.into_iter().find(|p| p.name() == name);
        found.map(Some).ok_or_else(|| {
            let hint = nearest(name, &Precision::ALL.map(Precision::name));
            self.bad(n.line, key, format!("{text:?} is not known; {hint}"))
        })
    }

    /// A table with `rope` (a rotary base or a model) and `window` (a number of tokens, `"none"` or a model).
    pub(in crate::recipe) fn config(&self, node: &Node) -> Read<ConfigSettings> {
        if !node.is_map() {
            return Err(self.bad(node.line, "config", "must be a table with rope and window"));
        }
        self.known_keys(node, "config.", &CONFIG, None)?;
        let rope = match node.get("rope") {
            None => None,
            Some(n) => Some(match (n.number(), n.text()) {
                (Some(base), _) => Rope::Base(base),
                (None, Some(model)) if !model.is_empty() => Rope::Of(model.to_owned()),
                (None, _) => {
                    return Err(self.bad(n.line, "config.rope", "must be a rotary base or a model"));
                }
            }),
        };
        let window = match node.get("window") {
            None => None,
            Some(n) => Some(match (&n.tree, n.text()) {
                (_, Some("none")) => Window::None,
                (_, Some(model)) if !model.is_empty() => Window::Of(model.to_owned()),
                (Tree::Whole(tokens), _) if *tokens >= 0 => Window::Tokens(*tokens as usize),
                _ => {
                    let must = "must be a number of tokens, \"none\" or a model";
                    return Err(self.bad(n.line, "config.window", must));
                }
            }),
        };
        Ok(ConfigSettings { rope, window })
    }

    /// `"union"`, `"base"`, a model, or a table with `source`, `tokens`, `pad_to_multiple_of`.
    pub(in crate::recipe) fn tokenizer(&self, node: &Node, path: &str) -> Read<TokenizerSpec> {
        let mut out =
            TokenizerSpec { source: TokenizerSource::Union, tokens: Vec::new(), pad_to_multiple_of: None };
        if !node.is_map() {
            out.source = self.tokenizer_source(node, path)?;
            return Ok(out);
        }
        self.known_keys(node, &format!("{path}."), &TOKENIZER, None)?;
        if let Some(n) = node.get("source") {
            out.source = self.tokenizer_source(n, &format!("{path}.source"))?;
        }
        if let Some(n) = node.get("pad_to_multiple_of").filter(|n| !matches!(n.tree, Tree::Null)) {
            let key = format!("{path}.pad_to_multiple_of");
            let multiple = self.count_of(n, &key)?;
            if !(1..=PAD_TO_MULTIPLE).contains(&multiple) {
                let problem = format!("must be a whole number from 1 to {PAD_TO_MULTIPLE}");
                return Err(self.bad(n.line, &key, problem));
            }
            out.pad_to_multiple_of = Some(multiple);
        }
        if let Some(n) = node.get("tokens").filter(|n| !matches!(n.tree, Tree::Null)) {
            if !n.is_map() {
                return Err(self.bad(n.line, &format!("{path}.tokens"), "must be a table, one key a token"));
            }
            for entry in n.entries() {
                let path = format!("{path}.tokens.{:?}", entry.key);
                out.tokens.push((entry.key.clone(), self.token(&entry.value, &path)?));
            }
        }
        Ok(out)
    }

    fn tokenizer_source(&self, node: &Node, path: &str) -> Read<TokenizerSource> {
        Ok(match self.model_text(node, path)?.as_str() {
            "union" => TokenizerSource::Union,
            "base" => TokenizerSource::Base,
            model => TokenizerSource::Model(model.to_owned()),
        })
    }

    fn token(&self, node: &Node, path: &str) -> Read<TokenSpec> {
        if !node.is_map() {
            return Err(self.bad(node.line, path, "must be a table with source and force"));
        }
        self.known_keys(node, &format!("{path}."), &TOKEN, None)?;
        let force = match node.get("force").map(|n| (&n.tree, n.line)) {
            None => false,
            Some((Tree::Flag(force), _)) => *force,
            Some((_, line)) => return Err(self.bad(line, &format!("{path}.force"), "must be true or false")),
        };
        let source = node.get("source").filter(|n| !matches!(n.tree, Tree::Null));
        let source = source.map(|n| self.token_origin(n, &format!("{path}.source"))).transpose()?;
        Ok(TokenSpec { source, force })
    }

    fn token_origin(&self, node: &Node, path: &str) -> Read<TokenOrigin> {
        let Some(kind) = node.get("kind") else {
            return Ok(TokenOrigin::Model(self.model_text(node, path)?));
        };
        self.known_keys(node, &format!("{path}."), &ORIGIN, None)?;
        match kind.text() {
            Some("zero") => Ok(TokenOrigin::Zero),
            Some("model_token") => {
                let key = format!("{path}.model");
                let model = node.get("model").ok_or_else(|| self.bad(node.line, &key, "is missing"))?;
                let model = self.model_text(model, &key)?;
                let token = match (node.get("token"), node.get("token_id")) {
                    (Some(text), None) => TokenName::Text(self.text_of(text, &format!("{path}.token"))?),
                    (None, Some(id)) => {
                        let key = format!("{path}.token_id");
                        let id = u32::try_from(self.count_of(id, &key)?)
                            .map_err(|_| self.bad(id.line, &key, "is larger than any vocabulary"))?;
                        TokenName::Id(id)
                    }
                    _ => return Err(self.bad(node.line, path, "needs one of token and token_id")),
                };
                Ok(TokenOrigin::ModelToken { model, token })
            }
            _ => Err(self.bad(kind.line, &format!("{path}.kind"), "must be \"zero\" or \"model_token\"")),
        }
    }

    /// A model reference, as one text or as a table with its parts.
    pub(in crate::recipe) fn model_text(&self, node: &Node, path: &str) -> Read<String> {
        if !node.is_map() {
            return self.text_of(node, path);
        }
        self.known_keys(node, &format!("{path}."), &REFERENCE, None)?;
        if let Some(n) = given(node, "override_architecture") {
            let problem = "cannot be set; the model's own config.json says what it is";
            self.refuse(self.bad(n.line, &format!("{path}.override_architecture"), problem))?;
        }
        let model =
            node.get("model").ok_or_else(|| self.bad(node.line, &format!("{path}.model"), "is missing"))?;
        let mut text = self.path_text(model, &format!("{path}.model"))?;
        if let Some(n) = given(node, "lora") {
            text = format!("{text}+{}", self.path_text(n, &format!("{path}.lora"))?);
        }
        Ok(text)
    }

    /// `path@revision`, as one text or as a table.
    fn path_text(&self, node: &Node, path: &str) -> Read<String> {
        if !node.is_map() {
            return self.text_of(node, path);
        }
        self.known_keys(node, &format!("{path}."), &MODEL_PATH, None)?;
        let text = self.required_text(node, "path", &format!("{path}.path"))?;
        match given(node, "revision") {
            Some(n) => Ok(format!("{text}@{}", self.text_of(n, &format!("{path}.revision"))?)),
            None => Ok(text),
        }
    }

    /// `"weights"`, `"activations"`, or a table with `by` and `prompts`.
    pub(in crate::recipe) fn align(&self, node: &Node) -> Read<Align> {
        let mut prompts = Vec::new();
        let mut by = Some(node);
        if node.is_map() {
            self.known_keys(node, "align.", &ALIGN, None)?;
            by = node.get("by");
            if let Some(n) = node.get("prompts") {
                let Tree::List(list) = &n.tree else {
                    return Err(self.bad(n.line, "align.prompts", "must be a list of texts"));
                };
                let texts = list.iter().enumerate();
                prompts = texts
                    .map(|(i, n)| self.text_of(n, &format!("align.prompts[{i}]")))
                    .collect::<Read<_>>()?;
            }
        }
        let by = match by.and_then(Node::text) {
            Some("weights") => AlignBy::Weights,
            Some("activations") => AlignBy::Activations,
            _ => {
                let line = by.and_then(|n| n.line).or(node.line);
                return Err(self.bad(line, "align.by", "must be \"weights\" or \"activations\""));
            }
        };
        if by == AlignBy::Activations && prompts.is_empty() {
            return Err(self.bad(
                node.line,
                "align.prompts",
                "is missing; give texts to compare activations on",
            ));
        }
        Ok(Align { by, prompts })
    }
}
