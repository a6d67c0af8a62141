//! A CUDA card: memory of its own, kernels compiled at run time for a model's shape, and one queue in which
//! everything happens in order.
//!
//! `merge` and `lm` write their kernels in the C that CUDA and a C compiler have in common, and run them through
//! [`Driver`]. It has two implementations, each with its own prelude: `card` with `device.h` makes CUDA
//! kernels (compiled by NVRTC), `emulated` with `host.h` makes ordinary functions that run the threads of a
//! block one after another, for tests. So the kernels that a GPU runs, and the code that launches them, are
//! tested on machines without one. Another kind of card is another implementation of [`Driver`].

#[cfg(feature = "cuda")]
mod card;
#[cfg(test)]
pub(crate) mod emulated;
#[cfg(feature = "cuda")]
mod libraries;

#[cfg(feature = "cuda")]
pub use card::Card;

/// What can go wrong on a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The card has no room for so many bytes.
    Memory { what: &'static str, bytes: usize },
    /// Anything else, in one line.
    Failed(String),
}

/// How a tensor that was to be written at an address on a card got there.
pub(crate) enum DeviceWrite<T> {
    /// The address already holds it.
    Unchanged,
    /// A kernel that writes it is queued.
    Queued,
    /// It was made on the host and is still to be sent.
    OnHost(T),
}

/// A kernel's arguments: plain numbers and addresses.
///
/// # Safety
/// The type is `repr(C)`, has the fields of the kernel's structure in the same order, and no padding.
pub(crate) unsafe trait Arguments: Copy {}

/// Source text of some kernels, and what it is compiled for.
pub(crate) struct KernelSource<'a> {
    pub name: &'a str,
    pub text: &'a str,
    /// Macros and their values.
    pub defines: &'a [(&'a str, u32)],
    /// Names of the kernels, in the order in which they are returned.
    pub kernels: &'a [&'a str],
}

/// The number format of a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    F32,
    BF16,
}

impl Format {
    /// Bytes of a number.
    pub const fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::BF16 => 2,
        }
    }
}

/// `c = aᵀ · b` of column-major matrices, accumulated in f32: `a` is `[k, m]`, `b` `[k, n]`, `c`
/// `[m, n]`, all without gaps. Row-major, that is the product of rows `[n, k]` with a weight `[m, k]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Product {
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub a: u64,
    pub b: u64,
    pub c: u64,
    /// Number format of `a` and `b`.
    pub input: Format,
    /// Number format of `c`.
    pub output: Format,
}

/// What a card can do. All calls are queued in order; only [`Driver::download`] waits. Every method fails with a
/// [`Fault`].
pub(crate) trait Driver: Send + Sync {
    /// Memory on the card, at an address that is a multiple of 256. Its bytes change in the queue's order,
    /// whoever holds the buffer.
    type Buffer: Send + Sync;
    /// A compiled kernel.
    type Kernel: Clone + Send + Sync;

    /// Number format of weights and activations.
    fn format(&self) -> Format;
    /// Allocates so many bytes, whose values are undefined; `what` names them in errors.
    fn alloc(&self, what: &'static str, bytes: usize) -> Result<Self::Buffer, Fault>;
    /// Size of a buffer.
    fn bytes(&self, buffer: &Self::Buffer) -> usize;
    /// Address of a buffer on the card.
    fn address(&self, buffer: &Self::Buffer) -> u64;
    /// Writes bytes from offset `at` on.
    fn upload(&self, bytes: &[u8], to: &Self::Buffer, at: usize) -> Result<(), Fault>;
    /// Reads bytes from offset `at` on, after everything queued before is done.
    fn download(&self, from: &Self::Buffer, at: usize, bytes: &mut [u8]) -> Result<(), Fault>;
    /// Compiles kernels. The same source is compiled once.
    fn compile(&self, source: &KernelSource<'_>) -> Result<Vec<Self::Kernel>, Fault>;
    /// Queues a kernel over a grid of blocks of `threads` threads.
    ///
    /// # Safety
    /// `arguments` are of the kernel's own type, and every address in them points to as much memory of this card as
    /// the kernel reads or writes there. That memory is kept until the kernel has run.
    unsafe fn launch<A: Arguments>(
        &self,
        kernel: &Self::Kernel,
        grid: [usize; 3],
        threads: u32,
        arguments: &A,
    ) -> Result<(), Fault>;
    /// Queues a matrix product.
    ///
    /// # Safety
    /// The addresses point to matrices of the sizes and formats that `product` says, kept until it has run.
    unsafe fn multiply(&self, product: &Product) -> Result<(), Fault>;
    /// Bytes that can still be allocated.
    fn free(&self) -> Result<usize, Fault>;
}
