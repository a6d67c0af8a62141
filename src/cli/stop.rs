//! `yosegi stop`: ends a running session, wherever it runs on this machine.

use std::time::{Duration, Instant};

use super::follow::ask;
use super::say::note;
use crate::session::client::ConnectError;
use crate::session::lock::{is_locked, lock_holder};
use crate::session::protocol::Command;
use crate::session::{BadInput, Client, Home, list};

/// Ends it; it can be resumed.
pub fn run(name: &str) -> anyhow::Result<()> {
    let home = Home::from_env()?;
    if !list::exists(&home, name) {
        // The engine's own sentence for it names what there is.
        crate::session::journal::Reader::open(&home, name)?;
    }
    let engine = match Client::connect(&home) {
        Ok(client) => Some(client),
        Err(ConnectError::NotRunning(_)) => None,
        Err(ConnectError::Other(why)) => return Err(why),
    };
    let holder = lock_holder(&home, name).filter(|_| is_locked(&home, name));
    match (holder, engine) {
        (Some(pid), Some(mut client)) if pid == client.pid => {
            ask(&mut client, Command::Stop { session: name.into() })?;
            note(&format!("session `{name}` is stopped; resume it any time"));
            Ok(())
        }
        (Some(pid), _) => headless_run(&home, name, pid),
        (None, _) => Err(BadInput::error(format!(
            "session `{name}` is not running; `yosegi sessions` says how it stands"
        ))),
    }
}

/// A headless run listens to SIGTERM.
fn headless_run(home: &Home, name: &str, pid: u32) -> anyhow::Result<()> {
    // SAFETY: kill touches no memory; the process holds the session's lock, so it is one of ours.
    let sent = unsafe { libc::kill(libc::pid_t::try_from(pid)?, libc::SIGTERM) };
    anyhow::ensure!(sent == 0, "process {pid} runs session `{name}` and cannot be told to end");
    let begin = Instant::now();
    while is_locked(home, name) {
        if begin.elapsed() > Duration::from_secs(10) {
            anyhow::bail!(
                "process {pid} still runs session `{name}`; end it with `kill -9 {pid}`: nothing is lost"
            );
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    note(&format!("session `{name}` is stopped; resume it any time"));
    Ok(())
}
