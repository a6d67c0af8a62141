//! `yosegi attach` without a terminal: follows a session's events on stderr until it ends.

use std::time::Duration;

use super::follow::{Telling, catch_interrupt, follow, interrupted};
use super::say::note;
use crate::session::client::ConnectError;
use crate::session::journal::Reader;
use crate::session::lock::{is_locked, lock_holder};
use crate::session::protocol::Status;
use crate::session::state::SessionState;
use crate::session::{Client, Home, Interrupted, report};

/// Follows the session, by the engine that runs it or else by its journal.
pub fn run(name: &str) -> anyhow::Result<()> {
    let home = Home::from_env()?;
    Reader::open(&home, name)?;
    catch_interrupt();
    match Client::connect(&home) {
        Ok(mut client) if lock_holder(&home, name) == Some(client.pid) => {
            follow(&mut client, name, Telling { json: false, lines: true }).map(|_| ())
        }
        Ok(_) | Err(ConnectError::NotRunning(_)) => by_journal(&home, name),
        Err(ConnectError::Other(why)) => Err(why),
    }
}

/// A headless run elsewhere serves no one: look at its journal now and then.
fn by_journal(home: &Home, name: &str) -> anyhow::Result<()> {
    let reader = Reader::open(home, name)?;
    let mut state = SessionState::default();
    loop {
        let running = is_locked(home, name);
        for record in reader.records(state.seq + 1)? {
            state.apply(&record);
            if let crate::session::protocol::Event::GenerationFinished { generation, .. } = record.event
                && let Some(line) = report::generation_line(&state, generation)
            {
                note(&line);
            }
        }
        if !running || state.status == Status::Finished {
            note("");
            note(&report::comparison_table(&state));
            return Ok(());
        }
        if interrupted() {
            return Err(Interrupted(format!("session `{name}` goes on without this window")).into());
        }
        std::thread::sleep(Duration::from_millis(300));
    }
}
