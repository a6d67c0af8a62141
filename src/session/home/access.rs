//! Whether this user may read or write a file or folder, as the system answers for the effective user. Home and journal
//! ask before they open a file.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Whether the system lets this process write to a path.
pub(in crate::session) fn may_write(path: &Path) -> bool {
    may(path, libc::W_OK).is_ok()
}

/// An error with the reason if this user may not read a path.
pub(in crate::session) fn may_read(path: &Path) -> io::Result<()> {
    may(path, libc::R_OK)
}

fn may(path: &Path, what: libc::c_int) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: the path is a zero-terminated string that outlives the call, and the call changes nothing.
    match unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), what, libc::AT_EACCESS) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
