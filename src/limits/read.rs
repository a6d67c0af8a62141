//! Reads a whole file, or opens one to be mapped: only regular files, and only up to a limit. All rooms read files
//! through these functions.

use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// An open regular file.
pub type File = std::fs::File;

/// Opens a regular file for reading. A folder, a device or a pipe is refused, without waiting for a pipe.
///
/// # Errors
/// The file does not exist, is not a regular file, or may not be read.
pub fn open(path: &Path) -> io::Result<File> {
    // Checked before opening as well: opening a device can already have effects.
    regular(&std::fs::metadata(path)?)?;
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    regular(&file.metadata()?)?;
    Ok(file)
}

/// Whether a path is a regular file, or what else it is, without opening it.
///
/// # Errors
/// The file does not exist or is not regular: the message says what it is.
pub fn regular_file(path: &Path) -> io::Result<()> {
    regular(&std::fs::metadata(path)?)
}

fn regular(about: &std::fs::Metadata) -> io::Result<()> {
    let kind = about.file_type();
    let what = match () {
        () if kind.is_file() => return Ok(()),
        () if kind.is_dir() => "a folder",
        () if kind.is_fifo() => "a pipe",
        () if kind.is_socket() => "a socket",
        () => "a device",
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("it is {what}, not a file")))
}

/// A regular file's bytes, at most `most` of them. It takes no more memory than the file's length.
///
/// # Errors
/// As [`open`], or the file is longer than `most`.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let length = file.metadata()?.len();
    if length > most {
        return Err(too_long(most));
    }
    let mut out = Vec::new();
    out.try_reserve_exact(length as usize).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
    // The file may grow while it is read, and kernel files report a length of zero.
    file.take(most + 1).read_to_end(&mut out)?;
    if out.len() as u64 > most { Err(too_long(most)) } else { Ok(out) }
}

/// A regular file's content as text, at most `most` bytes.
///
/// # Errors
/// As [`read`], or the content is not UTF-8: the message names the line.
pub fn read_text(path: &Path, most: u64) -> io::Result<String> {
    text(read(path, most)?)
}

/// Everything from a stream, as text, at most `most` bytes.
///
/// # Errors
/// The stream fails, gives more than `most` bytes, or is not UTF-8.
pub fn take_text(from: impl Read, most: u64) -> io::Result<String> {
    let mut out = Vec::new();
    from.take(most + 1).read_to_end(&mut out)?;
    if out.len() as u64 > most { Err(too_long(most)) } else { text(out) }
}

fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        let line = e.as_bytes()[..at].split(|b| *b == b'\n').count();
        io::Error::new(io::ErrorKind::InvalidData, format!("line {line} is not UTF-8"))
    })
}

fn too_long(most: u64) -> io::Error {
    let shown = if most < 1 << 20 { format!("{most} bytes") } else { format!("{} MiB", most >> 20) };
    io::Error::new(
        io::ErrorKind::FileTooLarge,
        format!("it has over {shown}, the most that is read of such a file"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_up_to_the_bound_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read_text(&path, 5).unwrap(), "12345");
        assert!(read_text(&path, 4).unwrap_err().to_string().contains("over 4 bytes"));
        let says = |path: &Path| read(path, 100).unwrap_err().to_string();
        assert!(says(dir.path()).contains("a folder"));
        assert!(says(Path::new("/dev/zero")).contains("a device"));
        let pipe = dir.path().join("pipe");
        let name = std::ffi::CString::new(pipe.to_str().unwrap()).unwrap();
        // SAFETY: the name is a C string.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        assert!(says(&pipe).contains("a pipe"));
        // A file that only claims to be long takes no memory.
        File::create(&path).unwrap().set_len(1 << 50).unwrap_or_default();
        assert!(read(&path, 1 << 30).is_err() || std::fs::metadata(&path).unwrap().len() == 0);
        std::fs::write(&path, b"a\nb\xff").unwrap();
        assert!(read_text(&path, 100).unwrap_err().to_string().contains("line 2 is not UTF-8"));
        assert!(take_text(io::repeat(b'a'), 1000).unwrap_err().to_string().contains("over 1000 bytes"));
        assert!(!read_text(Path::new("/proc/meminfo"), 1 << 20).unwrap().is_empty());
    }
}
