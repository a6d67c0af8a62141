//! Merges a whole tensor on all threads: by the AVX-512 pass if it gives the same bits, else by the plain pass. A task
//! comes in, the merged bytes go out; `run` calls it.

use rayon::prelude::*;

use super::block::CHUNK_LEN;
use super::task::Task;
use super::{finite, passes};
use crate::checkpoint::Dtype;

impl Task<'_> {
    /// Merges the whole tensor into `out` on all threads. With `stream`, the result bypasses the caches: use it for
    /// outputs that are larger than the caches and not read again at once. Returns the number of non-finite values.
    pub(crate) fn fill(&self, out: &mut [u8], stream: bool) -> usize {
        let chunks = out.par_chunks_mut(2 * CHUNK_LEN).enumerate();
        #[cfg(target_arch = "x86_64")]
        {
            use super::avx512::{self, lowered::Lowered};
            if avx512::available()
                && let Some(lowered) = Lowered::of(self)
            {
                // SAFETY: `available` found every instruction that the pass needs on this CPU.
                chunks.for_each(|(i, out)| unsafe { avx512::run(&lowered, i * CHUNK_LEN, out, stream) });
                // A lowered task cannot overflow.
                return 0;
            }
        }
        let _ = stream;
        let proven = self.stays_finite();
        let run = |(i, out): (usize, &mut [u8])| {
            passes::run(self, i * CHUNK_LEN, out);
            if proven { 0 } else { finite::count(Dtype::BF16, out) }
        };
        chunks.map(run).sum()
    }
}
