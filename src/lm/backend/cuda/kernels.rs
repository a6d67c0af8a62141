//! The kernels and what each takes: structures as in the `.cu` files, field by field.

use crate::gpu::{Arguments, Driver, Fault, Source};
use crate::lm::shape::Shape;

/// Threads that a kernel is made for.
pub(super) const ROW: u32 = 128;
pub(super) const WIDE_ROW: u32 = 256;
/// Rows of a tile in `prefill.cu`.
pub(super) const TILE_ROWS: usize = 32;
/// Numbers that a block of `gate`, and of `copy`, takes.
pub(super) const STRETCH: usize = 1024;
/// Heads that a block of `turn` takes.
pub(super) const TURN_HEADS: usize = 4;

macro_rules! arguments {
    ($($name:ident { $($field:ident: $type:ty),* })*) => {$(
        // Fields are called as in the kernel.
        #[allow(clippy::struct_field_names)]
        #[derive(Clone, std::marker::Copy)]
        #[repr(C)]
        pub(super) struct $name { $(pub $field: $type),* }
        // SAFETY: `repr(C)`, numbers and addresses without gaps, in the order of the kernel's structure.
        unsafe impl Arguments for $name {}
    )*};
}

arguments! {
    Embed { table: u64, ids: u64, out: u64, width: u32, unused: u32 }
    AddNorm { x: u64, delta: u64, weight: u64, out: u64, width: u32, scale: f32, eps: f32, unused: u32 }
    Bias { x: u64, bias: u64, width: u32, unused: u32 }
    Gate { x: u64, out: u64, width: u32, activation: u32 }
    Squeeze { x: u64, count: u64, cap: f32, unused: u32 }
    Select { x: u64, rows: u64, out: u64, width: u32, unused: u32 }
    Widen { x: u64, out: u64, count: u32, offset: f32 }
    Argmax { x: u64, out: u64, stride: u32, width: u32 }
    Turn {
        qkv: u64, keys: u64, values: u64, cos: u64, sin: u64, places: u64, query_norm: u64, key_norm: u64,
        capacity: u32, half: u32, eps: f32, unused: u32
    }
    Copy {
        from: u64, to: u64, from_capacity: u32, to_capacity: u32, from_slots: u32, to_slots: u32,
        from_slot: u32, to_slot: u32, start: u32, length: u32
    }
    Decode {
        qkv: u64, keys: u64, values: u64, places: u64, out: u64,
        capacity: u32, window: u32, scale: f32, cap: f32
    }
    Prefill {
        qkv: u64, keys: u64, values: u64, tiles: u64, out: u64,
        capacity: u32, window: u32, scale: f32, cap: f32
    }
}

/// What the kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Made {
    pub heads: usize,
    pub kv_heads: usize,
    pub dim: usize,
    /// `dim` rounded up to eight: a head's numbers in the cache.
    pub pitch: usize,
    /// Query heads of a block of `decode`.
    pub tile: usize,
}

impl Made {
    pub fn of(shape: &Shape) -> Self {
        let (dim, group) = (shape.head_dim, shape.heads / shape.kv_heads);
        let pitch = dim.next_multiple_of(8);
        let (_, packs) = lanes(pitch);
        Self { heads: shape.heads, kv_heads: shape.kv_heads, dim, pitch, tile: group.min((8 / packs).max(1)) }
    }

    /// Query heads that share a key head.
    pub const fn group(self) -> usize {
        self.heads / self.kv_heads
    }
}

/// Threads that hold a key of `decode`, and how many times eight features each.
fn lanes(pitch: usize) -> (usize, usize) {
    let eights = pitch / 8;
    let lanes = eights.next_power_of_two().min(32);
    (lanes, eights.div_ceil(lanes))
}

pub(super) struct Kernels<D: Driver> {
    pub embed: D::Kernel,
    pub add_norm: D::Kernel,
    pub add_bias: D::Kernel,
    pub gate: D::Kernel,
    pub squeeze: D::Kernel,
    pub select: D::Kernel,
    pub widen: D::Kernel,
    pub argmax: D::Kernel,
    pub turn: D::Kernel,
    pub copy: D::Kernel,
    pub decode: D::Kernel,
    pub prefill: D::Kernel,
}

impl<D: Driver> Kernels<D> {
    pub fn new(card: &D, made: Made) -> Result<Self, Fault> {
        let (lanes, packs) = lanes(made.pitch);
        let defines = [
            ("HEADS", made.heads),
            ("KV_HEADS", made.kv_heads),
            ("GROUP", made.group()),
            ("DIM", made.dim),
            ("PITCH", made.pitch),
            ("TILE", made.tile),
            ("LANES", lanes),
            ("PACKS", packs),
        ]
        .map(|(name, value)| (name, value as u32));
        let of = |name, text, defines, kernels| card.compile(&Source { name, text, defines, kernels });
        let names = ["embed", "add_norm", "add_bias", "gate", "squeeze", "select_rows", "widen", "argmax"];
        let rows = concat!(include_str!("real.cu"), include_str!("rows.cu"));
        let rows = of("rows", rows, &[], &names)?;
        let attention = concat!(
            include_str!("real.cu"),
            include_str!("cache.cu"),
            include_str!("decode.cu"),
            include_str!("prefill.cu")
        );
        let attention = of("attention", attention, &defines, &["turn", "copy", "decode", "prefill"])?;
        let few = || Fault::Failed("fewer kernels were compiled than asked for".to_owned());
        let [embed, add_norm, add_bias, gate, squeeze, select, widen, argmax] =
            rows.try_into().map_err(|_| few())?;
        let [turn, copy, decode, prefill] = attention.try_into().map_err(|_| few())?;
        Ok(Self {
            embed,
            add_norm,
            add_bias,
            gate,
            squeeze,
            select,
            widen,
            argmax,
            turn,
            copy,
            decode,
            prefill,
        })
    }
}
