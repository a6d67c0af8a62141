//! The numbers of a decoder, checked once, so that nothing after this can be out of range.

use super::{
    LmError,
    rope::{self, Rope},
};
use crate::checkpoint::ModelConfig;

/// Functions of the gate.
const ACTIVATIONS: &str = "silu, gelu, gelu_pytorch_tanh, gelu_new";

/// The function on the MLP's gate, numbered as `rows.cu` numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    Silu = 0,
    /// GELU by its tanh formula.
    GeluTanh = 1,
    /// GELU by the error function.
    Gelu = 2,
}

/// One side of a weight matrix: `count` blocks of `width` features each (heads of a projection,
/// or one block for a plain feature vector). A backend may pad each block as its kernels like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blocks {
    pub count: usize,
    pub width: usize,
}

impl Blocks {
    /// One block of `width` features.
    pub const fn one(width: usize) -> Self {
        Self { count: 1, width }
    }

    /// Features in all.
    pub const fn features(self) -> usize {
        self.count * self.width
    }
}

/// What attention of one layer looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct View {
    /// How many positions back it sees, itself included.
    pub window: Option<usize>,
    /// Place of its rotation among those of all models that run together.
    pub rotation: usize,
}

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
    /// Of each layer.
    pub views: Vec<View>,
    pub tied: bool,
    /// Query, key and value projections have a bias.
    pub qkv_bias: bool,
    /// The attention's output projection has a bias.
    pub out_bias: bool,
    pub mlp_bias: bool,
    /// The rotations that `views` name.
    pub ropes: Vec<Rope>,
    pub activation: Activation,
    /// Factor on attention scores.
    pub score_scale: f32,
    /// Scores, and logits, are squeezed into ± this by a tanh.
    pub score_cap: Option<f32>,
    pub logit_cap: Option<f32>,
    /// Factor on embeddings.
    pub embed_scale: f32,
    /// Added to a norm's stored weight.
    pub norm_offset: f32,
    /// A norm on each head's queries and keys.
    pub qk_norm: bool,
    /// Norms on what attention and MLP give.
    pub post_norms: bool,
    /// Query, key and value are stored as one tensor, gate and up as another.
    pub fused: bool,
}

impl Shape {
    /// Checks a config and takes what the decoder needs of it.
    pub fn new(config: &ModelConfig) -> Result<Self, LmError> {
        let family = config.family;
        let activation = match config.hidden_act.as_str() {
            "silu" | "swish" => Activation::Silu,
            "gelu" | "gelu_python" => Activation::Gelu,
            // One formula under the names that transformers has for it.
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
        let view = |windowed: &bool| View {
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
            views: config.windowed.iter().map(view).collect(),
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
