//! What happens to each row alone: norms, the gate, the choice of the next token.

// Equal to the greatest value, and a factor of exactly one, are meant to the bit.
#![allow(clippy::float_cmp)]

use super::matrix::Rows;
use super::simd::{Isa, Kernel, LANES, Line, Simd, lines};

/// `x = (x + delta) · scale; out = x / rms(x) · weight`; `width` features a row.
#[allow(clippy::too_many_arguments)]
pub(crate) fn add_norm(
    isa: Isa,
    x: &mut Rows,
    delta: &Rows,
    scale: f32,
    weight: &[Line],
    width: usize,
    eps: f32,
    out: &mut Rows,
) {
    out.resize(x.n, lines(width));
    assert!(delta.n == 0 || (delta.n == x.n && delta.stride >= lines(width)));
    isa.run(AddNorm { x, delta, scale, weight, width, eps, out });
}

struct AddNorm<'a> {
    x: &'a mut Rows,
    delta: &'a Rows,
    scale: f32,
    weight: &'a [Line],
    width: usize,
    eps: f32,
    out: &'a mut Rows,
}

impl Kernel for AddNorm<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { x, delta, scale, weight, width, eps, out } = self;
        for i in 0..x.n {
            let row = &mut x.row_mut(i)[..lines(width)];
            if delta.n != 0 {
                for (x, d) in row.iter_mut().zip(delta.row(i)) {
                    s.store(s.add(s.load(x), s.load(d)), x);
                }
            }
            if scale != 1.0 {
                for x in row.iter_mut() {
                    s.store(s.mul(s.load(x), s.splat(scale)), x);
                }
            }
            let mut sum = s.splat(0.0);
            for x in row.iter() {
                let x = s.load(x);
                sum = s.fma(x, x, sum);
            }
            let inverse = s.splat(1.0 / (s.sum(sum) / width as f32 + eps).sqrt());
            for ((x, w), o) in row.iter().zip(weight).zip(out.row_mut(i)) {
                s.store(s.mul(s.load(w), s.mul(s.load(x), inverse)), o);
            }
        }
    }
}

/// `out = silu(gate) · up`, both parts `width` features wide.
pub(crate) fn swiglu(isa: Isa, gate_up: &Rows, width: usize, out: &mut Rows) {
    out.resize(gate_up.n, lines(width));
    assert!(gate_up.stride >= 2 * lines(width));
    isa.run(SwiGlu { gate_up, width, out });
}

struct SwiGlu<'a> {
    gate_up: &'a Rows,
    width: usize,
    out: &'a mut Rows,
}

impl Kernel for SwiGlu<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let n = lines(self.width);
        let (zero, one) = (s.splat(0.0), s.splat(1.0));
        for i in 0..self.gate_up.n {
            let (gate, up) = self.gate_up.row(i).split_at(n);
            for ((g, u), o) in gate.iter().zip(up).zip(self.out.row_mut(i)) {
                let g = s.load(g);
                let silu = s.div(g, s.add(one, s.exp(s.sub(zero, g))));
                s.store(s.mul(silu, s.load(u)), o);
            }
        }
    }
}

/// For each row the lowest index of its greatest value; NaN is less than everything.
pub(crate) fn argmax(isa: Isa, x: &Rows, width: usize, out: &mut Vec<u32>) {
    out.clear();
    isa.run(ArgMax { x, width, out });
}

struct ArgMax<'a> {
    x: &'a Rows,
    width: usize,
    out: &'a mut Vec<u32>,
}

impl Kernel for ArgMax<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (whole, rest) = (self.width / LANES, self.width % LANES);
        for i in 0..self.x.n {
            let row = self.x.row(i);
            let mut top = s.splat(f32::NEG_INFINITY);
            for line in &row[..whole] {
                top = s.max(s.load(line), top);
            }
            let mut top = s.greatest(top);
            for &v in &row[whole].0[..rest] {
                top = if v > top { v } else { top };
            }
            let hit = |line: &Line| line.0.iter().fold(0, |hits, v| hits + u32::from(*v == top)) != 0;
            let line = row[..whole].iter().position(hit).unwrap_or(whole);
            let lane = row[line].0.iter().position(|v| *v == top).unwrap_or(LANES);
            let index = line * LANES + lane;
            self.out.push(if index < self.width { index as u32 } else { 0 });
        }
    }
}
