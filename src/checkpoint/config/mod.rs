//! `config.json` of a checkpoint. In: its bytes. Out: a [`ModelConfig`] with every key checked. Absent, null and
//! contradicting keys mean what they mean in transformers 5.24; `docs/config-keys.md` has the table. The families are
//! the rows of `family`; `vision` reads what a LLaVA model has besides its decoder.

mod adopt;
pub(super) mod family;
mod fields;
pub(super) mod layers;
pub(super) mod rotary;
pub(super) mod shapes;
pub(super) mod vision;
mod windows;

use std::sync::Arc;

use serde_json::Value;

use super::CheckpointError;
use super::untrusted::printable;
use crate::limits::LAYERS;
use family::{Bias, Family, HeadDim};
use fields::{ConfigReader, Given};
use rotary::{Rotary, RotaryContext};
use vision::VisionConfig;

/// The sizes and options of a decoder, from its `config.json`.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    pub model_type: String,
    /// The row of this `model_type`: what its decoder has.
    pub family: &'static Family,
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub num_key_value_heads: usize,
    pub head_dim: usize,
    pub vocab_size: usize,
    pub rms_norm_eps: f64,
    /// Rotary position embeddings.
    pub rope: Rotary,
    /// Rotary position embeddings of blocks with a window, if they differ (Gemma 3).
    pub rope_local: Option<Rotary>,
    pub max_position_embeddings: usize,
    /// Window length of the blocks that have a window; `None` if no block has one.
    pub sliding_window: Option<usize>,
    /// For each block, whether it is limited to the last `sliding_window` positions.
    pub windowed: Vec<bool>,
    /// Attention scores are divided by the square root of this.
    pub query_pre_attn_scalar: f64,
    /// Soft cap of attention scores: `cap · tanh(score / cap)`.
    pub attn_logit_softcapping: Option<f64>,
    /// Soft cap of logits: `cap · tanh(logit / cap)`.
    pub final_logit_softcapping: Option<f64>,
    /// Whether the LM head is the embeddings; false if the checkpoint stores its own head.
    pub tie_word_embeddings: bool,
    pub bos_token_id: Option<u32>,
    pub eos_token_ids: Vec<u32>,
    /// Query, key and value projections have biases.
    pub attention_bias: bool,
    /// The attention's output projection has a bias.
    pub out_bias: bool,
    pub mlp_bias: bool,
    pub hidden_act: String,
    /// The vision part of a LLaVA model, whose language model this is; `None` for a model of text.
    pub vision: Option<Arc<VisionConfig>>,
    /// The whole file, to write it again for a merge. In a LLaVA model, its `text_config`; the whole is in `vision`.
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
        let Some(layout) = raw.get("model_type").and_then(Value::as_str).and_then(vision::read::layout)
        else {
            return Self::of_decoder(reference, &file, raw);
        };
        let text = vision::read::text_config(&file, &raw)?;
        let mut config = Self::of_decoder(reference, &format!("{file}, text_config"), text)?;
        config.vision = Some(Arc::new(vision::read::read(&file, &raw, layout, config.vocab_size)?));
        Ok(config)
    }

    /// Reads the config of a decoder. `file` names it in errors.
    fn of_decoder(reference: &str, file: &str, raw: Value) -> Result<Self, CheckpointError> {
        let read = ConfigReader { file, raw: &raw };

        let model_type = raw.get("model_type").and_then(Value::as_str).unwrap_or("absent").to_owned();
        let Some(family) = Family::named(&model_type) else {
            return Err(CheckpointError::Family {
                reference: reference.to_owned(),
                family: printable(&model_type),
                known: Family::names()
                    .into_iter()
                    .chain(vision::read::MODEL_TYPES.map(str::to_owned))
                    .collect(),
            });
        };
        read.check_unused(family)?;
        let num_hidden_layers = read.size("num_hidden_layers", family.sizes.layers)?;
        if num_hidden_layers > LAYERS {
            let problem = format!("is {num_hidden_layers}; at most {LAYERS} are read");
            return Err(read.problem("num_hidden_layers", problem));
        }
        let hidden_size = read.size("hidden_size", family.sizes.hidden)?;
        let num_attention_heads = read.size("num_attention_heads", family.sizes.heads)?;
        let num_key_value_heads = read.kv_heads(family, num_attention_heads)?;
        let head_dim = read.head_dim(family, hidden_size, num_attention_heads)?;
        let max_position_embeddings = read.size("max_position_embeddings", family.sizes.positions)?;
        let (sliding_window, windowed) = read.windows(family, num_hidden_layers)?;
        let context = RotaryContext { family, max_positions: max_position_embeddings, windowed: &windowed };
        let (rope, rope_local) = read.rope(&context)?;
        let (query_pre_attn_scalar, attn_logit_softcapping, final_logit_softcapping) =
            read.scores(family, head_dim)?;
        let bias = |bias| match bias {
            Bias::Never => Ok(false),
            Bias::Always => Ok(true),
            Bias::Key(key) => read.flag(key, false),
        };
        let vocab_size = read.size("vocab_size", family.sizes.vocab)?;
        read.check_padding(family, vocab_size)?;
        Ok(Self {
            intermediate_size: read.size("intermediate_size", family.sizes.inner)?,
            num_hidden_layers,
            vocab_size,
            rms_norm_eps: read.share("rms_norm_eps", family.eps)?,
            rope,
            rope_local,
            max_position_embeddings,
            sliding_window,
            windowed,
            query_pre_attn_scalar,
            attn_logit_softcapping,
            final_logit_softcapping,
            head_dim,
            tie_word_embeddings: read.flag("tie_word_embeddings", family.tied)?,
            bos_token_id: read.token("bos_token_id", family.bos)?,
            eos_token_ids: read.tokens("eos_token_id", family.eos)?,
            attention_bias: bias(family.qkv_bias)?,
            out_bias: bias(family.out_bias)?,
            mlp_bias: bias(family.mlp_bias)?,
            hidden_act: read.activation(family)?,
            family,
            model_type,
            hidden_size,
            num_attention_heads,
            num_key_value_heads,
            vision: None,
            raw,
        })
    }
}

impl ConfigReader<'_> {
    fn kv_heads(&self, family: &Family, heads: usize) -> Result<usize, CheckpointError> {
        let key = "num_key_value_heads";
        let found = match self.count(key)? {
            Given::Value(n) => n,
            Given::Absent => family.kv_heads.absent.unwrap_or(heads),
            Given::Null if family.kv_heads.nullable => heads,
            Given::Null => return Err(self.unfit(key, &Value::Null, "a whole number")),
        };
        if heads.is_multiple_of(found) {
            return Ok(found);
        }
        Err(self.problem(key, format!("is {found}, which does not divide the {heads} attention heads")))
    }

    fn head_dim(&self, family: &Family, hidden: usize, heads: usize) -> Result<usize, CheckpointError> {
        if family.whole_heads && !hidden.is_multiple_of(heads) {
            let problem = format!("is {hidden}, which {heads} attention heads do not divide");
            return Err(self.problem("hidden_size", problem));
        }
        match (self.count("head_dim")?, family.head_dim) {
            (Given::Value(n), _) | (Given::Absent, HeadDim::Fixed(n)) => Ok(n),
            (Given::Absent, _) | (Given::Null, HeadDim::Shared) if hidden >= heads => Ok(hidden / heads),
            (Given::Absent, _) | (Given::Null, HeadDim::Shared) => {
                Err(self
                    .problem("hidden_size", format!("is {hidden}, fewer than the {heads} attention heads")))
            }
            (Given::Null, _) => Err(self.unfit("head_dim", &Value::Null, "a whole number")),
        }
    }

    /// `query_pre_attn_scalar`, and the soft caps of scores and logits.
    fn scores(
        &self,
        family: &Family,
        head_dim: usize,
    ) -> Result<(f64, Option<f64>, Option<f64>), CheckpointError> {
        let Some(scores) = family.scores else { return Ok((head_dim as f64, None, None)) };
        let cap = |key: &str, default: Option<f64>| match self.real(key)? {
            Given::Value(0.0) => Err(self.unfit(key, &0.0.into(), "a number other than 0")),
            // The sign of the cap cancels in `cap · tanh(x / cap)`.
            Given::Value(cap) => Ok(Some(cap.abs())),
            Given::Absent => Ok(default),
            Given::Null => Ok(None),
        };
        Ok((
            self.size("query_pre_attn_scalar", scores.scalar as usize)? as f64,
            cap("attn_logit_softcapping", scores.score_cap)?.filter(|_| scores.capped),
            cap("final_logit_softcapping", scores.logit_cap)?,
        ))
    }

    fn activation(&self, family: &Family) -> Result<String, CheckpointError> {
        if family.norm_plus_one
            && self
                .raw
                .get("use_bidirectional_attention")
                .is_some_and(|v| v.as_bool() != Some(false) && !v.is_null())
        {
            let problem = "asks for attention to later tokens too; such a model cannot write".to_owned();
            return Err(self.problem("use_bidirectional_attention", problem));
        }
        let (key, default) = family.activation;
        let found = self.text(key, default)?;
        // Configs of the first Gemma say gelu but mean its tanh formula.
        Ok(if family.model_type == "gemma" && found == "gelu" { default } else { found }.to_owned())
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
        assert!((llama.rope.theta - 10_000.0).abs() < f64::EPSILON);
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
        let mut scaling =
            json!({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0});
        old["rope_scaling"] = scaling.clone();
        let mut new = tiny();
        scaling["rope_theta"] = json!(500_000.0);
        new["rope_parameters"] = scaling;
        for config in [read(&old).unwrap(), read(&new).unwrap()] {
            assert!((config.rope.theta - 500_000.0).abs() < f64::EPSILON);
            assert_eq!((config.rope.kind, config.rope.original), ("llama3", Some(2048.0)));
            assert_eq!(config.rope.parameters["factor"], json!(8.0));
        }
        let mut plain = tiny();
        plain["rope_parameters"] = json!({"rope_type": "default", "rope_theta": 1e6});
        assert_eq!(read(&plain).unwrap().rope, Rotary::plain(1e6));
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
