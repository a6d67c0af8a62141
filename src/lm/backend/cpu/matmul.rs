//! The matrix products of the CPU backend.
//!
//! In: rows and a packed weight. Out: rows. Each output is one chain of fused multiply-adds over the input features,
//! from zero, in a fixed order; the bias is added last. So tiling and vector width do not change a single bit.
//!
//! In float32 ([`matmul`]) the order is that of the features. Weights of 16 bits are widened in registers, which is
//! exact: the result is that of the same weights in float32. In bfloat16 ([`matmul_bf16`]) the features come in pairs, the
//! odd one first, as in the instruction `vdpbf16ps`; it counts subnormal numbers as zero, all else is equal to the bit on
//! every CPU but those with AMX. Its tiles sum 32 features at a time (`amx`): the two differ by about 1e-6 of the outputs'
//! size.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::ops::Range;

use rayon::prelude::*;

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use super::amx;
use super::format::Format;
use super::inner::{Bf16Dot, F32, Inner, WidenBf16, WidenF16};
use super::matrix::{Matrix, PANEL};
use super::rows::Rows;
use super::simd::{Isa, Kernel, LANES, Line, Simd, floats};

/// How products are computed; the result does not depend on it, but for tiles.
#[derive(Clone, Copy)]
pub(crate) struct How {
    pub isa: Isa,
    /// Threads that may work on one product.
    pub team: usize,
    /// Whether products of bfloat16 numbers run on the tiles of AMX, if this machine has them.
    pub tiles: bool,
}

/// A product whose weights have fewer lines (256 KB) is computed by one thread.
const SHARED_LINES: usize = 4096;

/// `out = x · wᵀ + bias` in float32.
pub(crate) fn matmul(how: &How, x: &Rows, w: &Matrix, out: &mut Rows) {
    out.resize(x.n, w.out_lines);
    assert!(x.stride * LANES >= w.depth, "rows narrower than the matrix");
    let operands =
        Operands::new((x.data.as_ptr().cast::<f32>(), x.stride * LANES), w, w.bias.as_deref(), out);
    shared(how.team, w, |panels| match w.format {
        Format::F32 => how.isa.run(Matmul::<F32>::new(&operands, panels)),
        Format::Bf16 => how.isa.run(Matmul::<WidenBf16>::new(&operands, panels)),
        Format::F16 => how.isa.run(Matmul::<WidenF16>::new(&operands, panels)),
    });
}

/// `out = x · wᵀ` in bfloat16 with sums in float32, without the bias. The weights are bfloat16, and so are the values of
/// `x`.
pub(crate) fn matmul_bf16(how: &How, x: &Rows, w: &Matrix, out: &mut Rows) {
    thread_local! {
        /// The activations of the last product, in pairs.
        static PAIRS: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
    }
    assert!(w.format == Format::Bf16 && x.stride * LANES >= w.depth, "not a product of bfloat16 numbers");
    out.resize(x.n, w.out_lines);
    // Taken, not borrowed: while this thread waits for the others it may compute another product.
    let mut pairs = PAIRS.take();
    // An odd number of lines, so that rows do not share cache sets.
    let stride = w.depth.div_ceil(2 * LANES) | 1;
    if pairs.len() < x.n * stride {
        pairs.resize(x.n * stride, Line::ZERO);
    }
    how.isa.run(Pack { x, depth: w.depth, stride, to: &mut pairs });
    let operands = Operands::new((pairs.as_ptr().cast(), stride * LANES), w, None, out);
    shared(how.team, w, |panels| {
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        if let Some(tiles) = how.tiles.then(amx::Unit::new).flatten() {
            return on_tiles(tiles, &operands, panels);
        }
        how.isa.run_dot(Matmul::<Bf16Dot>::new(&operands, panels));
    });
    PAIRS.set(pairs);
}

/// Bytes of panels that stay in the second-level cache while all rows pass.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
const PANELS_AT_ONCE: usize = 512 << 10;

/// A range of panels of a product of bfloat16 numbers, on the tiles of AMX.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn on_tiles(mut tiles: amx::Unit, operands: &Operands, panels: Range<usize>) {
    let Operands { a, n, w, c, .. } = *operands;
    let at_once = (PANELS_AT_ONCE / (w.panel_lines() * size_of::<Line>())).max(1);
    for first in panels.clone().step_by(at_once) {
        for row in (0..n).step_by(amx::BLOCK) {
            for panel in first..(first + at_once).min(panels.end) {
                // SAFETY: a row of pairs is padded with zeros to whole lines, which hold `INPUTS` each, as a panel is;
                // `Operands` holds for the rest what `Matmul` relies on.
                unsafe {
                    tiles.product(
                        (a.0.cast(), a.1 * size_of::<f32>()),
                        row..(row + amx::BLOCK).min(n),
                        w.panels.as_ptr().add(panel * w.panel_lines()).cast(),
                        w.panel_lines() / PANEL * 2,
                        (c.0.add(panel * PANEL).cast(), c.1),
                    );
                }
            }
        }
    }
}

/// Runs `part` on ranges of panels that together are all of them.
fn shared(team: usize, w: &Matrix, part: impl Fn(Range<usize>) + Sync) {
    let panels = w.out_lines / PANEL;
    if team < 2 || w.panels.len() < SHARED_LINES {
        return part(0..panels);
    }
    let parts = team.min(panels);
    (0..parts).into_par_iter().for_each(|i| part(panels * i / parts..panels * (i + 1) / parts));
}

/// Writes each row's features as pairs of bfloat16 numbers, the even feature in the low half. The values have no other
/// digits.
struct Pack<'a> {
    x: &'a Rows,
    depth: usize,
    /// Lines of a row of pairs.
    stride: usize,
    to: &'a mut [Line],
}

impl Kernel for Pack<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for (i, to) in self.to.chunks_exact_mut(self.stride).take(self.x.n).enumerate() {
            let row = &floats(self.x.row(i))[..self.depth];
            let pairs = to.iter_mut().flat_map(|line| &mut line.0);
            for (to, [even, odd]) in pairs.zip(row.as_chunks::<2>().0) {
                *to = f32::from_bits(even.to_bits() >> 16 | odd.to_bits() & 0xffff_0000);
            }
            // Half a line, where the depth is no multiple of a tile's.
            if !self.depth.is_multiple_of(2 * LANES) {
                to[self.depth / (2 * LANES)].0[LANES / 2..].fill(0.0);
            }
        }
    }
}

/// The buffers of a product.
struct Operands<'a> {
    /// The activations, and the numbers from one row to the next.
    a: (*const f32, usize),
    n: usize,
    w: &'a Matrix,
    /// `[out_lines]`.
    bias: Option<&'a [Line]>,
    /// The result, and the lines from one row to the next.
    c: (*mut Line, usize),
    _result: PhantomData<&'a mut Rows>,
}

// SAFETY: the activations are only read, and every range of panels writes its own lines of the result.
unsafe impl Sync for Operands<'_> {}

impl<'a> Operands<'a> {
    /// `a` has a row of `w.depth` features for each row of `out`.
    fn new(a: (*const f32, usize), w: &'a Matrix, bias: Option<&'a [Line]>, out: &'a mut Rows) -> Self {
        assert_eq!(w.panels.len(), w.out_lines / PANEL * w.panel_lines(), "a weight that was not written");
        Self { a, n: out.n, w, bias, c: (out.data.as_mut_ptr(), out.stride), _result: PhantomData }
    }
}

/// A range of panels of a product.
struct Matmul<'a, I> {
    operands: &'a Operands<'a>,
    panels: Range<usize>,
    inner: PhantomData<I>,
}

impl<'a, I: Inner> Matmul<'a, I> {
    const fn new(operands: &'a Operands<'a>, panels: Range<usize>) -> Self {
        Self { operands, panels, inner: PhantomData }
    }
}

/// Steps per pass: a panel's part of them (20 KB) stays in the first-level cache while all rows pass.
const STEPS_AT_ONCE: usize = 160;

impl<I: Inner> Kernel for Matmul<'_, I> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Operands { a, n, w, bias, c, .. } = *self.operands;
        let (tile_rows, tile_lines) = S::TILE;
        let tiles = n.div_ceil(tile_rows).max(1);
        let steps = w.depth / I::FEATURES;
        let stretches = steps.div_ceil(STEPS_AT_ONCE);
        for panel in self.panels {
            for stretch in 0..stretches {
                let (k0, k1) = (steps * stretch / stretches, steps * (stretch + 1) / stretches);
                for tile in 0..tiles {
                    let (r0, r1) = (n * tile / tiles, n * (tile + 1) / tiles);
                    for part in 0..PANEL / tile_lines {
                        let column = panel * PANEL + part * tile_lines;
                        // SAFETY: rows r0..r1 lie within both buffers (n rows each). The callers checked that a row of
                        // `a` holds `depth` features and made a row of `out` hold `out_lines` lines; `new` checked that
                        // each panel has the lines of all steps.
                        unsafe {
                            let place = TileOperands {
                                a: a.0.add(r0 * a.1 + k0 * I::NUMBERS),
                                a_stride: a.1,
                                b: w.panels
                                    .as_ptr()
                                    .add(panel * w.panel_lines() + k0 * PANEL + part * tile_lines),
                                steps: k1 - k0,
                                c: c.0.add(r0 * c.1 + column),
                                c_stride: c.1,
                                bias: match bias {
                                    Some(bias) if stretch + 1 == stretches => bias.as_ptr().add(column),
                                    _ => std::ptr::null(),
                                },
                                first: stretch == 0,
                            };
                            if tile_lines == 2 {
                                rows::<S, I, 2>(s, r1 - r0, &place);
                            } else {
                                rows::<S, I, 1>(s, r1 - r0, &place);
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
    steps: usize,
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
unsafe fn rows<S: Simd, I: Inner, const N: usize>(s: S, m: usize, place: &TileOperands) {
    macro_rules! pick {
        ($($m:literal)*) => {
            match m {
                // SAFETY: the caller promises the same for `m` rows.
                $($m => unsafe { tile::<S, I, $m, N>(s, place) },)*
                _ => {}
            }
        };
    }
    pick!(1 2 3 4 5 6 7 8 9 10 11 12);
}

/// `M` rows by `N` lines of the product.
///
/// # Safety
/// `place` describes `M` readable rows of `steps` steps, as many steps of `PANEL` lines, and `M` writable rows of `N`
/// lines.
#[inline(always)]
unsafe fn tile<S: Simd, I: Inner, const M: usize, const N: usize>(s: S, place: &TileOperands) {
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
        for step in 0..place.steps {
            let a = place.a.add(step * I::NUMBERS);
            I::step(s, &mut acc, (a, place.a_stride), place.b.add(step * PANEL));
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
