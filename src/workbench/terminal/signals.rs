//! Signals and the loss of the terminal. One thread waits for signals and sends them to the event loop; another
//! ends the program as soon as the terminal hangs up, so that the workbench never spins on a dead terminal.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread;

use crate::workbench::event::AppEvent;

/// Whether [`stop_self`] is running. Its own stop signal is not reported.
static STOPPING: AtomicBool = AtomicBool::new(false);

/// The signals that end the program cleanly, and the one that stops it.
const TAKEN: [i32; 4] = [libc::SIGTERM, libc::SIGINT, libc::SIGTSTP, libc::SIGQUIT];

/// Blocks the signals that [`watch`] waits for. Call it before any other thread starts, since threads inherit the
/// blocked signals.
pub fn block() {
    let set = signal_set(&TAKEN);
    // SAFETY: `set` is a valid signal set, and a null old set is allowed.
    unsafe {
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
        // A hang-up must end this process, even if a parent (nohup) has set the signal to be ignored.
        libc::signal(libc::SIGHUP, libc::SIG_DFL);
    }
}

/// Starts the threads that report signals and watch for the terminal's end.
///
/// # Errors
/// A thread can't be started.
pub fn watch(events: Sender<AppEvent>) -> io::Result<()> {
    thread::Builder::new().name("signals".into()).spawn(move || {
        let set = signal_set(&TAKEN);
        loop {
            let mut signal = 0;
            // SAFETY: both pointers point to live values of the right type.
            let failed = unsafe { libc::sigwait(&raw const set, &raw mut signal) };
            if failed != 0 || (signal == libc::SIGTSTP && STOPPING.load(Ordering::SeqCst)) {
                continue;
            }
            if events.send(AppEvent::Signal(signal)).is_err() {
                return;
            }
        }
    })?;
    // Standard input may be replaced for a while.
    let terminal = io::stdin().as_fd().try_clone_to_owned()?;
    thread::Builder::new().name("hang-up".into()).spawn(move || {
        wait_for_hangup(terminal.as_raw_fd());
        // The terminal is gone, so nothing can be shown or restored. The engine continues without the workbench.
        std::process::exit(129);
    })?;
    Ok(())
}

/// Returns when the terminal behind `fd` is gone.
fn wait_for_hangup(fd: RawFd) {
    loop {
        let mut poll = libc::pollfd { fd, events: 0, revents: 0 };
        // SAFETY: one valid `pollfd`.
        let ready = unsafe { libc::poll(&raw mut poll, 1, -1) };
        if ready > 0 && poll.revents & (libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) != 0 {
            return;
        }
        if ready > 0 {
            thread::sleep(std::time::Duration::from_millis(200));
        }
    }
}

/// Stops this process and its job as Ctrl-Z does, and returns when it is continued.
pub fn stop_self() {
    STOPPING.store(true, Ordering::SeqCst);
    let set = signal_set(&[libc::SIGTSTP]);
    // SAFETY: signal calls on this process group and thread with a valid set. The group's other members
    // (cargo, a shell's pipeline) stop by their own default action. The signal that the group call left
    // pending for this process is dropped, since it would stop the process a second time. Then this thread
    // unblocks the signal, and the raised signal's default action stops the whole process here.
    unsafe {
        libc::kill(0, libc::SIGTSTP);
        libc::signal(libc::SIGTSTP, libc::SIG_IGN);
        libc::signal(libc::SIGTSTP, libc::SIG_DFL);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut());
        libc::raise(libc::SIGTSTP);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
    }
    STOPPING.store(false, Ordering::SeqCst);
}

fn signal_set(signals: &[i32]) -> libc::sigset_t {
    // SAFETY: `sigemptyset` initialises the set before it is read.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in signals {
            libc::sigaddset(&raw mut set, *signal);
        }
        set
    }
}
