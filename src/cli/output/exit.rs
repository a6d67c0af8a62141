//! Exit codes: 0 done, 2 wrong usage or bad input, 1 anything else, 130 interrupted.

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
/// Ctrl-C or SIGTERM, by the shell's custom of 128 + signal number.
const INTERRUPTED: u8 = 130;

/// Says what went wrong on stderr, in one sentence, and picks the exit code.
pub fn code(outcome: anyhow::Result<()>) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    if is_closed_pipe(&error) {
        return ExitCode::SUCCESS;
    }
    // A standard error that nobody reads changes nothing about the code.
    note(&in_locale(format!("yosegi: {}", sentence(&error))));
    if error.chain().any(<dyn std::error::Error>::is::<Interrupted>) {
        ExitCode::from(INTERRUPTED)
    } else if error.chain().any(is_about_input) {
        ExitCode::from(BAD_INPUT)
    } else {
        ExitCode::FAILURE
    }
}

/// Says what is wrong with the arguments, or gives the help that they asked for. What they quote of
/// themselves may be a name from elsewhere.
pub fn usage(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    if !error.use_stderr() || visible(&text) == text {
        error.exit();
    }
    note(text.trim_end());
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(BAD_INPUT))
}

/// Whether an error is about what was given: a sentence for the person who typed, trouble with a journal, or a
/// room's own error about a file, a key, a tensor, a device.
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

/// The error and its causes in one line; a cause that its effect already quotes is not said twice.
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

/// `yosegi models | head` is no failure.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
