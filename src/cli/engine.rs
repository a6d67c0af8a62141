//! `yosegi engine`: the process that runs sessions. Other commands start it on demand; it serves the clients of a home
//! folder.

use crate::session::{Home, engine};

/// Serves the home until the engine is no longer needed.
pub fn run() -> anyhow::Result<()> {
    engine::serve(&Home::from_env()?)
}
