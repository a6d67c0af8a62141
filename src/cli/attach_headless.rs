//! `yosegi attach` without a terminal. A session's name comes in; its events go to stderr until the session ends. The
//! command line calls it.

use super::output::follow::{Telling, catch_interrupt, follow};
use crate::session::journal::Reader;
use crate::session::{Engine, Home, WorkerKind};

/// Follows the session, whichever process runs it. Like the workbench, it reads the events from an engine; here the
/// engine is inside this process and only follows the session.
pub fn run(name: &str) -> anyhow::Result<()> {
    let home = Home::from_env()?;
    Reader::open(&home, name)?;
    catch_interrupt();
    let engine = Engine::start(&home, WorkerKind::Process)?;
    follow(&engine, engine.connect()?, name, Telling { json: false, lines: true, looking: true }).map(|_| ())
}
