//! Writes a checkpoint. The files go into a folder next to the target, are synced, and the folder is renamed, so that
//! no half-written checkpoint ever has the final name. Exports and `yosegi zoo` call it.

pub(super) mod resumable;
pub(super) mod safe_files;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::checkpoint::formats::safetensors::make_header;
use crate::checkpoint::{CheckpointError, Dtype};
use safe_files::{new_file, new_folder, parent_of};

/// The folder that a checkpoint's files are written to.
pub struct Sink<'a> {
    folder: &'a Path,
}

impl Sink<'_> {
    /// Writes one small file.
    ///
    /// # Errors
    /// The file already exists, or cannot be written.
    pub fn file(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut file = new_file(&self.folder.join(name))?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    /// Writes `model.safetensors` from name, type, shape and bytes of each tensor, in order.
    ///
    /// # Errors
    /// The file already exists, or cannot be written.
    pub fn tensors(&self, tensors: &[(&str, Dtype, &[usize], &[u8])]) -> io::Result<()> {
        let mut file = BufWriter::with_capacity(1 << 20, new_file(&self.folder.join("model.safetensors"))?);
        file.write_all(&make_header(tensors.iter().map(|(n, d, s, _)| (*n, *d, *s))))?;
        for (.., data) in tensors {
            file.write_all(data)?;
        }
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    }
}

/// Whether a checkpoint may be written to `out`: it must be absent or an empty folder.
pub fn check_out(out: &Path) -> Result<(), CheckpointError> {
    let failed = |source| CheckpointError::Write { out: out.to_path_buf(), source };
    let free = !out.exists() || out.is_dir() && fs::read_dir(out).map_err(failed)?.next().is_none();
    if free { Ok(()) } else { Err(CheckpointError::OutNotEmpty { out: out.to_path_buf() }) }
}

/// Makes the folder `out` with the files that `fill` writes. `out` may exist if it is empty; an error leaves nothing
/// behind.
pub fn write_folder(
    out: &Path,
    fill: impl FnOnce(&Sink<'_>) -> io::Result<()>,
) -> Result<(), CheckpointError> {
    let failed = |source| CheckpointError::Write { out: out.to_path_buf(), source };
    check_out(out)?;
    out.file_name().ok_or_else(|| failed(io::Error::other("it names no folder")))?;
    let parent = parent_of(out);
    fs::create_dir_all(parent).map_err(failed)?;
    // Removed again unless it is kept below.
    let folder = new_folder(parent).map_err(failed)?;
    let filled = fill(&Sink { folder: folder.path() }).and_then(|()| {
        File::open(folder.path())?.sync_all()?;
        // A rename replaces an empty folder.
        fs::rename(folder.path(), out)
    });
    filled.map_err(failed)?;
    let _ = folder.keep();
    File::open(parent).and_then(|parent| parent.sync_all()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_or_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let out = parent.path().join("model");
        let broken = write_folder(&out, |sink| {
            sink.file("config.json", b"{}")?;
            Err(io::Error::from(io::ErrorKind::StorageFull))
        });
        let message = broken.unwrap_err().to_string();
        assert!(message.contains("model") && message.contains("nothing was left"), "{message}");
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);

        fs::create_dir(&out).unwrap();
        write_folder(&out, |sink| sink.file("config.json", b"{}")).unwrap();
        assert_eq!(fs::read(out.join("config.json")).unwrap(), b"{}");
        // The same permissions as other folders and files.
        let rights = |path: &Path| fs::metadata(path).unwrap().permissions();
        let usual = tempfile::tempdir().unwrap();
        fs::create_dir(usual.path().join("folder")).unwrap();
        fs::write(usual.path().join("file"), "").unwrap();
        assert_eq!(rights(&out), rights(&usual.path().join("folder")));
        assert_eq!(rights(&out.join("config.json")), rights(&usual.path().join("file")));
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);

        let again = write_folder(&out, |_| Ok(())).unwrap_err().to_string();
        assert!(again.contains("not empty"), "{again}");
    }
}
