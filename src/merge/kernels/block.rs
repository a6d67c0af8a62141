//! The sizes in which passes split a tensor, and the reading of one block as f32. The passes and `group` use them.

use crate::checkpoint::TensorView;

/// Elements of one inner block; a few blocks fit the first-level cache.
pub(crate) const BLOCK_LEN: usize = 1024;

/// Elements of one parallel chunk of a tensor. The size is fixed, so that sums do not depend on the number of threads.
pub(crate) const CHUNK_LEN: usize = 1 << 16;

/// One inner block of one tensor, as f32. Values past the end of the tensor are undefined.
pub(crate) type Block = [f32; BLOCK_LEN];

/// Reads elements from `at` on as f32 and prefetches the next block. The CPU's own prefetcher cannot follow several
/// streams that are read in turn by small blocks.
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
