//! A file mapped for reading, which another program may shorten while it is in use.
//!
//! Reading a page beyond the new end raises SIGBUS. The handler here maps zeros in place of the page and marks the
//! file, and the reader continues. Readers must therefore check [`Mapped::changed`] before they use a result. The
//! handler may interrupt any code, so it only reads atomics and calls `mmap`.

use std::io;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::time::SystemTime;

use super::read::{File, open};

/// A mapped file, held open.
#[derive(Debug)]
pub struct Mapped {
    path: PathBuf,
    map: memmap2::Mmap,
    file: File,
    changed: Option<SystemTime>,
    watch: &'static Watch,
}

impl Mapped {
    /// Maps a regular file; an empty file gives `None`. A page is read when it is first touched.
    ///
    /// # Errors
    /// The file does not exist, is not a regular file, or cannot be mapped.
    pub fn open(path: &Path) -> io::Result<Option<Self>> {
        let file = open(path)?;
        let about = file.metadata()?;
        if about.len() == 0 {
            return Ok(None);
        }
        // SAFETY: the map is read-only and private to this value. Another program may write to the file or shorten it;
        // the data read is then not used, see `changed`.
        let map = unsafe { memmap2::Mmap::map(&file) }?;
        let watch = Watch::over(&map);
        Ok(Some(Self { path: path.to_path_buf(), map, file, changed: about.modified().ok(), watch }))
    }

    /// What happened to the file since it was mapped, in words. If anything did, data read from it must not be used.
    #[must_use]
    pub fn changed(&self) -> Option<String> {
        let (about, had) = (self.file.metadata().ok(), self.map.len());
        match about {
            Some(about) if about.len() < had as u64 => {
                Some(format!("was shortened from {had} to {} bytes while it was in use", about.len()))
            }
            _ if self.watch.torn.load(Ordering::Acquire) => Some("could not be read to its end".to_owned()),
            Some(about) if about.modified().ok() != self.changed => {
                Some("was written to while it was in use".to_owned())
            }
            _ => None,
        }
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file's modification time when it was mapped.
    #[must_use]
    pub fn modified(&self) -> Option<SystemTime> {
        self.changed
    }

    /// The map itself, for advice to the system.
    #[must_use]
    pub fn map(&self) -> &memmap2::Mmap {
        &self.map
    }
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.map
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        self.watch.start.store(0, Ordering::Release);
    }
}

/// An address range that the handler repairs. Watches are never freed, only reused, so that the handler can walk their
/// list at any moment.
#[derive(Debug)]
struct Watch {
    /// Start address; 0 if the watch is free.
    start: AtomicUsize,
    end: AtomicUsize,
    torn: AtomicBool,
    next: *const Watch,
}

// SAFETY: `next` is set before the watch is shared and never changed.
unsafe impl Sync for Watch {}

static FIRST: AtomicPtr<Watch> = AtomicPtr::new(std::ptr::null_mut());

/// Every watch.
fn watches() -> impl Iterator<Item = &'static Watch> {
    let mut at = FIRST.load(Ordering::Acquire).cast_const();
    std::iter::from_fn(move || {
        // SAFETY: watches are leaked, so the list's pointers stay valid.
        let watch = unsafe { at.as_ref() }?;
        at = watch.next;
        Some(watch)
    })
}

impl Watch {
    /// A watch over all of `map`.
    fn over(map: &[u8]) -> &'static Self {
        install();
        let start = map.as_ptr().addr();
        // A free watch has the start 0. 1 is no valid address; it reserves the watch until the end is set.
        let take = |w: &&Self| w.start.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        let watch = watches().find(take).unwrap_or_else(|| {
            let new = Box::leak(Box::new(Self {
                start: AtomicUsize::new(1),
                end: AtomicUsize::new(0),
                torn: AtomicBool::new(false),
                next: std::ptr::null(),
            }));
            let mut first = FIRST.load(Ordering::Acquire);
            loop {
                new.next = first;
                let new = std::ptr::from_mut(new);
                match FIRST.compare_exchange(first, new, Ordering::AcqRel, Ordering::Acquire) {
                    // SAFETY: the watch was just leaked, and is only shared from now on.
                    Ok(_) => break unsafe { &*new },
                    Err(now) => first = now,
                }
            }
        });
        watch.torn.store(false, Ordering::Release);
        watch.end.store(start + map.len(), Ordering::Release);
        watch.start.store(start, Ordering::Release);
        watch
    }
}

/// The previous handler, as the address of a `sigaction`.
static BEFORE: AtomicPtr<libc::sigaction> = AtomicPtr::new(std::ptr::null_mut());

fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: both structs are valid, and the handler only does what a signal handler may do.
        unsafe {
            let mut before: libc::sigaction = std::mem::zeroed();
            libc::sigaction(libc::SIGBUS, std::ptr::null(), &raw mut before);
            BEFORE.store(Box::leak(Box::new(before)), Ordering::Release);
            let mut action: libc::sigaction = std::mem::zeroed();
            let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = mend;
            action.sa_sigaction = handler as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigemptyset(&raw mut action.sa_mask);
            libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut());
        }
    });
}

/// Maps zeros from the unreadable page to the end of its file's range.
extern "C" fn mend(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the system gives a valid `info` to a handler of three arguments.
    let address = unsafe { (*info).si_addr() }.addr();
    for watch in watches() {
        let (start, end) = (watch.start.load(Ordering::Acquire), watch.end.load(Ordering::Acquire));
        if start > 1 && (start..end).contains(&address) {
            // SAFETY: `sysconf` of the page size and `mmap` are safe here; the range is this map's own, whose
            // pages from the faulting one on are all beyond the file's end. A map starts at a page.
            let got = unsafe {
                let page = libc::sysconf(libc::_SC_PAGESIZE) as usize;
                let from = start + (address - start) / page * page;
                let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
                let at = std::ptr::with_exposed_provenance_mut(from);
                libc::mmap(at, end - from, libc::PROT_READ, flags, -1, 0)
            };
            if got != libc::MAP_FAILED {
                watch.torn.store(true, Ordering::Release);
                return;
            }
        }
    }
    // The fault belongs to somebody else: handle it as without this handler.
    // SAFETY: the pointer is null or that of a leaked `sigaction`, whose handler has the type its flags say.
    unsafe {
        let Some(before) = BEFORE.load(Ordering::Acquire).as_ref() else { return };
        match before.sa_sigaction {
            libc::SIG_DFL | libc::SIG_IGN => {
                // The instruction runs again, and now ends the process.
                libc::signal(libc::SIGBUS, libc::SIG_DFL);
            }
            handler if before.sa_flags & libc::SA_SIGINFO != 0 => {
                let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
                    std::mem::transmute(handler);
                handler(signal, info, context);
            }
            handler => {
                let handler: extern "C" fn(libc::c_int) = std::mem::transmute(handler);
                handler(signal);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_shortened_reads_as_zeros_and_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let whole = vec![7u8; 1 << 20];
        for left in [0, 1, 4096, 300_000] {
            std::fs::write(&path, &whole).unwrap();
            let mapped = Mapped::open(&path).unwrap().unwrap();
            assert_eq!((mapped[900_000], mapped.changed()), (7, None));
            File::options().write(true).open(&path).unwrap().set_len(left).unwrap();
            assert_eq!(mapped.iter().map(|b| u64::from(*b)).sum::<u64>(), 7 * left);
            let words = mapped.changed().unwrap();
            assert!(words.contains(&format!("shortened from 1048576 to {left} bytes")), "{words}");
            // Restoring the length does not restore the content.
            File::options().write(true).open(&path).unwrap().set_len(1 << 20).unwrap();
            assert!(mapped.changed().is_some());
        }
        std::fs::write(&path, "").unwrap();
        assert!(Mapped::open(&path).unwrap().is_none());
        assert!(Mapped::open(dir.path()).is_err());
    }

    #[test]
    fn watches_are_taken_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, "abc").unwrap();
        let count = || watches().count();
        drop(Mapped::open(&path).unwrap());
        let before = count();
        for _ in 0..200 {
            drop(Mapped::open(&path).unwrap());
        }
        assert!(count() < before + 100, "{} of {before}", count());
    }
}
