//! The lock of a session: a locked file beside the journal, so that only one process at a time runs the session. The
//! file holds the id of that process, and in the second line the socket at which it answers clients. The journal takes
//! the lock; engine and commands look up who holds it.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::Context;

use super::Home;
use crate::error::BadInput;

/// The number of times that a writer tries to take the lock, [`BRIEF`] apart, since a listing of sessions holds the
/// lock for an instant to see whether it is free.
const TRIES: u32 = 10;
const BRIEF: Duration = Duration::from_millis(20);
/// The most bytes that are read of the lock's file, which holds two lines.
const LOCK_MAX: u64 = 10_000;

/// The process that runs a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The process id.
    pub pid: u32,
    /// The socket at which it answers; `None` if it can't be reached (an earlier program, a folder without sockets).
    pub socket: Option<PathBuf>,
}

/// Whether some process holds the session's lock. An unfinished run without a lock was killed.
#[must_use]
pub fn is_locked(home: &Home, name: &str) -> bool {
    let Ok(dir) = home.session(name) else { return false };
    let Ok(file) = crate::limits::open(&dir.join("lock")) else { return false };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// The process that holds the session's lock; `None` if the lock is free.
#[must_use]
pub fn holder(home: &Home, name: &str) -> Option<Holder> {
    if !is_locked(home, name) {
        return None;
    }
    let text = crate::limits::read_text(&home.session(name).ok()?.join("lock"), LOCK_MAX).ok()?;
    let mut lines = text.lines();
    // 0 means that the lock is taken but its file is not written yet.
    let pid = lines.next().and_then(|line| line.trim().parse().ok()).unwrap_or(0);
    let socket = lines.next().filter(|line| !line.is_empty()).map(PathBuf::from);
    // Inside a container the folder may have another path.
    let here = |path: PathBuf| match path.file_name() {
        Some(file) if !path.exists() => home.run_dir().join(file),
        _ => path,
    };
    Some(Holder { pid, socket: socket.map(here) })
}

/// Takes the session's lock; the error says who holds it.
pub(in crate::session) fn lock(home: &Home, dir: &Path, name: &str) -> anyhow::Result<File> {
    let path = dir.join("lock");
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .custom_flags(libc::O_NOFOLLOW)
        .open(&path)
        .map_err(|e| BadInput::error(format!("cannot write {}: {e}", path.display())))?;
    let brief = |_| {
        thread::sleep(BRIEF);
        file.try_lock()
    };
    let mut taken = file.try_lock();
    if matches!(taken, Err(TryLockError::WouldBlock)) {
        taken = (0..TRIES).map(brief).find(Result::is_ok).unwrap_or(taken);
    }
    match taken {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            return Err(BadInput::error(format!(
                "session `{name}` is being run by another process (pid {}): watch it with `yosegi attach {name}`, \
                 end it with `yosegi stop {name}`, or take another --name",
                holder.lines().next().unwrap_or_default().trim()
            )));
        }
        Err(TryLockError::Error(e)) => return Err(e).with_context(|| format!("locking {}", path.display())),
    }
    let socket = home.answering().map(|path| path.display().to_string()).unwrap_or_default();
    // The text is written at once, so that a reader sees either the old text or the new one.
    let text = format!("{}\n{socket}\n", std::process::id());
    let mut name_self = || {
        file.rewind()?;
        file.write_all(text.as_bytes())?;
        file.set_len(text.len() as u64)
    };
    name_self().map_err(|e| {
        BadInput::error(format!("cannot write {}: {e}; free some space or set YOSEGI_HOME", path.display()))
    })?;
    Ok(file)
}
