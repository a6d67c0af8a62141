//! `yosegi zoo`: writes the bundled models into a folder as ordinary checkpoints. The command line calls it.

use std::path::Path;

use anyhow::Result;

use super::output::say;
use crate::checkpoint::write_zoo;
use crate::text::visible_line;

/// Writes each bundled model into `out`, in a folder with the model's name.
pub fn run(out: &Path) -> Result<()> {
    crate::print::goes_on();
    for folder in write_zoo(out)? {
        say::out(&visible_line(&folder.display().to_string()))?;
    }
    Ok(())
}
