//! The doctor's findings about the home folder, the engine, what happens to a run at logout, and the model cache. The
//! home folder comes in, findings go out; `doctor::run` calls it.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Finding, size, var};
use crate::checkpoint::{discover, hub_cache};
use crate::session::client::ConnectError;
use crate::session::home::session_list;
use crate::session::protocol::Status;
use crate::session::{Client, Home};

/// Free space below which the doctor warns: sessions of some hundred megabytes need room to grow.
const ROOM: u64 = 2_000_000_000;

pub fn look() -> Vec<Finding> {
    let mut out = Vec::new();
    match Home::from_env() {
        Ok(home) => {
            out.push(folder(&home));
            out.push(disk(&home));
            out.push(sessions(&home));
            out.push(engine(&home));
        }
        Err(why) => out.push(Finding::gap("home", format!("{why:#}"), "set YOSEGI_HOME")),
    }
    out.push(logout());
    out.push(models());
    out
}

/// The folder itself, or its nearest parent that exists.
fn nearest(path: &Path) -> PathBuf {
    path.ancestors().find(|p| p.exists()).unwrap_or(Path::new("/")).to_owned()
}

fn folder(home: &Home) -> Finding {
    let root = home.root().display().to_string();
    let there = nearest(home.root());
    if !may_write(&there) {
        let todo = "set YOSEGI_HOME to a folder that you may write";
        return Finding::gap("home", format!("{} cannot be written", there.display()), todo);
    }
    let mode = std::fs::metadata(home.root()).map_or(0, |m| m.mode());
    if mode & 0o077 != 0 {
        let todo = format!("it is closed at the next start; by hand: chmod 700 {root}");
        return Finding::note("home", format!("{root} is open to others"), todo);
    }
    let state = if home.root().exists() { "" } else { " (made at the first start)" };
    Finding::good("home", format!("{root}{state}"))
}

fn may_write(path: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let Ok(path) = std::ffi::CString::new(path.as_os_str().as_bytes()) else { return false };
    // SAFETY: the call only reads the string, which ends with a zero byte.
    unsafe { libc::access(path.as_ptr(), libc::W_OK) == 0 }
}

/// The file system: journals need working file locks and free space.
fn disk(home: &Home) -> Finding {
    let there = nearest(home.root());
    let kind = std::fs::read_to_string("/proc/self/mounts").ok().and_then(|m| file_system(&m, &there));
    let kind = kind.unwrap_or_else(|| "unknown file system".to_owned());
    let free = free_bytes(&there);
    let found = free.map_or_else(|| kind.clone(), |f| format!("{kind}, {} free", size(f)));
    let network =
        ["nfs", "cifs", "smb", "lustre", "gpfs", "beegfs", "ceph", "afs", "fuse.sshfs", "9p", "glusterfs"];
    if network.iter().any(|n| kind.starts_with(n)) {
        let todo = "journals need a local disk, since locks over a network can't be relied on: set YOSEGI_HOME to one";
        return Finding::gap("home's disk", found, todo);
    }
    if free.is_some_and(|f| f < ROOM) {
        return Finding::gap("home's disk", found, "make room, or set YOSEGI_HOME to a larger disk");
    }
    if ["tmpfs", "ramfs"].contains(&kind.as_str()) {
        return Finding::note(
            "home's disk",
            found,
            "sessions are lost at the next boot: set YOSEGI_HOME to a real disk",
        );
    }
    Finding::good("home's disk", found)
}

/// The file system of the mount that holds `path`.
fn file_system(mounts: &str, path: &Path) -> Option<String> {
    let mount = |line: &str| {
        let mut words = line.split(' ').skip(1);
        let at = words.next()?.replace("\\040", " ");
        path.starts_with(&at).then(|| (at.len(), words.next().unwrap_or_default().to_owned()))
    };
    // If two mounts are on the same folder, the later one hides the other.
    mounts.lines().filter_map(mount).max_by_key(|m| m.0).map(|m| m.1)
}

fn free_bytes(path: &Path) -> Option<u64> {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(path.as_os_str().as_bytes()).ok()?;
    // SAFETY: the string ends with a zero byte, and the call fills a struct of plain numbers.
    unsafe {
        let mut stat: libc::statvfs = std::mem::zeroed();
        (libc::statvfs(path.as_ptr(), &raw mut stat) == 0)
            .then(|| stat.f_bavail as u64 * stat.f_frsize as u64)
    }
}

fn sessions(home: &Home) -> Finding {
    let rows = match session_list::rows(home) {
        Ok(rows) => rows,
        Err(why) => {
            let todo = "make it readable, or set YOSEGI_HOME to another folder";
            return Finding::gap("sessions", format!("{why:#}"), todo);
        }
    };
    let broken = rows.iter().filter(|r| r.problem.is_some()).count();
    let unfinished: Vec<&str> = rows
        .iter()
        .filter(|r| r.problem.is_none() && matches!(r.status, Status::Stopped | Status::Paused))
        .map(|r| r.name.as_str())
        .collect();
    let found = match rows.len() {
        0 => "none yet".to_owned(),
        n => format!("{n}, {} unfinished", unfinished.len()),
    };
    if broken > 0 {
        let todo = "`yosegi sessions` says of each what is the matter and what to do";
        return Finding::gap(
            "sessions",
            format!("{found}; {broken} with a journal that is not as it should be"),
            todo,
        );
    }
    if let Some(name) = unfinished.first() {
        let todo = format!("`yosegi attach {name}` and p, or `yosegi evolve CONFIG --name {name} --resume`");
        return Finding::note("sessions", found, todo);
    }
    Finding::good("sessions", found)
}

fn engine(home: &Home) -> Finding {
    match Client::connect(home) {
        Ok(client) => {
            let device = if client.device.is_empty() { "no device yet" } else { &client.device };
            Finding::good("engine", format!("runs, process {}, {device}", client.pid))
        }
        Err(ConnectError::NotRunning(_)) => Finding::good("engine", "not running; started when needed"),
        Err(ConnectError::Other(why)) => {
            let todo = format!("the log is {}", home.engine_log().display());
            Finding::gap("engine", format!("{why:#}"), todo)
        }
    }
}

/// Whether a run continues after logout.
fn logout() -> Finding {
    if !Path::new("/run/systemd/system").exists() {
        return Finding::good("logout", "no systemd here: a run goes on after logout");
    }
    let user = [var("USER"), var("LOGNAME")].into_iter().find(|u| !u.is_empty()).unwrap_or_default();
    if Path::new("/var/lib/systemd/linger").join(&user).exists() && !user.is_empty() {
        return Finding::good("logout", "lingering is on: a run goes on after logout");
    }
    Finding::note(
        "logout",
        "lingering is off: where systemd is set to end a user's processes, a run ends at logout",
        "loginctl enable-linger",
    )
}

/// The bundled models and the Hugging Face cache.
fn models() -> Finding {
    let cache = hub_cache();
    let all = discover(None);
    let bundled = all.iter().filter(|m| m.reference.starts_with("zoo:")).count();
    let cached = all.len() - bundled;
    let found = format!("{bundled} bundled, {cached} in {}", cache.display());
    if cached > 0 {
        return Finding::good("models", found);
    }
    let offline = if var("HF_HUB_OFFLINE").is_empty() { "" } else { "; HF_HUB_OFFLINE is set" };
    let todo = format!("the zoo is enough to begin; `yosegi inspect org/name` fetches a model{offline}");
    Finding::note("models", found, todo)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_mount_counts() {
        let mounts =
            "overlay / overlay rw 0 0\n/dev/sda1 /home ext4 rw 0 0\nsrv:/x /home/a\\040b nfs4 rw 0 0\n";
        let of = |p: &str| file_system(mounts, Path::new(p)).unwrap_or_default();
        assert_eq!(of("/home/me/.local"), "ext4");
        assert_eq!(of("/home/a b/c"), "nfs4");
        assert_eq!(of("/homely"), "overlay");
    }
}
