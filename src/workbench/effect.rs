//! What the state requests from outside: commands to the engine, files, the terminal.
//!
//! `App::effects` collects the effects. The event loop carries them out in order, and outcomes come back as events.

use std::path::PathBuf;

use super::action::ReplayAction;
use super::files::desk::{Desk, Whose};
use super::files::write::{Content, Output, Over};
use crate::session::protocol::{CandidateId, Command, Split};

/// Work to be done outside the workbench's state.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Send a command to the engine. `App::asked` keeps the purpose of its reply.
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
    /// Redraw every cell.
    Redraw,
    /// Stop this process as Ctrl-Z does.
    Suspend,
    /// Pause, step or change the speed of a replay.
    Replay(ReplayAction),
}

/// Why a recipe is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    Edit,
    Compare,
}

/// The purpose of a reply, kept from the request until the reply arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The models of this machine.
    Models,
    /// A model that the user named.
    Model(String),
    /// A model to be listed although this machine's list lacks it. An error is not reported.
    Listed,
    /// Distances of these sources from this base.
    Distances { base: String, sources: Vec<String> },
    /// Questions to choose samples from.
    Questions,
    /// All sessions of this home.
    Sessions,
    /// The start of a session.
    Start,
    /// The plan of the next session.
    Plan,
    /// The events of a session.
    Subscribe,
    /// Pause, resume, stop, inject or watch, with the sentence to show once it is done.
    Order(String),
    /// Stored answers of a candidate.
    Answers { session: String, candidate: CandidateId, split: Split },
    /// Sample answers of the recipe in the editor at this revision.
    Try { revision: u64 },
}
