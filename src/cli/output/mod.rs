//! The output that commands share: printed lines and documents, tables of answers, the headway of long work, the progress of a session, and the
//! exit code. All commands call these modules; nothing here depends on a particular command.

pub(super) mod answer_table;
pub(super) mod exit;
pub(super) mod follow;
pub(super) mod headway;
pub(super) mod memory;
pub(super) mod say;
