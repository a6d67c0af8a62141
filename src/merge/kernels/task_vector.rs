//! A task vector, computed where it is needed from the two mapped tensors.

use std::ops::Range;

use crate::checkpoint::TensorView;

use super::dispatch;
use super::kernel::BLOCK;
use super::round;

/// A task vector where it is computed: `source − base`, rounded to the work type.
#[derive(Clone, Copy)]
pub(crate) struct Delta<'a> {
    pub(crate) base: TensorView<'a>,
    pub(crate) source: TensorView<'a>,
    /// Whether the work type is bfloat16.
    pub(crate) narrow: bool,
}

impl Delta<'_> {
    /// Number of elements.
    pub(crate) fn len(&self) -> usize {
        self.source.len()
    }

    /// One element.
    pub(crate) fn get(&self, at: usize) -> f32 {
        let mut out = [0.0];
        self.read(at, &mut [0.0], &mut out);
        out[0]
    }

    fn read(&self, at: usize, base: &mut [f32], out: &mut [f32]) {
        self.base.read_f32(at, base);
        self.source.read_f32(at, out);
        for (d, b) in out.iter_mut().zip(base) {
            *d = if self.narrow { round::bf16(*d - *b) } else { *d - *b };
        }
    }

    /// Calls `f` with the first flat index and the bins (the upper 15 bits of the magnitudes) of each
    /// block of `range`, in order.
    pub(crate) fn each_block(&self, range: Range<usize>, mut f: impl FnMut(usize, &[u16])) {
        let (mut scratch, mut bins) = ([[0.0; BLOCK]; 2], [0; BLOCK]);
        for at in range.clone().step_by(BLOCK) {
            let n = BLOCK.min(range.end - at);
            dispatch::bins(self, at, &mut scratch, &mut bins[..n]);
            f(at, &bins[..n]);
        }
    }

    /// Calls `f` with flat index and value of each element of `range`, in order.
    pub(crate) fn for_each(&self, range: Range<usize>, mut f: impl FnMut(usize, f32)) {
        self.position(range.clone(), {
            let mut i = range.start;
            move |v| {
                f(i, v);
                i += 1;
                false
            }
        });
    }

    /// Flat index of the first element of `range` for which `found` holds, else the range's end.
    pub(crate) fn position(&self, range: Range<usize>, mut found: impl FnMut(f32) -> bool) -> usize {
        let mut base = [0.0; BLOCK];
        let mut values = [0.0; BLOCK];
        for at in range.clone().step_by(BLOCK) {
            let n = BLOCK.min(range.end - at);
            self.read(at, &mut base[..n], &mut values[..n]);
            if let Some(i) = values[..n].iter().position(|v| found(*v)) {
                return at + i;
            }
        }
        range.end
    }
}
