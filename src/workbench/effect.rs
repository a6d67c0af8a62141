//! What the state wants done in the world; the loop does it.

use std::path::PathBuf;

use super::action::ReplayAction;
use super::files::desk::{Desk, Whose};
use super::files::write::{Content, Over};
use crate::session::protocol::{CandidateId, Command, Split};

/// Something outside the workbench's state.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Ask the engine; the request's number is remembered with its purpose.
    Send(Ask, Command),
    /// Write the recipe in the editor.
    Write { path: PathBuf, content: Content, over: Over },
    /// Write the answers.
    WriteText { path: PathBuf, text: String, over: Over },
    /// Store what lies on a desk.
    Keep { whose: Whose, desk: Box<Desk> },
    /// Read what lies on a session's desk.
    ReadDesk(String),
    /// Read a recipe.
    Read { path: PathBuf, why: Reading },
    /// Hand a text to the terminal's clipboard.
    Copy(String),
    /// Take the mouse, or give it back to the terminal.
    Mouse(bool),
    /// Draw every cell anew.
    Redraw,
    /// Stop this process as Ctrl-Z does.
    Suspend,
    /// Pause, step or change the speed of a replay.
    Replay(ReplayAction),
}

/// What a recipe is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    Edit,
    Compare,
}

/// Why something was asked, kept until the reply comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    Models,
    /// A model that a person named.
    Model(String),
    /// A model that is listed whether or not it is found.
    Listed,
    /// Distances of these sources from this base.
    Distances {
        base: String,
        sources: Vec<String>,
    },
    /// Questions to choose samples from.
    Questions,
    Sessions,
    Start,
    Subscribe,
    /// Pause, resume, stop, inject, watch: the sentence to show when it is done.
    Order(String),
    Answers {
        session: String,
        candidate: CandidateId,
        split: Split,
    },
    Try {
        revision: u64,
    },
}
