//! The model families, each a row of data: what its decoder has that another has not.
//!
//! Reader, tensor list and decoder derive from [`FAMILIES`]; a family is added here, with a
//! fixture of `tests/golden/transformers`.

/// Whether a projection has a bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bias {
    Never,
    Always,
    /// As this key of the config says.
    Key(&'static str),
}

/// Which blocks see only the last `sliding_window` positions, where the config does not list them
/// (`layer_types`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Windows {
    /// None, whatever the config says.
    Never,
    /// Every block; a config without the key has this window.
    Every(Option<usize>),
    /// With `use_sliding_window`, those from `max_window_layers` on.
    Upper,
    /// All but every n-th (`sliding_window_pattern`, with this default); a config without
    /// `sliding_window` has 4096.
    AllBut(usize),
}

/// One family's row.
#[derive(Debug, PartialEq)]
pub struct Family {
    /// `model_type` of its `config.json`.
    pub model_type: &'static str,
    /// Biases of the query, key and value projections.
    pub qkv_bias: Bias,
    /// Bias of the attention's output projection.
    pub out_bias: Bias,
    /// Biases of the MLP's projections.
    pub mlp_bias: Bias,
    /// `RMSNorm` over each head's queries and keys (`q_norm`, `k_norm`) before they turn.
    pub qk_norm: bool,
    /// Norms multiply by 1 + w instead of w.
    pub norm_plus_one: bool,
    /// A norm after attention and MLP too, before their output joins the residual stream.
    pub post_norms: bool,
    /// Embeddings are multiplied by √`hidden_size`.
    pub scaled_embedding: bool,
    /// Query, key and value lie in one tensor, gate and up in another.
    pub fused: bool,
    pub windows: Windows,
    /// Blocks with a window turn by `rope_local_base_freq`, unscaled.
    pub local_rope: bool,
    /// What a config without `head_dim` means; `None`: `hidden_size` / heads.
    pub head_dim: Option<usize>,
    /// What a config without `num_key_value_heads` means; `None`: one a query head.
    pub kv_heads: Option<usize>,
    /// What a config without `max_position_embeddings` means.
    pub max_positions: usize,
    /// What a config without `tie_word_embeddings` means.
    pub tied: bool,
    /// What a config without an activation means.
    pub activation: &'static str,
    pub rope_theta: f64,
}

const LLAMA: Family = Family {
    model_type: "llama",
    qkv_bias: Bias::Key("attention_bias"),
    out_bias: Bias::Key("attention_bias"),
    mlp_bias: Bias::Key("mlp_bias"),
    qk_norm: false,
    norm_plus_one: false,
    post_norms: false,
    scaled_embedding: false,
    fused: false,
    windows: Windows::Never,
    local_rope: false,
    head_dim: None,
    kv_heads: None,
    max_positions: 2048,
    tied: false,
    activation: "silu",
    rope_theta: 10_000.0,
};

const PLAIN: Family = Family { qkv_bias: Bias::Never, out_bias: Bias::Never, mlp_bias: Bias::Never, ..LLAMA };

const GEMMA: Family = Family {
    model_type: "gemma",
    qkv_bias: Bias::Key("attention_bias"),
    out_bias: Bias::Key("attention_bias"),
    norm_plus_one: true,
    scaled_embedding: true,
    head_dim: Some(256),
    max_positions: 8192,
    tied: true,
    activation: "gelu_pytorch_tanh",
    ..PLAIN
};

/// Every family that is read, merged and run here.
pub const FAMILIES: [Family; 8] = [
    LLAMA,
    Family {
        model_type: "mistral",
        windows: Windows::Every(Some(4096)),
        kv_heads: Some(8),
        max_positions: 131_072,
        ..PLAIN
    },
    Family {
        model_type: "qwen2",
        qkv_bias: Bias::Always,
        windows: Windows::Upper,
        max_positions: 32_768,
        ..PLAIN
    },
    Family {
        model_type: "qwen3",
        qkv_bias: Bias::Key("attention_bias"),
        out_bias: Bias::Key("attention_bias"),
        qk_norm: true,
        windows: Windows::Upper,
        head_dim: Some(128),
        max_positions: 32_768,
        ..PLAIN
    },
    GEMMA,
    Family { model_type: "gemma2", post_norms: true, windows: Windows::AllBut(2), ..GEMMA },
    Family {
        model_type: "gemma3_text",
        post_norms: true,
        qk_norm: true,
        windows: Windows::AllBut(6),
        local_rope: true,
        max_positions: 131_072,
        rope_theta: 1_000_000.0,
        ..GEMMA
    },
    Family { model_type: "phi3", fused: true, windows: Windows::Every(None), max_positions: 4096, ..PLAIN },
];

impl Family {
    /// The family of that `model_type`.
    #[must_use]
    pub fn named(model_type: &str) -> Option<&'static Self> {
        static TABLE: [Family; FAMILIES.len()] = FAMILIES;
        TABLE.iter().find(|f| f.model_type == model_type)
    }

    /// The names of all, for messages.
    #[must_use]
    pub fn names() -> Vec<String> {
        FAMILIES.iter().map(|f| f.model_type.to_owned()).collect()
    }
}
