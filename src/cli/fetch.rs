//! Opens a checkpoint for a command. A model reference comes in, a checkpoint goes out; each download from the hub is
//! shown on stderr. Commands that read models call it.

use anyhow::Result;

use super::output::headway::tell;
use crate::checkpoint::Checkpoint;
use crate::progress::Observer;

/// Opens `reference`. Each file that must be downloaded is shown on stderr.
pub fn open(reference: &str) -> Result<Checkpoint> {
    // Ctrl-C ends the process at once: what has arrived stays in the cache.
    Ok(Checkpoint::open_with_progress(reference, &Observer::telling(&tell))?)
}
