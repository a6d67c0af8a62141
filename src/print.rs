//! Printing to a pipe that its reader may close: `yosegi … | head` ends quietly. The macros here replace the standard
//! ones, which panic when the pipe is closed. Every command prints through them.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the command keeps working when the pipe on standard output is closed.
static GOES_ON: AtomicBool = AtomicBool::new(false);
/// Whether the pipe on standard output is closed.
static CLOSED: AtomicBool = AtomicBool::new(false);

/// States that the command does more than print. From now on it runs to its end even if standard output is closed.
pub(crate) fn goes_on() {
    GOES_ON.store(true, Ordering::Relaxed);
}

/// Prints to standard output. When that pipe is closed, a command that only prints ends here, and a command that has
/// called [`goes_on`] continues without printing.
///
/// # Errors
/// The write fails for another reason, such as a full disk.
pub(crate) fn to_out(text: Arguments<'_>) -> io::Result<()> {
    if CLOSED.load(Ordering::Relaxed) {
        return Ok(());
    }
    let mut out = io::stdout().lock();
    match out.write_fmt(text).and_then(|()| out.flush()) {
        Err(e) if e.kind() == ErrorKind::BrokenPipe => {
            if !GOES_ON.load(Ordering::Relaxed) {
                std::process::exit(0);
            }
            CLOSED.store(true, Ordering::Relaxed);
            to_err(format_args!(
                "nobody reads the output any more: the work goes on without printing to it\n"
            ));
            Ok(())
        }
        done => done,
    }
}

/// Prints to standard error. A closed pipe or a full disk is ignored, because there is nowhere to report it.
pub(crate) fn to_err(text: Arguments<'_>) {
    let _ = io::stderr().lock().write_fmt(text);
}

/// What `print!` and `println!` do.
#[allow(dead_code)]
pub(crate) fn out(text: Arguments<'_>) {
    if let Err(why) = to_out(text) {
        to_err(format_args!("yosegi: the output can't be written: {why}\n"));
        std::process::exit(1);
    }
}

// Some builds use only some of these macros.
#[allow(unused_macros)]
macro_rules! print {
    ($($text:tt)*) => { $crate::print::out(format_args!($($text)*)) };
}

#[allow(unused_macros)]
macro_rules! println {
    () => { $crate::print::out(format_args!("\n")) };
    ($($text:tt)*) => { $crate::print::out(format_args!("{}\n", format_args!($($text)*))) };
}

macro_rules! eprint {
    ($($text:tt)*) => { $crate::print::to_err(format_args!($($text)*)) };
}

macro_rules! eprintln {
    ($($text:tt)*) => { $crate::print::to_err(format_args!("{}\n", format_args!($($text)*))) };
}
