//! What commands have in common on the way out: printed lines and documents, tables of answers, the progress of a session,
//! and the exit code. Commands call these; nothing here knows a command.

pub(super) mod answer_table;
pub(super) mod exit;
pub(super) mod follow;
pub(super) mod say;
