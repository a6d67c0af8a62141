//! The engine as a process: one a home, on a Unix socket in a folder of this user alone. It
//! outlives the terminal it was started from and ends by itself when nobody needs it.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use anyhow::Context;

use super::crew::WorkerKind;
use super::hub::{Hub, Inbound};
use super::outbox::Outbox;
use crate::session::client::read_lines;
use crate::session::home::Home;

/// The engine ends after so long without a run and without a client.
const IDLE: Duration = Duration::from_mins(1);
/// A client whose socket takes nothing for so long is let go.
const WRITE_PATIENCE: Duration = Duration::from_secs(30);

static TERMINATED: AtomicBool = AtomicBool::new(false);

extern "C" fn on_terminate(_: libc::c_int) {
    TERMINATED.store(true, Ordering::SeqCst);
}

/// Runs the home's engine until nobody needs it, or SIGTERM or SIGINT says to end. If the home
/// has an engine already, nothing happens.
pub fn serve(home: &Home) -> anyhow::Result<()> {
    detach();
    home.create_run_dir()?;
    let lock_path = home.engine_lock();
    let mut lock = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&lock_path)
        .with_context(|| format!("{}", lock_path.display()))?;
    if lock.try_lock().is_err() {
        return Ok(());
    }
    lock.set_len(0)?;
    writeln!(lock, "{}", std::process::id())?;
    // Whoever holds the lock is the one engine: a socket that lies there is a dead one's.
    let path = home.socket();
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).with_context(|| format!("{}", path.display()))?;
    let (inbound, receiver) = mpsc::channel();
    let accepted = inbound.clone();
    thread::Builder::new().name("accept".into()).spawn(move || {
        for (line, stream) in (1..).zip(listener.incoming()) {
            match stream {
                Ok(stream) => {
                    if let Err(why) = accept(stream, line, &accepted) {
                        eprintln!("a client was not let in: {why:#}");
                    }
                }
                Err(why) => {
                    eprintln!("the socket: {why}");
                    thread::sleep(Duration::from_millis(100));
                }
            }
        }
    })?;
    let hub = Hub::new(home.clone(), WorkerKind::Process, inbound, Some(IDLE));
    hub.run(&receiver, || TERMINATED.load(Ordering::SeqCst));
    let _ = std::fs::remove_file(&path);
    // Let the writers send what is in their queues.
    thread::sleep(Duration::from_millis(100));
    Ok(())
}

/// Leaves the terminal's session, so that its end does not end the engine, and listens to
/// SIGTERM and SIGINT.
fn detach() {
    // SAFETY: setsid and signal touch no memory of ours; the handler only stores to an atomic.
    // setsid fails where this process leads a group already, and then there is no terminal to
    // leave but the one it was started in by hand.
    unsafe {
        libc::setsid();
        libc::signal(libc::SIGHUP, libc::SIG_IGN);
        let handler = on_terminate as *const () as libc::sighandler_t;
        libc::signal(libc::SIGTERM, handler);
        libc::signal(libc::SIGINT, handler);
    }
}

/// Sets a client's two threads to work.
fn accept(stream: UnixStream, line: u64, inbound: &Sender<Inbound>) -> anyhow::Result<()> {
    stream.set_write_timeout(Some(WRITE_PATIENCE))?;
    let outbox = Arc::new(Outbox::default());
    inbound.send(Inbound::Connect { line, outbox: Arc::clone(&outbox) }).context("the engine is ending")?;
    let read = stream.try_clone()?;
    let inbound = inbound.clone();
    thread::Builder::new().name(format!("client-{line}-in")).spawn(move || {
        read_lines(read, |request| inbound.send(Inbound::Request { line, request }).is_ok());
        let _ = inbound.send(Inbound::Disconnect { line });
    })?;
    thread::Builder::new().name(format!("client-{line}-out")).spawn(move || {
        let _ = write_messages(&stream, &outbox);
        let _ = stream.shutdown(std::net::Shutdown::Both);
    })?;
    Ok(())
}

fn write_messages(stream: &UnixStream, outbox: &Outbox) -> anyhow::Result<()> {
    let mut writer = BufWriter::new(stream);
    let mut line = Vec::new();
    while let Some(message) = outbox.pop() {
        line.clear();
        serde_json::to_writer(&mut line, &message)?;
        line.push(b'\n');
        writer.write_all(&line)?;
        writer.flush()?;
    }
    Ok(())
}
