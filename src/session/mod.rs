//! One evolution run from start to finish. Commands come in, events go out; the journal of
//! events is the only truth and every view is a fold over it.

pub mod protocol;
pub mod state;
