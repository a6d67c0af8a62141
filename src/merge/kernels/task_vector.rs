//! A task vector, source − base, computed on the fly from the two mapped tensors, without a buffer as large as a
//! tensor. `trim`, `mask_l1` and `parity::prune` read it block by block.

use std::ops::Range;

use crate::checkpoint::{Dtype, TensorView};

use super::block::{BLOCK_LEN, Block, load};
use super::dispatch::for_every_width;
use super::selection::magnitude;
use super::{cast, round};

/// `source − base`, rounded to the work type.
#[derive(Clone, Copy)]
pub(crate) struct TaskVector<'a> {
    pub(crate) base: TensorView<'a>,
    pub(crate) source: TensorView<'a>,
    /// The type in which the merge computes.
    pub(crate) work: Dtype,
}

impl TaskVector<'_> {
    /// Number of elements.
    pub(crate) fn len(&self) -> usize {
        self.source.len()
    }

    /// Whether the work type is bfloat16.
    pub(crate) fn is_bf16(&self) -> bool {
        self.work == Dtype::BF16
    }

    /// The element at one flat index.
    pub(crate) fn get(&self, at: usize) -> f32 {
        let mut out = [0.0];
        self.read(at, &mut out);
        out[0]
    }

    /// Reads elements from `at` on.
    pub(crate) fn read(&self, at: usize, out: &mut [f32]) {
        let mut base = [0.0; BLOCK_LEN];
        for (i, out) in out.chunks_mut(BLOCK_LEN).enumerate() {
            let base = &mut base[..out.len()];
            cast::load(&self.base, self.work, at + i * BLOCK_LEN, base);
            cast::load(&self.source, self.work, at + i * BLOCK_LEN, out);
            for (d, b) in out.iter_mut().zip(base) {
                *d = cast::to(self.work, *d - *b);
            }
        }
    }

    /// Calls `f` for each block of `range`, in order, with the first flat index and the bins (the upper 15 bits of the
    /// magnitudes). Base and source must already be stored in the work type.
    pub(crate) fn each_block(&self, range: Range<usize>, mut f: impl FnMut(usize, &[u16])) {
        let (mut scratch, mut out) = ([[0.0; BLOCK_LEN]; 2], [0; BLOCK_LEN]);
        for at in range.clone().step_by(BLOCK_LEN) {
            let n = BLOCK_LEN.min(range.end - at);
            bins(self, at, &mut scratch, &mut out[..n]);
            f(at, &out[..n]);
        }
    }

    /// Calls `f` with the flat index and value of each element of `range`, in order.
    pub(crate) fn for_each(&self, range: Range<usize>, mut f: impl FnMut(usize, f32)) {
        let mut values = [0.0; BLOCK_LEN];
        for at in range.clone().step_by(BLOCK_LEN) {
            let values = &mut values[..BLOCK_LEN.min(range.end - at)];
            self.read(at, values);
            for (i, value) in (at..).zip(values) {
                f(i, *value);
            }
        }
    }
}

for_every_width! {
    /// The upper 15 bits of the magnitudes of the elements from `at` on, at most [`BLOCK_LEN`]. The content of
    /// `scratch` does not matter.
    fn bins(of: &TaskVector<'_>, at: usize, scratch: &mut [Block; 2], out: &mut [u16]) => bins_pass;
}

#[inline(always)]
#[allow(clippy::inline_always)] // into the copies for wide vectors
fn bins_pass(of: &TaskVector<'_>, at: usize, [base, values]: &mut [Block; 2], out: &mut [u16]) {
    load(&of.base, at, &mut base[..out.len()]);
    load(&of.source, at, &mut values[..out.len()]);
    subtract(of.work, base, values);
    for (o, v) in out.iter_mut().zip(&*values) {
        *o = (magnitude(*v) >> 16) as u16;
    }
}

/// Replaces x by δ = R(x − b), where R rounds to the work type.
#[inline(always)]
#[allow(clippy::inline_always)]
pub(super) fn subtract(work: Dtype, base: &Block, values: &mut Block) {
    match work {
        Dtype::BF16 => subtract_bf16::<true>(base, values),
        Dtype::F32 => subtract_bf16::<false>(base, values),
        Dtype::F16 => {
            subtract_bf16::<false>(base, values);
            for v in values {
                *v = cast::to(Dtype::F16, *v);
            }
        }
    }
}

/// Replaces x by δ = R(x − b), where R rounds to bfloat16 if `NARROW`.
#[inline(always)]
#[allow(clippy::inline_always)]
pub(super) fn subtract_bf16<const NARROW: bool>(base: &Block, values: &mut Block) {
    for j in 0..BLOCK_LEN {
        values[j] = round::work::<NARROW>(values[j] - base[j]);
    }
}
