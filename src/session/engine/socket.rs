//! The sockets at which clients connect, in a folder of this user alone, and the engine as its own process: one for
//! each home. It outlives the terminal that it was started from, and ends by itself when no client and no run needs it.
//!
//! Every process that runs sessions listens: the home's engine at `engine.sock`, a headless run at its own socket
//! beside it. The lock of a running session names the socket.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufWriter, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use anyhow::Context;

use super::dispatcher::Dispatcher;
use super::inbound::Inbound;
use super::outbox::Outbox;
use super::worker_handle::WorkerKind;
use super::writers::{Writers, Writing};
use crate::session::client::read_lines;
use crate::session::home::Home;
use crate::session::json_line::encode;
use crate::session::protocol::{Message, Reply};
use crate::session::signals;

/// The engine ends after this long without a run and without a client.
const IDLE: Duration = Duration::from_mins(1);
/// A client whose socket accepts no data for this long is disconnected.
const WRITE_PATIENCE: Duration = Duration::from_secs(30);
/// Time for an engine that was told to end to shut down in order.
pub(super) const END_PATIENCE: Duration = Duration::from_millis(1500);
/// The longest wait for the last messages to be sent.
pub(super) const FLUSH: Duration = Duration::from_millis(400);
/// A socket without a listener that is younger than this may belong to a process that is just starting.
const FRESH: Duration = Duration::from_mins(1);

/// Runs the home's engine until no client and no run needs it, or until SIGTERM or SIGINT. If the home has an engine
/// already, this returns at once.
///
/// # Errors
/// The home's folder, lock or socket can't be created.
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
    // Only the engine that holds the lock may run, so an existing socket file belongs to an engine that died.
    let path = home.socket();
    let _ = std::fs::remove_file(&path);
    let (inbound, receiver) = mpsc::channel();
    let told = inbound.clone();
    signals::when_told_to_end(move || {
        let _ = told.send(Inbound::Stop);
        thread::sleep(END_PATIENCE);
        // The shutdown takes too long. The journal is complete at any moment, and the worker ends with this process.
        eprintln!("told to end, and not done in time: ending at once");
        std::process::exit(0);
    })?;
    let home = home.answering_at(path.clone());
    let listening = Listening::at(&path, &home, &inbound, &Arc::new(AtomicU64::new(1)))?;
    Dispatcher::new(home, WorkerKind::Process, inbound, Some(IDLE)).run(&receiver);
    listening.close().wait(FLUSH);
    Ok(())
}

/// Leaves the terminal's session, so that the engine outlives the terminal.
fn detach() {
    signals::start_clean();
    // SAFETY: setsid and signal touch no memory of ours. setsid fails if this process leads a group already; then it
    // was started by hand in a terminal and keeps that terminal.
    unsafe {
        libc::setsid();
        libc::signal(libc::SIGHUP, libc::SIG_IGN);
    }
}

/// A socket at which clients can connect. Dropping it closes the socket.
pub struct Listening {
    path: PathBuf,
    over: Arc<AtomicBool>,
    writers: Arc<Writers>,
}

impl Listening {
    /// Listens at `path`. `connections` provides the clients' numbers.
    pub fn at(
        path: &Path,
        home: &Home,
        inbound: &Sender<Inbound>,
        connections: &Arc<AtomicU64>,
    ) -> anyhow::Result<Self> {
        let listener = UnixListener::bind(path).with_context(|| format!("{}", path.display()))?;
        let over = Arc::new(AtomicBool::new(false));
        let writers = Arc::new(Writers::default());
        let listening =
            Self { path: path.to_owned(), over: Arc::clone(&over), writers: Arc::clone(&writers) };
        let (home, inbound, connections) = (home.clone(), inbound.clone(), Arc::clone(connections));
        thread::Builder::new().name("accept".into()).spawn(move || {
            for stream in listener.incoming() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let let_in = stream.map_err(anyhow::Error::from).and_then(|stream| {
                    let connection = connections.fetch_add(1, Ordering::Relaxed);
                    accept(stream, connection, &home, &inbound, writers.enter())
                });
                if let Err(why) = let_in {
                    eprintln!("a client was not let in: {}", crate::text::visible_line(&format!("{why:#}")));
                    thread::sleep(Duration::from_millis(100));
                }
            }
        })?;
        Ok(listening)
    }

    /// Listens beside the home's engine, at a socket of this process only.
    pub fn beside(
        home: &Home,
        inbound: &Sender<Inbound>,
        connections: &Arc<AtomicU64>,
    ) -> anyhow::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        home.create_run_dir()?;
        let (folder, host) = (home.run_dir(), host());
        sweep(&folder, &host);
        let mut tried = 0;
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!("{host}-{}-{count}.sock", std::process::id()));
            match Self::at(&path, &home.answering_at(path.clone()), inbound, connections) {
                // A process in another container has the same name, or one that died had it.
                Err(_) if path.exists() && tried < 100 => tried += 1,
                other => return other,
            }
        }
    }

    /// Accepts no more clients. The caller can wait for the threads that still write to clients.
    pub fn close(self) -> Arc<Writers> {
        Arc::clone(&self.writers)
    }

    /// The path of the socket.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts clients.
        let _ = UnixStream::connect(&self.path);
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The prefix of this machine's socket names. Several machines may share the folder, and each sees the sockets of the
/// others as dead.
fn host() -> String {
    let mut name = [0_u8; 256];
    // SAFETY: the call fills the buffer except for its last byte.
    unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len() - 1) };
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    format!("{:04x}", hasher.finish() & 0xffff)
}

/// Removes the sockets of this machine's killed processes.
fn sweep(folder: &Path, host: &str) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let ours = path.extension().is_some_and(|e| e == "sock")
            && name.to_str().is_some_and(|n| n.starts_with(host));
        let old = || {
            let made = entry.metadata().and_then(|m| m.modified()).ok()?;
            made.elapsed().ok().filter(|age| *age > FRESH)
        };
        let refused =
            || UnixStream::connect(&path).is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionRefused);
        if ours && old().is_some() && refused() {
            let _ = std::fs::remove_file(&path);
        }
    }
}

/// Starts a client's two threads: one reads its requests, one writes its messages.
fn accept(
    stream: UnixStream,
    connection: u64,
    home: &Home,
    inbound: &Sender<Inbound>,
    writing: Writing,
) -> anyhow::Result<()> {
    stream.set_write_timeout(Some(WRITE_PATIENCE))?;
    let outbox = Arc::new(Outbox::default());
    inbound
        .send(Inbound::Connect { connection, outbox: Arc::clone(&outbox) })
        .context("the engine is ending")?;
    let read = stream.try_clone()?;
    let (asked, inbound, home) = (Arc::clone(&outbox), inbound.clone(), home.clone());
    thread::Builder::new().name(format!("client-{connection}-in")).spawn(move || {
        read_lines(read, crate::limits::REQUEST, |request| {
            asked.may_ask() && inbound.send(Inbound::Request { connection, request }).is_ok()
        });
        let _ = inbound.send(Inbound::Disconnect { connection });
    })?;
    thread::Builder::new().name(format!("client-{connection}-out")).spawn(move || {
        let _writing = writing;
        write_messages(&stream, &outbox, &home);
        let _ = stream.shutdown(std::net::Shutdown::Both);
    })?;
    Ok(())
}

fn write_messages(stream: &UnixStream, outbox: &Outbox, home: &Home) {
    let mut writer = BufWriter::new(stream);
    outbox.drain(home, |message| match readable(&message) {
        Some(line) => writer.write_all(&line).and_then(|()| writer.flush()).is_ok(),
        None => true,
    });
}

/// Encodes a message as a line that the other side can read. A reply that can't be encoded becomes an error reply; such
/// a live message is left out. Events can always be encoded, since they were read from the journal.
fn readable(message: &Message) -> Option<Vec<u8>> {
    let why = match (encode(message), message) {
        (Ok(line), _) => return Some(line),
        (Err(why), Message::Reply { id, .. }) => {
            let reply = Reply::Error(format!("the answer can't be told: {why}"));
            Message::Reply { id: *id, reply }
        }
        (Err(_), _) => return None,
    };
    encode(&why).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_of_dead_processes_are_swept_away() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let alive = UnixListener::bind(at("0a-1-0.sock")).unwrap();
        for dead in ["0a-2-0.sock", "0a-3-0.sock", "0b-2-0.sock", "engine.sock"] {
            drop(UnixListener::bind(at(dead)).unwrap());
        }
        let long_ago = std::time::SystemTime::now() - 2 * FRESH;
        for old in ["0a-1-0.sock", "0a-2-0.sock", "0b-2-0.sock", "engine.sock"] {
            let path = std::ffi::CString::new(at(old).to_str().unwrap()).unwrap();
            let seconds = long_ago.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
            let time = libc::timeval { tv_sec: seconds as libc::time_t, tv_usec: 0 };
            // SAFETY: the arguments are a zero-terminated path and two times.
            assert_eq!(unsafe { libc::utimes(path.as_ptr(), [time, time].as_ptr()) }, 0);
        }
        sweep(folder.path(), "0a");
        let left: Vec<bool> = ["0a-1-0.sock", "0a-2-0.sock", "0a-3-0.sock", "0b-2-0.sock", "engine.sock"]
            .map(|name| at(name).exists())
            .into();
        assert_eq!(left, [true, false, true, true, true]);
        drop(alive);
    }
}
