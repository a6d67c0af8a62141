//! Vectors of sixteen floats, with results that are the same to the bit on every machine.
//!
//! A kernel is written once for [`Simd`], whose vector always has 16 lanes: one AVX-512 register, two AVX2 registers,
//! or an array. Every operation is one IEEE operation per lane (`fma` rounds once), so results do not depend on the
//! implementation. The instruction set is detected at run time. Values of [`Avx512`] and [`Avx2`] exist only on a CPU
//! that has these instructions, so their methods are safe to call.

mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(crate) use portable::Portable;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512};

/// Lanes of a vector.
pub(crate) const LANES: usize = 16;

/// Sixteen floats on a cache-line boundary: the unit of all buffers of the CPU kernels.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct Line(pub [f32; LANES]);

impl Line {
    /// All zeros.
    pub const ZERO: Self = Self([0.0; LANES]);
}

/// Number of lines that hold `n` floats.
pub(crate) const fn lines(n: usize) -> usize {
    n.div_ceil(LANES)
}

/// The floats of some lines.
pub(crate) const fn floats(lines: &[Line]) -> &[f32] {
    // SAFETY: `Line` is `repr(C)` around 16 floats with no padding (size 64 = 16 × 4).
    unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), lines.len() * LANES) }
}

/// The floats of some lines, writable.
pub(crate) const fn floats_mut(lines: &mut [Line]) -> &mut [f32] {
    // SAFETY: as in `floats`; the borrow is exclusive for the same lifetime.
    unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), lines.len() * LANES) }
}

/// The 16-bit halves of some lines, the low half of each lane first.
pub(crate) const fn halves(lines: &[Line]) -> &[u16] {
    // SAFETY: as in `floats`; any bits are a `u16`, and twice as many fit.
    unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), 2 * lines.len() * LANES) }
}

/// The 16-bit halves of some lines, writable.
pub(crate) const fn halves_mut(lines: &mut [Line]) -> &mut [u16] {
    // SAFETY: as in `halves`; any bits are an `f32`, and the borrow is exclusive for the same lifetime.
    unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), 2 * lines.len() * LANES) }
}

/// Vector operations of one instruction set.
pub(crate) trait Simd: Copy {
    /// A vector of [`LANES`] floats.
    type V: Copy;
    /// Rows and lines of the matrix tile that fits in the registers.
    const TILE: (usize, usize);

    fn splat(self, x: f32) -> Self::V;
    fn load(self, from: &Line) -> Self::V;
    fn store(self, v: Self::V, to: &mut Line);
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a × b + c`, rounded once.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `a` where it is greater, else `b` (also where one of them is NaN).
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a` where it is less, else `b`.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// `yes` where `a < b`, else zero.
    fn keep_if_less(self, a: Self::V, b: Self::V, yes: Self::V) -> Self::V;
    /// The first number of each lane's pair of bfloat16 numbers (its low half), as f32.
    fn first_bf16(self, pairs: Self::V) -> Self::V;
    /// The second one.
    fn second_bf16(self, pairs: Self::V) -> Self::V;
    /// The first number of each lane's pair of float16 numbers (its low half), as f32.
    fn first_f16(self, pairs: Self::V) -> Self::V;
    /// The second one.
    fn second_f16(self, pairs: Self::V) -> Self::V;
    /// `c + a₂b₂ + a₁b₁` for pairs of bfloat16 numbers: the second product first, each sum rounded once.
    #[inline(always)]
    fn dot(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        let c = self.fma(self.second_bf16(a), self.second_bf16(b), c);
        self.fma(self.first_bf16(a), self.first_bf16(b), c)
    }
    /// Each lane rounded to bfloat16, to the nearest, ties to even.
    fn to_bf16(self, v: Self::V) -> Self::V;
    /// 2ⁿ from 1.5 · 2²³ + n, n in [-126, 127]: the low bits of that float are n's.
    fn pow2(self, shifted: Self::V) -> Self::V;

    /// The lanes as an array.
    #[inline(always)]
    fn array(self, v: Self::V) -> [f32; LANES] {
        let mut line = Line::ZERO;
        self.store(v, &mut line);
        line.0
    }

    /// Sum of the lanes, always by the same tree.
    #[inline(always)]
    fn sum(self, v: Self::V) -> f32 {
        let a = self.array(v);
        let mut b = [0.0; 8];
        for i in 0..8 {
            b[i] = a[i] + a[i + 8];
        }
        ((b[0] + b[4]) + (b[2] + b[6])) + ((b[1] + b[5]) + (b[3] + b[7]))
    }

    /// Greatest lane.
    #[inline(always)]
    fn greatest(self, v: Self::V) -> f32 {
        self.array(v).into_iter().fold(f32::NEG_INFINITY, |m, x| if x > m { x } else { m })
    }

    /// eˣ to about one unit in the last place for x in [-87, 88]; 0 below, e⁸⁸ above.
    ///
    /// Cody–Waite reduction x = n ln 2 + r, |r| ≤ ln 2 / 2, and the degree-7 minimax polynomial of
    /// Cephes `expf`.
    #[inline(always)]
    fn exp(self, x: Self::V) -> Self::V {
        const SHIFT: f32 = 12_582_912.0; // 1.5 · 2²³
        let low = self.splat(-87.0);
        let x_in = self.min(self.max(x, low), self.splat(88.0));
        let shifted = self.fma(x_in, self.splat(std::f32::consts::LOG2_E), self.splat(SHIFT));
        let n = self.sub(shifted, self.splat(SHIFT));
        let r = self.fma(n, self.splat(-0.693_359_4), x_in);
        let r = self.fma(n, self.splat(2.121_944_4e-4), r);
        let mut p = self.splat(1.987_569_1e-4);
        p = self.fma(p, r, self.splat(1.398_199_9e-3));
        p = self.fma(p, r, self.splat(8.333_452e-3));
        p = self.fma(p, r, self.splat(4.166_579_6e-2));
        p = self.fma(p, r, self.splat(0.166_666_65));
        p = self.fma(p, r, self.splat(0.5));
        let p = self.fma(p, self.mul(r, r), self.add(r, self.splat(1.0)));
        self.keep_if_less(low, x, self.mul(p, self.pow2(shifted)))
    }
}

/// A computation that can be compiled for any instruction set.
pub(crate) trait Kernel {
    /// Must be `#[inline(always)]`, so that it is compiled for the instruction set of its caller.
    fn run<S: Simd>(self, s: S);
}

/// An instruction set of this machine.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Isa {
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512<false>, Option<Avx512<true>>),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    Portable(Portable),
}

impl Isa {
    /// The best instruction set of this machine.
    pub fn detect() -> Self {
        Self::all()[0]
    }

    /// All instruction sets of this machine, best first.
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("f16c");
            if avx2 && is_x86_feature_detected!("avx512f") {
                if is_x86_feature_detected!("avx512bf16") {
                    all.push(Self::Avx512(Avx512(()), Some(Avx512(()))));
                }
                all.push(Self::Avx512(Avx512(()), None));
            }
            if avx2 {
                all.push(Self::Avx2(Avx2(())));
            }
        }
        all.push(Self::Portable(Portable));
        all
    }

    /// Runs a kernel compiled for this set.
    pub fn run<K: Kernel>(self, kernel: K) {
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the token exists only if `all` found the features.
            Self::Avx512(s, _) => unsafe { run_avx512(s, kernel) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Self::Avx2(s) => unsafe { run_avx2(s, kernel) },
            Self::Portable(s) => kernel.run(s),
        }
    }

    /// As [`Self::run`], with the instruction for [`Simd::dot`] if there is one.
    pub fn run_dot<K: Kernel>(self, kernel: K) {
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the token exists only if `all` found the features.
            Self::Avx512(_, Some(s)) => unsafe { run_avx512_bf16(s, kernel) },
            other => other.run(kernel),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma,f16c")]
fn run_avx512<K: Kernel>(s: Avx512<false>, kernel: K) {
    kernel.run(s);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bf16,avx2,fma,f16c")]
fn run_avx512_bf16<K: Kernel>(s: Avx512<true>, kernel: K) {
    kernel.run(s);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
fn run_avx2<K: Kernel>(s: Avx2, kernel: K) {
    kernel.run(s);
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // Exactly zero is meant.
mod tests {
    use super::*;

    struct Exp<'a>(&'a [Line], &'a mut Vec<Line>);
    impl Kernel for Exp<'_> {
        #[inline(always)]
        fn run<S: Simd>(self, s: S) {
            for line in self.0 {
                let mut out = Line::ZERO;
                s.store(s.exp(s.load(line)), &mut out);
                self.1.push(out);
            }
        }
    }

    #[test]
    fn exp_is_accurate_and_the_same_everywhere() {
        let xs: Vec<Line> = (0..2000)
            .map(|i| Line(std::array::from_fn(|j| (i * 16 + j) as f32 * 0.0055 - 90.0)))
            .chain([Line([f32::NEG_INFINITY; 16]), Line([f32::NAN; 16]), Line([0.0; 16])])
            .collect();
        let mut first: Option<Vec<u32>> = None;
        for isa in Isa::all() {
            let mut out = Vec::new();
            isa.run(Exp(&xs, &mut out));
            for (x, y) in floats(&xs).iter().zip(floats(&out)) {
                if *x < -87.0 || x.is_nan() {
                    assert_eq!(*y, 0.0, "exp({x})");
                } else if *x <= 88.0 {
                    let exact = f64::from(*x).exp();
                    assert!((f64::from(*y) - exact).abs() <= 2e-7 * exact, "exp({x}) = {y}");
                }
            }
            let bits: Vec<u32> = floats(&out).iter().map(|x| x.to_bits()).collect();
            assert_eq!(first.get_or_insert_with(|| bits.clone()), &bits, "{isa:?}");
        }
    }
}
