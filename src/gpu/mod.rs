//! A CUDA card: its own memory, kernels compiled at run time for a model's shape, and one queue in which everything
//! runs in order.
//!
//! `merge` and `lm` write their kernels in the common subset of CUDA and C, and run them through [`Driver`]. It has two
//! implementations, each with its own prelude: `card` with `device.h` makes CUDA kernels (compiled by NVRTC),
//! `emulated` with `host.h` makes ordinary functions that run the threads of a block one after another, for tests. So
//! machines without a GPU can test the kernels and the code that launches them. To support another kind of card,
//! implement [`Driver`].

#[cfg(feature = "cuda")]
mod card;
#[cfg(test)]
pub(crate) mod emulated;
#[cfg(feature = "cuda")]
mod libraries;

#[cfg(feature = "cuda")]
pub use card::Card;

/// An error of a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The card has no room for `bytes` bytes.
    Memory { what: &'static str, bytes: usize },
    /// Any other error, in one line.
    Failed(String),
}

/// How a tensor for an address on a card was produced.
pub(crate) enum DeviceWrite<T> {
    /// The address already holds the tensor.
    Unchanged,
    /// A kernel that writes the tensor is queued.
    Queued,
    /// The tensor was made on the host and must still be sent.
    OnHost(T),
}

/// A kernel's arguments: plain numbers and addresses.
///
/// # Safety
/// The type is `repr(C)`, has the fields of the kernel's structure in the same order, and no padding.
pub(crate) unsafe trait Arguments: Copy {}

/// Source text of some kernels, and its compile-time settings.
pub(crate) struct KernelSource<'a> {
    pub name: &'a str,
    pub text: &'a str,
    /// Macros and their values.
    pub defines: &'a [(&'a str, u32)],
    /// Names of the kernels, in the order of the returned kernels.
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

/// `c = aᵀ · b` of column-major matrices, accumulated in f32: `a` is `[k, m]`, `b` `[k, n]`, `c` `[m, n]`, all without
/// gaps. In row-major terms, this is the product of rows `[n, k]` with a weight `[m, k]`.
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

/// The operations of a card. All calls are queued in order; only [`Driver::download`] waits. Every method fails with a
/// [`Fault`].
pub(crate) trait Driver: Send + Sync {
    /// Memory on the card, at an address that is a multiple of 256. Its bytes change in the order of the queue.
    type Buffer: Send + Sync;
    /// A compiled kernel.
    type Kernel: Clone + Send + Sync;

    /// Number format of weights and activations.
    fn format(&self) -> Format;
    /// Allocates `bytes` bytes with undefined values; `what` names them in errors.
    fn alloc(&self, what: &'static str, bytes: usize) -> Result<Self::Buffer, Fault>;
    /// Size of a buffer.
    fn bytes(&self, buffer: &Self::Buffer) -> usize;
    /// Address of a buffer on the card.
    fn address(&self, buffer: &Self::Buffer) -> u64;
    /// Writes bytes at offset `at`.
    fn upload(&self, bytes: &[u8], to: &Self::Buffer, at: usize) -> Result<(), Fault>;
    /// Reads bytes from offset `at`, after everything queued before is done.
    fn download(&self, from: &Self::Buffer, at: usize, bytes: &mut [u8]) -> Result<(), Fault>;
    /// Compiles kernels. The same source is compiled once.
    fn compile(&self, source: &KernelSource<'_>) -> Result<Vec<Self::Kernel>, Fault>;
    /// Queues a kernel over a grid of blocks of `threads` threads.
    ///
    /// # Safety
    /// `arguments` have the kernel's own type, and every address in them points to enough memory of this card for what
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
    /// The addresses point to matrices with the sizes and formats of `product`, kept until it has run.
    unsafe fn multiply(&self, product: &Product) -> Result<(), Fault>;
    /// Bytes that can still be allocated.
    fn free(&self) -> Result<usize, Fault>;
}
