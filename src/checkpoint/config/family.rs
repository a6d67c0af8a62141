//! The model families, one row of data each: what the family's decoder has (biases, norms, windows, fused tensors), and
//! the defaults for keys that its `config.json` leaves out. The config reader, the list of tensors and the decoder
//! follow [`FAMILIES`]. A new family needs a row here and a fixture in `tests/golden/transformers`.

/// Whether a projection has a bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bias {
    Never,
    Always,
    /// Given by this key of the config.
    Key(&'static str),
}

/// Which blocks are limited to the last `sliding_window` positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Windows {
    /// No block, whatever the config says.
    Never,
    /// Every block; the value is the window if the config has no such key.
    Every(Option<usize>),
    /// The blocks listed in `layer_types`; without that list, with `use_sliding_window`, the blocks from
    /// `max_window_layers` on. The default of `sliding_window` is 4096.
    Upper,
    /// The blocks listed in `layer_types`; without that list, all but every second. The default of `sliding_window` is
    /// 4096.
    ButSecond,
    /// Like [`Self::ButSecond`], but all except every `sliding_window_pattern`-th block, with this default.
    ButEvery(u32),
}

impl Windows {
    /// Whether the blocks of one model may differ, so that the config may list them.
    #[must_use]
    pub const fn are_listed(self) -> bool {
        matches!(self, Self::Upper | Self::ButSecond | Self::ButEvery(_))
    }
}

/// The meaning of `head_dim` if it is not a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadDim {
    /// Absent or null: `hidden_size` / heads, rounded down.
    Shared,
    /// Absent: `hidden_size` / heads, rounded down; null is refused.
    SharedIfAbsent,
    /// Absent: this number; null is refused.
    Fixed(usize),
}

/// The meaning of `num_key_value_heads` if it is not a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KvHeads {
    /// The value if the key is absent; `None` means one per query head.
    pub absent: Option<usize>,
    /// Whether null is allowed and means one per query head.
    pub nullable: bool,
}

/// Gemma's keys for attention scores and logits, with their defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scores {
    /// `query_pre_attn_scalar`.
    pub scalar: u32,
    /// `attn_logit_softcapping`.
    pub score_cap: Option<f64>,
    /// Whether the score cap is applied: transformers' default attention for Gemma 3 does not apply it.
    pub capped: bool,
    /// `final_logit_softcapping`.
    pub logit_cap: Option<f64>,
}

/// The default sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    pub hidden: usize,
    pub inner: usize,
    pub layers: usize,
    pub heads: usize,
    pub vocab: usize,
    pub positions: usize,
}

/// One family's row. Defaults are those of the family's config class in transformers 5.24.
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
    /// `RMSNorm` over each head's queries and keys (`q_norm`, `k_norm`) before the rotary embedding.
    pub qk_norm: bool,
    /// Norms multiply by 1 + w instead of w.
    pub norm_plus_one: bool,
    /// Further norms after attention and MLP, before their outputs join the residual stream.
    pub post_norms: bool,
    /// Embeddings are multiplied by √`hidden_size`.
    pub scaled_embedding: bool,
    /// Query, key and value are stored as one tensor, gate and up as another.
    pub fused: bool,
    pub windows: Windows,
    /// Blocks with a window have their own rotary parameters.
    pub local_rope: bool,
    /// The config may rotate only a share of a head's features.
    pub partial_rope: bool,
    /// `original_max_position_embeddings` next to the rotary parameters always applies, with this default.
    pub original_positions: Option<usize>,
    pub sizes: Sizes,
    pub head_dim: HeadDim,
    /// `hidden_size` must be a multiple of the heads, even if `head_dim` sets another size.
    pub whole_heads: bool,
    pub kv_heads: KvHeads,
    pub eps: f64,
    /// Gemma's keys for scores and logits, if the family has them.
    pub scores: Option<Scores>,
    /// The default of `tie_word_embeddings`.
    pub tied: bool,
    /// The key of the activation, and its default.
    pub activation: (&'static str, &'static str),
    pub rope_theta: f64,
    pub bos: Option<u32>,
    pub eos: Option<u32>,
    pub pad: Option<i64>,
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
    partial_rope: false,
    original_positions: None,
    sizes: Sizes { hidden: 4096, inner: 11_008, layers: 32, heads: 32, vocab: 32_000, positions: 2048 },
    head_dim: HeadDim::Shared,
    whole_heads: true,
    kv_heads: KvHeads { absent: None, nullable: true },
    eps: 1e-6,
    scores: None,
    tied: false,
    activation: ("hidden_act", "silu"),
    rope_theta: 10_000.0,
    bos: Some(1),
    eos: Some(2),
    pad: None,
};

const PLAIN: Family = Family {
    qkv_bias: Bias::Never,
    out_bias: Bias::Never,
    mlp_bias: Bias::Never,
    whole_heads: false,
    ..LLAMA
};

const QWEN: Family = Family {
    windows: Windows::Upper,
    sizes: Sizes { inner: 22_016, vocab: 151_936, positions: 32_768, ..LLAMA.sizes },
    head_dim: HeadDim::SharedIfAbsent,
    kv_heads: KvHeads { absent: Some(32), nullable: true },
    bos: None,
    eos: None,
    ..PLAIN
};

const GEMMA: Family = Family {
    model_type: "gemma",
    qkv_bias: Bias::Key("attention_bias"),
    out_bias: Bias::Key("attention_bias"),
    norm_plus_one: true,
    scaled_embedding: true,
    sizes: Sizes { hidden: 3072, inner: 24_576, layers: 28, heads: 16, vocab: 256_000, positions: 8192 },
    head_dim: HeadDim::Fixed(256),
    kv_heads: KvHeads { absent: Some(16), nullable: false },
    tied: true,
    activation: ("hidden_act", "gelu_pytorch_tanh"),
    bos: Some(2),
    eos: Some(1),
    pad: Some(0),
    ..PLAIN
};

const GEMMA2: Family = Family {
    model_type: "gemma2",
    post_norms: true,
    windows: Windows::ButSecond,
    sizes: Sizes { hidden: 2304, inner: 9216, layers: 26, heads: 8, ..GEMMA.sizes },
    whole_heads: true,
    kv_heads: KvHeads { absent: Some(4), nullable: false },
    scores: Some(Scores { scalar: 256, score_cap: Some(50.0), capped: true, logit_cap: Some(30.0) }),
    activation: ("hidden_activation", "gelu_pytorch_tanh"),
    ..GEMMA
};

/// Every supported family.
pub const FAMILIES: [Family; 8] = [
    LLAMA,
    Family {
        model_type: "mistral",
        windows: Windows::Every(Some(4096)),
        sizes: Sizes { inner: 14_336, positions: 131_072, ..LLAMA.sizes },
        kv_heads: KvHeads { absent: Some(8), nullable: false },
        ..PLAIN
    },
    Family { model_type: "qwen2", qkv_bias: Bias::Always, ..QWEN },
    Family {
        model_type: "qwen3",
        qkv_bias: Bias::Key("attention_bias"),
        out_bias: Bias::Key("attention_bias"),
        qk_norm: true,
        head_dim: HeadDim::Fixed(128),
        ..QWEN
    },
    GEMMA,
    GEMMA2,
    Family {
        model_type: "gemma3_text",
        qk_norm: true,
        windows: Windows::ButEvery(6),
        local_rope: true,
        sizes: Sizes { vocab: 262_208, positions: 131_072, ..GEMMA2.sizes },
        scores: Some(Scores { scalar: 256, score_cap: None, capped: false, logit_cap: None }),
        rope_theta: 1_000_000.0,
        ..GEMMA2
    },
    Family {
        model_type: "phi3",
        fused: true,
        windows: Windows::Every(None),
        partial_rope: true,
        original_positions: Some(4096),
        sizes: Sizes { hidden: 3072, inner: 8192, vocab: 32_064, positions: 4096, ..LLAMA.sizes },
        head_dim: HeadDim::SharedIfAbsent,
        eps: 1e-5,
        eos: Some(32_000),
        pad: Some(32_000),
        ..PLAIN
    },
];

impl Family {
    /// The family with this `model_type`.
    #[must_use]
    pub fn named(model_type: &str) -> Option<&'static Self> {
        static TABLE: [Family; FAMILIES.len()] = FAMILIES;
        TABLE.iter().find(|f| f.model_type == model_type)
    }

    /// The names of all families, for messages.
    #[must_use]
    pub fn names() -> Vec<String> {
        FAMILIES.iter().map(|f| f.model_type.to_owned()).collect()
    }
}
