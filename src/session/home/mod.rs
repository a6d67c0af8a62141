//! The home: the folder that holds all sessions, the engine's socket and its log. Commands and the engine find their
//! paths here. `lock` says who runs a session, `session_list` lists the sessions.

pub(super) mod access;
pub mod lock;
pub mod session_list;

use std::fs::DirBuilder;
use std::hash::{Hash, Hasher};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use anyhow::Context;

use access::may_write;

use crate::checkpoint::{own_folder, user_id};
use crate::error::BadInput;
use crate::toml_text;

/// The longest path of the engine's socket. The socket of a headless run beside it has a longer name and must fit a
/// Unix socket's address too (the limit is 108 bytes on Linux, 104 on macOS, with the closing zero).
const SOCKET_PATH_MAX: usize = 92;

/// The folder that holds everything Yosegi keeps: `sessions/NAME/journal.db`, `run/engine.sock`, `engine.log`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
    /// The socket at which this process answers for the sessions that it runs.
    answering: Option<PathBuf>,
}

impl Home {
    /// `$YOSEGI_HOME`, or `yosegi` in the XDG data folder (`$XDG_DATA_HOME`, `~/.local/share`).
    ///
    /// # Errors
    /// Neither variable is set and there is no home folder.
    pub fn from_env() -> anyhow::Result<Self> {
        let set = |key: &str| std::env::var_os(key).filter(|v| !v.is_empty()).map(PathBuf::from);
        let root = set("YOSEGI_HOME")
            .or_else(|| set("XDG_DATA_HOME").map(|d| d.join("yosegi")))
            .or_else(|| set("HOME").map(|d| d.join(".local/share/yosegi")))
            .ok_or_else(|| {
                BadInput::error(
                    "there is no home folder: set YOSEGI_HOME to the folder that should hold sessions",
                )
            })?;
        let root = std::path::absolute(&root).with_context(|| format!("{}", root.display()))?;
        Ok(Self::at(root))
    }

    /// A home in a given folder.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), answering: None }
    }

    /// The path of the folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The same home for a process that answers at `socket`. The locks of its sessions will name this socket.
    #[must_use]
    pub(super) fn answering_at(&self, socket: PathBuf) -> Self {
        Self { root: self.root.clone(), answering: Some(socket) }
    }

    /// The socket at which this process answers for the sessions that it runs.
    #[must_use]
    pub(super) fn answering(&self) -> Option<&Path> {
        self.answering.as_deref()
    }

    /// Creates the home and its `sessions` folder, accessible to this user alone.
    ///
    /// # Errors
    /// A folder can't be created, or belongs to another user.
    pub fn create(&self) -> anyhow::Result<()> {
        private_dir(&self.root)?;
        private_dir(&self.sessions())
    }

    /// Folder of all sessions.
    #[must_use]
    pub fn sessions(&self) -> PathBuf {
        self.root.join("sessions")
    }

    /// Folder of one session. The name is checked so that the folder stays inside `sessions`.
    ///
    /// # Errors
    /// The name is not valid for a session: see [`check_name`].
    pub fn session(&self, name: &str) -> anyhow::Result<PathBuf> {
        check_name(name)?;
        Ok(self.sessions().join(name))
    }

    /// Names of all sessions that have a journal, sorted; empty if the folder can't be read.
    #[must_use]
    pub fn session_names(&self) -> Vec<String> {
        self.session_folders().unwrap_or_default()
    }

    /// Names of all sessions with an entry called `journal.db`, sorted.
    ///
    /// # Errors
    /// The folder of all sessions exists and can't be read.
    pub fn session_folders(&self) -> anyhow::Result<Vec<String>> {
        let folder = self.sessions();
        let unreadable = |e: std::io::Error| {
            BadInput::error(format!(
                "{} cannot be read ({e}): check who may read it, or set YOSEGI_HOME to another folder",
                folder.display()
            ))
        };
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(unreadable(e)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(unreadable)?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            // The entry counts whatever kind of file it is, even if this user may not read it.
            let journal = std::fs::symlink_metadata(entry.path().join("journal.db"));
            let none = journal.is_err_and(|e| {
                matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
            });
            if !none && check_name(&name).is_ok() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// The log file with the output of the engine and its workers.
    #[must_use]
    pub fn engine_log(&self) -> PathBuf {
        let folder = if self.is_read_only() { self.run_dir() } else { self.root.clone() };
        folder.join("engine.log")
    }

    /// Whether the home exists and can't be written.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.root.exists() && !may_write(&self.root)
    }

    /// Folder of the sockets: `run` in the home. If that path is too long for a socket or the home can't be written: a
    /// folder of this user in the runtime folder, named after the home.
    pub(super) fn run_dir(&self) -> PathBuf {
        let dir = self.root.join("run");
        let socket = dir.join("engine.sock");
        // An engine that is listening already keeps its folder.
        let serves = !self.is_read_only() || UnixStream::connect(&socket).is_ok();
        if socket.as_os_str().len() <= SOCKET_PATH_MAX && serves {
            return dir;
        }
        let mut hasher = std::collections::hash_map::DefaultHasher::new();
        self.root.hash(&mut hasher);
        let hash = hasher.finish();
        let runtime =
            std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|d| d.as_os_str().len() < 60);
        match runtime {
            Some(dir) => dir.join(format!("yosegi-{hash:016x}")),
            None => PathBuf::from(format!("/tmp/yosegi-{}-{hash:016x}", user_id())),
        }
    }

    /// The engine's socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.run_dir().join("engine.sock")
    }

    /// The file that the one engine of this home keeps locked.
    #[must_use]
    pub fn engine_lock(&self) -> PathBuf {
        self.run_dir().join("engine.lock")
    }

    /// Creates the socket's folder with mode 0700, and refuses a folder that belongs to another user.
    ///
    /// # Errors
    /// The folder can't be created, or belongs to another user.
    pub fn create_run_dir(&self) -> anyhow::Result<()> {
        if !self.is_read_only() {
            self.create()?;
        }
        let dir = self.run_dir();
        // Another user could have put a link or a folder there, so the owner is checked before anything is changed.
        own_folder(&dir).map_err(|e| {
            BadInput::error(format!("{e}; or set YOSEGI_HOME to a shorter path, which needs no folder there"))
        })?;
        private_dir(&dir)
    }
}

/// Checks a session's name: 1 to 64 letters, digits, `.`, `_`, `-`, not starting with a dot.
///
/// # Errors
/// The name is empty, too long, or has other characters.
pub fn check_name(name: &str) -> anyhow::Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.len() > 64 || name.starts_with('.') || !name.chars().all(plain) {
        return Err(BadInput::error(format!(
            "`{}` is no session name: use 1 to 64 letters, digits, `-`, `_` or `.`, not starting with a dot",
            crate::text::visible(name)
        )));
    }
    Ok(())
}

/// The error for a session name that is already taken.
#[must_use]
pub fn exists_sentence(name: &str) -> String {
    format!(
        "session `{name}` exists already: go on with it by --resume, or take another --name \
         (see `yosegi sessions`)"
    )
}

/// The error for a session name that does not exist, with the nearest name if there is a similar one.
#[must_use]
pub fn missing_sentence(home: &Home, name: &str) -> String {
    let names = home.session_names();
    let near = toml_text::closest(name, names.iter().map(String::as_str))
        .filter(|(distance, _)| *distance <= 1 + name.len() / 4)
        .map_or(String::new(), |(_, n)| format!(" (did you mean `{n}`?)"));
    format!(
        "there is no session `{name}` in {}{near}: `yosegi sessions` lists them",
        home.sessions().display()
    )
}

/// Creates `dir` and the folders above it, accessible to this user alone.
fn private_dir(dir: &Path) -> anyhow::Result<()> {
    if !dir.is_dir() {
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| {
            BadInput::error(format!(
                "cannot make the folder {}: {e}; set YOSEGI_HOME to one that can be written",
                dir.display()
            ))
        })?;
    }
    let found = std::fs::metadata(dir).with_context(|| format!("{}", dir.display()))?;
    if found.permissions().mode() & 0o077 != 0 && found.uid() == user_id() {
        // A folder that was made by hand is closed to other users.
        let _ = std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside_the_sessions_folder() {
        let home = Home::at("/tmp/h");
        for bad in ["", ".", "..", "a/b", "../x", "a b", "é", &"x".repeat(65), "\u{1b}[2J"] {
            assert!(home.session(bad).is_err(), "{bad:?}");
        }
        assert_eq!(home.session("zoo-2").unwrap(), PathBuf::from("/tmp/h/sessions/zoo-2"));
    }

    /// Another user may have put a folder, or a link to a folder of ours, in the place of the socket's folder.
    #[test]
    fn a_run_folder_that_is_not_ours_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path().join("home"));
        home.create().unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let victim = folder.path().join("victim");
        std::fs::create_dir(&victim).unwrap();
        std::fs::set_permissions(&victim, std::fs::Permissions::from_mode(0o755)).unwrap();
        let run = home.root().join("run");
        std::os::unix::fs::symlink(&victim, &run).unwrap();
        let why = home.create_run_dir().unwrap_err();
        assert!(why.to_string().contains("is a link") && why.is::<BadInput>(), "{why}");
        assert_eq!(mode(&victim), 0o755);
        std::fs::remove_file(&run).unwrap();
        if user_id() == 0 {
            std::fs::create_dir(&run).unwrap();
            std::fs::set_permissions(&run, std::fs::Permissions::from_mode(0o777)).unwrap();
            std::os::unix::fs::chown(&run, Some(12345), None).unwrap();
            let why = home.create_run_dir().unwrap_err().to_string();
            assert!(why.contains("another user"), "{why}");
            assert_eq!(mode(&run), 0o777);
            std::fs::remove_dir(&run).unwrap();
        }
        home.create_run_dir().unwrap();
        assert_eq!(mode(&run), 0o700);
    }

    #[test]
    fn a_long_home_gets_a_short_socket() {
        let home = Home::at(format!("/tmp/{}", "long/".repeat(40)));
        assert!(home.socket().as_os_str().len() <= SOCKET_PATH_MAX);
        let other = Home::at(format!("/tmp/{}x", "long/".repeat(40)));
        assert_ne!(home.socket(), other.socket());
    }
}
