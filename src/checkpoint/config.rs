//! `config.json` of a checkpoint, checked.

use serde_json::Value;

use super::CheckpointError;
use super::family::{Bias, Family};
use super::fields::{Reader, printable, token_ids};
use crate::limits::LAYERS;

/// What a decoder is made of: sizes in elements, from its `config.json`.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    pub model_type: String,
    /// What the decoder of this `model_type` has.
    pub family: &'static Family,
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
    /// Rotary base of blocks with a window, where it is another (Gemma 3).
    pub rope_local_theta: Option<f64>,
    /// Share of a head's features that turn.
    pub partial_rotary_factor: f64,
    pub max_position_embeddings: usize,
    /// Window of the blocks that have one; `None` where no block has.
    pub sliding_window: Option<usize>,
    /// Whether each block sees only the last `sliding_window` positions.
    pub windowed: Vec<bool>,
    /// Attention scores are divided by the root of this.
    pub query_pre_attn_scalar: f64,
    /// Scores are squeezed into ± this by a tanh.
    pub attn_logit_softcapping: Option<f64>,
    /// Logits are squeezed into ± this by a tanh.
    pub final_logit_softcapping: Option<f64>,
    pub tie_word_embeddings: bool,
    pub bos_token_id: Option<u32>,
    pub eos_token_ids: Vec<u32>,
    /// Query, key and value projections have biases.
    pub attention_bias: bool,
    /// The attention's output projection has one.
    pub out_bias: bool,
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
        let Some(family) = Family::named(&model_type) else {
            return Err(CheckpointError::Family {
                reference: reference.to_owned(),
                family: printable(&model_type),
                known: Family::names(),
            });
        };
        let num_hidden_layers = read.size("num_hidden_layers", None)?;
        if num_hidden_layers > LAYERS {
            let problem = format!("is {num_hidden_layers}; at most {LAYERS} are read");
            return Err(read.problem("num_hidden_layers", problem));
        }

        let hidden_size = read.size("hidden_size", None)?;
        let num_attention_heads = read.size("num_attention_heads", None)?;
        let kv_default = family.kv_heads.unwrap_or(num_attention_heads);
        let num_key_value_heads = read.size("num_key_value_heads", Some(kv_default))?;
        if num_attention_heads % num_key_value_heads != 0 {
            return Err(read.problem(
                "num_key_value_heads",
                format!("is {num_key_value_heads}, which does not divide the {num_attention_heads} attention heads"),
            ));
        }
        let has_head_dim = raw.get("head_dim").is_some_and(|v| !v.is_null()) || family.head_dim.is_some();
        if !has_head_dim && hidden_size % num_attention_heads != 0 {
            return Err(read.problem(
                "hidden_size",
                format!("is {hidden_size}, which {num_attention_heads} attention heads do not divide; add head_dim"),
            ));
        }
        let head_dim =
            read.size("head_dim", Some(family.head_dim.unwrap_or(hidden_size / num_attention_heads)))?;
        let rope = read.rope(family)?;
        let (sliding_window, windowed) = read.windows(family, num_hidden_layers)?;
        let bias = |bias| match bias {
            Bias::Never => false,
            Bias::Always => true,
            Bias::Key(key) => read.flag(key).unwrap_or(false),
        };
        // Gemma 2 and 3 call it hidden_activation, and transformers reads no other there.
        let activation = raw.get("hidden_activation").or_else(|| raw.get("hidden_act"));
        Ok(Self {
            intermediate_size: read.size("intermediate_size", None)?,
            num_hidden_layers,
            vocab_size: read.size("vocab_size", None)?,
            rms_norm_eps: read.positive("rms_norm_eps", 1e-6)?,
            rope_theta: rope.theta,
            rope_scaling: rope.scaling,
            rope_local_theta: rope.local_theta,
            partial_rotary_factor: rope.partial,
            max_position_embeddings: read.size("max_position_embeddings", Some(family.max_positions))?,
            sliding_window,
            windowed,
            query_pre_attn_scalar: read.positive("query_pre_attn_scalar", head_dim as f64)?,
            attn_logit_softcapping: read.optional("attn_logit_softcapping")?,
            final_logit_softcapping: read.optional("final_logit_softcapping")?,
            head_dim,
            tie_word_embeddings: read.flag("tie_word_embeddings").unwrap_or(family.tied),
            bos_token_id: token_ids(raw.get("bos_token_id")).first().copied(),
            eos_token_ids: token_ids(raw.get("eos_token_id")),
            attention_bias: bias(family.qkv_bias),
            out_bias: bias(family.out_bias),
            mlp_bias: bias(family.mlp_bias),
            hidden_act: activation.and_then(Value::as_str).unwrap_or(family.activation).to_owned(),
            family,
            model_type,
            hidden_size,
            num_attention_heads,
            num_key_value_heads,
            raw,
        })
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
        assert!(message.contains("gpt2") && message.contains("llama, mistral, qwen2"), "{message}");
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
