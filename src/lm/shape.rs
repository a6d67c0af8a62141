//! The numbers of a decoder, checked once, so that nothing after this can be out of range.

use super::{LmError, ops::Blocks, rope::Rope};
use crate::checkpoint::ModelConfig;

/// Families whose blocks are what this decoder runs: `RMSNorm`, rotary attention, `SwiGLU`.
const FAMILIES: &str = "llama, mistral";

/// Sizes and constants of a decoder.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub layers: usize,
    pub hidden: usize,
    pub intermediate: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    pub vocab: usize,
    /// Added to the mean square in every norm.
    pub eps: f32,
    /// Positions that the model was made for; sequences end there.
    pub max_positions: usize,
    /// How many positions back attention sees, itself included.
    pub window: Option<usize>,
    pub tied: bool,
    /// Query, key and value projections have a bias.
    pub qkv_bias: bool,
    /// The attention's output projection has a bias.
    pub out_bias: bool,
    pub mlp_bias: bool,
    pub rope: Rope,
    /// Place of `rope` among the rotations of all models that run together.
    pub rotation: usize,
}

impl Shape {
    /// Checks a config and takes what the decoder needs of it.
    pub fn new(config: &ModelConfig) -> Result<Self, LmError> {
        let family = config.model_type.as_str();
        let llama = match family {
            "llama" => true,
            "mistral" => false,
            _ => return Err(unsupported("model_type", family, FAMILIES)),
        };
        if config.hidden_act != "silu" {
            return Err(unsupported("hidden_act", &config.hidden_act, "silu"));
        }
        for (key, n) in [
            ("hidden_size", config.hidden_size),
            ("intermediate_size", config.intermediate_size),
            ("num_hidden_layers", config.num_hidden_layers),
            ("num_attention_heads", config.num_attention_heads),
            ("num_key_value_heads", config.num_key_value_heads),
            ("head_dim", config.head_dim),
            ("vocab_size", config.vocab_size),
            ("max_position_embeddings", config.max_position_embeddings),
        ] {
            if n == 0 || n > 1 << 28 {
                return Err(LmError::Config(format!("{key} is {n}")));
            }
        }
        if !config.num_attention_heads.is_multiple_of(config.num_key_value_heads) {
            return Err(LmError::Config(format!(
                "num_attention_heads = {} is not a multiple of num_key_value_heads = {}",
                config.num_attention_heads, config.num_key_value_heads
            )));
        }
        if !config.head_dim.is_multiple_of(2) {
            return Err(LmError::Config(format!(
                "head_dim = {} is odd, rotary positions need pairs",
                config.head_dim
            )));
        }
        Ok(Self {
            layers: config.num_hidden_layers,
            hidden: config.hidden_size,
            intermediate: config.intermediate_size,
            heads: config.num_attention_heads,
            kv_heads: config.num_key_value_heads,
            head_dim: config.head_dim,
            vocab: config.vocab_size,
            eps: config.rms_norm_eps as f32,
            max_positions: config.max_position_embeddings,
            window: config.sliding_window.filter(|_| !llama).map(|w| w.max(1)),
            tied: config.tie_word_embeddings,
            qkv_bias: llama && config.attention_bias,
            out_bias: llama && config.attention_bias,
            mlp_bias: llama && config.mlp_bias,
            rope: Rope::new(config)?,
            rotation: 0,
        })
    }

    /// Weights that a token meets, norms and biases left out.
    pub const fn parameters(&self) -> usize {
        let heads = 2 * self.queries().features() + 2 * self.keys().features();
        self.layers * self.hidden * (heads + 3 * self.intermediate) + self.vocab * self.hidden
    }

    /// Query heads as features of a projection.
    pub const fn queries(&self) -> Blocks {
        Blocks { count: self.heads, width: self.head_dim }
    }

    /// Key (or value) heads as features of a projection.
    pub const fn keys(&self) -> Blocks {
        Blocks { count: self.kv_heads, width: self.head_dim }
    }
}

fn unsupported(key: &str, value: &str, supported: &'static str) -> LmError {
    LmError::Unsupported { key: key.to_owned(), value: value.to_owned(), supported }
}
