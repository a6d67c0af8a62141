//! Which elements of a task vector stay in a merge: all, the largest, those selected by a hash, or those on a list.
//!
//! `trim` finds the cut for the largest, `mask` hashes for DARE, `parity::prune` makes lists. The passes apply a
//! [`Selection`] block by block.

use super::block::{BLOCK_LEN, Block};
use super::mask::Key;

/// Keeps the largest elements: all magnitudes above `key`, and magnitudes equal to `key` up to flat index `last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) key: u32,
    pub(crate) last: usize,
}

/// Which elements of a task vector stay, and the factor that multiplies them.
#[derive(Clone, Debug)]
pub(crate) enum Selection {
    All,
    Largest(Cut),
    /// Keeps elements whose 16-bit hash is below a threshold, and rescales them.
    Hashed {
        key: Key,
        below: u32,
        scale: Option<f32>,
    },
    /// One byte per element, 0 or 1; the kept elements are rescaled.
    Listed {
        keep: Vec<u8>,
        scale: Option<f32>,
    },
}

/// The bits of |value|; they sort like |value|.
#[inline(always)]
#[allow(clippy::inline_always)] // into the copies of the passes for wide vectors
pub(crate) fn magnitude(value: f32) -> u32 {
    value.to_bits() & 0x7fff_ffff
}

/// All bits set if `keep`. A mask instead of a branch: the branch would be unpredictable.
#[inline(always)]
#[allow(clippy::inline_always)]
pub(super) fn ones(keep: bool) -> u32 {
    u32::from(keep).wrapping_neg()
}

impl Selection {
    /// The factor on the elements that stay.
    pub(crate) fn scale(&self) -> Option<f32> {
        match self {
            Self::All | Self::Largest(_) => None,
            Self::Hashed { scale, .. } | Self::Listed { scale, .. } => *scale,
        }
    }

    /// Zeroes the elements that do not stay, in a block whose first element has flat index `at`.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(super) fn apply(&self, at: usize, values: &mut Block) {
        match self {
            Self::All => {}
            Self::Largest(cut) => {
                let ties = if cut.last < at { 0 } else { (cut.last - at + 1).min(BLOCK_LEN) as u32 };
                for (j, v) in (0_u32..).zip(values.iter_mut()) {
                    // Magnitudes have 31 bits, so signed comparisons work; vector instructions only have signed ones.
                    let m = magnitude(*v) as i32;
                    let above = ones(m > cut.key as i32);
                    let tie = ones(m == cut.key as i32) & ones((j as i32) < ties as i32);
                    *v = f32::from_bits(v.to_bits() & (above | tie));
                }
            }
            Self::Hashed { key, below, .. } => {
                let (key, below, first) = (key.at(at >> 1), *below, (at >> 1) as u32);
                for (p, pair) in (0_u32..).zip(values.as_chunks_mut::<2>().0) {
                    let hash = key.pair(first.wrapping_add(p));
                    pair[0] = f32::from_bits(pair[0].to_bits() & ones(hash & 0xffff < below));
                    pair[1] = f32::from_bits(pair[1].to_bits() & ones(hash >> 16 < below));
                }
            }
            Self::Listed { keep, .. } => {
                for (v, keep) in values.iter_mut().zip(&keep[at..]) {
                    *v = f32::from_bits(v.to_bits() & u32::from(*keep).wrapping_neg());
                }
            }
        }
    }
}
