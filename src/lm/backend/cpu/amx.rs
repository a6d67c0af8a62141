//! Products of bf16 matrices on the tiles of AMX. In: rows of activations and a panel of 32 outputs' weights, both as
//! pairs along the depth. Out: f32 rows. Tiles that do not give the bits that they should are not used.
//!
//! The order of the sums depends on the depth alone, never on how many rows there are: for each 32 inputs one chain of
//! fused steps over the even ones and one over the odd ones, both from zero; their sum is added to the output (or as
//! [`Order`] says). Every step rounds to nearest even, counts subnormal inputs as zero and flushes subnormal results,
//! whatever the thread's floating-point mode says.

mod check;

pub use check::Order;

use std::{arch::asm, marker::PhantomData, ops::Range, sync::OnceLock};

/// Outputs of a panel: two tiles side by side.
pub const OUTPUTS: usize = 32;
/// Inputs that one instruction takes: the depth of both operands is a multiple of it, padded with zeros.
pub const INPUTS: usize = 32;
/// Rows that are multiplied at once without another configuration.
pub const BLOCK: usize = 2 * ROWS;
/// Most rows of a tile.
const ROWS: usize = 16;
/// Bytes in a row of a tile: 16 pairs of bf16, or 16 outputs in f32.
const ROW: usize = 64;

// The tiles' numbers: sums for the upper and lower 16 rows and the left and right 16 outputs, then the operands.
const SUMS: [usize; 4] = [0, 1, 2, 3];
const UPPER: usize = 4;
const LOWER: usize = 5;
const LEFT: usize = 6;
const RIGHT: usize = 7;

/// What `ldtilecfg` reads: the rows of each tile; all are 64 bytes wide.
#[repr(C, align(64))]
struct Config([u8; 64]);

impl Config {
    /// For a block of 1 to 32 rows. The lower tiles of a block of at most 16 are not used, and have one row.
    fn for_rows(rows: usize) -> Self {
        let (upper, lower) = (rows.min(ROWS), rows.saturating_sub(ROWS).max(1));
        let mut bytes = [0; 64];
        bytes[0] = 1;
        for (tile, rows) in [upper, upper, lower, lower, upper, lower, ROWS, ROWS].into_iter().enumerate() {
            bytes[16 + 2 * tile] = ROW as u8;
            bytes[48 + tile] = rows as u8;
        }
        Self(bytes)
    }
}

/// Eight tiles. Tiles are numbered 0 to 7.
pub trait Tiles {
    /// Sets how many rows each tile has, and clears all.
    ///
    /// # Safety
    /// The machine has these tiles and this process may use them; so for all that follow.
    unsafe fn configure(&mut self, config: &[u8; 64]);

    /// Clears a tile.
    ///
    /// # Safety
    /// The tiles are configured.
    unsafe fn zero<const T: usize>(&mut self);

    /// Reads a tile, 64 bytes a row, from rows `stride` bytes apart.
    ///
    /// # Safety
    /// The tiles are configured, and all rows of this one lie in readable memory.
    unsafe fn load<const T: usize>(&mut self, from: *const u8, stride: usize);

    /// Writes a tile, 64 bytes a row, to rows `stride` bytes apart.
    ///
    /// # Safety
    /// The tiles are configured, and all rows of this one lie in memory that is this thread's to write.
    unsafe fn store<const T: usize>(&mut self, to: *mut u8, stride: usize);

    /// Adds to each f32 of the tile `C` the products of a row of bf16 pairs in `A` and a column of pairs in `B`.
    ///
    /// # Safety
    /// The tiles are configured: `C` and `A` with as many rows, `B` with 16.
    unsafe fn dot<const C: usize, const A: usize, const B: usize>(&mut self);

    /// Gives the tiles back.
    ///
    /// # Safety
    /// None but that of the machine.
    unsafe fn release(&mut self);
}

/// The tiles of this thread.
pub struct Hardware(());

// A `dot` is not marked as touching memory, so that the compiler keeps its order by the tiles alone: `asm!` blocks
// without `pure` are volatile and are not moved past each other.
impl Tiles for Hardware {
    #[inline(always)]
    unsafe fn configure(&mut self, config: &[u8; 64]) {
        // SAFETY: the bytes are a configuration of palette 1.
        unsafe { asm!("ldtilecfg [{}]", in(reg) config, options(nostack, preserves_flags, readonly)) }
    }

    #[inline(always)]
    unsafe fn zero<const T: usize>(&mut self) {
        // SAFETY: as the trait asks.
        unsafe { asm!("tilezero tmm{}", const T, options(nostack, preserves_flags, nomem)) }
    }

    #[inline(always)]
    unsafe fn load<const T: usize>(&mut self, from: *const u8, stride: usize) {
        // SAFETY: as the trait asks.
        unsafe {
            asm!("tileloadd tmm{}, [{} + {}]", const T, in(reg) from, in(reg) stride,
                options(nostack, preserves_flags, readonly));
        }
    }

    #[inline(always)]
    unsafe fn store<const T: usize>(&mut self, to: *mut u8, stride: usize) {
        // SAFETY: as the trait asks.
        unsafe {
            asm!("tilestored [{} + {}], tmm{}", in(reg) to, in(reg) stride, const T, options(nostack, preserves_flags));
        }
    }

    #[inline(always)]
    unsafe fn dot<const C: usize, const A: usize, const B: usize>(&mut self) {
        // SAFETY: as the trait asks.
        unsafe {
            asm!("tdpbf16ps tmm{}, tmm{}, tmm{}", const C, const A, const B, options(nostack, preserves_flags, nomem));
        }
    }

    #[inline(always)]
    unsafe fn release(&mut self) {
        // SAFETY: as the trait asks.
        unsafe { asm!("tilerelease", options(nostack, preserves_flags, nomem)) }
    }
}

/// A thread's hold on tiles, released when it ends. A thread that multiplies many panels keeps one.
pub struct Unit<T: Tiles = Hardware> {
    tiles: T,
    /// Rows of the blocks that the tiles are configured for; 0 before the first.
    rows: usize,
    /// Tiles belong to a thread.
    stays: PhantomData<*const ()>,
}

impl Unit {
    /// The tiles of this thread, where the machine has tiles whose sums are known to the bit.
    #[must_use]
    pub fn new() -> Option<Self> {
        order().map(|_| Self::with(Hardware(())))
    }
}

/// The order of the sums on this machine's tiles; none where it has no tiles, this process may not use them, or they
/// gave other bits when they were tried. The first call of a process asks the kernel and tries, the others are free.
pub fn order() -> Option<Order> {
    static ORDER: OnceLock<Option<Order>> = OnceLock::new();
    *ORDER.get_or_init(|| is_there().then(|| check::order(|| Hardware(()))).flatten())
}

impl<T: Tiles> Unit<T> {
    fn with(tiles: T) -> Self {
        Self { tiles, rows: 0, stays: PhantomData }
    }

    /// C = A·Bᵀ for some rows and one panel.
    ///
    /// `a` is row 0 of the activations, with pairs (low half: the even input) along the depth and rows `a_stride` bytes
    /// apart. `panel` holds for each pair of inputs 32 pairs, one an output. `depth` counts inputs. `c` is output 0 of
    /// the panel in row 0, with rows `c_lines` lines of 16 floats apart; it is written, not added to.
    ///
    /// # Safety
    /// `depth` is a multiple of [`INPUTS`] and above 0; `rows` of `a` hold `depth / 2` pairs each, `panel` holds
    /// `depth / 2 * 32`; the panel's outputs in `rows` of `c` are this thread's to write.
    pub unsafe fn product(
        &mut self,
        (a, a_stride): (*const u32, usize),
        rows: Range<usize>,
        panel: *const u32,
        depth: usize,
        (c, c_lines): (*mut f32, usize),
    ) {
        debug_assert!(depth > 0 && depth.is_multiple_of(INPUTS) && a_stride.is_multiple_of(ROW));
        let c_stride = c_lines * ROW;
        for first in rows.clone().step_by(BLOCK) {
            let height = (rows.end - first).min(BLOCK);
            if height != self.rows {
                // SAFETY: whoever made this has tiles; the configuration is a valid one.
                unsafe { self.tiles.configure(&Config::for_rows(height).0) };
                self.rows = height;
            }
            // SAFETY: the caller's promise, for these rows.
            unsafe {
                let (a, c) = (a.cast::<u8>().add(first * a_stride), c.cast::<u8>().add(first * c_stride));
                if height > ROWS {
                    self.block::<true>(a, a_stride, panel.cast(), depth, c, c_stride);
                } else {
                    self.block::<false>(a, a_stride, panel.cast(), depth, c, c_stride);
                }
            }
        }
    }

    /// One block of at most 32 rows, or without the lower tiles of at most 16.
    ///
    /// # Safety
    /// The tiles are configured for the block; `a` and `c` are its first row; else as [`Self::product`].
    #[inline(always)]
    unsafe fn block<const TALL: bool>(
        &mut self,
        a: *const u8,
        a_stride: usize,
        panel: *const u8,
        depth: usize,
        c: *mut u8,
        c_stride: usize,
    ) {
        const B_STRIDE: usize = OUTPUTS * size_of::<u32>();
        let tiles = &mut self.tiles;
        // SAFETY: tile `UPPER` reads the first 16 rows (or all, if fewer), `LOWER` those after them; a step of 32 inputs
        // is 64 bytes of a row and 16 rows of the panel; the sums lie as the rows do.
        unsafe {
            tiles.zero::<{ SUMS[0] }>();
            tiles.zero::<{ SUMS[1] }>();
            if TALL {
                tiles.zero::<{ SUMS[2] }>();
                tiles.zero::<{ SUMS[3] }>();
            }
            for step in 0..depth / INPUTS {
                let (a, b) = (a.add(step * ROW), panel.add(step * ROWS * B_STRIDE));
                tiles.load::<LEFT>(b, B_STRIDE);
                tiles.load::<UPPER>(a, a_stride);
                tiles.load::<RIGHT>(b.add(ROW), B_STRIDE);
                tiles.dot::<{ SUMS[0] }, UPPER, LEFT>();
                tiles.dot::<{ SUMS[1] }, UPPER, RIGHT>();
                if TALL {
                    tiles.load::<LOWER>(a.add(ROWS * a_stride), a_stride);
                    tiles.dot::<{ SUMS[2] }, LOWER, LEFT>();
                    tiles.dot::<{ SUMS[3] }, LOWER, RIGHT>();
                }
            }
            tiles.store::<{ SUMS[0] }>(c, c_stride);
            tiles.store::<{ SUMS[1] }>(c.add(ROW), c_stride);
            if TALL {
                let c = c.add(ROWS * c_stride);
                tiles.store::<{ SUMS[2] }>(c, c_stride);
                tiles.store::<{ SUMS[3] }>(c.add(ROW), c_stride);
            }
        }
    }
}

impl<T: Tiles> Drop for Unit<T> {
    fn drop(&mut self) {
        // SAFETY: whoever made this has tiles.
        unsafe { self.tiles.release() };
    }
}

/// Whether the processor has tiles for bf16, the kernel keeps them, and this process may use them.
fn is_there() -> bool {
    use std::arch::x86_64::__cpuid_count;
    const OSXSAVE: u32 = 1 << 27;
    const TILES_AND_BF16: u32 = 1 << 24 | 1 << 22;
    /// What the kernel saves of tiles: their configuration and their data.
    const TILE_STATE: u32 = 1 << 18 | 1 << 17;
    /// `arch_prctl`'s request for a part of the processor's state, and that part: the tiles' data.
    const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
    const XFEATURE_XTILEDATA: libc::c_long = 18;
    if __cpuid_count(0, 0).eax < 7
        || __cpuid_count(1, 0).ecx & OSXSAVE == 0
        || __cpuid_count(7, 0).edx & TILES_AND_BF16 != TILES_AND_BF16
    {
        return false;
    }
    let saved: u32;
    // SAFETY: the kernel has switched `xgetbv` on.
    unsafe {
        asm!("xgetbv", in("ecx") 0, out("eax") saved, out("edx") _, options(nomem, nostack, preserves_flags));
    };
    // SAFETY: a request that changes nothing but what this process may use.
    saved & TILE_STATE == TILE_STATE
        && unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) } == 0
}
