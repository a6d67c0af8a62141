//! A command's result comes in; its error message on stderr and its exit code go out: 0 done, 2 wrong usage or bad
//! input, 1 anything else, 130 interrupted. `cli::main` calls it.

use std::process::ExitCode;

use super::say::note;
use crate::checkpoint::CheckpointError;
use crate::error::{BadInput, Interrupted};
use crate::lm::LmError;
use crate::locale::in_locale;
use crate::merge::MergeError;
use crate::recipe::RecipeError;
use crate::search::{SearchError, SpaceError};
use crate::session::journal::Trouble;
use crate::task::TaskError;
use crate::text::visible;

/// Wrong usage or bad input.
const BAD_INPUT: u8 = 2;
/// Ctrl-C or SIGTERM: 128 + signal number, as in shells.
const INTERRUPTED: u8 = 130;

/// Prints what went wrong on stderr, in one sentence, and returns the exit code.
pub fn code(outcome: anyhow::Result<()>) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    if is_closed_pipe(&error) {
        return ExitCode::SUCCESS;
    }
    // A closed stderr doesn't change the exit code.
    note(&in_locale(format!("yosegi: {}", sentence(&error))));
    if error.chain().any(<dyn std::error::Error>::is::<Interrupted>) {
        ExitCode::from(INTERRUPTED)
    } else if error.chain().any(is_about_input) {
        ExitCode::from(BAD_INPUT)
    } else {
        ExitCode::FAILURE
    }
}

/// Prints what is wrong with the arguments, or the help that they ask for. The message may quote arguments, which can
/// be names from outside, so it is made safe to print.
pub fn usage(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    if !error.use_stderr() || visible(&text) == text {
        error.exit();
    }
    note(text.trim_end());
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(BAD_INPUT))
}

/// Whether an error is about the input: a [`BadInput`], trouble with a journal, or a room's own error about a file, a
/// key, a tensor or a device.
fn is_about_input(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause.is::<BadInput>()
        || cause.is::<Trouble>()
        || cause.is::<CheckpointError>()
        || cause.is::<RecipeError>()
        || cause.is::<MergeError>()
        || cause.is::<LmError>()
        || cause.is::<TaskError>()
        || cause.is::<SpaceError>()
        || cause.is::<SearchError>()
}

/// The error and its causes on one line. A cause that the error above it already quotes is not repeated.
pub fn sentence(error: &anyhow::Error) -> String {
    let mut out = String::new();
    for cause in error.chain() {
        let text = cause.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        if out.is_empty() {
            out = text;
        } else if !out.contains(&text) {
            out = format!("{out}: {text}");
        }
    }
    out
}

/// Whether the error is a closed pipe: `yosegi models | head` is not a failure.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
