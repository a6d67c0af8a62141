//! What tiles have to compute: the same in plain Rust, and the comparison to the bit at the first use.

use super::{OUTPUTS, ROWS, Tiles, Unit};

/// In which order a tile adds up the products of its pairs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// As the instruction's manual says: the 16 low halves in one chain from zero, the 16 high halves in another, the
    /// two sums together, then onto the output.
    #[default]
    Halves,
    /// One chain onto the output, the low half of each pair first, as Intel's guide to intrinsics writes it.
    LowFirst,
    /// One chain onto the output, the high half first: that of `vdpbf16ps`.
    HighFirst,
}

/// Tiles in plain Rust.
pub struct Emulated {
    order: Order,
    rows: [usize; 8],
    data: [[[u32; ROWS]; ROWS]; 8],
}

impl Emulated {
    pub const fn new(order: Order) -> Self {
        Self { order, rows: [0; 8], data: [[[0; ROWS]; ROWS]; 8] }
    }

    /// One element of a product: a row of `A`, and the column of `B`.
    fn sum(&self, onto: f32, pairs: impl Iterator<Item = (u32, u32)>) -> f32 {
        let (mut sum, mut low, mut high) = (onto, 0.0, 0.0);
        for (a, b) in pairs {
            let (a_low, b_low, a_high, b_high) = (a << 16, b << 16, a & 0xffff_0000, b & 0xffff_0000);
            match self.order {
                Order::Halves => (low, high) = (step(a_low, b_low, low), step(a_high, b_high, high)),
                Order::LowFirst => sum = step(a_high, b_high, step(a_low, b_low, sum)),
                Order::HighFirst => sum = step(a_low, b_low, step(a_high, b_high, sum)),
            }
        }
        if self.order == Order::Halves { flushed(flushed(sum) + flushed(low + high)) } else { sum }
    }
}

/// A fused step as tiles do it.
fn step(a: u32, b: u32, onto: f32) -> f32 {
    flushed(flushed(f32::from_bits(a)).mul_add(flushed(f32::from_bits(b)), flushed(onto)))
}

/// Zero in place of a subnormal number.
fn flushed(x: f32) -> f32 {
    if x.is_subnormal() { 0.0_f32.copysign(x) } else { x }
}

impl Tiles for Emulated {
    unsafe fn configure(&mut self, config: &[u8; 64]) {
        self.rows = std::array::from_fn(|tile| config[48 + tile].into());
        self.data = [[[0; ROWS]; ROWS]; 8];
    }

    unsafe fn zero<const T: usize>(&mut self) {
        self.data[T] = [[0; ROWS]; ROWS];
    }

    unsafe fn load<const T: usize>(&mut self, from: *const u8, stride: usize) {
        for row in 0..self.rows[T] {
            // SAFETY: the caller's promise.
            self.data[T][row] = unsafe { from.add(row * stride).cast::<[u32; ROWS]>().read_unaligned() };
        }
    }

    unsafe fn store<const T: usize>(&mut self, to: *mut u8, stride: usize) {
        for row in 0..self.rows[T] {
            // SAFETY: the caller's promise.
            unsafe { to.add(row * stride).cast::<[u32; ROWS]>().write_unaligned(self.data[T][row]) };
        }
    }

    unsafe fn dot<const C: usize, const A: usize, const B: usize>(&mut self) {
        for row in 0..self.rows[C] {
            for output in 0..ROWS {
                let pairs = (0..ROWS).map(|k| (self.data[A][row][k], self.data[B][k][output]));
                let sum = self.sum(f32::from_bits(self.data[C][row][output]), pairs);
                self.data[C][row][output] = sum.to_bits();
            }
        }
    }

    unsafe fn release(&mut self) {}
}

/// The order in which tiles add, found by a product of 40 × 32 × 96 numbers; none if its bits are those of no order.
pub(super) fn order<T: Tiles>(tiles: impl Fn() -> T) -> Option<Order> {
    let operands = Operands::new(40, 96);
    let found = operands.product(&mut Unit::with(tiles()));
    [Order::Halves, Order::LowFirst, Order::HighFirst]
        .into_iter()
        .find(|&order| operands.product(&mut Unit::with(Emulated::new(order))) == found)
}

/// 16 pairs, or 16 outputs in f32: 64 bytes on a cache line.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u32; ROWS]);

/// Two matrices of bf16 numbers from a fixed series, as a product takes them.
pub struct Operands {
    rows: usize,
    depth: usize,
    a: Vec<Line>,
    panel: Vec<Line>,
}

impl Operands {
    /// `rows` × `depth` numbers and 32 × `depth` numbers of magnitudes between 2⁻⁷ and 2.
    pub fn new(rows: usize, depth: usize) -> Self {
        let mut state = 1_u64;
        let mut lines = |n: usize| -> Vec<Line> {
            let mut pair = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let bits = (state >> 32) as u32;
                // The exponents' upper bits are fixed; signs, three bits of each exponent and all of the fractions vary.
                bits & 0x83ff_83ff | 0x3c00_3c00
            };
            (0..n).map(|_| Line(std::array::from_fn(|_| pair()))).collect()
        };
        Self { rows, depth, a: lines(rows * depth / 32), panel: lines(depth) }
    }

    /// The product's bits, row by row, 32 outputs a row.
    pub fn product<T: Tiles>(&self, unit: &mut Unit<T>) -> Vec<u32> {
        let mut c = vec![Line([0; ROWS]); self.rows * 2];
        // SAFETY: the operands are as large as their sizes say, and the output is two lines a row.
        unsafe {
            let a = (self.a.as_ptr().cast(), self.depth * 2);
            let c = (c.as_mut_ptr().cast(), OUTPUTS / ROWS);
            unit.product(a, 0..self.rows, self.panel.as_ptr().cast(), self.depth, c);
        }
        c.iter().flat_map(|line| line.0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of a row's input, and of an output's.
    fn number(lines: &[Line], pair: usize, odd: usize) -> f64 {
        let bits = lines[pair / ROWS].0[pair % ROWS];
        f64::from(f32::from_bits(if odd == 1 { bits & 0xffff_0000 } else { bits << 16 }))
    }

    #[test]
    fn products_of_all_heights_are_those_of_plain_arithmetic() {
        for depth in [32, 96, 576, 2304] {
            for rows in [1, 7, 16, 17, 31, 32, 33, 64] {
                let operands = Operands::new(rows, depth);
                let product = operands.product(&mut Unit::with(Emulated::new(Order::Halves)));
                for (i, bits) in product.into_iter().enumerate() {
                    let (row, output) = (i / OUTPUTS, i % OUTPUTS);
                    let (mut exact, mut size) = (0.0, 0.0);
                    for k in 0..depth {
                        let a = number(&operands.a, row * depth / 2 + k / 2, k % 2);
                        let b = number(&operands.panel, k / 2 * OUTPUTS + output, k % 2);
                        exact += a * b;
                        size += (a * b).abs();
                    }
                    let off = (f64::from(f32::from_bits(bits)) - exact).abs() / size;
                    assert!(off < 1e-6, "row {row} of {rows}, output {output}, depth {depth}: {off}");
                }
            }
        }
    }

    #[test]
    fn a_row_is_the_same_in_any_company_and_nothing_else_is_written() {
        let operands = Operands::new(64, 96);
        let whole = operands.product(&mut Unit::with(Emulated::new(Order::Halves)));
        let mut unit = Unit::with(Emulated::new(Order::Halves));
        for (first, last) in [(0, 1), (3, 20), (31, 64), (40, 40), (5, 38)] {
            let mut c = vec![Line([7; ROWS]); 64 * 3];
            // SAFETY: rows are three lines apart, of which a panel takes two.
            unsafe {
                let a = (operands.a.as_ptr().cast(), 96 * 2);
                unit.product(a, first..last, operands.panel.as_ptr().cast(), 96, (c.as_mut_ptr().cast(), 3));
            }
            for (row, lines) in c.chunks(3).enumerate() {
                let written: Vec<u32> = lines[..2].iter().flat_map(|line| line.0).collect();
                let inside = (first..last).contains(&row);
                let due = if inside { whole[row * OUTPUTS..][..OUTPUTS].to_vec() } else { vec![7; OUTPUTS] };
                assert_eq!(written, due, "row {row} of {first}..{last}");
                assert_eq!(lines[2].0, [7; ROWS], "beside row {row}");
            }
        }
    }

    #[test]
    fn each_order_is_told_from_the_others() {
        for due in [Order::Halves, Order::LowFirst, Order::HighFirst] {
            assert_eq!(order(|| Emulated::new(due)), Some(due));
        }
    }

    #[test]
    fn the_machines_tiles_give_the_bits_of_their_order() {
        let Some(order) = super::super::order() else { return };
        for (rows, depth) in [(1, 32), (16, 576), (33, 2304), (64, 96)] {
            let operands = Operands::new(rows, depth);
            let tiles = operands.product(&mut Unit::new().expect("tiles"));
            assert!(
                tiles == operands.product(&mut Unit::with(Emulated::new(order))),
                "{rows} rows, depth {depth}"
            );
        }
    }
}
