//! Errors whose cause is what a person typed, apart from all others: exit code 2 instead of 1.

use std::fmt::Display;

use super::journal::Trouble;

/// Wrong usage or bad input, as one sentence: what, where, what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadInput(pub String);

impl BadInput {
    /// An `anyhow` error that [`is_bad_input`] recognises.
    pub fn error(sentence: impl Display) -> anyhow::Error {
        anyhow::Error::new(Self(sentence.to_string()))
    }
}

/// Whether an error, or one of its causes, is a [`BadInput`] or trouble with a journal's file.
#[must_use]
pub fn is_bad_input(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.is::<BadInput>() || cause.is::<Trouble>())
}

/// The work was interrupted (Ctrl-C, SIGTERM); nothing is lost. Exit code 130.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Interrupted(pub String);
