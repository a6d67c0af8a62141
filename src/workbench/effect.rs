//! What the state asks to be done outside it: commands to the engine, files, the terminal.
//!
//! `App::effects` collects them, the event loop does them in order, and outcomes come back as events.

use std::path::PathBuf;

use super::action::ReplayAction;
use super::files::desk::{Desk, Whose};
use super::files::write::{Content, Output, Over};
use crate::session::protocol::{CandidateId, Command, Split};

/// Something to be done outside the workbench's state.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Send a command to the engine. `App::asked` remembers what its reply is for.
    Send(Ask, Command),
    /// Write the recipe in the editor, or the answers, to a file.
    Write { output: Output, path: PathBuf, content: Content, over: Over },
    /// Store the unsaved hand work of the home or of a session.
    Keep { whose: Whose, desk: Box<Desk> },
    /// Read the stored hand work of this session.
    ReadDesk(String),
    /// Read a recipe.
    Read { path: PathBuf, why: Reading },
    /// Copy a text to the terminal's clipboard.
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

/// What a reply is for: kept from the request until it comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The models of this machine.
    Models,
    /// A model that a person named.
    Model(String),
    /// A model to be listed although it is not among this machine's: an error is no news.
    Listed,
    /// Distances of these sources from this base.
    Distances { base: String, sources: Vec<String> },
    /// Questions to choose samples from.
    Questions,
    /// All sessions of this home.
    Sessions,
    /// A session was to be started.
    Start,
    /// The events of a session.
    Subscribe,
    /// Pause, resume, stop, inject, watch: the sentence to show once it is done.
    Order(String),
    /// Stored answers of a candidate.
    Answers { session: String, candidate: CandidateId, split: Split },
    /// Sample answers of the recipe in the editor at this revision.
    Try { revision: u64 },
}
