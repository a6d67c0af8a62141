//! The kernels: compiled from the `.cu` files for one model's heads, and the arguments that each takes.
//!
//! In: a card and an [`AttentionShape`]. Out: [`Kernels`], which `operations` launches. The argument structures match
//! those of the `.cu` files, field by field.

use crate::gpu::{Arguments, Driver, Fault, KernelSource};
use crate::lm::shape::DecoderShape;

/// Threads of a block, in most kernels.
pub(super) const THREADS: u32 = 128;
/// Threads per block in kernels that reduce a whole row or process one number per thread.
pub(super) const WIDE_THREADS: u32 = 256;
/// Rows of a tile in `prefill.cu`.
pub(super) const PREFILL_TILE_ROWS: usize = 32;
/// Numbers that a block of `gate` or `copy` handles.
pub(super) const NUMBERS_PER_BLOCK: usize = 1024;
/// Heads that a block of `rotate` handles.
pub(super) const ROTATE_HEADS: usize = 4;

macro_rules! arguments {
    ($($name:ident { $($field:ident: $type:ty),* })*) => {$(
        // Fields are named as in the kernel.
        #[allow(clippy::struct_field_names)]
        #[derive(Clone, Copy)]
        #[repr(C)]
        pub(super) struct $name { $(pub $field: $type),* }
        // SAFETY: `repr(C)`, numbers and addresses without padding, in the order of the kernel's structure.
        unsafe impl Arguments for $name {}
    )*};
}

arguments! {
    EmbedArgs { table: u64, ids: u64, out: u64, width: u32, unused: u32 }
    AddNormArgs { x: u64, delta: u64, weight: u64, out: u64, width: u32, scale: f32, eps: f32, unused: u32 }
    BiasArgs { x: u64, bias: u64, width: u32, unused: u32 }
    GateArgs { x: u64, out: u64, width: u32, activation: u32 }
    SoftcapArgs { x: u64, count: u64, cap: f32, unused: u32 }
    SelectArgs { x: u64, rows: u64, out: u64, width: u32, unused: u32 }
    WidenArgs { x: u64, out: u64, count: u32, offset: f32 }
    ArgmaxArgs { x: u64, out: u64, stride: u32, width: u32 }
    RotateArgs {
        qkv: u64, keys: u64, values: u64, cos: u64, sin: u64, places: u64, query_norm: u64, key_norm: u64,
        capacity: u32, half: u32, eps: f32, unused: u32
    }
    CopyArgs {
        from: u64, to: u64, from_capacity: u32, to_capacity: u32, from_slots: u32, to_slots: u32,
        from_slot: u32, to_slot: u32, start: u32, length: u32
    }
    DecodeArgs {
        qkv: u64, keys: u64, values: u64, places: u64, out: u64,
        capacity: u32, window: u32, scale: f32, cap: f32
    }
    PrefillArgs {
        qkv: u64, keys: u64, values: u64, tiles: u64, out: u64,
        capacity: u32, window: u32, scale: f32, cap: f32
    }
}

/// The heads that the attention kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AttentionShape {
    pub heads: usize,
    pub kv_heads: usize,
    pub dim: usize,
    /// `dim` rounded up to a multiple of eight: the numbers per head in the cache.
    pub pitch: usize,
    /// Query heads that a block of `decode` handles.
    pub tile: usize,
}

impl AttentionShape {
    pub fn of(shape: &DecoderShape) -> Self {
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

/// In `decode`: the threads that share a key, and how many groups of eight features each thread holds.
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
    pub softcap: D::Kernel,
    pub select: D::Kernel,
    pub widen: D::Kernel,
    pub argmax: D::Kernel,
    pub rotate: D::Kernel,
    pub copy: D::Kernel,
    pub decode: D::Kernel,
    pub prefill: D::Kernel,
}

impl<D: Driver> Kernels<D> {
    pub fn new(card: &D, heads: AttentionShape) -> Result<Self, Fault> {
        let (lanes, packs) = lanes(heads.pitch);
        let defines = [
            ("HEADS", heads.heads),
            ("KV_HEADS", heads.kv_heads),
            ("GROUP", heads.group()),
            ("DIM", heads.dim),
            ("PITCH", heads.pitch),
            ("TILE", heads.tile),
            ("LANES", lanes),
            ("PACKS", packs),
        ]
        .map(|(name, value)| (name, value as u32));
        let of = |name, text, defines, kernels| card.compile(&KernelSource { name, text, defines, kernels });
        let names = ["embed", "add_norm", "add_bias", "gate", "softcap", "select_rows", "widen", "argmax"];
        let rows = concat!(include_str!("real.cu"), include_str!("rows.cu"));
        let rows = of("rows", rows, &[], &names)?;
        let attention = concat!(
            include_str!("real.cu"),
            include_str!("cache.cu"),
            include_str!("decode.cu"),
            include_str!("prefill.cu")
        );
        let attention = of("attention", attention, &defines, &["rotate", "copy", "decode", "prefill"])?;
        let few = || Fault::Failed("fewer kernels were compiled than asked for".to_owned());
        let [embed, add_norm, add_bias, gate, softcap, select, widen, argmax] =
            rows.try_into().map_err(|_| few())?;
        let [rotate, copy, decode, prefill] = attention.try_into().map_err(|_| few())?;
        Ok(Self {
            embed,
            add_norm,
            add_bias,
            gate,
            softcap,
            select,
            widen,
            argmax,
            rotate,
            copy,
            decode,
            prefill,
        })
    }
}
