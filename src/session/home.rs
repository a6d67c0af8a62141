//! Where sessions, the engine's socket and its log lie.

use std::fs::DirBuilder;
use std::hash::{Hash, Hasher};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::error::BadInput;

/// The longest path of the engine's socket: one of a headless run beside it has a longer name and
/// must fit a Unix socket's address too (the limit is 108 bytes on Linux, 104 on macOS, with the
/// closing zero).
const SOCKET_PATH_MAX: usize = 92;

/// The folder that holds everything Yosegi remembers: `sessions/NAME/journal.db`,
/// `run/engine.sock`, `engine.log`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
    /// The socket at which this process answers for the sessions that it runs.
    answering: Option<PathBuf>,
}

impl Home {
    /// `$YOSEGI_HOME`, or `yosegi` in the XDG data folder (`$XDG_DATA_HOME`, `~/.local/share`).
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

    /// A home in a folder of one's own choice.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), answering: None }
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The same home for a process that answers at `socket`: the locks of its sessions say so.
    #[must_use]
    pub(super) fn answering_at(&self, socket: PathBuf) -> Self {
        Self { root: self.root.clone(), answering: Some(socket) }
    }

    /// The socket at which this process answers for the sessions that it runs.
    #[must_use]
    pub(super) fn answering(&self) -> Option<&Path> {
        self.answering.as_deref()
    }

    /// Makes the home and its `sessions` folder, for this user alone.
    pub fn create(&self) -> anyhow::Result<()> {
        private_dir(&self.root)?;
        private_dir(&self.sessions())
    }

    /// Folder of all sessions.
    #[must_use]
    pub fn sessions(&self) -> PathBuf {
        self.root.join("sessions")
    }

    /// Folder of one session; its name is checked so that it stays inside `sessions`.
    pub fn session(&self, name: &str) -> anyhow::Result<PathBuf> {
        check_name(name)?;
        Ok(self.sessions().join(name))
    }

    /// Names of all sessions that have a journal, sorted.
    #[must_use]
    pub fn session_names(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.sessions()) else { return Vec::new() };
        let mut names: Vec<String> = entries
            .flatten()
            .filter(|e| e.path().join("journal.db").is_file())
            .filter_map(|e| e.file_name().into_string().ok())
            .filter(|name| check_name(name).is_ok())
            .collect();
        names.sort();
        names
    }

    /// What the engine and its workers print.
    #[must_use]
    pub fn engine_log(&self) -> PathBuf {
        self.root.join("engine.log")
    }

    /// Folder of the sockets: `run` in the home, or, where that path is too long for a socket, a
    /// folder of this user in the runtime folder, named after the home.
    pub(super) fn run_dir(&self) -> PathBuf {
        let dir = self.root.join("run");
        if dir.join("engine.sock").as_os_str().len() <= SOCKET_PATH_MAX {
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

    /// Makes the socket's folder, 0700, and refuses one that belongs to somebody else.
    pub fn create_run_dir(&self) -> anyhow::Result<()> {
        self.create()?;
        let dir = self.run_dir();
        private_dir(&dir)?;
        // In a folder that others may write, somebody could have put a link there.
        let found = std::fs::symlink_metadata(&dir).with_context(|| format!("{}", dir.display()))?;
        if found.uid() != user_id() || !found.is_dir() {
            return Err(BadInput::error(format!(
                "{} belongs to another user: remove it or set YOSEGI_HOME to a shorter path",
                dir.display()
            )));
        }
        Ok(())
    }
}

/// A session's name: 1 to 64 letters, digits, `.`, `_`, `-`, not starting with a dot.
pub fn check_name(name: &str) -> anyhow::Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.len() > 64 || name.starts_with('.') || !name.chars().all(plain) {
        return Err(BadInput::error(format!(
            "`{}` is no session name: use 1 to 64 letters, digits, `-`, `_` or `.`, not starting with a dot",
            super::text::visible(name)
        )));
    }
    Ok(())
}

/// Makes `dir` and what is above it, readable by this user alone.
fn private_dir(dir: &Path) -> anyhow::Result<()> {
    if !dir.is_dir() {
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| {
            BadInput::error(format!(
                "cannot make the folder {}: {e}; set YOSEGI_HOME to one that can be written",
                dir.display()
            ))
        })?;
    }
    let mode = std::fs::metadata(dir).with_context(|| format!("{}", dir.display()))?.permissions().mode();
    if mode & 0o077 != 0 {
        // A folder that somebody made by hand; closing it needs no more than owning it.
        let _ = std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700));
    }
    Ok(())
}

fn user_id() -> u32 {
    // SAFETY: getuid has no arguments, cannot fail and touches no memory.
    unsafe { libc::getuid() }
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

    #[test]
    fn a_long_home_gets_a_short_socket() {
        let home = Home::at(format!("/tmp/{}", "long/".repeat(40)));
        assert!(home.socket().as_os_str().len() <= SOCKET_PATH_MAX);
        let other = Home::at(format!("/tmp/{}x", "long/".repeat(40)));
        assert_ne!(home.socket(), other.socket());
    }
}
