//! Makes names from untrusted files safe for a message: one line, no control characters, limited length. The readers of
//! this room call it before a tensor, key or file name goes into a [`super::CheckpointError`].

/// A name for a message: its first 120 characters, without control characters.
pub(super) fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(120).collect()
}

/// A name for a command in a message: it cannot end the single quotes around it.
pub(super) fn quoted(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !matches!(c, '\'' | '"' | '\\' | '$' | '`')).collect()
}
