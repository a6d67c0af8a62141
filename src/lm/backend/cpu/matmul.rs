//! The matrix product of the CPU backend.
//!
//! In: rows and a packed weight. Out: rows. Each output is one chain of fused multiply-adds over the input features,
//! first to last, from zero; the bias is added last. So tiling and vector width do not change a single bit.

use super::matrix::{Matrix, PANEL, Rows};
use super::simd::{Isa, Kernel, LANES, Line, Simd};

/// `out = x · wᵀ + bias`.
pub(crate) fn matmul(isa: Isa, x: &Rows, w: &Matrix, out: &mut Rows) {
    out.resize(x.n, w.out_lines);
    assert!(x.stride * LANES >= w.depth, "rows narrower than the matrix");
    isa.run(Matmul { x, w, out });
}

struct Matmul<'a> {
    x: &'a Rows,
    w: &'a Matrix,
    out: &'a mut Rows,
}

/// Input features per pass: a panel's part of them (20 KB) stays in the first-level cache while all rows pass.
const DEPTH_AT_ONCE: usize = 160;

impl Kernel for Matmul<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { x, w, out } = self;
        let (tile_rows, tile_lines) = S::TILE;
        let tiles = x.n.div_ceil(tile_rows).max(1);
        let stretches = w.depth.div_ceil(DEPTH_AT_ONCE);
        for panel in 0..w.out_lines / PANEL {
            for stretch in 0..stretches {
                let (k0, k1) = (w.depth * stretch / stretches, w.depth * (stretch + 1) / stretches);
                for tile in 0..tiles {
                    let (r0, r1) = (x.n * tile / tiles, x.n * (tile + 1) / tiles);
                    for part in 0..PANEL / tile_lines {
                        let column = panel * PANEL + part * tile_lines;
                        // SAFETY: rows r0..r1 lie within both buffers (x.n rows each). `matmul` checked that a row of
                        // `x` holds `depth` floats and made a row of `out` hold `out_lines` lines. The panel has
                        // `depth` steps of PANEL lines.
                        unsafe {
                            let place = TileOperands {
                                a: x.data.as_ptr().add(r0 * x.stride).cast::<f32>().add(k0),
                                a_stride: x.stride * LANES,
                                b: w.panels.as_ptr().add((panel * w.depth + k0) * PANEL + part * tile_lines),
                                depth: k1 - k0,
                                c: out.data.as_mut_ptr().add(r0 * out.stride + column),
                                c_stride: out.stride,
                                bias: match &w.bias {
                                    Some(bias) if stretch + 1 == stretches => bias.as_ptr().add(column),
                                    _ => std::ptr::null(),
                                },
                                first: stretch == 0,
                            };
                            if tile_lines == 2 {
                                rows::<S, 2>(s, r1 - r0, &place);
                            } else {
                                rows::<S, 1>(s, r1 - r0, &place);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The operands of a tile.
struct TileOperands {
    a: *const f32,
    a_stride: usize,
    b: *const Line,
    depth: usize,
    c: *mut Line,
    c_stride: usize,
    /// Null if there is no bias.
    bias: *const Line,
    /// Whether the chains start from zero; otherwise they continue from `c`.
    first: bool,
}

/// Runs the tile compiled for this number of rows.
///
/// # Safety
/// As [`tile`], for `m` rows.
#[inline(always)]
unsafe fn rows<S: Simd, const N: usize>(s: S, m: usize, place: &TileOperands) {
    macro_rules! pick {
        ($($m:literal)*) => {
            match m {
                // SAFETY: the caller promises the same for `m` rows.
                $($m => unsafe { tile::<S, $m, N>(s, place) },)*
                _ => {}
            }
        };
    }
    pick!(1 2 3 4 5 6 7 8 9 10 11 12);
}

/// `M` rows by `N` lines of the product.
///
/// # Safety
/// `place` describes `M` readable rows of `depth` floats, `depth` steps of `PANEL` lines, and `M`
/// writable rows of `N` lines.
#[inline(always)]
unsafe fn tile<S: Simd, const M: usize, const N: usize>(s: S, place: &TileOperands) {
    // SAFETY: all offsets stay within what the caller promises.
    unsafe {
        let mut acc = [[s.splat(0.0); N]; M];
        if !place.first {
            for (i, row) in acc.iter_mut().enumerate() {
                for (j, v) in row.iter_mut().enumerate() {
                    *v = s.load(&*place.c.add(i * place.c_stride + j));
                }
            }
        }
        for k in 0..place.depth {
            let mut b = [s.splat(0.0); N];
            for (j, v) in b.iter_mut().enumerate() {
                *v = s.load(&*place.b.add(k * PANEL + j));
            }
            for (i, row) in acc.iter_mut().enumerate() {
                let a = s.splat(*place.a.add(i * place.a_stride + k));
                for (v, b) in row.iter_mut().zip(b) {
                    *v = s.fma(a, b, *v);
                }
            }
        }
        for (i, row) in acc.into_iter().enumerate() {
            for (j, mut v) in row.into_iter().enumerate() {
                if !place.bias.is_null() {
                    v = s.add(v, s.load(&*place.bias.add(j)));
                }
                s.store(v, &mut *place.c.add(i * place.c_stride + j));
            }
        }
    }
}
