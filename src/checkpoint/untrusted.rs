//! Names from files of unknown origin, made fit for a message: one line, no control characters, of bounded length.
//! Every reader of this room calls it before a tensor, key or file name goes into a [`super::CheckpointError`].

/// A name for a message: without control characters, its first 120 characters.
pub(super) fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(120).collect()
}

/// A name for a command that a message proposes: it cannot end the single quotes around it.
pub(super) fn quoted(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !matches!(c, '\'' | '"' | '\\' | '$' | '`')).collect()
}
