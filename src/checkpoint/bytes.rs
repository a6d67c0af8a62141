//! Where the bytes of a safetensors file are: mapped from disk, embedded, or in memory.

use std::fs::File;
use std::ops::Deref;
use std::path::Path;

use super::CheckpointError;

/// The whole content of one file.
pub(super) enum Bytes {
    Mapped(memmap2::Mmap),
    Embedded(&'static [u8]),
    Owned(Vec<u8>),
}

impl Bytes {
    /// Maps a file read-only. Its pages are read when touched.
    pub(super) fn map(path: &Path) -> Result<Self, CheckpointError> {
        let io = |source| CheckpointError::Io { path: path.to_path_buf(), source };
        let file = File::open(path).map_err(io)?;
        if file.metadata().map_err(io)?.len() == 0 {
            return Ok(Self::Owned(Vec::new()));
        }
        // SAFETY: the map is read-only and lives as long as the checkpoint. Checkpoint files are
        // replaced, not rewritten in place, by every tool that writes them; one that is truncated
        // by force while it is open ends the process (SIGBUS), as with any memory-mapped loader.
        let map = unsafe { memmap2::Mmap::map(&file) }.map_err(io)?;
        Ok(Self::Mapped(map))
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Embedded(bytes) => bytes,
            Self::Owned(bytes) => bytes,
        }
    }
}
