//! The source of a merge's random numbers: mergekit's one stream, or a hash of seed, tensor, source and element.
//! `merged` and the exports choose one; `select` and `methods` draw from it.

use crate::recipe::{MaskStream, Method};

use crate::merge::kernels::mask::Key;
use crate::merge::methods::{self, Rule, SAMPLE, Sparsify};
use crate::merge::parity::mt19937::Mt19937;
use crate::merge::parity::prune::Draw;
use crate::merge::plan::planned::Plan;

/// The source of a merge's random numbers.
pub(crate) enum RandomSource<'a> {
    /// mergekit's one stream, which needs tensors in the order of their names.
    Stream(&'a mut Mt19937),
    /// A number for each (seed, tensor, source, element).
    Counter(u64),
}

impl Plan {
    /// Whether the method draws random numbers.
    pub(crate) fn draws(&self) -> bool {
        let sparsify = match methods::rule(self.method) {
            Rule::Family { sparsify, .. } => sparsify,
            Rule::Whole(_) => Sparsify::Nothing,
        };
        matches!(sparsify, Sparsify::AtRandom | Sparsify::ByRank)
            || self.method == Method::ArceeFusion && self.tensors.iter().any(|t| t.len() > SAMPLE)
    }

    /// Whether tensors must be merged in one fixed order, because their random numbers are one stream.
    pub(crate) fn one_stream(&self) -> bool {
        self.mask == MaskStream::Mergekit && self.draws()
    }
}

impl RandomSource<'_> {
    /// The random numbers for the mask of one source; `place` is the index among the sources.
    pub(super) fn draw(&mut self, tensor: &str, place: usize) -> Draw<'_> {
        match self {
            Self::Stream(stream) => Draw::Stream(stream),
            Self::Counter(seed) => Draw::Hash(Key::new(*seed, tensor, place)),
        }
    }

    /// Draws [`SAMPLE`] indices below `n`, with replacement.
    pub(super) fn sample(&mut self, tensor: &str, n: usize) -> Vec<u32> {
        match self {
            Self::Stream(stream) => (0..SAMPLE).map(|_| stream.below(n as u64) as u32).collect(),
            Self::Counter(seed) => {
                let key = Key::new(*seed, tensor, 0);
                (0..SAMPLE as u32).map(|i| ((u64::from(key.pair(i)) * n as u64) >> 32) as u32).collect()
            }
        }
    }
}
