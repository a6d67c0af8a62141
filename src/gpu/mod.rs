//! A card: memory of its own, kernels that are compiled for a model's shape when they are first
//! needed, and one queue in which everything happens in order.
//!
//! What runs there is text in the C that CUDA and a C compiler have in common, under one of two
//! preludes: `device.h` makes it a CUDA kernel (compiled by NVRTC at run time: [`Card`]), `host.h`
//! makes it an ordinary function that plays the threads of a block one after another
//! ([`Emulated`](emulated::Emulated), for tests). So the very kernels that a GPU runs, and the code that
//! launches them, are tested where there is none.

#[cfg(feature = "cuda")]
mod card;
#[cfg(test)]
pub(crate) mod emulated;
#[cfg(feature = "cuda")]
mod find;

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

/// What became of a tensor that somebody was to write at an address of a card.
pub(crate) enum Made<T> {
    /// What it held is still right.
    Kept,
    /// It will be there, in the queue's order.
    There,
    /// Here it is, to be sent.
    Here(T),
}

/// Plain numbers and addresses, as a kernel takes them.
///
/// # Safety
/// `repr(C)`, with the fields of the kernel's structure in their order, and no padding that is read.
pub(crate) unsafe trait Arguments: Copy {}

/// Text of some kernels and what it is compiled for.
pub(crate) struct Source<'a> {
    pub name: &'a str,
    pub text: &'a str,
    /// Macros and their values.
    pub defines: &'a [(&'a str, u32)],
    /// The kernels, in the order in which they are given back.
    pub kernels: &'a [&'a str],
}

/// The number format of a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    F32,
    BF16,
}

impl Format {
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
    /// Of `a` and `b`.
    pub given: Format,
    /// Of `c`.
    pub made: Format,
}

/// What a card does. All calls are queued in order; only [`Driver::download`] waits.
pub(crate) trait Driver: Send + Sync {
    /// Bytes on the card, from an address that is a multiple of 256. They change in the queue's order,
    /// whoever holds the buffer.
    type Buffer: Send + Sync;
    type Kernel: Clone + Send + Sync;

    /// Number format of weights and activations.
    fn format(&self) -> Format;
    /// Room for so many bytes, which hold anything; `what` names it in errors.
    fn alloc(&self, what: &'static str, bytes: usize) -> Result<Self::Buffer, Fault>;
    fn bytes(&self, buffer: &Self::Buffer) -> usize;
    fn address(&self, buffer: &Self::Buffer) -> u64;
    /// Writes bytes from offset `at` on.
    fn upload(&self, bytes: &[u8], to: &Self::Buffer, at: usize) -> Result<(), Fault>;
    /// Reads bytes from offset `at` on, once all that was queued is done.
    fn download(&self, from: &Self::Buffer, at: usize, bytes: &mut [u8]) -> Result<(), Fault>;
    /// Compiles kernels; the same source again costs nothing.
    fn compile(&self, source: &Source<'_>) -> Result<Vec<Self::Kernel>, Fault>;
    /// Queues a kernel over a grid of blocks of `threads` threads.
    ///
    /// # Safety
    /// `arguments` are those of the kernel, and every address in them leads to as much memory of this card
    /// as the kernel reads or writes there, kept until the queue is done with it.
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
    /// The addresses lead to matrices of the sizes and formats that `product` says.
    unsafe fn multiply(&self, product: &Product) -> Result<(), Fault>;
    /// Bytes that can still be had.
    fn free(&self) -> Result<usize, Fault>;
}
