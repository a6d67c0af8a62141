//! The passes of `kernel`, compiled once for each width of vectors, the pass of `fused`, and the choice
//! among them. All their operations are exact IEEE ones (fused multiply-adds included), so every copy gives
//! the same bits.

use std::ops::Range;

use rayon::prelude::*;

#[cfg(target_arch = "x86_64")]
use super::avx512;
#[cfg(target_arch = "x86_64")]
use super::count_avx512;
use super::exponents::Extent;
use super::finite;
#[cfg(target_arch = "x86_64")]
use super::fused::Fused;
use super::guess::{self, AtLeast};
use super::kernel::{self, BLOCK, Block, Keep, Task};
use super::mask_l1::Grid;
use super::task_vector::Delta;
use crate::checkpoint::Dtype;
use crate::merge::parity::mt19937::Twister;
use crate::merge::plan::pool::CHUNK;

impl Task<'_> {
    /// Merges the whole tensor into `out`, on all threads. With `stream` the result is written past
    /// the caches: for outputs larger than they are, that are not read again at once. Gives the number of
    /// values that are not finite.
    pub(crate) fn fill(&self, out: &mut [u8], stream: bool) -> usize {
        let pieces = out.par_chunks_mut(2 * CHUNK).enumerate();
        #[cfg(target_arch = "x86_64")]
        if avx512::available()
            && let Some(fused) = Fused::of(self)
        {
            // SAFETY: the CPU has what it needs.
            pieces.for_each(|(i, out)| unsafe { avx512::run(&fused, i * CHUNK, out, stream) });
            // A task with which that pass agrees cannot overflow.
            return 0;
        }
        let _ = stream;
        let proven = self.stays_finite();
        let run = |(i, out): (usize, &mut [u8])| {
            self.run(i * CHUNK, out);
            if proven { 0 } else { finite::count(Dtype::BF16, out) }
        };
        pieces.map(run).sum()
    }

    /// Merges elements `start..start + out.len() / 2` into `out`, as little-endian bfloat16.
    /// `start` is a multiple of [`BLOCK`].
    pub(crate) fn run(&self, start: usize, out: &mut [u8]) {
        #[cfg(target_arch = "x86_64")]
        match vectors() {
            // SAFETY: `vectors` found the features on this CPU.
            Vectors::Wide => return unsafe { run_avx512(self, start, out) },
            // SAFETY: as above.
            Vectors::Half => return unsafe { run_avx2(self, start, out) },
            Vectors::Plain => {}
        }
        kernel::run(self, start, out);
    }
}

/// Which copy of the passes this CPU can run.
#[cfg(target_arch = "x86_64")]
enum Vectors {
    /// 512 bits: AVX-512 F, BW, DQ, VL.
    Wide,
    /// 256 bits: AVX2 and FMA.
    Half,
    Plain,
}

#[cfg(target_arch = "x86_64")]
fn vectors() -> Vectors {
    if is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
    {
        Vectors::Wide
    } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        Vectors::Half
    } else {
        Vectors::Plain
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
fn run_avx512(task: &Task<'_>, start: usize, out: &mut [u8]) {
    kernel::run(task, start, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_avx2(task: &Task<'_>, start: usize, out: &mut [u8]) {
    kernel::run(task, start, out);
}

/// Extent of little-endian bfloat16.
pub(crate) fn extent(data: &[u8]) -> Extent {
    #[cfg(target_arch = "x86_64")]
    if matches!(vectors(), Vectors::Wide) {
        // SAFETY: `vectors` found the features on this CPU.
        return unsafe { extent_avx512(data) };
    }
    Extent::of_bf16(data)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw")]
fn extent_avx512(data: &[u8]) -> Extent {
    Extent::of_bf16(data)
}

/// See [`Twister::bernoulli`].
pub(crate) fn bernoulli(stream: &mut Twister, density: f32, count: usize) -> Vec<u8> {
    #[cfg(target_arch = "x86_64")]
    if matches!(vectors(), Vectors::Wide) {
        // SAFETY: `vectors` found the features on this CPU.
        return unsafe { bernoulli_avx512(stream, density, count) };
    }
    stream.drawn(density, count)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn bernoulli_avx512(stream: &mut Twister, density: f32, count: usize) -> Vec<u8> {
    stream.drawn(density, count)
}

/// See [`kernel::bins`].
pub(crate) fn bins(delta: &Delta<'_>, at: usize, scratch: &mut [Block; 2], out: &mut [u16]) {
    #[cfg(target_arch = "x86_64")]
    match vectors() {
        // SAFETY: `vectors` found the features on this CPU.
        Vectors::Wide => return unsafe { bins_avx512(delta, at, scratch, out) },
        // SAFETY: as above.
        Vectors::Half => return unsafe { bins_avx2(delta, at, scratch, out) },
        Vectors::Plain => {}
    }
    kernel::bins(delta, at, scratch, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
fn bins_avx512(delta: &Delta<'_>, at: usize, scratch: &mut [Block; 2], out: &mut [u16]) {
    kernel::bins(delta, at, scratch, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn bins_avx2(delta: &Delta<'_>, at: usize, scratch: &mut [Block; 2], out: &mut [u16]) {
    kernel::bins(delta, at, scratch, out);
}

/// See [`kernel::count`].
pub(crate) fn count(bins: &[u16], bin: u16) -> usize {
    #[cfg(target_arch = "x86_64")]
    if matches!(vectors(), Vectors::Wide) {
        // SAFETY: `vectors` found the features on this CPU.
        return unsafe { count_avx512(bins, bin) };
    }
    kernel::count(bins, bin)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw")]
fn count_avx512(bins: &[u16], bin: u16) -> usize {
    kernel::count(bins, bin)
}

/// Elements of `range` with at least each magnitude from `first` to `first + bins`. `extent`: of base and
/// source together, where it is known.
pub(crate) fn tally(
    delta: &Delta<'_>,
    range: Range<usize>,
    first: u16,
    bins: u16,
    extent: Option<Extent>,
) -> AtLeast {
    let mut counts = [0; guess::MOST + 1];
    let mut rest = range.clone();
    #[cfg(target_arch = "x86_64")]
    if avx512::available()
        && extent.is_some_and(count_avx512::is_exact)
        && [delta.base, delta.source].iter().all(|view| view.dtype == Dtype::BF16)
    {
        let bytes = 2 * range.start..2 * range.end;
        let (base, source) = (&delta.base.data[bytes.clone()], &delta.source.data[bytes]);
        // SAFETY: the CPU has what it needs.
        rest.start = range.end - unsafe { count_avx512::at_least(base, source, first, &mut counts) };
    }
    let _ = extent;
    guess::tally(delta, rest, first, bins, &mut counts);
    counts
}

/// See [`kernel::at_least`].
pub(crate) fn at_least(bins: &[u16], bin: u16) -> u32 {
    #[cfg(target_arch = "x86_64")]
    match vectors() {
        // SAFETY: `vectors` found the features on this CPU.
        Vectors::Wide => return unsafe { at_least_avx512(bins, bin) },
        // SAFETY: as above.
        Vectors::Half => return unsafe { at_least_avx2(bins, bin) },
        Vectors::Plain => {}
    }
    kernel::at_least(bins, bin)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw")]
fn at_least_avx512(bins: &[u16], bin: u16) -> u32 {
    kernel::at_least(bins, bin)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn at_least_avx2(bins: &[u16], bin: u16) -> u32 {
    kernel::at_least(bins, bin)
}

/// See [`kernel::l1`].
pub(crate) fn l1(delta: &Delta<'_>, keep: Keep<'_>, grid: Grid, range: Range<usize>) -> (f64, f64) {
    #[cfg(target_arch = "x86_64")]
    if let Some((before, after, rest)) = whole_sums(delta, keep, grid, range.clone()) {
        // Exact, as all such sums are.
        let (more, kept) = kernel::l1(delta, keep, grid, rest);
        return (before + more, after + kept);
    }
    #[cfg(target_arch = "x86_64")]
    match vectors() {
        // SAFETY: `vectors` found the features on this CPU.
        Vectors::Wide => return unsafe { l1_avx512(delta, keep, grid, range) },
        // SAFETY: as above.
        Vectors::Half => return unsafe { l1_avx2(delta, keep, grid, range) },
        Vectors::Plain => {}
    }
    kernel::l1(delta, keep, grid, range)
}

/// What [`l1`] gives of the whole blocks of `range`, and what is left of it, where sums of whole units do.
#[cfg(target_arch = "x86_64")]
fn whole_sums(
    delta: &Delta<'_>,
    keep: Keep<'_>,
    grid: Grid,
    range: Range<usize>,
) -> Option<(f64, f64, Range<usize>)> {
    let (Keep::Hashed { key, below, .. }, Some((unit, extent))) = (keep, grid.unit()) else { return None };
    let stored = [delta.base, delta.source].iter().all(|view| view.dtype == Dtype::BF16);
    let scale = (1.0 / unit) as f32;
    if !(delta.narrow && stored && count_avx512::is_exact(extent) && scale.is_normal() && avx512::available())
    {
        return None;
    }
    let end = range.start + range.len() / BLOCK * BLOCK;
    let bytes = 2 * range.start..2 * end;
    let data = (&delta.base.data[bytes.clone()], &delta.source.data[bytes]);
    // SAFETY: the CPU has what it needs.
    let (all, kept) = unsafe { count_avx512::sums(data, (key, below), range.start, scale) };
    Some((all as f64 * unit, kept as f64 * unit, end..range.end))
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
fn l1_avx512(delta: &Delta<'_>, keep: Keep<'_>, grid: Grid, range: Range<usize>) -> (f64, f64) {
    kernel::l1(delta, keep, grid, range)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn l1_avx2(delta: &Delta<'_>, keep: Keep<'_>, grid: Grid, range: Range<usize>) -> (f64, f64) {
    kernel::l1(delta, keep, grid, range)
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;
    use crate::checkpoint::TensorView;
    use crate::merge::kernels::kernel::{Input, Rule};
    use crate::merge::kernels::mask::Key;
    use crate::merge::kernels::trim::Cut;

    type Run = Box<dyn Fn(&Task<'_>, &mut [u8])>;
    type L1 = Box<dyn Fn(&Delta<'_>, Keep<'_>) -> (f64, f64)>;

    const N: usize = 2 * kernel::BLOCK + 333;

    fn copies() -> Vec<(Run, L1)> {
        let mut out: Vec<(Run, L1)> = vec![(
            Box::new(|t, o| kernel::run(t, 0, o)),
            Box::new(|d, k| kernel::l1(d, k, Grid::NONE, 0..N)),
        )];
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the features were just found.
            let run: Run = Box::new(|t, o| unsafe { run_avx2(t, 0, o) });
            // SAFETY: as above.
            out.push((run, Box::new(|d, k| unsafe { l1_avx2(d, k, Grid::NONE, 0..N) })));
        }
        if matches!(vectors(), Vectors::Wide) {
            // SAFETY: the features were just found.
            let run: Run = Box::new(|t, o| unsafe { run_avx512(t, 0, o) });
            // SAFETY: as above.
            out.push((run, Box::new(|d, k| unsafe { l1_avx512(d, k, Grid::NONE, 0..N) })));
        }
        out
    }

    #[test]
    fn every_copy_gives_the_same_bits() {
        let mut state = 9_u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 16_777_216.0 - 0.5
        };
        let mut tensor = || -> Vec<u8> {
            (0..N).flat_map(|_| half::bf16::from_f32(noise() * noise()).to_le_bytes()).collect()
        };
        let (base, a, b) = (tensor(), tensor(), tensor());
        let listed: Vec<u8> = (0..N).map(|i| u8::from(i % 3 > 0)).collect();
        let shape = [N];
        let view = |data| TensorView { dtype: Dtype::BF16, shape: &shape, data };
        let cut = Cut { key: 0.125_f32.to_bits(), last: 1100 };
        let keeps = [
            Keep::All,
            Keep::Largest(cut),
            Keep::Hashed { key: Key::new(3, "t", 0), below: 1 << 15, scale: Some(1.9) },
            Keep::Listed { keep: &listed, scale: Some(1.4) },
        ];
        let rules = [true, false].map(|consensus| Rule::Sum { consensus, lambda: 0.7 });
        for rule in [Rule::Linear, rules[0], rules[1]] {
            for (keep, narrow, normalize) in
                keeps.iter().flat_map(|k| [(*k, true, true), (*k, true, false), (*k, false, true)])
            {
                let input = |data, weight| Input { source: view(data), weight, keep };
                let task = Task {
                    base: view(&base),
                    inputs: vec![input(&a, 0.4), input(&b, -0.9)],
                    narrow,
                    rule,
                    normalize,
                    extent: None,
                };
                let delta = Delta { base: view(&base), source: view(&a), narrow };
                let results = copies().into_iter().map(|(run, l1)| {
                    let mut out = vec![0; 2 * N];
                    run(&task, &mut out);
                    let (before, after) = l1(&delta, keep);
                    (out, before.to_bits(), after.to_bits())
                });
                let results: Vec<_> = results.collect();
                assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
            }
        }
    }
}
