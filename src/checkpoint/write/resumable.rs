//! Writes a checkpoint in several shards, and can resume after an interruption. In: shards in order, and a text called
//! the order that describes everything that decides the files. Out: the checkpoint's folder. Exports of large merges
//! call it.
//!
//! Until the checkpoint is complete, the files are in a hidden folder next to the target. A shard is written under a
//! temporary name, synced, then renamed, so a shard with its final name is complete. The order is stored in a file; if
//! it differs, the folder is started anew.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::check_out;
use super::safe_files::{new_file, own_file, own_folder, parent_of};
use crate::checkpoint::formats::safetensors::make_header;
use crate::checkpoint::{CheckpointError, Dtype};
use crate::error::Interrupted;

const ORDER: &str = ".yosegi-order";

/// The hidden folder next to the target.
pub struct ResumableFolder {
    out: PathBuf,
    folder: PathBuf,
    /// Kept open, and so locked, until the folder has its final name.
    _order: File,
}

/// A shard that is being written.
pub struct ShardWriter {
    file: File,
    from: PathBuf,
    to: PathBuf,
}

impl ResumableFolder {
    /// Begins the checkpoint `out`, or resumes where a writer with the same `order` stopped. `order` is a text that
    /// describes everything that decides the files. `out` must be absent or an empty folder.
    pub fn begin(out: &Path, order: &str) -> Result<Self, CheckpointError> {
        let failed = |source| CheckpointError::Write { out: out.to_path_buf(), source };
        check_out(out)?;
        let name = out.file_name().ok_or_else(|| failed(io::Error::other("it names no folder")))?;
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(".part");
        let folder = parent_of(out).join(hidden);
        fs::create_dir_all(parent_of(out)).map_err(failed)?;
        own_folder(&folder).map_err(failed)?;
        let (mut file, made) = own_file(&folder.join(ORDER)).map_err(failed)?;
        if made && !is_ours(&folder).map_err(failed)? {
            let _ = fs::remove_file(folder.join(ORDER));
            let what = format!("{} holds files that no export has written: empty it first", folder.display());
            return Err(failed(io::Error::other(what)));
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(CheckpointError::BeingWritten { out: out.to_path_buf() });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let mut old = Vec::new();
        let mut fresh = |file: &mut File| -> io::Result<()> {
            file.read_to_end(&mut old)?;
            if old == order.as_bytes() {
                return Ok(());
            }
            for entry in fs::read_dir(&folder)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    fs::remove_dir_all(entry.path())?;
                } else if entry.file_name() != ORDER {
                    fs::remove_file(entry.path())?;
                }
            }
            file.set_len(0)?;
            io::Seek::rewind(file)?;
            file.write_all(order.as_bytes())?;
            file.sync_all()
        };
        fresh(&mut file).map_err(failed)?;
        Ok(Self { out: out.to_path_buf(), folder, _order: file })
    }

    /// Whether an earlier writer finished the shard `name` of `bytes` bytes.
    #[must_use]
    pub fn has(&self, name: &str, bytes: u64) -> bool {
        fs::symlink_metadata(self.folder.join(name)).is_ok_and(|m| m.is_file() && m.len() == bytes)
    }

    /// Opens a shard for the bytes of its tensors, which must follow in this order: name, type, shape.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn shard<'a>(
        &self,
        name: &str,
        tensors: impl Iterator<Item = (&'a str, Dtype, &'a [usize])>,
    ) -> io::Result<ShardWriter> {
        let from = self.folder.join(format!("{name}.part"));
        let mut file = anew(&from)?;
        file.write_all(&make_header(tensors))?;
        Ok(ShardWriter { file, from, to: self.folder.join(name) })
    }

    /// Writes one small file; its name may contain one folder.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn file(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        if let Some((folder, _)) = name.split_once('/') {
            own_folder(&self.folder.join(folder))?;
        }
        let mut file = anew(&self.folder.join(name))?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    /// Renames the folder to its final name.
    pub fn finish(self) -> Result<(), CheckpointError> {
        let named = fs::remove_file(self.folder.join(ORDER)).and_then(|()| {
            File::open(&self.folder)?.sync_all()?;
            // A rename replaces an empty folder.
            fs::rename(&self.folder, &self.out)?;
            File::open(parent_of(&self.out))?.sync_all()
        });
        named.map_err(|source| self.give_up(source))
    }

    /// The error for an unfinished checkpoint. Complete shards stay for the next try; without any, everything is
    /// removed.
    #[must_use]
    pub fn give_up(self, source: io::Error) -> CheckpointError {
        let shards = self.clear();
        if shards == 0 {
            return CheckpointError::Write { out: self.out, source };
        }
        CheckpointError::Unfinished { out: self.out, folder: self.folder, shards, source }
    }

    /// What is told of an interrupted checkpoint. Complete shards stay for the next try; without any, everything is
    /// removed.
    #[must_use]
    pub fn interrupt(self) -> Interrupted {
        let out = self.out.display();
        Interrupted(match self.clear() {
            0 => format!("interrupted; nothing of {out} was left"),
            1 => format!(
                "interrupted; the finished shard of {out} is in {} for the next try",
                self.folder.display()
            ),
            shards => format!(
                "interrupted; the {shards} finished shards of {out} are in {} for the next try",
                self.folder.display()
            ),
        })
    }

    /// Removes everything that was written.
    pub fn discard(self) {
        // Best effort: what matters is that `out` itself was never half-written.
        let _ = fs::remove_dir_all(&self.folder);
    }

    /// Removes everything except complete shards, and the folder if there are none. Returns the number of shards.
    fn clear(&self) -> usize {
        let mut shards = 0;
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|e| e == "safetensors") {
                shards += 1;
            } else if entry.file_name() != ORDER {
                // Best effort: what matters is that `out` itself was never half-written.
                let _ = fs::remove_file(path);
            }
        }
        if shards == 0 {
            let _ = fs::remove_dir_all(&self.folder);
        }
        shards
    }
}

/// Whether a folder without an order file was made by a resumable writer: it is empty, or its writer was killed after
/// removing the order file and before the rename.
fn is_ours(folder: &Path) -> io::Result<bool> {
    let names: Vec<OsString> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>()?;
    let shard = |name: &OsString| Path::new(name).extension().is_some_and(|e| e == "safetensors");
    let whole = names.iter().any(|n| n == "config.json") && names.iter().any(shard);
    Ok(whole || names.iter().all(|name| name == ORDER))
}

/// A new file that replaces one of an earlier writer.
fn anew(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => new_file(path),
    }
}

impl ShardWriter {
    /// Appends bytes of tensors.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Syncs the shard and renames it to its final name.
    ///
    /// # Errors
    /// The file cannot be synced or renamed.
    pub fn finish(self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(self.from, self.to)
    }
}

/// Bytes of a shard of these tensors, header included.
#[must_use]
pub fn shard_bytes<'a>(tensors: impl Iterator<Item = (&'a str, Dtype, &'a [usize])> + Clone) -> u64 {
    let data: usize = tensors.clone().map(|(_, d, s)| d.size() * s.iter().product::<usize>()).sum();
    make_header(tensors).len() as u64 + data as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: [usize; 1] = [2];

    fn put(staged: &ResumableFolder, name: &str) -> io::Result<()> {
        let mut shard = staged.shard(name, [("t", Dtype::BF16, &SHAPE[..])].into_iter())?;
        shard.write(&[1, 2, 3, 4])?;
        shard.finish()
    }

    /// Files next to the target may have been put there by somebody else.
    #[test]
    fn what_is_not_ours_is_neither_emptied_nor_written() {
        use std::os::unix::fs::symlink;
        let parent = tempfile::tempdir().unwrap();
        let at = |name: &str| parent.path().join(name);
        let refused = |out: &str| ResumableFolder::begin(&at(out), "one").err().unwrap().to_string();
        fs::create_dir(at("victim")).unwrap();
        fs::write(at("victim/model.safetensors"), "precious").unwrap();
        symlink(at("victim"), at(".a.part")).unwrap();
        assert!(refused("a").contains(".a.part is a link"), "{}", refused("a"));
        fs::create_dir(at(".b.part")).unwrap();
        symlink(at("victim/model.safetensors"), at(".b.part/.yosegi-order")).unwrap();
        assert!(refused("b").contains(".yosegi-order is a link"), "{}", refused("b"));
        fs::create_dir(at(".c.part")).unwrap();
        fs::write(at(".c.part/notes.txt"), "precious").unwrap();
        assert!(refused("c").contains("no export has written"), "{}", refused("c"));
        assert_eq!(fs::read_dir(at(".c.part")).unwrap().count(), 1);

        // In our own folder, a link is replaced by a file.
        fs::create_dir(at(".d.part")).unwrap();
        fs::write(at(".d.part/.yosegi-order"), "one").unwrap();
        for name in ["model-1.safetensors", "model-1.safetensors.part", "config.json"] {
            symlink(at("victim/model.safetensors"), at(".d.part").join(name)).unwrap();
        }
        let staged = ResumableFolder::begin(&at("d"), "one").unwrap();
        assert!(!staged.has("model-1.safetensors", 8));
        put(&staged, "model-1.safetensors").unwrap();
        staged.file("config.json", b"{}").unwrap();
        staged.finish().unwrap();
        assert!(fs::symlink_metadata(at("d/model-1.safetensors")).unwrap().is_file());
        assert_eq!(fs::read(at("victim/model.safetensors")).unwrap(), b"precious");
    }

    #[test]
    fn whole_shards_outlive_their_writer() {
        let parent = tempfile::tempdir().unwrap();
        let out = parent.path().join("m");
        let bytes = shard_bytes([("t", Dtype::BF16, &SHAPE[..])].into_iter());
        let staged = ResumableFolder::begin(&out, "one").unwrap();
        let again = ResumableFolder::begin(&out, "one").err().unwrap().to_string();
        assert!(again.contains("another process"), "{again}");
        put(&staged, "model-1.safetensors").unwrap();
        drop(staged.shard("model-2.safetensors", [("t", Dtype::BF16, &SHAPE[..])].into_iter()).unwrap());
        drop(staged);

        let staged = ResumableFolder::begin(&out, "one").unwrap();
        assert!(staged.has("model-1.safetensors", bytes) && !staged.has("model-2.safetensors", bytes));
        assert!(!staged.has("model-1.safetensors", bytes + 1));
        let why = staged.give_up(io::Error::from(io::ErrorKind::StorageFull)).to_string();
        assert!(why.contains("1 finished shard") && why.contains(".m.part"), "{why}");

        // Another order starts again from nothing.
        let staged = ResumableFolder::begin(&out, "two").unwrap();
        assert!(!staged.has("model-1.safetensors", bytes));
        let why = staged.give_up(io::Error::from(io::ErrorKind::StorageFull)).to_string();
        assert!(why.contains("nothing was left"), "{why}");
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);

        let staged = ResumableFolder::begin(&out, "two").unwrap();
        put(&staged, "model.safetensors").unwrap();
        staged.file("config.json", b"{}").unwrap();
        staged.finish().unwrap();
        let mut names: Vec<_> = fs::read_dir(&out).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["config.json", "model.safetensors"]);
        assert!(ResumableFolder::begin(&out, "two").err().unwrap().to_string().contains("not empty"));
    }
}
