//! The sizes in which passes work through a tensor, and the reading of one block of it as f32.

use crate::checkpoint::TensorView;

/// Elements of one inner block: a few of them fit the first-level cache.
pub(crate) const BLOCK_LEN: usize = 1024;

/// Elements of one parallel chunk of a tensor; fixed, so that sums do not depend on the number of threads.
pub(crate) const CHUNK_LEN: usize = 1 << 16;

/// One inner block of one tensor, as f32. Past the end of a tensor it holds anything.
pub(crate) type Block = [f32; BLOCK_LEN];

/// Elements from `at` on, as f32; asks the memory for the next block meanwhile. Several streams
/// read in turn by small blocks are more than the CPU's own prefetcher follows.
#[inline(always)]
#[allow(clippy::inline_always)] // into the copies of the passes for wide vectors
pub(super) fn load(view: &TensorView<'_>, at: usize, out: &mut [f32]) {
    view.read_f32(at, out);
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let size = view.dtype.size();
        let next = (at + BLOCK_LEN) * size;
        let next = next.min(view.data.len())..(next + BLOCK_LEN * size).min(view.data.len());
        for line in view.data[next].chunks(64) {
            // SAFETY: a prefetch reads nothing and cannot fault; the address is inside `data`.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
        }
    }
}
