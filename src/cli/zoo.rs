//! `yosegi zoo`: the bundled models as ordinary checkpoints.

use std::path::Path;

use anyhow::Result;

use crate::checkpoint::write_zoo;

/// Writes each bundled model to a folder of its name in `out`.
pub fn run(out: &Path) -> Result<()> {
    for folder in write_zoo(out)? {
        println!("{}", folder.display());
    }
    Ok(())
}
