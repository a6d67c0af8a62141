//! Printing to a reader that may leave: `yosegi … | head` ends quietly. The macros here replace the standard ones, which
//! panic when nobody reads any more.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// The command's work goes on without a reader.
static GOES_ON: AtomicBool = AtomicBool::new(false);
/// Nobody reads standard output any more.
static CLOSED: AtomicBool = AtomicBool::new(false);

/// From here on the command does more than print: it goes on to its end when its reader leaves.
pub(crate) fn goes_on() {
    GOES_ON.store(true, Ordering::Relaxed);
}

/// Prints to standard output. When nobody reads it any more a command that only prints ends here,
/// and one whose work [`goes_on`] prints no more.
///
/// # Errors
/// It can't be written for another reason: a full disk behind it.
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

/// Prints to standard error: a reader that is gone, or a full disk behind it, is nobody's loss.
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

// Not every build prints in every way.
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
