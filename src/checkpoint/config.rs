//! `config.json` of a checkpoint, checked.

use serde_json::Value;

use super::CheckpointError;

/// `model_type`s that are read, merged and run here.
pub const FAMILIES: [&str; 2] = ["llama", "mistral"];

/// Upper bound on each size in a config, so that products of two fit a `usize` with room.
const SIZE_LIMIT: u64 = 1 << 28;
/// Upper bound on the number of layers: each costs a list of tensor names before a file is opened.
const LAYER_LIMIT: usize = 4096;

/// What a decoder is made of: sizes in elements, from its `config.json`.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    pub model_type: String,
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub num_key_value_heads: usize,
    pub head_dim: usize,
    pub vocab_size: usize,
    pub rms_norm_eps: f64,
    pub rope_theta: f64,
    /// Rope scaling as it stands in the file (`None` for plain rotary embeddings).
    pub rope_scaling: Option<Value>,
    pub max_position_embeddings: usize,
    pub sliding_window: Option<usize>,
    pub tie_word_embeddings: bool,
    pub bos_token_id: Option<u32>,
    pub eos_token_ids: Vec<u32>,
    pub attention_bias: bool,
    pub mlp_bias: bool,
    pub hidden_act: String,
    /// The whole file, for writing a merge back.
    pub raw: Value,
}

impl ModelConfig {
    /// Reads a `config.json`; `reference` names the checkpoint in errors.
    pub fn from_json(reference: &str, bytes: &[u8]) -> Result<Self, CheckpointError> {
        let file = format!("{reference}/config.json");
        let raw: Value = serde_json::from_slice(bytes).map_err(|e| CheckpointError::Damaged {
            file: file.clone(),
            problem: format!("not JSON: {e}"),
        })?;
        let read = Reader { file: &file, raw: &raw };

        let model_type = raw.get("model_type").and_then(Value::as_str).unwrap_or("absent").to_owned();
        if !FAMILIES.contains(&model_type.as_str()) {
            return Err(CheckpointError::Family {
                reference: reference.to_owned(),
                family: printable(&model_type),
                known: FAMILIES.iter().map(|s| (*s).to_owned()).collect(),
            });
        }
        let mistral = model_type == "mistral";
        let num_hidden_layers = read.size("num_hidden_layers", None)?;
        if num_hidden_layers > LAYER_LIMIT {
            let problem = format!("is {num_hidden_layers}; at most {LAYER_LIMIT} are read");
            return Err(read.problem("num_hidden_layers", problem));
        }

        let hidden_size = read.size("hidden_size", None)?;
        let num_attention_heads = read.size("num_attention_heads", None)?;
        let kv_default = if mistral { 8 } else { num_attention_heads };
        let num_key_value_heads = read.size("num_key_value_heads", Some(kv_default))?;
        if num_attention_heads % num_key_value_heads != 0 {
            return Err(read.problem(
                "num_key_value_heads",
                format!("is {num_key_value_heads}, which does not divide the {num_attention_heads} attention heads"),
            ));
        }
        if raw.get("head_dim").is_none_or(Value::is_null) && hidden_size % num_attention_heads != 0 {
            return Err(read.problem(
                "hidden_size",
                format!("is {hidden_size}, which {num_attention_heads} attention heads do not divide; add head_dim"),
            ));
        }
        // transformers 5 moved rope_theta and the scaling into `rope_parameters`.
        let rope = raw.get("rope_parameters").filter(|v| v.is_object());
        let theta = raw.get("rope_theta").or_else(|| rope.and_then(|r| r.get("rope_theta")));
        let rope_theta = theta.and_then(Value::as_f64).unwrap_or(10_000.0);
        let scaling = raw.get("rope_scaling").filter(|v| v.is_object()).or(rope);
        let rope_scaling = scaling.filter(|s| !is_plain_rope(s)).cloned();

        let sliding_window = match raw.get("sliding_window") {
            None if mistral => Some(4096),
            None | Some(Value::Null) => None,
            Some(_) => Some(read.size("sliding_window", None)?),
        };
        Ok(Self {
            intermediate_size: read.size("intermediate_size", None)?,
            num_hidden_layers,
            head_dim: read.size("head_dim", Some(hidden_size / num_attention_heads))?,
            vocab_size: read.size("vocab_size", None)?,
            rms_norm_eps: read.positive("rms_norm_eps", 1e-6)?,
            rope_theta: if rope_theta.is_finite() && rope_theta > 0.0 {
                rope_theta
            } else {
                return Err(read.problem("rope_theta", format!("is {rope_theta}; it must be above 0")));
            },
            rope_scaling,
            max_position_embeddings: read
                .size("max_position_embeddings", Some(if mistral { 131_072 } else { 2048 }))?,
            sliding_window,
            tie_word_embeddings: read.flag("tie_word_embeddings"),
            bos_token_id: token_ids(raw.get("bos_token_id")).first().copied(),
            eos_token_ids: token_ids(raw.get("eos_token_id")),
            attention_bias: read.flag("attention_bias"),
            mlp_bias: read.flag("mlp_bias"),
            hidden_act: raw.get("hidden_act").and_then(Value::as_str).unwrap_or("silu").to_owned(),
            model_type,
            hidden_size,
            num_attention_heads,
            num_key_value_heads,
            raw,
        })
    }
}

/// `{"rope_type": "default", "rope_theta": …}` says nothing beyond theta.
fn is_plain_rope(scaling: &Value) -> bool {
    let kind = scaling.get("rope_type").or_else(|| scaling.get("type"));
    kind.is_none_or(|k| k.as_str() == Some("default"))
}

/// Token ids are a number or a list of numbers.
fn token_ids(value: Option<&Value>) -> Vec<u32> {
    let one = |v: &Value| v.as_u64().and_then(|id| u32::try_from(id).ok());
    match value {
        Some(Value::Array(ids)) => ids.iter().filter_map(one).collect(),
        Some(v) => one(v).into_iter().collect(),
        None => Vec::new(),
    }
}

/// Untrusted text for a message: no control characters, not too long.
pub(super) fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(120).collect()
}

struct Reader<'a> {
    file: &'a str,
    raw: &'a Value,
}

impl Reader<'_> {
    fn problem(&self, key: &str, problem: String) -> CheckpointError {
        CheckpointError::Config { file: self.file.to_owned(), key: key.to_owned(), problem }
    }

    /// A count of at least 1; absent or null takes the default, or is an error without one.
    fn size(&self, key: &str, default: Option<usize>) -> Result<usize, CheckpointError> {
        match (self.raw.get(key), default) {
            (None | Some(Value::Null), Some(default)) => Ok(default),
            (None | Some(Value::Null), None) => {
                Err(self.problem(key, "is missing; a checkpoint without it cannot be read".into()))
            }
            (Some(value), _) => match value.as_u64() {
                Some(n) if (1..=SIZE_LIMIT).contains(&n) => Ok(n as usize),
                _ => Err(self.problem(
                    key,
                    format!(
                        "is {}; it must be a whole number from 1 to {SIZE_LIMIT}",
                        printable(&value.to_string())
                    ),
                )),
            },
        }
    }

    fn positive(&self, key: &str, default: f64) -> Result<f64, CheckpointError> {
        match self.raw.get(key) {
            None | Some(Value::Null) => Ok(default),
            Some(value) => match value.as_f64() {
                Some(v) if v.is_finite() && v > 0.0 => Ok(v),
                _ => Err(self.problem(
                    key,
                    format!("is {}; it must be a number above 0", printable(&value.to_string())),
                )),
            },
        }
    }

    fn flag(&self, key: &str) -> bool {
        self.raw.get(key).and_then(Value::as_bool).unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tiny() -> Value {
        json!({"model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
               "num_attention_heads": 4, "vocab_size": 32})
    }

    fn read(value: &Value) -> Result<ModelConfig, CheckpointError> {
        ModelConfig::from_json("m", value.to_string().as_bytes())
    }

    #[test]
    fn defaults_are_those_of_transformers() {
        let llama = read(&tiny()).unwrap();
        assert_eq!((llama.num_key_value_heads, llama.head_dim, llama.sliding_window), (4, 16, None));
        assert!((llama.rope_theta - 10_000.0).abs() < f64::EPSILON);
        let mut mistral = tiny();
        mistral["model_type"] = json!("mistral");
        mistral["num_attention_heads"] = json!(8);
        let mistral = read(&mistral).unwrap();
        assert_eq!((mistral.num_key_value_heads, mistral.sliding_window), (8, Some(4096)));
    }

    #[test]
    fn rope_of_both_layouts() {
        let mut old = tiny();
        old["rope_theta"] = json!(500_000.0);
        old["rope_scaling"] = json!({"rope_type": "llama3", "factor": 8.0});
        let mut new = tiny();
        new["rope_parameters"] = json!({"rope_type": "llama3", "factor": 8.0, "rope_theta": 500_000.0});
        for config in [read(&old).unwrap(), read(&new).unwrap()] {
            assert!((config.rope_theta - 500_000.0).abs() < f64::EPSILON);
            assert_eq!(config.rope_scaling.unwrap()["factor"], json!(8.0));
        }
        let mut plain = tiny();
        plain["rope_parameters"] = json!({"rope_type": "default", "rope_theta": 1e6});
        assert_eq!(read(&plain).unwrap().rope_scaling, None);
    }

    #[test]
    fn eos_may_be_a_list() {
        let mut config = tiny();
        config["eos_token_id"] = json!([2, 7]);
        assert_eq!(read(&config).unwrap().eos_token_ids, [2, 7]);
    }

    #[test]
    fn bad_configs_are_refused_in_words() {
        let mut other = tiny();
        other["model_type"] = json!("gpt2");
        let message = read(&other).unwrap_err().to_string();
        assert!(message.contains("gpt2") && message.contains("llama, mistral"), "{message}");
        for (key, value) in [
            ("hidden_size", json!(0)),
            ("vocab_size", json!(-1)),
            ("num_hidden_layers", json!(1_u64 << 60)),
            ("num_hidden_layers", json!(100_000)),
            ("num_attention_heads", json!("four")),
            ("num_key_value_heads", json!(3)),
            ("rms_norm_eps", json!(0)),
        ] {
            let mut config = tiny();
            config[key] = value;
            let message = read(&config).unwrap_err().to_string();
            assert!(message.contains(key) && message.contains("m/config.json"), "{message}");
        }
        assert!(ModelConfig::from_json("m", b"{").unwrap_err().to_string().contains("not JSON"));
    }
}
