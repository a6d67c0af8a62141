//! The innermost step of the matrix products: activations of some rows times the weights of one or two input features.
//! One type for each number format; `matmul` runs their steps.

use super::simd::{Line, Simd};

/// A step of a product: `acc += a · b`.
pub(super) trait Inner {
    /// Input features of a step.
    const FEATURES: usize;
    /// 32-bit numbers of a row of activations that a step reads.
    const NUMBERS: usize;

    /// Adds the products of `M` rows, `a.1` numbers apart, with `N` lines of weights.
    ///
    /// # Safety
    /// `a.0` points to `NUMBERS` readable numbers in each of `M` rows, `b` to `N` readable lines.
    unsafe fn step<S: Simd, const M: usize, const N: usize>(
        s: S,
        acc: &mut [[S::V; N]; M],
        a: (*const f32, usize),
        b: *const Line,
    );
}

/// Weights in float32.
pub(super) struct F32;
/// Weights in bfloat16, computed in float32.
pub(super) struct WidenBf16;
/// Weights in float16, computed in float32.
pub(super) struct WidenF16;
/// Weights and activations in bfloat16.
pub(super) struct Bf16Dot;

/// `N` lines from `b` on.
///
/// # Safety
/// `b` points to `N` readable lines.
#[inline(always)]
unsafe fn load<S: Simd, const N: usize>(s: S, b: *const Line) -> [S::V; N] {
    // SAFETY: the caller promises them.
    std::array::from_fn(|j| s.load(unsafe { &*b.add(j) }))
}

/// `acc = op(a, b, acc)` for the number at `a` in each row.
///
/// # Safety
/// `a.0` points to a readable number in each of `M` rows.
#[inline(always)]
unsafe fn each<S: Simd, const M: usize, const N: usize>(
    s: S,
    acc: &mut [[S::V; N]; M],
    a: (*const f32, usize),
    b: [S::V; N],
    op: impl Fn(S::V, S::V, S::V) -> S::V,
) {
    for (i, row) in acc.iter_mut().enumerate() {
        // SAFETY: the caller promises the number.
        let a = s.splat(unsafe { *a.0.add(i * a.1) });
        for (v, b) in row.iter_mut().zip(b) {
            *v = op(a, b, *v);
        }
    }
}

impl Inner for F32 {
    const FEATURES: usize = 1;
    const NUMBERS: usize = 1;

    #[inline(always)]
    unsafe fn step<S: Simd, const M: usize, const N: usize>(
        s: S,
        acc: &mut [[S::V; N]; M],
        a: (*const f32, usize),
        b: *const Line,
    ) {
        // SAFETY: the caller promises both.
        unsafe { each(s, acc, a, load::<S, N>(s, b), |a, b, v| s.fma(a, b, v)) }
    }
}

macro_rules! widening {
    ($name:ident, $first:ident, $second:ident) => {
        impl Inner for $name {
            const FEATURES: usize = 2;
            const NUMBERS: usize = 2;

            #[inline(always)]
            unsafe fn step<S: Simd, const M: usize, const N: usize>(
                s: S,
                acc: &mut [[S::V; N]; M],
                a: (*const f32, usize),
                b: *const Line,
            ) {
                // SAFETY: the caller promises the lines.
                let pairs = unsafe { load::<S, N>(s, b) };
                let (first, second) = (pairs.map(|p| s.$first(p)), pairs.map(|p| s.$second(p)));
                // Row by row: two loops over the rows would keep all their numbers in registers at once.
                for (i, row) in acc.iter_mut().enumerate() {
                    // SAFETY: the caller promises two numbers in each row.
                    let (a, b) = unsafe { (s.splat(*a.0.add(i * a.1)), s.splat(*a.0.add(i * a.1 + 1))) };
                    for (v, (first, second)) in row.iter_mut().zip(first.into_iter().zip(second)) {
                        *v = s.fma(b, second, s.fma(a, first, *v));
                    }
                }
            }
        }
    };
}

widening!(WidenBf16, first_bf16, second_bf16);
widening!(WidenF16, first_f16, second_f16);

impl Inner for Bf16Dot {
    const FEATURES: usize = 2;
    const NUMBERS: usize = 1;

    #[inline(always)]
    unsafe fn step<S: Simd, const M: usize, const N: usize>(
        s: S,
        acc: &mut [[S::V; N]; M],
        a: (*const f32, usize),
        b: *const Line,
    ) {
        // SAFETY: the caller promises both.
        unsafe { each(s, acc, a, load::<S, N>(s, b), |a, b, v| s.dot(a, b, v)) }
    }
}
