//! `yosegi stop`: a session's name comes in, and the process on this machine that runs the session ends it. The command
//! line calls it.

use std::time::{Duration, Instant};

use super::output::follow::ask;
use super::output::say::note;
use crate::error::BadInput;
use crate::session::home::lock::{holder, is_locked};
use crate::session::home::session_list;
use crate::session::protocol::Command;
use crate::session::{Client, Home};

/// Ends the session, which can be resumed later.
pub fn run(name: &str) -> anyhow::Result<()> {
    let home = Home::from_env()?;
    if !session_list::exists(&home, name) {
        // The reader's error for a missing session names the sessions that exist.
        crate::session::journal::Reader::open(&home, name)?;
    }
    let Some(holder) = holder(&home, name) else {
        return Err(BadInput::error(format!(
            "session `{name}` is not running; `yosegi sessions` says how it stands"
        )));
    };
    // The process that runs the session, an engine or a headless run, accepts commands on its socket.
    let answers = holder.socket.as_deref().map(Client::connect_at);
    if let Some(Ok(mut client)) = answers {
        ask(&mut client, Command::Stop { session: name.into() })?;
        note(&format!("session `{name}` is stopped; resume it any time"));
        return Ok(());
    }
    by_signal(&home, name, holder.pid)
}

/// Ends a run that has no usable socket: it stops on SIGTERM.
fn by_signal(home: &Home, name: &str, pid: u32) -> anyhow::Result<()> {
    let pid = libc::pid_t::try_from(pid)?;
    // SAFETY: kill touches no memory. The process holds the session's lock, so it is a Yosegi process.
    let sent = pid > 1 && unsafe { libc::kill(pid, libc::SIGTERM) } == 0;
    anyhow::ensure!(sent, "process {pid} runs session `{name}` and cannot be told to end");
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
