//! `yosegi engine`: the process that runs sessions, started on demand.

use crate::session::{Home, engine};

/// Serves the home until nobody needs it.
pub fn run() -> anyhow::Result<()> {
    engine::serve(&Home::from_env()?)
}
