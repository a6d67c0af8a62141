//! A client's connection to an engine: over the engine's Unix socket, or over channels if the engine runs in the same
//! process. Both carry the same [`Request`]s and [`Message`]s. Commands and the workbench hold one; so does an engine
//! that follows a session of another process.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::home::Home;
use super::journal::now_ms;
use super::json_line::encode;
use super::protocol::{Command, Message, Reply, Request, VERSION};
use crate::error::BadInput;
use crate::limits::MESSAGE;

/// How long a newly started engine may take to answer.
const START_PATIENCE: Duration = Duration::from_secs(5);

/// The most messages that are queued in a client. Further ones wait in the engine, whose queue is bounded too.
pub(super) const UNREAD: usize = 1024;

/// A connection to an engine.
pub struct Client {
    sender: CommandSender,
    messages: Receiver<Message>,
    /// Messages that arrived while a reply was awaited and that the client has not taken yet.
    waiting: VecDeque<Message>,
    /// The engine's process id.
    pub pid: u32,
    /// The engine's device (`cpu`, `cuda:0`); empty until its first worker has reported it.
    pub device: String,
    /// When this connection was made, milliseconds since the Unix epoch.
    pub since_ms: u64,
}

/// The sending half. Clones share one connection and one counter of request numbers.
#[derive(Clone)]
pub struct CommandSender {
    next: Arc<AtomicU64>,
    link: Link,
}

#[derive(Clone)]
enum Link {
    Socket(Arc<Wire>),
    Channel(Arc<dyn Fn(Request) -> bool + Send + Sync>),
}

/// A socket that is shut down when its last sender is dropped, even if another thread still reads from it.
struct Wire(Mutex<UnixStream>);

impl Drop for Wire {
    fn drop(&mut self) {
        let stream = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = stream.shutdown(std::net::Shutdown::Both);
    }
}

/// Why a client could not connect.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No engine listens at the socket.
    #[error("no engine is running for {0}")]
    NotRunning(PathBuf),
    /// Another reason, as a sentence.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

impl Client {
    /// Connects to the home's running engine.
    ///
    /// # Errors
    /// No engine runs ([`ConnectError::NotRunning`]), another version answers, or the connection breaks.
    pub fn connect(home: &Home) -> Result<Self, ConnectError> {
        match Self::connect_at(&home.socket()) {
            Err(ConnectError::NotRunning(_)) => Err(ConnectError::NotRunning(home.root().to_owned())),
            other => other,
        }
    }

    /// Connects to the process that listens at a socket.
    ///
    /// # Errors
    /// No process answers there ([`ConnectError::NotRunning`]), another version answers, or the connection breaks.
    pub fn connect_at(path: &Path) -> Result<Self, ConnectError> {
        let stream = match UnixStream::connect(path) {
            Ok(stream) => stream,
            Err(e)
                if matches!(
                    e.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused
                ) =>
            {
                return Err(ConnectError::NotRunning(path.to_owned()));
            }
            Err(e) => return Err(anyhow::Error::new(e).context(format!("{}", path.display())).into()),
        };
        let read = stream.try_clone().context("the engine's socket")?;
        let (tx, messages) = mpsc::sync_channel(UNREAD);
        thread::Builder::new()
            .name("engine-messages".into())
            .spawn(move || read_lines(read, MESSAGE, |message| tx.send(message).is_ok()))
            .context("starting a thread")?;
        let sender = CommandSender {
            next: Arc::new(AtomicU64::new(1)),
            link: Link::Socket(Arc::new(Wire(Mutex::new(stream)))),
        };
        Ok(Self::greet(sender, messages)?)
    }

    /// Connects to the home's engine, starting one if none is running. The engine outlives this process.
    ///
    /// # Errors
    /// The engine can't be started, does not answer in time, or is of another version.
    pub fn connect_or_start(home: &Home) -> anyhow::Result<Self> {
        match Self::connect(home) {
            Ok(client) => return Ok(client),
            Err(ConnectError::NotRunning(_)) => {}
            Err(ConnectError::Other(e)) => return Err(e),
        }
        spawn_engine(home)?;
        let start = Instant::now();
        loop {
            thread::sleep(Duration::from_millis(20));
            match Self::connect(home) {
                Ok(client) => return Ok(client),
                Err(ConnectError::NotRunning(_)) if start.elapsed() < START_PATIENCE => {}
                Err(ConnectError::NotRunning(_)) => bail!(
                    "the engine did not start within {} seconds: {} says why",
                    START_PATIENCE.as_secs(),
                    home.engine_log().display()
                ),
                Err(ConnectError::Other(e)) => return Err(e),
            }
        }
    }

    /// Connects over channels to an engine in this process.
    pub(super) fn in_process(
        requests: Arc<dyn Fn(Request) -> bool + Send + Sync>,
        messages: Receiver<Message>,
    ) -> anyhow::Result<Self> {
        Self::greet(CommandSender::over(requests), messages)
    }

    /// Sends `Hello` and checks that both sides have the same version.
    fn greet(sender: CommandSender, messages: Receiver<Message>) -> anyhow::Result<Self> {
        let mut client = Self {
            sender,
            messages,
            waiting: VecDeque::new(),
            pid: 0,
            device: String::new(),
            since_ms: now_ms(),
        };
        match client.call_within(Command::Hello { version: VERSION }, START_PATIENCE)? {
            Reply::Hello { version, pid, device } if version == VERSION => {
                client.pid = pid;
                client.device = device;
                Ok(client)
            }
            Reply::Hello { version, pid, .. } => Err(BadInput::error(format!(
                "an engine of another version runs (it speaks {version}, this program {VERSION}): \
                 stop it with `kill {pid}`; its session can be resumed"
            ))),
            Reply::Error(why) => Err(BadInput::error(why)),
            other => bail!("the engine answered hello with {other:?}"),
        }
    }

    /// Sends a command and returns the number that its reply will carry.
    ///
    /// # Errors
    /// The engine is gone, or the command is longer than a request may be.
    pub fn send(&self, command: Command) -> anyhow::Result<u64> {
        self.sender.send(command)
    }

    /// A sender for another thread.
    #[must_use]
    pub fn sender(&self) -> CommandSender {
        self.sender.clone()
    }

    /// The next message; an error when the engine is gone.
    ///
    /// # Errors
    /// The engine is gone.
    pub fn recv(&mut self) -> anyhow::Result<Message> {
        match self.waiting.pop_front() {
            Some(message) => Ok(message),
            None => self.messages.recv().map_err(|_| gone()),
        }
    }

    /// The next message, if one arrives in time.
    ///
    /// # Errors
    /// The engine is gone.
    pub fn recv_timeout(&mut self, patience: Duration) -> anyhow::Result<Option<Message>> {
        if let Some(message) = self.waiting.pop_front() {
            return Ok(Some(message));
        }
        match self.messages.recv_timeout(patience) {
            Ok(message) => Ok(Some(message)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(gone()),
        }
    }

    /// The next message, if one has arrived already.
    ///
    /// # Errors
    /// The engine is gone.
    pub fn try_recv(&mut self) -> anyhow::Result<Option<Message>> {
        if let Some(message) = self.waiting.pop_front() {
            return Ok(Some(message));
        }
        match self.messages.try_recv() {
            Ok(message) => Ok(Some(message)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(gone()),
        }
    }

    /// Sends a command and waits for its reply. Other messages are kept in order for later.
    ///
    /// # Errors
    /// The engine is gone. A command that fails is a [`Reply::Error`], not an error here.
    pub fn call(&mut self, command: Command) -> anyhow::Result<Reply> {
        self.call_within(command, Duration::MAX)
    }

    /// Like [`Self::call`], but an error if the reply takes longer than `patience`.
    ///
    /// # Errors
    /// The engine is gone, or the reply takes longer.
    pub fn call_within(&mut self, command: Command, patience: Duration) -> anyhow::Result<Reply> {
        let start = Instant::now();
        let wanted = self.send(command)?;
        loop {
            let left = patience.saturating_sub(start.elapsed()).min(Duration::from_hours(1));
            match self.messages.recv_timeout(left) {
                Ok(Message::Reply { id, reply }) if id == wanted => return Ok(reply),
                Ok(other) => self.waiting.push_back(other),
                Err(RecvTimeoutError::Timeout) if start.elapsed() < patience => {}
                Err(RecvTimeoutError::Timeout) => bail!("the engine does not answer"),
                Err(RecvTimeoutError::Disconnected) => return Err(gone()),
            }
        }
    }

    /// Splits the connection: the sender for the face's thread, the messages for another thread.
    #[must_use]
    pub fn split(self) -> (CommandSender, Receiver<Message>) {
        if self.waiting.is_empty() {
            return (self.sender, self.messages);
        }
        // Messages that arrived earlier must come first: a thread passes on the old ones, then the new ones.
        let (tx, rx) = mpsc::channel();
        thread::spawn(move || {
            for message in self.waiting.into_iter().chain(self.messages) {
                if tx.send(message).is_err() {
                    break;
                }
            }
        });
        (self.sender, rx)
    }
}

impl CommandSender {
    /// A sender to a function in this process that answers as an engine does. `take` returns false once the function's
    /// side has ended.
    #[must_use]
    pub fn over(take: Arc<dyn Fn(Request) -> bool + Send + Sync>) -> Self {
        Self { next: Arc::new(AtomicU64::new(1)), link: Link::Channel(take) }
    }

    /// Sends a command and returns the number that its reply will carry.
    ///
    /// # Errors
    /// The engine is gone, or the command is longer than a request may be.
    pub fn send(&self, command: Command) -> anyhow::Result<u64> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let request = Request { id, command };
        match &self.link {
            Link::Channel(send) => {
                if !send(request) {
                    return Err(gone());
                }
            }
            Link::Socket(stream) => {
                let line = encode(&request)?;
                let mut stream = stream.0.lock().unwrap_or_else(PoisonError::into_inner);
                stream.write_all(&line).map_err(|_| gone())?;
            }
        }
        Ok(id)
    }
}

fn gone() -> anyhow::Error {
    anyhow::anyhow!("the engine is gone; its session can be resumed")
}

/// Reads JSON lines of at most `longest` bytes until the other side closes, a line can't be parsed, or `take` returns
/// false.
pub(super) fn read_lines<T: serde::de::DeserializeOwned>(
    stream: impl Read,
    longest: u64,
    mut take: impl FnMut(T) -> bool,
) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.by_ref().take(longest).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => match serde_json::from_slice(&line) {
                Ok(value) => {
                    if !take(value) {
                        return;
                    }
                }
                Err(_) => return,
            },
        }
    }
}

/// Starts `yosegi engine` for this home, detached from this process's terminal.
fn spawn_engine(home: &Home) -> anyhow::Result<()> {
    home.create_run_dir()?;
    let log_path = home.engine_log();
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(&log_path)
        .map_err(|e| BadInput::error(format!("cannot write {}: {e}", log_path.display())))?;
    let mut command = own_program()?;
    command
        .arg("engine")
        .env("YOSEGI_HOME", home.root())
        .current_dir(home.root())
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    let mut child = command.spawn().context("starting the engine")?;
    // A child that ends before this process must be reaped.
    thread::spawn(move || child.wait());
    Ok(())
}

/// The command that starts this same program, even if its file has been replaced since it started.
pub(super) fn own_program() -> anyhow::Result<std::process::Command> {
    let named = std::env::current_exe().context("finding this program's file")?;
    let running = PathBuf::from("/proc/self/exe");
    let mut command = std::process::Command::new(if running.exists() { &running } else { &named });
    command.arg0("yosegi");
    Ok(command)
}
