//! Exit codes: 0 done, 2 wrong usage or bad input, 1 anything else, 130 interrupted.

use std::process::ExitCode;

use crate::checkpoint::CheckpointError;

/// Input that cannot be used; the text is one sentence saying what, where and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadInput(pub String);
