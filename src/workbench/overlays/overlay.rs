//! Which overlay is open, with its own state. The app holds one; `overlays/mod.rs` draws it.

use super::{Confirm, Look, Picker, Prompt, Reader};

/// The overlay that has the keys.
#[derive(Clone, Debug, PartialEq)]
pub enum Overlay {
    /// Help, palette, method, start over.
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
    /// A candidate's recipe.
    Look(Look),
    /// A step of the tour, from 0.
    Tour(usize),
}
