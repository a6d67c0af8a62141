//! The merge pass over bfloat16 in AVX-512 instructions. A [`Lowered`] task comes in, a chunk of the merged tensor goes
//! out. `fill` calls it if [`Lowered::of`] proves that it gives the bits of `passes`.
//!
//! A vector holds 32 bfloat16 as 16 pairs. A shift turns a pair's even element into f32, a mask its odd element, so one
//! vector of bfloat16 becomes [`Two`] vectors of f32.

#![allow(clippy::wildcard_imports)] // dozens of intrinsics

mod factor;
mod hash;
mod lanes;
pub(super) mod lowered;
pub(super) mod sums;

use std::arch::x86_64::*;

use self::hash::hash_pairs;
use self::lanes::Lanes;
use self::lowered::{Bound, Lowered, MAX_SOURCES, Mode};

/// Elements of one vector.
const WIDTH: usize = 32;
/// Prefetch distance. The CPU's own prefetcher cannot follow several streams; twice and half this distance are slower.
const AHEAD: usize = 1024;

/// Whether this CPU has the instructions that the pass needs.
pub(crate) fn available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vbmi")
        && is_x86_feature_detected!("avx512bf16")
}

/// Merges elements `start..start + out.len() / 2`; `start` is even. With `stream` the result is
/// written past the caches, for outputs larger than they are.
///
/// # Safety
/// The CPU must be [`available`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512bf16")]
pub(crate) unsafe fn run(task: &Lowered<'_>, start: usize, out: &mut [u8], stream: bool) {
    match task.parts.len() {
        1 => of_sources::<1>(task, start, out, stream),
        2 => of_sources::<2>(task, start, out, stream),
        3 => of_sources::<3>(task, start, out, stream),
        4 => of_sources::<4>(task, start, out, stream),
        _ => of_sources::<MAX_SOURCES>(task, start, out, stream),
    }
    // Makes streamed writes visible to other threads.
    _mm_sfence();
}

const LINEAR: u8 = 0;
const SUM: u8 = 1;
const AGREE: u8 = 2;
const MEAN: u8 = 3;

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512bf16")]
fn of_sources<const N: usize>(task: &Lowered<'_>, start: usize, out: &mut [u8], stream: bool) {
    let hashed = task.parts.iter().any(|p| matches!(p.bound, Bound::Hashed { .. }));
    match (task.mode, hashed) {
        (Mode::Linear { .. }, _) => pass::<N, LINEAR, false>(task, start, out, stream),
        (Mode::Sum { .. }, false) => pass::<N, SUM, false>(task, start, out, stream),
        (Mode::Sum { .. }, true) => pass::<N, SUM, true>(task, start, out, stream),
        (Mode::Agree { .. }, false) => pass::<N, AGREE, false>(task, start, out, stream),
        (Mode::Agree { .. }, true) => pass::<N, AGREE, true>(task, start, out, stream),
        (Mode::Mean { .. }, false) => pass::<N, MEAN, false>(task, start, out, stream),
        (Mode::Mean { .. }, true) => pass::<N, MEAN, true>(task, start, out, stream),
    }
}

/// Merges all of `out`, piece by piece: a piece ends where the cut of a source changes.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512bf16")]
fn pass<const N: usize, const MODE: u8, const HASHED: bool>(
    task: &Lowered<'_>,
    start: usize,
    out: &mut [u8],
    stream: bool,
) {
    let end = start + out.len() / 2;
    let mut lanes = Lanes::<N>::new(task);
    let mut at = start;
    while at < end {
        let mut stop = end;
        for (i, part) in task.parts.iter().enumerate() {
            match part.bound {
                Bound::Hashed { key, below } => {
                    // Keys count pairs; their upper half changes every 2³³ elements.
                    stop = stop.min(((at >> 33) + 1) << 33);
                    let (k0, k1) = key.at(at >> 1).halves();
                    lanes.xor[i] = _mm512_set1_epi32(k0 as i32);
                    lanes.add[i] = _mm512_set1_epi32(k1 as i32);
                    lanes.bound[i] = _mm512_set1_epi16((below - 1) as u16 as i16);
                }
                // Keeps everything: no hash is above it.
                Bound::Largest { .. } if HASHED => lanes.bound[i] = _mm512_set1_epi16(-1),
                Bound::Largest { key, last } => {
                    let least = if at <= last { key } else { key + 1 };
                    if at <= last {
                        stop = stop.min(last + 1);
                    }
                    // Zeros need not be kept, since they add nothing.
                    lanes.bound[i] = _mm512_set1_epi16(least.max(1) as i16);
                }
            }
        }
        let part = &mut out[2 * (at - start)..2 * (stop - start)];
        piece::<N, MODE, HASHED>(task, &lanes, at, part, stream);
        at = stop;
    }
}

/// Merges the elements from `start` on, all under one set of bounds.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512bf16")]
fn piece<const N: usize, const MODE: u8, const HASHED: bool>(
    task: &Lowered<'_>,
    lanes: &Lanes<N>,
    start: usize,
    out: &mut [u8],
    stream: bool,
) {
    let count = out.len() / 2;
    // Streaming stores must be aligned; an even number of elements keeps pairs together.
    let head = out.as_ptr().align_offset(2 * WIDTH) / 2;
    let pairs = head.is_multiple_of(2) && out.as_ptr().addr().is_multiple_of(2);
    let head = if pairs { head.min(count) } else { 0 };
    let body = (count - head) / WIDTH * WIDTH;
    let stream = stream && out[2 * head..].as_ptr().addr().is_multiple_of(2 * WIDTH);
    some::<N, MODE, HASHED>(task, lanes, start, &mut out[..2 * head]);
    let from = start + head;
    let within = 2 * from..2 * (from + body);
    let mut sources = [std::ptr::null(); N];
    for (source, part) in sources.iter_mut().zip(&task.parts) {
        *source = part.data[within.clone()].as_ptr();
    }
    // A linear merge has no base.
    let base = if MODE == LINEAR { std::ptr::null() } else { task.base[within].as_ptr() };
    let to = out[2 * head..2 * (head + body)].as_mut_ptr();
    // SAFETY: all slices have `body` elements, and `stream` says that the last is aligned.
    unsafe { vectors::<N, MODE, HASHED>(lanes, from, sources, base, to, body, stream) };
    some::<N, MODE, HASHED>(task, lanes, from + body, &mut out[2 * (head + body)..]);
}

/// Merges `count` elements, a whole number of vectors, from flat index `at` on.
///
/// # Safety
/// `count` elements can be read at each source and at `base` (unless the merge is linear), and written at `to`. With
/// `stream`, `to` is aligned to a vector.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512bf16")]
unsafe fn vectors<const N: usize, const MODE: u8, const HASHED: bool>(
    lanes: &Lanes<N>,
    at: usize,
    sources: [*const u8; N],
    base: *const u8,
    to: *mut u8,
    count: usize,
    stream: bool,
) {
    for j in (0..count).step_by(WIDTH) {
        // No closures here: the compiler would turn them into calls.
        let mut x = [_mm512_setzero_si512(); N];
        for (x, source) in x.iter_mut().zip(sources) {
            let from = source.wrapping_add(2 * j);
            _mm_prefetch::<_MM_HINT_T0>(from.wrapping_add(2 * AHEAD).cast());
            // SAFETY: `count` elements can be read at the source, and j + WIDTH ≤ count.
            *x = unsafe { _mm512_loadu_si512(from.cast()) };
        }
        let mut b = _mm512_setzero_si512();
        if MODE != LINEAR {
            let from = base.wrapping_add(2 * j);
            _mm_prefetch::<_MM_HINT_T0>(from.wrapping_add(2 * AHEAD).cast());
            // SAFETY: `count` elements can be read at `base`, and j + WIDTH ≤ count.
            b = unsafe { _mm512_loadu_si512(from.cast()) };
        }
        let made = vector::<N, MODE, HASHED>(lanes, at + j, b, &x);
        let to = to.wrapping_add(2 * j).cast();
        if stream {
            // SAFETY: `count` elements can be written at `to`, j + WIDTH ≤ count, and the address is aligned
            // because j is a multiple of WIDTH.
            unsafe { _mm512_stream_si512(to, made) };
        } else {
            // SAFETY: `count` elements can be written at `to`, and j + WIDTH ≤ count.
            unsafe { _mm512_storeu_si512(to, made) };
        }
    }
}

/// Merges a remainder shorter than a vector.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512bf16")]
fn some<const N: usize, const MODE: u8, const HASHED: bool>(
    task: &Lowered<'_>,
    lanes: &Lanes<N>,
    start: usize,
    out: &mut [u8],
) {
    if out.is_empty() {
        return;
    }
    let mut copies = [[0_u8; 2 * WIDTH]; N];
    let mut base = [0_u8; 2 * WIDTH];
    let mut made = [0_u8; 2 * WIDTH];
    let within = 2 * start..2 * start + out.len();
    let mut sources = [std::ptr::null(); N];
    for ((copy, source), part) in copies.iter_mut().zip(&mut sources).zip(&task.parts) {
        copy[..out.len()].copy_from_slice(&part.data[within.clone()]);
        *source = copy.as_ptr();
    }
    if MODE != LINEAR {
        base[..out.len()].copy_from_slice(&task.base[within]);
    }
    let to = made.as_mut_ptr();
    // SAFETY: all arrays are one vector long.
    unsafe { vectors::<N, MODE, HASHED>(lanes, start, sources, base.as_ptr(), to, WIDTH, false) };
    out.copy_from_slice(&made[..out.len()]);
}

/// The even and the odd elements of a vector, as f32.
#[derive(Clone, Copy)]
struct Two(__m512, __m512);

#[inline]
#[target_feature(enable = "avx512f")]
fn widen(x: __m512i) -> Two {
    let odd = _mm512_and_si512(x, _mm512_set1_epi32(0xffff_0000_u32 as i32));
    Two(_mm512_castsi512_ps(_mm512_slli_epi32::<16>(x)), _mm512_castsi512_ps(odd))
}

/// Rounds both vectors to bfloat16 and restores the element order. Flushes subnormal numbers; `Lowered::of` excludes
/// them.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn narrow<const N: usize>(lanes: &Lanes<N>, x: Two) -> __m512i {
    // SAFETY: both are 512 bits without invalid patterns.
    let halves: __m512i = unsafe { std::mem::transmute(_mm512_cvtne2ps_pbh(x.1, x.0)) };
    _mm512_permutexvar_epi16(lanes.interleave, halves)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn plus(a: Two, b: Two) -> Two {
    Two(_mm512_add_ps(a.0, b.0), _mm512_add_ps(a.1, b.1))
}

/// The merge of 32 elements from flat index `at` on: base `b`, sources `x`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512bf16")]
fn vector<const N: usize, const MODE: u8, const HASHED: bool>(
    lanes: &Lanes<N>,
    at: usize,
    b: __m512i,
    x: &[__m512i; N],
) -> __m512i {
    if MODE == LINEAR {
        let mut sum = Two(_mm512_setzero_ps(), _mm512_setzero_ps());
        for i in 0..N {
            let (x, w) = (widen(x[i]), lanes.weight[i]);
            sum = Two(_mm512_fmadd_ps(x.0, w, sum.0), _mm512_fmadd_ps(x.1, w, sum.1));
        }
        if let Some(by) = lanes.divisor {
            sum = Two(_mm512_div_ps(sum.0, by), _mm512_div_ps(sum.1, by));
        }
        return narrow(lanes, sum);
    }
    let zero = _mm512_setzero_si512();
    let base = widen(b);
    // Weighted task vectors, and their sum.
    let mut d = [zero; N];
    let mut sum = Two(_mm512_setzero_ps(), _mm512_setzero_ps());
    for i in 0..N {
        let x = widen(x[i]);
        let delta = narrow(lanes, Two(_mm512_sub_ps(x.0, base.0), _mm512_sub_ps(x.1, base.1)));
        let magnitude = _mm512_set1_epi16(0x7fff);
        let keep = if HASHED {
            let below = _mm512_cmple_epu16_mask(hash(lanes, i, at), lanes.bound[i]);
            _mm512_mask_test_epi16_mask(below, delta, magnitude)
        } else {
            _mm512_cmpge_epu16_mask(_mm512_and_si512(delta, magnitude), lanes.bound[i])
        };
        // The lower byte of an element holds its mantissa, below a bit that the table ignores.
        let by = _mm512_maskz_permutex2var_epi8(lanes.lower_bytes, lanes.low[i], delta, lanes.high[i]);
        d[i] = _mm512_maskz_add_epi16(keep, _mm512_add_epi16(delta, lanes.offset[i]), by);
        sum = if i == 0 { widen(d[i]) } else { plus(sum, widen(d[i])) };
    }
    let mut mix;
    if MODE == SUM {
        mix = widen(narrow(lanes, sum));
    } else {
        // The sum's signs. After they are removed, the elements that agree are positive numbers.
        let even = _mm512_srli_epi32::<16>(_mm512_castps_si512(sum.0));
        let sign = _mm512_mask_blend_epi16(0xaaaa_aaaa, even, _mm512_castps_si512(sum.1));
        let sign = _mm512_and_si512(sign, _mm512_set1_epi16(i16::MIN));
        let mut set = zero;
        for (i, d) in d.iter().enumerate() {
            let agrees = _mm512_max_epi16(_mm512_xor_si512(*d, sign), zero);
            sum = if i == 0 { widen(agrees) } else { plus(sum, widen(agrees)) };
            if MODE == MEAN {
                // A normal number has more bits set than `set` has, so this is 0 or the source's bit.
                set = _mm512_or_si512(set, _mm512_min_epu16(agrees, _mm512_set1_epi16(1 << i)));
            }
        }
        mix = widen(_mm512_xor_si512(narrow(lanes, sum), sign));
        if MODE == MEAN {
            let odd = _mm512_srli_epi32::<16>(set);
            let by = if N < MAX_SOURCES {
                // The instruction looks at four bits.
                let table = lanes.reciprocals[0];
                Two(_mm512_permutexvar_ps(set, table), _mm512_permutexvar_ps(odd, table))
            } else {
                let [a, b] = lanes.reciprocals;
                Two(_mm512_permutex2var_ps(a, set, b), _mm512_permutex2var_ps(a, odd, b))
            };
            mix = widen(narrow(lanes, Two(_mm512_mul_ps(mix.0, by.0), _mm512_mul_ps(mix.1, by.1))));
        }
    }
    // No loop over the two vectors: the compiler would store them to memory.
    if lanes.divides {
        let by = lanes.reciprocal;
        mix = widen(narrow(lanes, Two(_mm512_mul_ps(mix.0, by), _mm512_mul_ps(mix.1, by))));
    }
    if lanes.scales {
        let by = lanes.lambda;
        mix = widen(narrow(lanes, Two(_mm512_mul_ps(mix.0, by), _mm512_mul_ps(mix.1, by))));
    }
    narrow(lanes, plus(mix, base))
}

/// The hashes of source `i` for the elements from `at` on.
#[inline]
#[target_feature(enable = "avx512f")]
fn hash<const N: usize>(lanes: &Lanes<N>, i: usize, at: usize) -> __m512i {
    let pair = _mm512_add_epi32(lanes.count, _mm512_set1_epi32((at >> 1) as u32 as i32));
    hash_pairs(pair, lanes.xor[i], lanes.add[i])
}
