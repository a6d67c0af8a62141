//! Asks the terminal what it can show, and keeps its replies apart from the keys. While replies are expected, standard
//! input is a pipe: a thread reads the terminal, sends the replies to the event loop and everything else through the
//! pipe to the library that reads keys. Then standard input is the terminal again. Nothing waits for a reply.

use std::fs::File;
use std::io::{self, PipeWriter, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use super::replies::{KITTY_QUERY, QUERY, Replies, Reply};
use crate::workbench::event::AppEvent;

/// How long replies are waited for. What comes later would be taken for keys.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a lone Escape is held back, since it may be the beginning of a reply.
const HOLD: Duration = Duration::from_millis(30);
/// How often the thread looks whether it is still in place.
const LOOK: Duration = Duration::from_millis(50);
/// How long a reply through tmux may take after tmux's own.
const BEHIND_TMUX: Duration = Duration::from_secs(1);

/// The terminal, while the pipe stands in for it; -1 otherwise.
static TERMINAL: AtomicI32 = AtomicI32::new(-1);
/// How often the pipe was put in place.
static TIMES: AtomicU64 = AtomicU64::new(0);

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    Terminal,
    /// tmux alone.
    Tmux,
    /// tmux, and through it the terminal behind it, whether it knows kitty's protocol.
    ThroughTmux,
}

impl Ask {
    /// The questions as bytes.
    #[must_use]
    pub fn query(self) -> String {
        match self {
            Self::Terminal => format!("{KITTY_QUERY}{QUERY}"),
            Self::Tmux => QUERY.to_owned(),
            Self::ThroughTmux => {
                format!("\x1bPtmux;{}\x1b\\{QUERY}", KITTY_QUERY.replace('\x1b', "\x1b\x1b"))
            }
        }
    }

    /// The reply that comes last.
    const fn is_last(self, reply: &Reply) -> bool {
        match self {
            Self::Terminal | Self::Tmux => matches!(reply, Reply::Attributes(_)),
            Self::ThroughTmux => matches!(reply, Reply::Kitty(_)),
        }
    }
}

/// Puts the pipe in place and asks. Does nothing where standard input or output is no terminal, or while replies are
/// still expected.
///
/// # Errors
/// The terminal can't be read or written.
pub fn ask(who: Ask, events: Sender<AppEvent>) -> io::Result<()> {
    // SAFETY: a question about two open files.
    let terminals =
        unsafe { libc::isatty(libc::STDIN_FILENO) == 1 && libc::isatty(libc::STDOUT_FILENO) == 1 };
    if !terminals || TERMINAL.load(Ordering::SeqCst) >= 0 {
        return Ok(());
    }
    // The library chooses at its first call which file it reads; from then on it reads standard input by its number.
    crossterm::event::poll(Duration::ZERO)?;
    let terminal = duplicate(libc::STDIN_FILENO)?;
    let (pipe, keys) = io::pipe()?;
    // SAFETY: two open files; the second is replaced.
    check(unsafe { libc::dup2(pipe.as_raw_fd(), libc::STDIN_FILENO) })?;
    TERMINAL.store(terminal.try_clone()?.into_raw_fd(), Ordering::SeqCst);
    let time = TIMES.fetch_add(1, Ordering::SeqCst) + 1;
    let replies = Replies::default();
    let mut filter = Filter { terminal: terminal.into(), keys, replies, events, who, time };
    let work = move || {
        let whole = filter.run().is_ok();
        // What was typed and is not read yet would be lost with the pipe.
        let start = Instant::now();
        while whole && filter.is_in_place() && unread(pipe.as_raw_fd()) > 0 && start.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(1));
        }
        if filter.is_in_place() {
            give_back();
        }
        // A reader of keys that waits for the end of a sequence gets the pipe's end.
        drop(filter);
    };
    if let Err(why) = thread::Builder::new().name("replies".into()).spawn(work) {
        give_back();
        return Err(why);
    }
    look_again();
    let mut out = io::stdout().lock();
    out.write_all(who.query().as_bytes())?;
    out.flush()
}

/// Makes standard input the terminal again. Does nothing if it is.
pub fn give_back() {
    let terminal = TERMINAL.swap(-1, Ordering::SeqCst);
    if terminal >= 0 {
        // SAFETY: an open file that only this call may close now, and standard input, which is replaced.
        unsafe {
            libc::dup2(terminal, libc::STDIN_FILENO);
            libc::close(terminal);
        }
        look_again();
    }
}

/// Makes the reader of keys look at standard input again. It sleeps until something happens to the file that was there;
/// the signal of a new size wakes it.
fn look_again() {
    // SAFETY: a signal to this process, which has a handler or ignores it.
    unsafe { libc::raise(libc::SIGWINCH) };
}

/// Waits a short time for replies that are on their way, so that they do not reach whoever reads the terminal next.
pub fn settle() {
    let start = Instant::now();
    while TERMINAL.load(Ordering::SeqCst) >= 0 && start.elapsed() < Duration::from_millis(150) {
        thread::sleep(Duration::from_millis(2));
    }
}

/// The thread that stands between the terminal and the keys.
struct Filter {
    terminal: File,
    keys: PipeWriter,
    replies: Replies,
    events: Sender<AppEvent>,
    who: Ask,
    /// The value of [`TIMES`] while it stands there.
    time: u64,
}

impl Filter {
    /// Whether the pipe stands in for the terminal: another thread may have given standard input back.
    fn is_in_place(&self) -> bool {
        TERMINAL.load(Ordering::SeqCst) >= 0 && TIMES.load(Ordering::SeqCst) == self.time
    }

    /// Returns when the last reply has come or is no longer waited for.
    fn run(&mut self) -> io::Result<()> {
        let mut until = Instant::now() + PATIENCE;
        let mut bytes = [0; 1024];
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let wait = if self.replies.holds() { HOLD } else { left.min(LOOK) };
            let ready = readable(self.terminal.as_raw_fd(), wait)?;
            if !self.is_in_place() {
                return Ok(());
            }
            if !ready {
                self.keys.write_all(&self.replies.let_go())?;
                if Instant::now() >= until {
                    return Ok(());
                }
                continue;
            }
            let n = self.terminal.read(&mut bytes)?;
            if n == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let (typed, replies) = self.replies.take(&bytes[..n]);
            self.keys.write_all(&typed)?;
            for reply in replies {
                if self.who.is_last(&reply) {
                    until = Instant::now();
                } else if matches!(reply, Reply::Attributes(_)) {
                    until = Instant::now() + BEHIND_TMUX;
                }
                // Sending fails only after the event loop has ended.
                let _ = self.events.send(AppEvent::Terminal(reply));
            }
        }
    }
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// A second number for an open file.
fn duplicate(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: an open file, whose duplicate nobody else owns.
    unsafe { Ok(OwnedFd::from_raw_fd(check(libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3))?)) }
}

/// Whether there is something to read within `wait`.
fn readable(fd: RawFd, wait: Duration) -> io::Result<bool> {
    let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let wait = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: one valid `pollfd`.
    match check(unsafe { libc::poll(&raw mut poll, 1, wait) }) {
        Ok(ready) => Ok(ready > 0),
        Err(e) if e.kind() == io::ErrorKind::Interrupted => Ok(false),
        Err(e) => Err(e),
    }
}

/// Bytes in the pipe that are not read yet.
fn unread(fd: RawFd) -> libc::c_int {
    let mut n = 0;
    // SAFETY: the call writes one number.
    unsafe { libc::ioctl(fd, libc::FIONREAD, &raw mut n) };
    n
}
