//! Writes files in folders that other users may also write to. It never follows, fills or empties anything that another
//! user may have put there. Everything that writes a file for the user calls it.
//!
//! A file appears complete: it is written under an unpredictable name, then renamed. A file or folder whose name must
//! be known beforehand (a resumable export) is reused only if it belongs to this user and is no link.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile, TempDir};

/// Writes a file: a reader of `path` sees either the old content or all of `bytes`, never a part. A link with that name
/// is replaced, not followed; a device or a pipe (`/dev/stdout`) is written to.
///
/// # Errors
/// The folder cannot be written to, or `path` is a folder.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Ok(there) = fs::metadata(path)
        && !there.is_file()
    {
        if there.is_dir() {
            return Err(io::Error::other("it is a folder"));
        }
        return OpenOptions::new().write(true).open(path)?.write_all(bytes);
    }
    write_beside(path, bytes)?.persist(path).map(drop).map_err(|e| e.error)
}

/// Writes all of `bytes` into a new file in the folder of `path`, under a name that can't be guessed. The caller
/// renames it to `path`; otherwise the file is deleted when the value is dropped.
///
/// # Errors
/// The folder cannot be written to, or `path` names no file.
pub fn write_beside(path: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    path.file_name().ok_or_else(|| io::Error::other("it names no file"))?;
    // The same permissions as other new files: the user's mask applies.
    let rights = Permissions::from_mode(0o666);
    let mut file =
        Builder::new().prefix(".yosegi-").suffix(".part").permissions(rights).tempfile_in(parent_of(path))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// The folder that contains `out`.
pub(in crate::checkpoint) fn parent_of(out: &Path) -> &Path {
    out.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A new file; an error if the name is already in use.
///
/// # Errors
/// The name is taken, or the folder cannot be written to.
pub fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// A new folder in `folder` under a name that can't be guessed, with ordinary permissions.
pub(in crate::checkpoint) fn new_folder(folder: &Path) -> io::Result<TempDir> {
    let rights = Permissions::from_mode(0o777);
    Builder::new().prefix(".yosegi-").suffix(".part").permissions(rights).tempdir_in(folder)
}

/// Makes a folder, or reuses one that belongs to this user.
///
/// # Errors
/// The name belongs to a link, a file or another user's folder, or the folder cannot be made.
pub fn own_folder(path: &Path) -> io::Result<()> {
    match DirBuilder::new().create(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        made => return made,
    }
    let found = fs::symlink_metadata(path)?;
    let what = if found.is_symlink() {
        "is a link"
    } else if !found.is_dir() {
        "is no folder"
    } else if found.uid() != user_id() {
        "belongs to another user"
    } else {
        return Ok(());
    };
    Err(in_the_way(path, what))
}

/// Opens a file of this user for reading and writing, and creates it if it is missing. Returns `true` if it was
/// created.
///
/// # Errors
/// The name belongs to a link, a folder, another user's file or a file with a second name, or cannot be opened.
pub fn own_file(path: &Path) -> io::Result<(File, bool)> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    match options.clone().create_new(true).open(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        made => return Ok((made?, true)),
    }
    let file = options.open(path).map_err(|e| match e.raw_os_error() {
        Some(libc::ELOOP) => in_the_way(path, "is a link"),
        _ => e,
    })?;
    let found = file.metadata()?;
    let what = if !found.is_file() {
        "is no plain file"
    } else if found.uid() != user_id() {
        "belongs to another user"
    } else if found.nlink() > 1 {
        "is known under another name too"
    } else {
        return Ok((file, false));
    };
    Err(in_the_way(path, what))
}

fn in_the_way(path: &Path, what: &str) -> io::Error {
    let path: PathBuf = path.to_path_buf();
    io::Error::other(format!("{} {what}: remove it, or choose another name to write to", path.display()))
}

/// The user id of this process.
#[must_use]
pub fn user_id() -> u32 {
    // SAFETY: geteuid has no arguments, cannot fail and touches no memory.
    unsafe { libc::geteuid() }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_comes_whole_and_no_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, victim) = (folder.path().join("out"), folder.path().join("victim"));
        fs::write(&victim, "precious").unwrap();
        symlink(&victim, &path).unwrap();
        write_whole(&path, b"text").unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
        assert_eq!(fs::read(&path).unwrap(), b"text");
        write_whole(&path, b"another").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"another");
        // The same permissions as other files.
        fs::write(folder.path().join("usual"), "").unwrap();
        let rights = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(rights("out"), rights("usual"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "nothing is left aside");
        assert!(write_whole(folder.path(), b"x").is_err());
        assert!(write_whole(&folder.path().join("none/out"), b"x").is_err());
        write_whole(Path::new("/dev/null"), b"x").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        assert!(new_file(&path).is_err());
    }

    #[test]
    fn what_somebody_put_there_is_not_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        own_folder(&at("ours")).unwrap();
        own_folder(&at("ours")).unwrap();
        symlink(at("ours"), at("link")).unwrap();
        let says = |e: io::Error| e.to_string();
        assert!(says(own_folder(&at("link")).unwrap_err()).contains("link is a link"));
        assert!(own_file(&at("file")).unwrap().1);
        assert!(!own_file(&at("file")).unwrap().1);
        assert!(says(own_folder(&at("file")).unwrap_err()).contains("is no folder"));
        symlink(at("file"), at("to-file")).unwrap();
        assert!(says(own_file(&at("to-file")).unwrap_err()).contains("is a link"));
        fs::hard_link(at("file"), at("twice")).unwrap();
        assert!(says(own_file(&at("twice")).unwrap_err()).contains("another name"));
        assert!(own_file(&at("ours")).is_err());
        if user_id() == 0 {
            std::os::unix::fs::chown(at("ours"), Some(12345), None).unwrap();
            assert!(says(own_folder(&at("ours")).unwrap_err()).contains("another user"));
        }
    }
}
