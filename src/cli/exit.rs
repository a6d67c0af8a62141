//! Exit codes: 0 done, 2 wrong usage or bad input, 1 anything else, 130 interrupted.

use std::process::ExitCode;

/// Says what went wrong on stderr, in one sentence, and picks the exit code.
pub fn code(outcome: anyhow::Result<()>) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    eprintln!("yosegi: {error:#}");
    ExitCode::from(1)
}
