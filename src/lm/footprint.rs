//! How many bytes a decoder takes on a device, before anything is read: weights as the device keeps them, and the keys,
//! values and activations of sequences.
//!
//! In: a config, a device, and the type of each stored tensor. Out: bytes. `evaluate` compares them with what is free.
//! The numbers follow the layouts in `backend`; tests compare them with loaded decoders.

use super::{
    Device, LmError,
    backend::{
        Backend,
        candle::Candle,
        cpu::{Cpu, cache::Cache, packed},
    },
    decoding::split,
    shape::{DecoderShape, Features},
};
use crate::checkpoint::{Dtype, ModelConfig};

/// Bytes of a decoder's weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightBytes {
    /// Embedding, final norm and head.
    pub ends: u64,
    /// Each decoder block.
    pub blocks: Vec<u64>,
}

impl WeightBytes {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.ends + self.blocks.iter().sum::<u64>()
    }
}

/// Sequences that are to run at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequences {
    /// Prompts to answer, or sequences to score.
    pub prompts: usize,
    /// Tokens of the longest prompt with its answer.
    pub tokens: usize,
    /// Tokens of the longest prompt.
    pub prompt: usize,
    /// Threads; 0 means one for each core.
    pub threads: usize,
    /// Beams of each answer; 1 without a beam search.
    pub beams: usize,
    /// Whether given continuations are scored, rather than answers written.
    pub scored: bool,
}

/// What sequences take on a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SequenceBytes {
    /// Tokens of the longest sequence: a model's positions are the most.
    pub tokens: usize,
    /// Sequences at once in the batch that is asked for, on all threads together.
    pub sequences: usize,
    /// Bytes of keys, values and activations of that batch.
    pub batch: u64,
    /// Sequences of the smallest batch that can run: an answer on each thread.
    pub least_sequences: usize,
    /// Bytes of the smallest batch.
    pub least: u64,
}

/// How a device keeps weights.
#[derive(Clone, Copy)]
enum Kept {
    /// In the CPU kernels' panels; `rounds` says that all of them are bfloat16.
    Packed { rounds: bool },
    /// Row by row, in numbers of so many bytes; norms and biases are f32.
    Plain { number: usize },
}

impl Kept {
    fn on(device: &Device) -> Self {
        match device {
            Device::Cpu => Self::Packed { rounds: false },
            Device::CpuBf16 => Self::Packed { rounds: true },
            Device::Reference => Self::Plain { number: 4 },
            #[cfg(feature = "cuda")]
            Device::Cuda(_) => Self::Plain { number: 2 },
            #[cfg(test)]
            Device::Emulated(card) => Self::Plain { number: crate::gpu::Driver::format(card).size() },
        }
    }

    /// A weight with these outputs and inputs, made of tensors of these types.
    fn matrix(self, outs: &[Features], ins: Features, types: &[Dtype]) -> usize {
        match self {
            Self::Packed { rounds } => packed::matrix_bytes(outs, ins, types, rounds),
            Self::Plain { number } => outs.iter().map(|o| o.total()).sum::<usize>() * ins.total() * number,
        }
    }

    fn table(self, vocab: usize, hidden: usize, dtype: Dtype) -> usize {
        match self {
            Self::Packed { rounds } => packed::table_bytes(vocab, hidden, dtype, rounds),
            Self::Plain { number } => vocab * hidden * number,
        }
    }

    const fn vector(self, width: usize) -> usize {
        match self {
            Self::Packed { .. } => packed::vector_bytes(width),
            Self::Plain { .. } => width * 4,
        }
    }

    fn bias(self, outs: &[Features]) -> usize {
        match self {
            Self::Packed { .. } => packed::bias_bytes(outs),
            Self::Plain { .. } => outs.iter().map(|b| b.total()).sum::<usize>() * 4,
        }
    }
}

/// Bytes of the weights of a model with this config. `dtype` gives the type of a stored tensor; a missing one counts as
/// f32.
///
/// # Errors
/// A config that no decoder can run.
pub fn weight_bytes(
    config: &ModelConfig,
    device: &Device,
    dtype: &dyn Fn(&str) -> Option<Dtype>,
) -> Result<WeightBytes, LmError> {
    let (shape, kept) = (DecoderShape::new(config)?, Kept::on(device));
    let of = |name: &str| dtype(name).unwrap_or(Dtype::F32);
    let hidden = Features::one(shape.hidden);
    let vocab = [Features::one(shape.vocab)];
    let embedding = of("model.embed_tokens.weight");
    // A tied embedding is the head.
    let head = if shape.tied { embedding } else { of("lm_head.weight") };
    let table = if shape.tied { 0 } else { kept.table(shape.vocab, shape.hidden, embedding) };
    let ends = table + kept.matrix(&vocab, hidden, &[head]) + kept.vector(shape.hidden);
    let blocks = (0..shape.layers).map(|layer| block(&shape, kept, layer, &of) as u64).collect();
    Ok(WeightBytes { ends: ends as u64, blocks })
}

fn block(shape: &DecoderShape, kept: Kept, layer: usize, of: &dyn Fn(&str) -> Dtype) -> usize {
    let (q, kv) = (shape.queries(), shape.keys());
    let (hidden, inner) = (Features::one(shape.hidden), Features::one(shape.intermediate));
    let linear = |parts: &[&str], fused: &str, outs: &[Features], ins: Features, bias: bool| {
        let name = |part: &str| of(&format!("model.layers.{layer}.{part}.weight"));
        let types: Vec<Dtype> = match fused {
            "" => parts.iter().map(|part| name(part)).collect(),
            fused => vec![name(fused)],
        };
        kept.matrix(outs, ins, &types) + if bias { kept.bias(outs) } else { 0 }
    };
    let fused = |name| if shape.fused { name } else { "" };
    let qkv = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"];
    let norms = 2 + if shape.post_norms { 2 } else { 0 };
    let heads = if shape.qk_norm { 2 * kept.vector(shape.head_dim) } else { 0 };
    linear(&qkv, fused("self_attn.qkv_proj"), &[q, kv, kv], hidden, shape.qkv_bias)
        + linear(&["self_attn.o_proj"], "", &[hidden], q, shape.out_bias)
        + linear(
            &["mlp.gate_proj", "mlp.up_proj"],
            fused("mlp.gate_up_proj"),
            &[inner, inner],
            hidden,
            shape.mlp_bias,
        )
        + linear(&["mlp.down_proj"], "", &[hidden], inner, shape.mlp_bias)
        + norms * kept.vector(shape.hidden)
        + heads
}

/// What sequences take with a model of this config that runs `steps` blocks for each token.
///
/// # Errors
/// A config that no decoder can run.
pub fn sequence_bytes(
    config: &ModelConfig,
    device: &Device,
    steps: usize,
    asked: &Sequences,
) -> Result<SequenceBytes, LmError> {
    let shape = DecoderShape::new(config)?;
    let tokens = asked.tokens.clamp(1, shape.max_positions);
    let found = match device {
        Device::Cpu | Device::CpuBf16 => {
            let cpu = Cpu::new();
            let cache = Cache::bytes(&shape, steps, tokens);
            let how = Batching { fastest: &|most| cpu.batch_size(&shape, most), team: cpu.team_pays(&shape) };
            sequences::<Cpu>(&shape, asked, (cache, 4), &how)
        }
        Device::Reference => {
            let cache = 2 * steps * shape.keys().total() * size_of::<f32>() * tokens;
            sequences::<Candle>(&shape, asked, (cache, 4), &Batching::AS_ASKED)
        }
        #[cfg(feature = "cuda")]
        Device::Cuda(_) => on_card::<crate::gpu::Card>(&shape, asked, (steps, tokens), 2),
        #[cfg(test)]
        Device::Emulated(card) => {
            let number = crate::gpu::Driver::format(card).size();
            on_card::<crate::gpu::emulated::Emulated>(&shape, asked, (steps, tokens), number)
        }
    };
    Ok(SequenceBytes { tokens, ..found })
}

#[cfg(any(feature = "cuda", test))]
fn on_card<D: crate::gpu::Driver>(
    shape: &DecoderShape,
    asked: &Sequences,
    (steps, tokens): (usize, usize),
    number: usize,
) -> SequenceBytes {
    use super::backend::cuda::{Cuda, cache_bytes};
    let cache = cache_bytes(shape, number, steps, tokens);
    sequences::<Cuda<D>>(shape, asked, (cache, number), &Batching::AS_ASKED)
}

/// How a backend makes batches.
struct Batching<'a> {
    /// The fastest number of sequences at once, at most a given one.
    fastest: &'a dyn Fn(usize) -> usize,
    /// Whether threads may share the products of a batch.
    team: bool,
}

impl Batching<'_> {
    const AS_ASKED: Self = Self { fastest: &|most| most, team: false };
}

/// As the decoding sizes its batches. `cache` are the bytes of one sequence's keys and values, `number` those of an
/// activation.
fn sequences<B: Backend>(
    shape: &DecoderShape,
    asked: &Sequences,
    (cache, number): (usize, usize),
    how: &Batching<'_>,
) -> SequenceBytes {
    let prompts = asked.prompts.max(1);
    let beams = asked.beams.max(1);
    let at_once = if asked.scored { 1 } else { B::DEFAULT_BATCH / beams };
    let threads = split::count(B::threads(asked.threads), prompts, at_once, how.team);
    let (most, least) = if asked.scored {
        (SCORED_AT_ONCE, 2)
    } else {
        ((how.fastest)(B::DEFAULT_BATCH.min(prompts.div_ceil(threads) * beams)).max(beams), beams)
    };
    // The widest activations of a forward pass over prompts, and the logits of the batch.
    let width =
        5 * shape.hidden + shape.queries().total() + 2 * shape.keys().total() + 3 * shape.intermediate;
    let of = |slots: usize| {
        let rows = PROMPT_ROWS.min(slots.saturating_mul(asked.prompt)).max(slots);
        let rows = rows * width * number + slots * shape.vocab * size_of::<f32>();
        (threads * (slots * cache + rows)) as u64
    };
    // The common beginning of all prompts has a cache of its own.
    let prefix = if prompts > 1 { cache as u64 } else { 0 };
    SequenceBytes {
        sequences: threads * most,
        batch: of(most) + prefix,
        least_sequences: threads * least,
        least: of(least) + prefix,
        ..SequenceBytes::default()
    }
}

/// Sequences that a thread scores at once, and one for what a group has in common.
const SCORED_AT_ONCE: usize = 33;
/// Rows of a forward pass over prompts.
const PROMPT_ROWS: usize = 192;
