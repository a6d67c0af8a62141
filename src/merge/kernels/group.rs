//! The inputs of one output tensor, and the passes with which the methods are written. `run` makes a [`Group`]; a
//! method reads it block by block and writes its result to [`Out`].
//!
//! A method reads its inputs block by block in the work type, as often as it needs: first passes that sum (norms, dot
//! products), then one pass that writes. It never allocates a buffer as large as a tensor. Sums are f64 over pieces of
//! fixed size, combined in a fixed order, so that the result does not depend on the number of threads.

use rayon::prelude::*;

use crate::checkpoint::{Dtype, TensorView};

use super::block::{BLOCK_LEN, CHUNK_LEN};
use super::{cast, finite};

/// Inputs of one output tensor, all with the same shape.
#[derive(Clone)]
pub(crate) struct Group<'a> {
    /// In recipe order.
    pub(crate) inputs: Vec<TensorView<'a>>,
    /// Index of the base among the inputs.
    pub(crate) base: Option<usize>,
    pub(crate) shape: &'a [usize],
    /// The type in which the method computes.
    pub(crate) work: Dtype,
}

/// The values of one block of all inputs.
pub(crate) struct InputBlock<'b> {
    /// Flat index of the first element.
    pub(crate) at: usize,
    /// Elements in this block.
    pub(crate) len: usize,
    values: &'b [f32],
}

impl InputBlock<'_> {
    /// One input's values, in the work type.
    pub(crate) fn of(&self, input: usize) -> &[f32] {
        &self.values[input * BLOCK_LEN..input * BLOCK_LEN + self.len]
    }
}

impl Group<'_> {
    /// Number of elements.
    pub(crate) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Length of the last axis, and the number of rows of that length; a vector is one row.
    pub(crate) fn rows(&self) -> (usize, usize) {
        let columns = self.shape.last().copied().unwrap_or(1);
        (self.len().checked_div(columns).unwrap_or(0), columns)
    }

    /// The inputs that are not the base, in recipe order.
    pub(crate) fn others(&self) -> impl Iterator<Item = usize> + Clone {
        let base = self.base;
        (0..self.inputs.len()).filter(move |i| Some(*i) != base)
    }

    /// `x` rounded to the work type.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(crate) fn r(&self, x: f32) -> f32 {
        cast::to(self.work, x)
    }

    /// Rounds a sum to the work type.
    pub(crate) fn r64(&self, x: f64) -> f32 {
        self.r(x as f32)
    }

    /// Calls `f` with each block of `range`, in order.
    pub(crate) fn blocks(&self, range: std::ops::Range<usize>, mut f: impl FnMut(InputBlock<'_>)) {
        let mut values = vec![0.0; BLOCK_LEN * self.inputs.len()];
        for at in range.clone().step_by(BLOCK_LEN) {
            let len = BLOCK_LEN.min(range.end - at);
            for (input, values) in self.inputs.iter().zip(values.chunks_mut(BLOCK_LEN)) {
                cast::load(input, self.work, at, &mut values[..len]);
            }
            f(InputBlock { at, len, values: &values });
        }
    }

    /// Computes `width` sums over all elements: `f` adds the part of one block.
    pub(crate) fn sums(&self, width: usize, f: impl Fn(&InputBlock<'_>, &mut [f64]) + Sync) -> Vec<f64> {
        let n = self.len();
        let parts: Vec<Vec<f64>> = (0..n.div_ceil(CHUNK_LEN))
            .into_par_iter()
            .map(|i| {
                let mut sums = vec![0.0; width];
                self.blocks(i * CHUNK_LEN..n.min((i + 1) * CHUNK_LEN), |block| f(&block, &mut sums));
                sums
            })
            .collect();
        let mut total = vec![0.0; width];
        for part in parts {
            for (t, p) in total.iter_mut().zip(part) {
                *t += p;
            }
        }
        total
    }

    /// Writes the output: `f` fills one block.
    pub(crate) fn write(&self, out: &mut Out<'_>, f: impl Fn(&InputBlock<'_>, &mut [f32]) + Sync) {
        let (dtype, work) = (out.dtype, out.computed);
        let size = dtype.size();
        let pieces = out.data.par_chunks_mut(CHUNK_LEN * size).enumerate();
        let bad = pieces.map(|(i, out)| {
            let start = i * CHUNK_LEN;
            let mut made = [0.0; BLOCK_LEN];
            self.blocks(start..start + out.len() / size, |block| {
                let made = &mut made[..block.len];
                f(&block, made);
                if work != Dtype::F32 {
                    for x in made.iter_mut() {
                        *x = cast::to(work, *x);
                    }
                }
                let at = (block.at - start) * size;
                cast::store(dtype, made, &mut out[at..at + block.len * size]);
            });
            finite::count(dtype, out)
        });
        out.bad = bad.sum();
    }
}

/// Where the result is written.
pub(crate) struct Out<'o> {
    /// The type in which it is stored.
    pub(crate) dtype: Dtype,
    /// The type to which the method's last operation rounds, before it is stored.
    pub(crate) computed: Dtype,
    pub(crate) data: &'o mut [u8],
    /// Number of non-finite values in the result.
    pub(crate) bad: usize,
}
