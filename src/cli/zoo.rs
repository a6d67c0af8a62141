//! `yosegi zoo`: the bundled models as ordinary checkpoints.

use std::path::Path;

use anyhow::Result;

use super::output::say;
use crate::checkpoint::write_zoo;
use crate::text::visible_line;

/// Writes each bundled model to a folder of its name in `out`.
pub fn run(out: &Path) -> Result<()> {
    crate::print::goes_on();
    for folder in write_zoo(out)? {
        say::out(&visible_line(&folder.display().to_string()))?;
    }
    Ok(())
}
