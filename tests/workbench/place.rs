//! A place for the real binary to run in: a home of its own, a pseudo-terminal, a screen.

use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use yosegi::session::protocol::Command;
use yosegi::session::{Client, Home};

/// What a busy machine may take until something shows.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Bytes that are kept of what is written.
const RAW: usize = 4 << 20;

/// The workbench in a pseudo-terminal of its own.
pub struct Terminal {
    master: Option<Box<dyn MasterPty + Send>>,
    keys: Option<Box<dyn Write + Send>>,
    /// Cleared to make the reader let go of the line.
    line: Arc<AtomicBool>,
    reading: Option<JoinHandle<()>>,
    pub child: Box<dyn Child + Send + Sync>,
    pub parser: Arc<Mutex<vt100::Parser>>,
    /// What was written last, byte for byte.
    raw: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    pub fn open(home: &Path, arguments: &[&str], size: (u16, u16)) -> Self {
        Self::open_with(home, arguments, size, &[("TERM", "xterm-256color")])
    }

    /// With these environment variables; of those that choose colours and language no others.
    pub fn open_with(home: &Path, arguments: &[&str], size: (u16, u16), set: &[(&str, &str)]) -> Self {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_yosegi"));
        command.args(arguments);
        Self::run(home, command, size, set)
    }

    /// A terminal that replies to these questions, each once.
    pub fn answering(
        home: &Path,
        arguments: &[&str],
        size: (u16, u16),
        set: &[(&str, &str)],
        replies: &[(&str, &str)],
    ) -> Self {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_yosegi"));
        command.args(arguments);
        Self::run_answering(home, command, size, set, replies)
    }

    /// Any program.
    pub fn run(home: &Path, command: CommandBuilder, size: (u16, u16), set: &[(&str, &str)]) -> Self {
        Self::run_answering(home, command, size, set, &[])
    }

    /// Any program in a terminal that replies.
    pub fn run_answering(
        home: &Path,
        mut command: CommandBuilder,
        (rows, cols): (u16, u16),
        set: &[(&str, &str)],
        replies: &[(&str, &str)],
    ) -> Self {
        let pair = native_pty_system()
            .openpty(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 })
            .expect("a pseudo-terminal");
        command.env("YOSEGI_HOME", home);
        command.env("HF_HOME", home.join("hf"));
        for name in [
            "NO_COLOR",
            "COLORTERM",
            "TERM",
            "YOSEGI_ASCII",
            "YOSEGI_LANG",
            "YOSEGI_PICTURES",
            "TMUX",
            "TERM_PROGRAM",
            "LC_TERMINAL",
            "LC_ALL",
            "LC_CTYPE",
            "LC_MESSAGES",
        ] {
            command.env_remove(name);
        }
        command.env("LANG", "C.UTF-8");
        for (name, value) in set {
            command.env(name, value);
        }
        command.cwd(home);
        let child = pair.slave.spawn_command(command).expect("the workbench starts");
        drop(pair.slave);
        let parser = Arc::new(Mutex::new(vt100::Parser::new(
            rows.try_into().expect("rows"),
            cols.try_into().expect("columns"),
            0,
        )));
        let line = Arc::new(AtomicBool::new(true));
        let fd = pair.master.as_raw_fd().expect("a file");
        // What is written waits for the workbench only as long as the test says.
        // SAFETY: flags of an open file.
        assert_eq!(unsafe { libc::fcntl(fd, libc::F_SETFL, libc::O_NONBLOCK) }, 0);
        // SAFETY: a duplicate of an open file, owned by the reader from here on.
        let mut reader = unsafe { std::fs::File::from_raw_fd(libc::dup(fd)) };
        let (screen, open) = (parser.clone(), line.clone());
        let raw = Arc::new(Mutex::new(Vec::new()));
        let kept = raw.clone();
        let mut replies: Vec<(Vec<u8>, Vec<u8>)> = replies
            .iter()
            .map(|(asked, said)| (asked.as_bytes().to_vec(), said.as_bytes().to_vec()))
            .collect();
        let reading = thread::spawn(move || {
            let mut bytes = vec![0; 65_536];
            while open.load(Ordering::SeqCst) {
                let mut poll = libc::pollfd { fd: reader.as_raw_fd(), events: libc::POLLIN, revents: 0 };
                // SAFETY: one valid `pollfd`.
                if unsafe { libc::poll(&raw mut poll, 1, 5) } > 0 {
                    let Ok(n @ 1..) = reader.read(&mut bytes) else { return };
                    screen.lock().expect("no panic there").process(&bytes[..n]);
                    let mut kept = kept.lock().expect("no panic there");
                    if kept.len() < RAW {
                        kept.extend_from_slice(&bytes[..n]);
                    }
                    // In the order of the questions.
                    while let Some(at) = replies.iter().position(|(asked, _)| holds(&kept, asked)) {
                        let (_, said) = replies.remove(at);
                        reader.write_all(&said).expect("the line takes a reply");
                    }
                }
            }
        });
        let keys = pair.master.take_writer().expect("a writer");
        Self { master: Some(pair.master), keys: Some(keys), line, reading: Some(reading), child, parser, raw }
    }

    /// What was written so far, as far as it is kept.
    pub fn raw(&self) -> Vec<u8> {
        self.raw.lock().expect("no panic there").clone()
    }

    pub fn screen(&self) -> String {
        self.parser.lock().expect("no panic there").screen().contents()
    }

    /// Waits until the screen fulfils `what`.
    pub fn until(&self, what: &str, holds: impl Fn(&str) -> bool) -> String {
        let start = Instant::now();
        loop {
            let screen = self.screen();
            if holds(&screen) {
                return screen;
            }
            assert!(start.elapsed() < PATIENCE, "never {what}:\n{screen}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn shows(&self, text: &str) -> String {
        self.until(&format!("shown: {text}"), |s| s.contains(text))
    }

    /// Waits until what the terminal holds fulfils `what`.
    pub fn cells(&self, what: &str, holds: impl Fn(&vt100::Screen) -> bool) {
        self.until(what, |_| holds(self.parser.lock().expect("no panic there").screen()));
    }

    /// Another size, as when a window is dragged.
    pub fn resize(&self, (rows, cols): (u16, u16)) {
        // The parser first: what is drawn for the new size must not reach an old one.
        self.parser
            .lock()
            .expect("no panic there")
            .screen_mut()
            .set_size(rows.try_into().expect("rows"), cols.try_into().expect("columns"));
        let master = self.master.as_ref().expect("open");
        master.resize(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }).expect("a new size");
    }

    /// Whether the line takes whole lines and echoes them, as a shell leaves it.
    pub fn is_cooked(&self) -> bool {
        let fd = self.master.as_ref().and_then(|m| m.as_raw_fd()).expect("open");
        // SAFETY: a struct of plain numbers for the call to fill, and an open file.
        let flags = unsafe {
            let mut termios: libc::termios = std::mem::zeroed();
            assert_eq!(libc::tcgetattr(fd, &raw mut termios), 0);
            termios.c_lflag
        };
        flags & libc::ICANON != 0 && flags & libc::ECHO != 0
    }

    /// Waits until the terminal is as it was before the workbench took it.
    pub fn is_given_back(&self) {
        self.cells("back on the normal screen, with its cursor", |s| {
            !s.alternate_screen() && !s.hide_cursor()
        });
        self.until("lines are read and echoed again", |_| self.is_cooked());
    }

    /// Sends a signal to the workbench.
    pub fn signal(&self, signal: i32) {
        let id = self.child.process_id().expect("it runs");
        // SAFETY: a signal to a child of ours that has not been waited for.
        assert_eq!(unsafe { libc::kill(id.cast_signed(), signal) }, 0);
    }

    pub fn press(&mut self, keys: &str) {
        let out = self.keys.as_mut().expect("open");
        let (start, mut left) = (Instant::now(), keys.as_bytes());
        while !left.is_empty() {
            match out.write(left) {
                Ok(n) => left = &left[n..],
                // The workbench has not read what came before.
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {
                    assert!(start.elapsed() < PATIENCE, "keys are not taken");
                    thread::sleep(Duration::from_millis(1));
                }
                Err(e) => panic!("keys are not taken: {e}"),
            }
        }
    }

    /// Waits for the process to end and gives its exit code.
    pub fn ends(&mut self, patience: Duration) -> u32 {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                return status.exit_code();
            }
            assert!(start.elapsed() < patience, "still there:\n{}", self.screen());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The line is lost.
    pub fn hang_up(&mut self) {
        self.line.store(false, Ordering::SeqCst);
        if let Some(reading) = self.reading.take() {
            reading.join().expect("no panic there");
        }
        self.keys = None;
        self.master = None;
    }
}

/// Whether `part` is in `bytes`.
fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A home of its own, whose engine ends with the test.
pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn client(&self) -> Client {
        Client::connect(&Home::at(self.path())).expect("the engine is alive")
    }

    /// The zoo's session, small enough for a test.
    pub fn config(&self, evaluations: u32) -> PathBuf {
        let text = include_str!("../../configs/zoo.toml")
            .replace("train_limit = 300", "train_limit = 8")
            .replace("test_limit = 250", "test_limit = 8")
            .replace("grid = [0.1, 0.3, 0.6]", "grid = [0.6]")
            .replace("population = 16", "population = 4")
            .replace("evaluations = 640", &format!("evaluations = {evaluations}"));
        let path = self.path().join("small.toml");
        std::fs::write(&path, text).expect("a config");
        path
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Ok(mut client) = Client::connect(&Home::at(self.path())) {
            let _ = client.call(Command::Stop { session: "zoo".to_owned() });
            let _ = client.call(Command::Shutdown);
            thread::sleep(Duration::from_millis(100));
            let _ = std::process::Command::new("kill").arg(client.pid.to_string()).status();
        }
    }
}
