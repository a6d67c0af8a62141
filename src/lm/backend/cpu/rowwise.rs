//! The CPU kernels that process each row separately: norms, the MLP's gate, soft caps, the likeliest token.

// Comparisons with the greatest value and with a factor of exactly 1 are deliberately exact.
#![allow(clippy::float_cmp)]

use std::f32::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, SQRT_2};

use super::rows::Rows;
use super::simd::{Isa, Kernel, LANES, Line, Simd, lines};
use crate::lm::shape::Activation;

/// `x = (x + delta) · scale` in the first `n` lines of each row. An empty `delta` is skipped.
pub(crate) fn add(isa: Isa, x: &mut Rows, delta: &Rows, scale: f32, n: usize) {
    assert!(delta.n == 0 || (delta.n == x.n && delta.stride >= n));
    isa.run(Add { x, delta, scale, n });
}

struct Add<'a> {
    x: &'a mut Rows,
    delta: &'a Rows,
    scale: f32,
    n: usize,
}

impl Kernel for Add<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { x, delta, scale, n } = self;
        for i in 0..x.n {
            let row = &mut x.row_mut(i)[..n];
            if delta.n != 0 {
                for (x, d) in row.iter_mut().zip(delta.row(i)) {
                    s.store(s.add(s.load(x), s.load(d)), x);
                }
            }
            if scale != 1.0 {
                for x in row {
                    s.store(s.mul(s.load(x), s.splat(scale)), x);
                }
            }
        }
    }
}

/// `x = x + bias` in each row.
pub(crate) fn add_bias(isa: Isa, x: &mut Rows, bias: &[Line]) {
    isa.run(AddBias { x, bias });
}

struct AddBias<'a> {
    x: &'a mut Rows,
    bias: &'a [Line],
}

impl Kernel for AddBias<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for i in 0..self.x.n {
            for (x, b) in self.x.row_mut(i).iter_mut().zip(self.bias) {
                s.store(s.add(s.load(x), s.load(b)), x);
            }
        }
    }
}

/// `out = x / rms(x) · weight`; `width` features a row.
pub(crate) fn norm(isa: Isa, x: &Rows, weight: &[Line], width: usize, eps: f32, out: &mut Rows) {
    out.resize(x.n, lines(width));
    isa.run(Norm { x, weight, width, eps, out });
}

struct Norm<'a> {
    x: &'a Rows,
    weight: &'a [Line],
    width: usize,
    eps: f32,
    out: &'a mut Rows,
}

impl Kernel for Norm<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { x, weight, width, eps, out } = self;
        for i in 0..x.n {
            let row = &x.row(i)[..lines(width)];
            let inverse = inverse_rms(s, row, width, eps);
            for ((x, w), o) in row.iter().zip(weight).zip(out.row_mut(i)) {
                s.store(s.mul(s.load(w), s.mul(s.load(x), inverse)), o);
            }
        }
    }
}

/// 1 / √(mean square + eps) of `width` features; the padding of the last line is 0.
#[inline(always)]
fn inverse_rms<S: Simd>(s: S, row: &[Line], width: usize, eps: f32) -> S::V {
    let mut sum = s.splat(0.0);
    for x in row {
        let x = s.load(x);
        sum = s.fma(x, x, sum);
    }
    s.splat(1.0 / (s.sum(sum) / width as f32 + eps).sqrt())
}

/// `RMSNorm` of `width` features in place.
#[inline(always)]
pub(super) fn norm_line<S: Simd>(s: S, row: &mut [Line], weight: &[Line], width: usize, eps: f32) {
    let inverse = inverse_rms(s, row, width, eps);
    for (x, w) in row.iter_mut().zip(weight) {
        s.store(s.mul(s.load(w), s.mul(s.load(x), inverse)), x);
    }
}

/// `tanh(x) = 1 - 2 / (exp(2x) + 1)`, to about 1e-7 of 1.
#[inline(always)]
pub(super) fn tanh<S: Simd>(s: S, x: S::V) -> S::V {
    let (one, two) = (s.splat(1.0), s.splat(2.0));
    s.sub(one, s.div(two, s.add(s.exp(s.mul(two, x)), one)))
}

/// `x = cap · tanh(x / cap)`.
pub(crate) fn softcap(isa: Isa, x: &mut Rows, cap: f32) {
    isa.run(Softcap { x, cap });
}

struct Softcap<'a> {
    x: &'a mut Rows,
    cap: f32,
}

impl Kernel for Softcap<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (cap, inverse) = (s.splat(self.cap), s.splat(1.0 / self.cap));
        for i in 0..self.x.n {
            for line in self.x.row_mut(i) {
                s.store(s.mul(tanh(s, s.mul(s.load(line), inverse)), cap), line);
            }
        }
    }
}

/// `out = activation(gate) · up`, both parts `width` features wide.
pub(crate) fn gate(isa: Isa, gate_up: &Rows, width: usize, activation: Activation, out: &mut Rows) {
    out.resize(gate_up.n, lines(width));
    assert!(gate_up.stride >= 2 * lines(width));
    isa.run(Gated { both: gate_up, width, activation, out });
}

struct Gated<'a> {
    both: &'a Rows,
    width: usize,
    activation: Activation,
    out: &'a mut Rows,
}

impl Kernel for Gated<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match self.activation {
            Activation::Silu => self.with(s, |_, g| g),
            Activation::Gelu => self.exact(),
            // 0.5 g (1 + tanh u) = g / (1 + exp(-2u)), u = √(2/π) (g + 0.044715 g³).
            Activation::GeluTanh => self.with(s, |s, g| {
                let cubic = s.fma(s.mul(s.splat(0.044_715), g), s.mul(g, g), g);
                s.mul(cubic, s.splat(FRAC_2_SQRT_PI * SQRT_2))
            }),
        }
    }
}

impl Gated<'_> {
    /// `out = g · (1 + erf(g / √2)) / 2 · up`.
    fn exact(self) {
        let n = lines(self.width);
        for i in 0..self.both.n {
            let (gate, up) = self.both.row(i).split_at(n);
            for ((g, u), o) in gate.iter().zip(up).zip(self.out.row_mut(i)) {
                for ((g, u), o) in g.0.iter().zip(&u.0).zip(&mut o.0) {
                    *o = 0.5 * g * (1.0 + libm::erff(g * FRAC_1_SQRT_2)) * u;
                }
            }
        }
    }

    /// `out = g / (1 + exp(-by(g))) · up`.
    #[inline(always)]
    fn with<S: Simd>(self, s: S, by: impl Fn(S, S::V) -> S::V) {
        let n = lines(self.width);
        let (zero, one) = (s.splat(0.0), s.splat(1.0));
        for i in 0..self.both.n {
            let (gate, up) = self.both.row(i).split_at(n);
            for ((g, u), o) in gate.iter().zip(up).zip(self.out.row_mut(i)) {
                let g = s.load(g);
                let gated = s.div(g, s.add(one, s.exp(s.sub(zero, by(s, g)))));
                s.store(s.mul(gated, s.load(u)), o);
            }
        }
    }
}

/// For each row the lowest index of its greatest value. NaN counts as less than everything.
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
