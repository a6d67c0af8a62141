//! An allocator that counts what each thread holds.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, RefCell};
use std::time::Duration;

/// Beyond this, memory is not given, which ends the process: so much would take the machine with it.
const HARD: isize = 8 << 30;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
    static LABEL: RefCell<String> = const { RefCell::new(String::new()) };
}

pub struct Counting;

fn add(size: isize) {
    let held = HELD.get() + size;
    HELD.set(held);
    if held > PEAK.get() {
        PEAK.set(held);
    }
}

/// Whether so much more can be given; says who wanted it otherwise.
fn allowed(size: usize) -> bool {
    let fits = HELD.get().saturating_add_unsigned(size) < HARD;
    if !fits {
        let say = |text: &[u8]| {
            // SAFETY: the bytes are valid for their length.
            unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
        };
        say(b"\nasks for more memory than there is: ");
        LABEL.with(|l| l.try_borrow().map_or((), |l| say(l.as_bytes())));
        say(b"\n");
    }
    fits
}

// SAFETY: everything is the system allocator's; counting touches nothing but the thread's own cells.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !allowed(layout.size()) {
            return std::ptr::null_mut();
        }
        add(layout.size() as isize);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !allowed(layout.size()) {
            return std::ptr::null_mut();
        }
        add(layout.size() as isize);
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        add(-(layout.size() as isize));
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !allowed(size.saturating_sub(layout.size())) {
            return std::ptr::null_mut();
        }
        add(size as isize - layout.size() as isize);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(at, layout, size) }
    }
}

/// Names what this thread does from now on.
pub fn label(text: &str) {
    LABEL.with_borrow_mut(|l| text.clone_into(l));
}

/// Does `work`; gives the most that this thread held during it beyond what it held before.
pub fn measure<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.get();
    PEAK.set(before);
    let out = work();
    (out, usize::try_from(PEAK.get() - before).unwrap_or(0))
}

/// Processor time of this thread.
pub fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a valid timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}
