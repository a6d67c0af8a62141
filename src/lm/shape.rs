//! A decoder's sizes and constants, taken from a checkpoint's config.
//!
//! In: a [`ModelConfig`]. Out: a [`DecoderShape`] with checked numbers, so that backends need not check them again.
//! Called when a decoder is loaded.

use super::{
    LmError,
    rope::{self, Rope},
};
use crate::checkpoint::ModelConfig;

/// Listed in the error for an unsupported activation.
const ACTIVATIONS: &str = "silu, gelu, gelu_pytorch_tanh, gelu_new";

/// The function on the MLP's gate. The numbers match `backend/cuda/rows.cu`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    Silu = 0,
    /// GELU by its tanh formula.
    GeluTanh = 1,
    /// GELU by the error function.
    Gelu = 2,
}

/// The features on one side of a weight matrix: blocks of equal width. A projection to heads has a block
/// for each head, anything else a single block. A backend may pad each block for its kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Features {
    pub blocks: usize,
    pub width: usize,
}

impl Features {
    /// A single block of `width` features.
    pub const fn one(width: usize) -> Self {
        Self { blocks: 1, width }
    }

    /// The number of features.
    pub const fn total(self) -> usize {
        self.blocks * self.width
    }
}

/// Attention settings that may differ between layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LayerAttention {
    /// Sliding window: number of visible positions, including the current one. `None` means all.
    pub window: Option<usize>,
    /// Index of its rotation among the ropes of the models that run together.
    pub rotation: usize,
}

/// Sizes and constants of a decoder.
#[derive(Clone, Debug)]
pub(crate) struct DecoderShape {
    pub layers: usize,
    pub hidden: usize,
    pub intermediate: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    pub vocab: usize,
    /// Added to the mean square in every norm.
    pub eps: f32,
    /// Positions that the model was trained for; sequences end there.
    pub max_positions: usize,
    /// Attention settings of each layer.
    pub attention: Vec<LayerAttention>,
    pub tied: bool,
    /// Query, key and value projections have a bias.
    pub qkv_bias: bool,
    /// The attention's output projection has a bias.
    pub out_bias: bool,
    pub mlp_bias: bool,
    /// The rotations that `attention` refers to.
    pub ropes: Vec<Rope>,
    pub activation: Activation,
    /// Factor on attention scores.
    pub score_scale: f32,
    /// Soft caps of attention scores and of logits: `cap · tanh(x / cap)`.
    pub score_cap: Option<f32>,
    pub logit_cap: Option<f32>,
    /// Factor on embeddings.
    pub embed_scale: f32,
    /// Added to every stored norm weight.
    pub norm_offset: f32,
    /// A norm on each head's queries and keys.
    pub qk_norm: bool,
    /// Norms on the outputs of attention and MLP.
    pub post_norms: bool,
    /// Query, key and value are stored as one tensor, gate and up as another.
    pub fused: bool,
}

impl DecoderShape {
    /// Checks a config and takes what the decoder needs.
    ///
    /// # Errors
    /// [`LmError::Unsupported`] for an activation that no backend has, [`LmError::Config`] for numbers that
    /// are zero, too large or contradict each other.
    pub fn new(config: &ModelConfig) -> Result<Self, LmError> {
        let family = config.family;
        let activation = match config.hidden_act.as_str() {
            "silu" | "swish" => Activation::Silu,
            "gelu" | "gelu_python" => Activation::Gelu,
            // transformers has several names for this formula.
            "gelu_pytorch_tanh" | "gelu_python_tanh" | "gelu_new" | "gelu_fast" | "gelu_accurate" => {
                Activation::GeluTanh
            }
            other => {
                return Err(LmError::Unsupported {
                    key: "hidden_act".to_owned(),
                    value: other.to_owned(),
                    supported: ACTIVATIONS,
                });
            }
        };
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
        let ropes = Rope::of(config)?;
        let attention = |windowed: &bool| LayerAttention {
            window: config.sliding_window.filter(|_| *windowed).map(|w| w.max(1)),
            rotation: if *windowed { ropes.len() - 1 } else { 0 },
        };
        Ok(Self {
            layers: config.num_hidden_layers,
            hidden: config.hidden_size,
            intermediate: config.intermediate_size,
            heads: config.num_attention_heads,
            kv_heads: config.num_key_value_heads,
            head_dim: config.head_dim,
            vocab: config.vocab_size,
            eps: config.rms_norm_eps as f32,
            max_positions: rope::positions(config),
            attention: config.windowed.iter().map(attention).collect(),
            tied: config.tie_word_embeddings,
            qkv_bias: config.attention_bias,
            out_bias: config.out_bias,
            mlp_bias: config.mlp_bias,
            ropes,
            activation,
            score_scale: 1.0 / (config.query_pre_attn_scalar as f32).sqrt(),
            score_cap: config.attn_logit_softcapping.map(|c| c as f32),
            logit_cap: config.final_logit_softcapping.map(|c| c as f32),
            embed_scale: if family.scaled_embedding { (config.hidden_size as f32).sqrt() } else { 1.0 },
            norm_offset: if family.norm_plus_one { 1.0 } else { 0.0 },
            qk_norm: family.qk_norm,
            post_norms: family.post_norms,
            fused: family.fused,
        })
    }

    /// Number of weights that multiply each token, without norms and biases.
    pub const fn parameters(&self) -> usize {
        let heads = 2 * self.queries().total() + 2 * self.keys().total();
        self.layers * self.hidden * (heads + 3 * self.intermediate) + self.vocab * self.hidden
    }

    /// Query heads as features of a projection.
    pub const fn queries(&self) -> Features {
        Features { blocks: self.heads, width: self.head_dim }
    }

    /// Key (or value) heads as features of a projection.
    pub const fn keys(&self) -> Features {
        Features { blocks: self.kv_heads, width: self.head_dim }
    }
}
