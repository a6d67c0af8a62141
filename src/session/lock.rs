//! One writer a session: a locked file beside the journal, with the writer's process id.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::Context;

use super::error::BadInput;
use super::home::Home;

/// Whether some process holds the session's lock; a run without one was killed.
#[must_use]
pub fn is_locked(home: &Home, name: &str) -> bool {
    let Ok(dir) = home.session(name) else { return false };
    let Ok(file) = crate::limits::open(&dir.join("lock")) else { return false };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// Process id of whoever took the session's lock last.
#[must_use]
pub fn lock_holder(home: &Home, name: &str) -> Option<u32> {
    let text = crate::limits::read_text(&home.session(name).ok()?.join("lock"), 1000).ok()?;
    text.trim().parse().ok()
}

/// Takes the session's lock, or says who has it.
pub(super) fn lock(dir: &Path, name: &str) -> anyhow::Result<File> {
    let path = dir.join("lock");
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|e| BadInput::error(format!("cannot write {}: {e}", path.display())))?;
    // Whoever lists sessions holds the lock for an instant to see whether it is free.
    let brief = |_| {
        thread::sleep(Duration::from_millis(20));
        file.try_lock()
    };
    let mut taken = file.try_lock();
    if matches!(taken, Err(TryLockError::WouldBlock)) {
        taken = (0..3).map(brief).find(Result::is_ok).unwrap_or(taken);
    }
    match taken {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            return Err(BadInput::error(format!(
                "session `{name}` is being run by another process (pid {}): watch it with `yosegi attach {name}`, \
                 end it with `yosegi stop {name}`, or take another --name",
                holder.trim()
            )));
        }
        Err(TryLockError::Error(e)) => return Err(e).with_context(|| format!("locking {}", path.display())),
    }
    let mut name_self = || {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    };
    name_self().map_err(|e| {
        BadInput::error(format!("cannot write {}: {e}; free some space or set YOSEGI_HOME", path.display()))
    })?;
    Ok(file)
}
