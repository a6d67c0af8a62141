//! Errors that a person caused by what they typed or pressed, kept apart from all other errors. Every room makes them.
//! `cli` turns them into exit codes (2 for [`BadInput`], 130 for [`Interrupted`]), and the engine turns them into an
//! error reply to its client.

use std::fmt::Display;

/// Wrong usage or bad input, as one sentence: what, where, what to do. Exit code 2.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadInput(pub String);

impl BadInput {
    /// The sentence as an `anyhow` error.
    pub fn error(sentence: impl Display) -> anyhow::Error {
        anyhow::Error::new(Self(sentence.to_string()))
    }
}

/// The work was interrupted (Ctrl-C, SIGTERM); nothing is lost. Exit code 130.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Interrupted(pub String);
