//! How the processes of this program handle signals. None inherits signals that its parent blocked or ignored, and a
//! process that is told to end shuts down soon and in order. Engine and worker call these at their start, commands when
//! they set up Ctrl-C.

use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;

use anyhow::Context;

/// Signals that a parent may have left blocked or ignored. SIGPIPE is not among them: a broken pipe is an error that
/// the writer sees.
const INHERITED: [libc::c_int; 11] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGALRM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGCHLD,
    libc::SIGTSTP,
    libc::SIGTTIN,
    libc::SIGTTOU,
];

/// Gives every signal its default effect and blocks none. An engine or worker calls this first, before it starts
/// threads: the workbench that starts an engine handles its signals on one thread and blocks them on all others.
pub fn start_clean() {
    // SAFETY: the signal numbers exist, and default effects are set instead of handlers.
    unsafe {
        for signal in INHERITED {
            libc::signal(signal, libc::SIG_DFL);
        }
    }
    unblock_all();
}

/// Unblocks all signals on this thread and on threads that it starts later, and restores SIGCHLD. For a process that
/// keeps other signals ignored as its parent set them, for example SIGHUP under `nohup`.
pub fn unblock_all() {
    // SAFETY: sigemptyset makes a valid empty set; the old mask is not requested.
    unsafe {
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// The descriptor that the handler writes to; -1 before there is one.
static TOLD: AtomicI32 = AtomicI32::new(-1);

extern "C" fn on_signal(_: libc::c_int) {
    // SAFETY: write is allowed in a handler; the descriptor stays open until the process ends. Writing a byte to a pipe
    // that is never full does not fail, so errno is unchanged.
    unsafe {
        let _ = libc::write(TOLD.load(Ordering::SeqCst), [0_u8].as_ptr().cast(), 1);
    }
}

/// From now on SIGTERM and SIGINT run `act`, once, on its own thread.
///
/// # Errors
/// The pipe or the thread can't be created.
pub fn when_told_to_end(act: impl FnOnce() + Send + 'static) -> anyhow::Result<()> {
    let (mut read, write) = std::io::pipe().context("a pipe for signals")?;
    let write = OwnedFd::from(write);
    TOLD.store(write.as_raw_fd(), Ordering::SeqCst);
    std::mem::forget(write);
    thread::Builder::new().name("signals".into()).spawn(move || {
        if read.read_exact(&mut [0]).is_ok() {
            act();
        }
        // The handler may write again, so the reading end stays open.
        std::mem::forget(read);
    })?;
    let handler = on_signal as *const () as libc::sighandler_t;
    // SAFETY: the handler only writes a byte; a zeroed sigaction is valid and has an empty mask.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(libc::SIGTERM, &raw const action, std::ptr::null_mut());
        libc::sigaction(libc::SIGINT, &raw const action, std::ptr::null_mut());
    }
    Ok(())
}
