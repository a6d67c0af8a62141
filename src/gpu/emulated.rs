//! [`Emulated`]: a card for tests, on the CPU. A C compiler builds the kernels, and writes outside of buffers are
//! detected.
//!
//! New memory holds NaN, so that reads of unwritten memory are noticed. After every kernel, the bytes after each buffer
//! are checked; a write past the end is an error.

use std::alloc::{Layout, alloc, dealloc};
use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::process::Command;
use std::sync::{Arc, Mutex};

use super::{Arguments, Driver, Fault, Format, KernelSource, Product};

const PRELUDE: &str = include_str!("host.h");
const ALIGN: usize = 256;
/// Guard bytes after a buffer, which no kernel may write.
const EDGE: usize = 512;
const WATCH: u8 = 0xff;

type Function = unsafe extern "C" fn(*const u32, u32, *const c_void, u32, c_int) -> *const c_char;

/// An emulated card. Clones share it.
#[derive(Clone)]
pub struct Emulated(Arc<Inner>);

struct Inner {
    format: Format,
    /// The card's memory in bytes.
    room: usize,
    /// Whether the threads of a block run in reverse order.
    backwards: bool,
    /// Addresses and lengths of the allocated buffers.
    buffers: Mutex<HashMap<u64, usize>>,
    counts: Mutex<Counts>,
    /// Number of further allocations before one is refused, once.
    refuse: Mutex<Option<usize>>,
}

/// Statistics of a card's use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bytes sent to the card, and bytes read back.
    pub sent: usize,
    pub brought: usize,
    /// Launches of each kernel.
    pub launches: HashMap<String, usize>,
    /// Number of allocations, by purpose.
    pub asked: HashMap<&'static str, usize>,
}

/// Memory of an emulated card.
pub(crate) struct Buffer {
    at: *mut u8,
    bytes: usize,
    card: Arc<Inner>,
}

// SAFETY: the buffer owns its memory, and kernels run within a call.
unsafe impl Send for Buffer {}
// SAFETY: as above; only `upload`, `launch` and `multiply` write through a shared reference, each within its call.
unsafe impl Sync for Buffer {}

fn layout(bytes: usize) -> Layout {
    Layout::from_size_align(bytes + EDGE, ALIGN).expect("a size that a test asks for")
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.card.buffers.lock().unwrap().remove(&(self.at as u64));
        // SAFETY: allocated with the same layout in `alloc`.
        unsafe { dealloc(self.at, layout(self.bytes)) };
    }
}

/// Names the card in the message of a failing test.
impl std::fmt::Debug for Emulated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "emulated {:?}{}", self.0.format, if self.0.backwards { ", backwards" } else { "" })
    }
}

impl Emulated {
    pub fn new(format: Format, backwards: bool) -> Self {
        Self::with_room(format, backwards, usize::MAX)
    }

    /// A card with the given number of bytes of memory.
    pub fn with_room(format: Format, backwards: bool, room: usize) -> Self {
        let (buffers, counts, refuse) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self(Arc::new(Inner { format, room, backwards, buffers, counts, refuse }))
    }

    pub fn counts(&self) -> Counts {
        self.0.counts.lock().unwrap().clone()
    }

    /// Refuses one allocation, after granting `after` more.
    pub fn refuse(&self, after: usize) {
        *self.0.refuse.lock().unwrap() = Some(after);
    }

    /// Cancels a planned refusal; returns whether it was still pending.
    pub fn unrefused(&self) -> bool {
        self.0.refuse.lock().unwrap().take().is_some()
    }

    fn refuses(&self) -> bool {
        let mut refuse = self.0.refuse.lock().unwrap();
        let now = *refuse == Some(0);
        *refuse = refuse.and_then(|n| n.checked_sub(1));
        now
    }

    pub fn used(&self) -> usize {
        self.0.buffers.lock().unwrap().values().sum()
    }

    fn edges_hold(&self, kernel: &str) -> Result<(), Fault> {
        for (at, bytes) in self.0.buffers.lock().unwrap().iter() {
            // SAFETY: a buffer in the list is allocated, with its guard bytes after it.
            let edge = unsafe { std::slice::from_raw_parts((*at as *const u8).add(*bytes), EDGE) };
            if edge.iter().any(|b| *b != WATCH) {
                return Err(Fault::Failed(format!("{kernel} writes past the end of {bytes} bytes")));
            }
        }
        Ok(())
    }

    /// Whether the `bytes` bytes from `at` on lie in one buffer.
    fn holds(&self, at: u64, bytes: usize) -> bool {
        let inside = |(from, len): (&u64, &usize)| *from <= at && at + bytes as u64 <= from + *len as u64;
        self.0.buffers.lock().unwrap().iter().any(inside)
    }
}

/// A kernel with its name.
#[derive(Clone)]
pub(crate) struct Kernel(String, Function);

/// Compiles a source to a library, once per process; returns the handle.
fn library(source: &KernelSource<'_>, format: Format) -> usize {
    static MADE: Mutex<Option<HashMap<String, usize>>> = Mutex::new(None);
    let wide = u32::from(format == Format::F32);
    let define = |(name, value): &(&str, u32)| format!("#define {name} {value}");
    let defines = source.defines.iter().map(define).collect::<Vec<_>>().join("\n") + "\n";
    let text = format!("{defines}#define WIDE {wide}\n{PRELUDE}\n{}", source.text);
    let mut made = MADE.lock().unwrap();
    *made.get_or_insert_default().entry(text).or_insert_with_key(|text| {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("kernels.c"), folder.path().join("kernels.so"));
        std::fs::write(&from, text).unwrap();
        let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
        let flags = ["-std=gnu11", "-O1", "-fPIC", "-shared", "-ffp-contract=off", "-fno-strict-aliasing"];
        let strict =
            ["-Wall", "-Wno-unused-function", "-Wno-unknown-pragmas", "-Werror", "-U_FORTIFY_SOURCE"];
        let run =
            Command::new(compiler).args(flags).args(strict).arg(&from).arg("-o").arg(&to).arg("-lm").output();
        let run = run.expect("a C compiler, which building Yosegi needs too");
        assert!(run.status.success(), "{}: {}", source.name, String::from_utf8_lossy(&run.stderr));
        let path = CString::new(to.as_os_str().as_encoded_bytes()).unwrap();
        // SAFETY: `path` is a string that ends in 0; the library runs nothing when it is opened.
        let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        assert!(!handle.is_null(), "{} cannot be opened", to.display());
        handle as usize
    })
}

impl Driver for Emulated {
    type Buffer = Buffer;
    type Kernel = Kernel;

    fn format(&self) -> Format {
        self.0.format
    }

    fn alloc(&self, what: &'static str, bytes: usize) -> Result<Buffer, Fault> {
        *self.0.counts.lock().unwrap().asked.entry(what).or_default() += 1;
        if self.refuses() || self.used().saturating_add(bytes) > self.0.room {
            return Err(Fault::Memory { what, bytes });
        }
        let layout = layout(bytes);
        // SAFETY: the layout is not empty, and every byte is written at once.
        let at = unsafe {
            let at = alloc(layout);
            assert!(!at.is_null());
            at.write_bytes(WATCH, layout.size());
            at
        };
        self.0.buffers.lock().unwrap().insert(at as u64, bytes);
        Ok(Buffer { at, bytes, card: Arc::clone(&self.0) })
    }

    fn bytes(&self, buffer: &Buffer) -> usize {
        buffer.bytes
    }

    fn address(&self, buffer: &Buffer) -> u64 {
        buffer.at as u64
    }

    fn upload(&self, bytes: &[u8], to: &Buffer, at: usize) -> Result<(), Fault> {
        assert!(at + bytes.len() <= to.bytes);
        self.0.counts.lock().unwrap().sent += bytes.len();
        // SAFETY: the assertion above: the range is inside the buffer.
        unsafe { to.at.add(at).copy_from(bytes.as_ptr(), bytes.len()) };
        Ok(())
    }

    fn download(&self, from: &Buffer, at: usize, bytes: &mut [u8]) -> Result<(), Fault> {
        assert!(at + bytes.len() <= from.bytes);
        self.0.counts.lock().unwrap().brought += bytes.len();
        // SAFETY: the assertion above: the range is inside the buffer.
        unsafe { from.at.add(at).copy_to(bytes.as_mut_ptr(), bytes.len()) };
        Ok(())
    }

    fn compile(&self, source: &KernelSource<'_>) -> Result<Vec<Kernel>, Fault> {
        let library = library(source, self.0.format) as *mut c_void;
        let kernel = |name: &&str| {
            let symbol = CString::new(*name).unwrap();
            // SAFETY: the library is never closed; `symbol` ends in 0.
            let found = unsafe { libc::dlsym(library, symbol.as_ptr()) };
            assert!(!found.is_null(), "no kernel {name} in {}", source.name);
            // SAFETY: `KERNEL` in `host.h` gives every kernel this type.
            Kernel((*name).to_owned(), unsafe { std::mem::transmute::<*mut c_void, Function>(found) })
        };
        Ok(source.kernels.iter().map(kernel).collect())
    }

    unsafe fn launch<A: Arguments>(
        &self,
        kernel: &Kernel,
        grid: [usize; 3],
        threads: u32,
        arguments: &A,
    ) -> Result<(), Fault> {
        // The limits of CUDA.
        assert!(grid[0] < 1 << 31 && grid[1] < 1 << 16 && grid[2] < 1 << 16, "{} {grid:?}", kernel.0);
        *self.0.counts.lock().unwrap().launches.entry(kernel.0.clone()).or_default() += 1;
        let grid = grid.map(|n| n as u32);
        let with = (&raw const *arguments).cast();
        let size = size_of::<A>() as u32;
        // SAFETY: the caller guarantees what `Driver::launch` requires.
        let said = unsafe { kernel.1(grid.as_ptr(), threads, with, size, c_int::from(self.0.backwards)) };
        if !said.is_null() {
            // SAFETY: a kernel returns null or a string that ends in 0.
            let said = unsafe { CStr::from_ptr(said) };
            return Err(Fault::Failed(format!("{}: {}", kernel.0, said.to_string_lossy())));
        }
        self.edges_hold(&kernel.0)
    }

    unsafe fn multiply(&self, p: &Product) -> Result<(), Fault> {
        let (input, output) = (p.input.size(), p.output.size());
        assert!(self.holds(p.a, p.k * p.m * input), "the weight of a product");
        assert!(self.holds(p.b, p.k * p.n * input), "the rows of a product");
        assert!(self.holds(p.c, p.m * p.n * output), "the result of a product");
        let read = |at: u64, n: usize| -> Vec<f32> {
            // SAFETY: the assertions above: `n` numbers lie there.
            unsafe {
                match p.input {
                    Format::F32 => std::slice::from_raw_parts(at as *const f32, n).to_vec(),
                    Format::BF16 => std::slice::from_raw_parts(at as *const half::bf16, n)
                        .iter()
                        .map(|x| x.to_f32())
                        .collect(),
                }
            }
        };
        let (a, b) = (read(p.a, p.k * p.m), read(p.b, p.k * p.n));
        for j in 0..p.n {
            for i in 0..p.m {
                let pairs = a[i * p.k..][..p.k].iter().zip(&b[j * p.k..][..p.k]);
                let sum = pairs.fold(0.0_f32, |sum, (a, b)| a.mul_add(*b, sum));
                let place = i + j * p.m;
                // SAFETY: the assertion above: the result has m · n numbers.
                unsafe {
                    match p.output {
                        Format::F32 => (p.c as *mut f32).add(place).write(sum),
                        Format::BF16 => (p.c as *mut half::bf16).add(place).write(half::bf16::from_f32(sum)),
                    }
                }
            }
        }
        Ok(())
    }

    fn free(&self) -> Result<usize, Fault> {
        Ok(self.0.room - self.used())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    #[repr(C)]
    struct Task {
        x: u64,
        n: u32,
        kind: u32,
    }

    // SAFETY: as `Task` below.
    unsafe impl Arguments for Task {}

    const TEXT: &str = "
struct Task { float *x; u32 n; u32 kind; };
KERNEL(play_all, Task, 64) {
    SHARED float part[64];
    part[THREAD] = a.x[THREAD];
    if (a.kind != 1) BARRIER();
    float other = part[63 - THREAD];
    if (a.kind == 2 && THREAD < 32) BARRIER();
    if (a.kind != 3 || THREAD != 5) other += swapped(other, 1);
    a.x[THREAD + (a.kind == 4 ? 32 : 0)] = other;
    if (a.kind == 5) { struct quad q = load16(a.x + 1); store16(a.x, q); }
}";

    fn play(kind: u32, backwards: bool) -> Result<Vec<f32>, Fault> {
        let card = Emulated::new(Format::F32, backwards);
        let source = KernelSource { name: "play", text: TEXT, defines: &[], kernels: &["play_all"] };
        let kernel = &card.compile(&source)?[0];
        let x = card.alloc("x", 256)?;
        let bytes: Vec<u8> = (0..64).flat_map(|i| ((i + 100 * kind) as f32).to_le_bytes()).collect();
        card.upload(&bytes, &x, 0)?;
        let task = Task { x: card.address(&x), n: 64, kind };
        // SAFETY: `x` has 64 numbers.
        unsafe { card.launch(kernel, [1, 1, 1], 64, &task)? };
        let mut back = vec![0; 256];
        card.download(&x, 0, &mut back)?;
        Ok(back.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
    }

    #[test]
    fn barriers_exchanges_and_mistakes() {
        let wanted =
            |kind| -> Vec<f32> { (0..64).map(|i| (63 - i + 63 - (i ^ 1) + 200 * kind) as f32).collect() };
        for backwards in [false, true] {
            assert_eq!(play(0, backwards).unwrap(), wanted(0));
            // A missing barrier shows in either thread order.
            assert_ne!(play(1, backwards).unwrap(), wanted(1));
            for (kind, why) in [(2, "barrier"), (3, "warp"), (4, "past the end"), (5, "multiple of 16")] {
                let Err(Fault::Failed(said)) = play(kind, backwards) else { panic!("{why} goes unseen") };
                assert!(said.contains(why), "{said}");
            }
        }
    }
}
