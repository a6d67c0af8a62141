//! The open overlay and its state. The app holds at most one; `overlays/mod.rs` draws it and `update/overlay.rs`
//! handles its keys.

use super::{Confirm, Look, Picker, PlanView, Prompt, Reader};

/// The overlay that receives the keys.
#[derive(Clone, Debug, PartialEq)]
pub enum Overlay {
    /// A list to pick from: help, palette, methods, recipes to start over from.
    Picker(Picker),
    Prompt(Prompt),
    Confirm(Confirm),
    /// All sessions.
    Sessions {
        cursor: usize,
    },
    /// The engine's log, scrolled `up` lines from its end.
    Log {
        up: usize,
    },
    /// A text to read and copy.
    Reader(Reader),
    /// A session that is about to start, and its plan.
    Plan(Box<PlanView>),
    /// A candidate's recipe.
    Look(Look),
    /// A step of the tour. Steps count from 0.
    Tour(usize),
}
