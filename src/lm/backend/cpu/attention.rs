//! Causal attention over the cache, one row at a time.
//!
//! In: rows of fused queries, keys and values, and the cache. Out: the heads' outputs; keys and values are appended to
//! the cache. A score is one chain of fused multiply-adds over the features. The sum of a softmax runs over blocks of
//! 16 positions from the start of the sequence. A head's output is one chain over the positions. No result depends on
//! the rest of the batch.

use super::cache::Cache;
use super::matrix::padded;
use super::rows::{Rows, Vector};
use super::rowwise::{norm_line, tanh};
use super::simd::{Isa, Kernel, LANES, Line, Simd, floats_mut, lines};
use crate::lm::backend::{AttentionStep, Span};

/// Query heads that share one pass over keys or values.
const HEADS: usize = 4;
/// Blocks of keys, or lines of values, in a tile.
const TILE_LINES: usize = 4;

/// See [`Backend::attend`](crate::lm::backend::Backend::attend). `rounds`: rotated queries and keys are rounded to
/// bfloat16.
pub(crate) fn attend(
    isa: Isa,
    attention: &AttentionStep<'_, Vector>,
    qkv: &mut Rows,
    cache: &mut Cache,
    spans: &[Span],
    rounds: bool,
    out: &mut Rows,
) {
    let shape = attention.shape;
    out.resize(qkv.n, padded(shape.queries()));
    assert!(qkv.stride >= padded(shape.queries()) + 2 * padded(shape.keys()));
    assert_eq!(qkv.n, spans.iter().map(|s| s.len).sum::<usize>());
    isa.run(Attend { attention, qkv, cache, spans, rounds, out });
}

struct Attend<'a> {
    attention: &'a AttentionStep<'a, Vector>,
    qkv: &'a mut Rows,
    cache: &'a mut Cache,
    spans: &'a [Span],
    rounds: bool,
    out: &'a mut Rows,
}

impl Kernel for Attend<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { attention, qkv, cache, spans, rounds, out } = self;
        let (shape, step) = (attention.shape, attention.step);
        let group = shape.heads / shape.kv_heads;
        let width = lines(shape.head_dim);
        let mut first = 0;
        for span in spans {
            assert!(span.start + span.len <= cache.blocks * LANES, "cache too short");
            for i in 0..span.len {
                let place = (span.slot, span.start + i);
                append(s, attention, qkv.row_mut(first + i), cache, place, rounds);
            }
            for i in 0..span.len {
                let (queries, outs) = (qkv.row(first + i), out.row_mut(first + i));
                for head in 0..shape.kv_heads {
                    for h in (0..group).step_by(HEADS) {
                        let place = HeadQuery {
                            step,
                            slot: span.slot,
                            head,
                            position: span.start + i,
                            window: attention.layer.window,
                            scale: shape.score_scale,
                            cap: shape.score_cap,
                        };
                        let at = (head * group + h) * width;
                        let (q, o) = (&queries[at..], &mut outs[at..]);
                        match group - h {
                            1 => heads::<S, 1>(s, q, cache, &place, o),
                            2 => heads::<S, 2>(s, q, cache, &place, o),
                            3 => heads::<S, 3>(s, q, cache, &place, o),
                            _ => heads::<S, HEADS>(s, q, cache, &place, o),
                        }
                    }
                }
            }
            first += span.len;
        }
    }
}

/// Applies the norms on queries and keys (if the family has them), rotates both in place, and stores the row's keys and
/// values in the cache.
#[inline(always)]
fn append<S: Simd>(
    s: S,
    attention: &AttentionStep<'_, Vector>,
    row: &mut [Line],
    cache: &mut Cache,
    (slot, position): (usize, usize),
    rounds: bool,
) {
    let (shape, step) = (attention.shape, attention.step);
    let (dim, width) = (shape.head_dim, lines(shape.head_dim));
    if let Some((queries, keys)) = attention.qk_norm {
        for (head, line) in row[..(shape.heads + shape.kv_heads) * width].chunks_exact_mut(width).enumerate()
        {
            let weight = if head < shape.heads { queries } else { keys };
            norm_line(s, line, &weight.data, dim, shape.eps);
        }
    }
    let (half, (cos, sin)) = &cache.rotations[attention.layer.rotation];
    let half = *half;
    let (cos, sin) = (&cos[position * half..][..half], &sin[position * half..][..half]);
    for head in 0..shape.heads + shape.kv_heads {
        let head = &mut floats_mut(&mut row[head * width..(head + 1) * width])[..2 * half];
        let (low, high) = head.split_at_mut(half);
        for (((x, y), c), s) in low.iter_mut().zip(high).zip(cos).zip(sin) {
            (*x, *y) = (*x * c - *y * s, *y * c + *x * s);
        }
    }
    if rounds {
        for line in &mut row[..(shape.heads + shape.kv_heads) * width] {
            s.store(s.to_bf16(s.load(line)), line);
        }
    }
    let (block, lane) = (position / LANES, position % LANES);
    for head in 0..shape.kv_heads {
        let from = &row[(shape.heads + head) * width..][..width];
        let to = cache.key_at(step, slot, head) + block * dim;
        let keys = from.iter().flat_map(|line| line.0);
        cache.keys[to..to + dim].iter_mut().zip(keys).for_each(|(line, k)| line.0[lane] = k);
        let from = &row[(shape.heads + shape.kv_heads + head) * width..][..width];
        let to = cache.value_at(step, slot, head) + position * width;
        cache.values[to..to + width].copy_from_slice(from);
    }
}

/// The query heads of one row for one key head: where their keys are, and how scores are scaled.
struct HeadQuery {
    step: usize,
    slot: usize,
    head: usize,
    position: usize,
    window: Option<usize>,
    scale: f32,
    cap: Option<f32>,
}

/// Attention of `H` query heads of one row that share a key-value head. `q` and `out` begin at the first
/// of these heads.
#[inline(always)]
fn heads<S: Simd, const H: usize>(s: S, q: &[Line], cache: &mut Cache, place: &HeadQuery, out: &mut [Line]) {
    let (dim, width) = (cache.head_dim, cache.value_lines);
    let low = place.window.map_or(0, |w| (place.position + 1).saturating_sub(w));
    let (block0, blocks) = (low / LANES, place.position / LANES + 1);
    let n = blocks - block0;
    let keys = &cache.keys[cache.key_at(place.step, place.slot, place.head)..][..cache.blocks * dim];
    let keys = &keys[block0 * dim..blocks * dim];
    let value_at = cache.value_at(place.step, place.slot, place.head);
    let values = &cache.values[value_at..][..cache.blocks * LANES * width];
    let scores = &mut cache.scores[..H * n];
    let q = &q[..H * width];

    let mut block = 0;
    while block < n {
        let tile = (n - block).min(TILE_LINES);
        // SAFETY: `q` holds H heads of `width` lines (dim ≤ 16 · width), `keys` n blocks of `dim`
        // lines, `scores` H rows of n lines, and block + tile ≤ n.
        unsafe {
            let (q, k) = (q.as_ptr().cast::<f32>(), keys.as_ptr().add(block * dim));
            let to = scores.as_mut_ptr().add(block);
            match tile {
                1 => score::<S, H, 1>(s, q, width * LANES, k, dim, to, n),
                2 => score::<S, H, 2>(s, q, width * LANES, k, dim, to, n),
                3 => score::<S, H, 3>(s, q, width * LANES, k, dim, to, n),
                _ => score::<S, H, TILE_LINES>(s, q, width * LANES, k, dim, to, n),
            }
        }
        block += tile;
    }

    let mut scale = s.splat(place.scale);
    if let Some(cap) = place.cap {
        let inverse = s.splat(place.scale / cap);
        for line in scores.iter_mut() {
            s.store(s.mul(tanh(s, s.mul(s.load(line), inverse)), s.splat(cap)), line);
        }
        scale = s.splat(1.0);
    }
    let mut inverse = [0.0; H];
    for (row, inverse) in scores.chunks_exact_mut(n).zip(&mut inverse) {
        for lane in 0..low % LANES {
            row[0].0[lane] = f32::NEG_INFINITY;
        }
        for lane in place.position % LANES + 1..LANES {
            row[n - 1].0[lane] = f32::NEG_INFINITY;
        }
        let mut top = s.splat(f32::NEG_INFINITY);
        for line in row.iter() {
            top = s.max(s.load(line), top);
        }
        let top = s.splat(s.greatest(top));
        let mut sum = s.splat(0.0);
        for line in row.iter_mut() {
            let e = s.exp(s.mul(s.sub(s.load(line), top), scale));
            s.store(e, line);
            sum = s.add(sum, e);
        }
        *inverse = 1.0 / s.sum(sum);
    }

    let (j0, j1) = (low, place.position + 1);
    let mut line = 0;
    while line < width {
        let tile = (width - line).min(TILE_LINES);
        // SAFETY: `scores` holds H rows of n · 16 weights of the positions from block0 · 16 on,
        // `values` at least j1 positions of `width` lines, `out` H heads of `width` lines
        // (checked by the slice below), and line + tile ≤ width.
        unsafe {
            let weights = scores.as_ptr().cast::<f32>();
            let v = values.as_ptr().add(line);
            let to = out[..H * width].as_mut_ptr().add(line);
            let range = (j0, j1, block0 * LANES);
            match tile {
                1 => mix::<S, H, 1>(s, weights, n, range, v, width, &inverse, to),
                2 => mix::<S, H, 2>(s, weights, n, range, v, width, &inverse, to),
                3 => mix::<S, H, 3>(s, weights, n, range, v, width, &inverse, to),
                _ => mix::<S, H, TILE_LINES>(s, weights, n, range, v, width, &inverse, to),
            }
        }
        line += tile;
    }
}

/// Scores of `H` queries (`q_stride` floats apart) with `B` blocks of keys (`dim` lines each), written to
/// rows `stride` lines apart.
///
/// # Safety
/// `q` holds `H` queries of `dim` floats, `keys` `B` blocks of `dim` lines, and `to` has room for `H` rows
/// of `B` lines.
#[inline(always)]
unsafe fn score<S: Simd, const H: usize, const B: usize>(
    s: S,
    q: *const f32,
    q_stride: usize,
    keys: *const Line,
    dim: usize,
    to: *mut Line,
    stride: usize,
) {
    // SAFETY: all offsets stay within what the caller promises.
    unsafe {
        let mut acc = [[s.splat(0.0); B]; H];
        for d in 0..dim {
            let mut k = [s.splat(0.0); B];
            for (b, k) in k.iter_mut().enumerate() {
                *k = s.load(&*keys.add(b * dim + d));
            }
            for (h, row) in acc.iter_mut().enumerate() {
                let q = s.splat(*q.add(h * q_stride + d));
                for (v, k) in row.iter_mut().zip(k) {
                    *v = s.fma(q, k, *v);
                }
            }
        }
        for (h, row) in acc.into_iter().enumerate() {
            for (b, v) in row.into_iter().enumerate() {
                s.store(v, &mut *to.add(h * stride + b));
            }
        }
    }
}

/// `L` lines of the weighted sums of values for `H` heads over positions `j0..j1`. The weights' rows are
/// `n` lines long and begin at position `origin`.
///
/// # Safety
/// `weights` holds `H` rows of `n` lines that reach to position `j1`, `values` `j1` positions of at least
/// `L` lines `width` lines apart, and `to` has room for `H` rows of `L` lines `width` lines apart.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn mix<S: Simd, const H: usize, const L: usize>(
    s: S,
    weights: *const f32,
    n: usize,
    (j0, j1, origin): (usize, usize, usize),
    values: *const Line,
    width: usize,
    inverse: &[f32; H],
    to: *mut Line,
) {
    // SAFETY: all offsets stay within what the caller promises.
    unsafe {
        let mut acc = [[s.splat(0.0); L]; H];
        for j in j0..j1 {
            let mut v = [s.splat(0.0); L];
            for (l, v) in v.iter_mut().enumerate() {
                *v = s.load(&*values.add(j * width + l));
            }
            for (h, row) in acc.iter_mut().enumerate() {
                let w = s.splat(*weights.add(h * n * LANES + j - origin));
                for (a, v) in row.iter_mut().zip(v) {
                    *a = s.fma(w, v, *a);
                }
            }
        }
        for (h, row) in acc.into_iter().enumerate() {
            for (l, v) in row.into_iter().enumerate() {
                s.store(s.mul(v, s.splat(inverse[h])), &mut *to.add(h * width + l));
            }
        }
    }
}
