//! The number formats of packed weights. A tensor comes in; its numbers in one of these formats go out. `matrix` and
//! `rows` store weights in them.

use crate::checkpoint::{Dtype, TensorView};

/// Input features are padded to this in a 16-bit format: the depth of a tile of AMX.
const NARROW_DEPTH: usize = 32;
/// Numbers that are converted or packed at a time.
pub(super) const AT_ONCE: usize = 64;

/// The number format of packed weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    F32,
    Bf16,
    F16,
}

impl Format {
    /// The format for a tensor of this type: its own, or bfloat16 where the backend rounds.
    pub const fn of(dtype: Dtype, rounds: bool) -> Self {
        match dtype {
            _ if rounds => Self::Bf16,
            Dtype::F32 => Self::F32,
            Dtype::BF16 => Self::Bf16,
            Dtype::F16 => Self::F16,
        }
    }

    /// Bytes of a number.
    pub const fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::Bf16 | Self::F16 => 2,
        }
    }

    /// A number of a 16-bit format as f32.
    pub fn widened(self, bits: u16) -> f32 {
        match self {
            Self::F16 => half::f16::from_bits(bits).to_f32(),
            Self::Bf16 | Self::F32 => half::bf16::from_bits(bits).to_f32(),
        }
    }

    /// Input features of a panel, for `depth` padded ones.
    pub const fn depth(self, depth: usize) -> usize {
        match self {
            Self::F32 => depth,
            Self::Bf16 | Self::F16 => depth.next_multiple_of(NARROW_DEPTH),
        }
    }
}

/// Numbers of a tensor in a 16-bit format.
pub(crate) fn read_narrow(weight: &TensorView, format: Format, start: usize, out: &mut [u16]) {
    if (weight.dtype, format) == (Dtype::BF16, Format::Bf16)
        || (weight.dtype, format) == (Dtype::F16, Format::F16)
    {
        let bytes = &weight.data[2 * start..2 * (start + out.len())];
        out.iter_mut().zip(bytes.as_chunks::<2>().0).for_each(|(o, b)| *o = u16::from_le_bytes(*b));
        return;
    }
    let mut values = [0.0; AT_ONCE];
    for (part, out) in out.chunks_mut(AT_ONCE).enumerate() {
        let values = &mut values[..out.len()];
        weight.read_f32(start + part * AT_ONCE, values);
        out.iter_mut().zip(values).for_each(|(o, v)| *o = half::bf16::from_f32(*v).to_bits());
    }
}
