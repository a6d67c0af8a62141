//! `yosegi attach` without a terminal: follows a session's events on stderr until it ends.

use super::output::follow::{Telling, catch_interrupt, follow};
use crate::session::journal::Reader;
use crate::session::{Engine, Home, WorkerKind};

/// Follows the session wherever it runs, as the workbench does: through an engine that follows it,
/// here one of this process, which runs nothing itself.
pub fn run(name: &str) -> anyhow::Result<()> {
    let home = Home::from_env()?;
    Reader::open(&home, name)?;
    catch_interrupt();
    let engine = Engine::start(&home, WorkerKind::Process)?;
    follow(&engine, engine.connect()?, name, Telling { json: false, lines: true, looking: true }).map(|_| ())
}
