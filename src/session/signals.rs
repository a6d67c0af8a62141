//! How processes of this program meet signals: none inherits what its parent blocked or ignored,
//! and one that is told to end does so in order, soon.

use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;

use anyhow::Context;

/// Signals that a parent may have left blocked or ignored. Not among them: a broken pipe, which is
/// an error that the writer sees.
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

/// Gives every signal its default effect and blocks none. For the first line of a process of its
/// own (engine, worker), before it starts threads: the workbench that starts an engine takes its
/// signals on a thread and blocks them everywhere else.
pub fn start_clean() {
    // SAFETY: numbers of signals that exist, and default effects instead of handlers.
    unsafe {
        for signal in INHERITED {
            libc::signal(signal, libc::SIG_DFL);
        }
    }
    unblock_all();
}

/// Blocks no signal on this thread and on those that it starts, and is told how children end. For a
/// process that keeps what else its parent ignores, as `nohup` has a hang-up ignored.
pub fn unblock_all() {
    // SAFETY: an empty set made by the call that makes one; the old one is not asked for.
    unsafe {
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// Where the handler writes; -1 before there is a place.
static TOLD: AtomicI32 = AtomicI32::new(-1);

extern "C" fn on_signal(_: libc::c_int) {
    // SAFETY: write is allowed in a handler; the descriptor stays open for the process's life. A
    // byte into a pipe that is never full does not fail, so errno stays as it was.
    unsafe {
        let _ = libc::write(TOLD.load(Ordering::SeqCst), [0_u8].as_ptr().cast(), 1);
    }
}

/// From now on SIGTERM and SIGINT run `act`, once, on a thread of its own.
///
/// # Errors
/// The process has no pipe or thread left.
pub fn when_told_to_end(act: impl FnOnce() + Send + 'static) -> anyhow::Result<()> {
    let (mut read, write) = std::io::pipe().context("a pipe for signals")?;
    let write = OwnedFd::from(write);
    TOLD.store(write.as_raw_fd(), Ordering::SeqCst);
    std::mem::forget(write);
    thread::Builder::new().name("signals".into()).spawn(move || {
        if read.read_exact(&mut [0]).is_ok() {
            act();
        }
        // The handler may write once more; the reading end stays open for it.
        std::mem::forget(read);
    })?;
    let handler = on_signal as *const () as libc::sighandler_t;
    // SAFETY: the handler only writes a byte; a zeroed sigaction is a valid one with an empty mask.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(libc::SIGTERM, &raw const action, std::ptr::null_mut());
        libc::sigaction(libc::SIGINT, &raw const action, std::ptr::null_mut());
    }
    Ok(())
}
