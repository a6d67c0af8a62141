//! Where the bytes of a safetensors file are: mapped from disk, embedded, or in memory.

use std::fs::File;
use std::ops::Deref;
use std::path::Path;
use std::time::SystemTime;

use super::CheckpointError;

/// Pages are this long or shorter.
const PAGE: usize = 1 << 16;

/// The whole content of one file.
pub(super) enum Bytes {
    /// And when the file was last changed.
    Mapped(memmap2::Mmap, Option<SystemTime>),
    Embedded(&'static [u8]),
    Owned(Vec<u8>),
}

impl Bytes {
    /// Maps a file read-only. Its pages are read when touched.
    pub(super) fn map(path: &Path) -> Result<Self, CheckpointError> {
        let io = |source| CheckpointError::Io { path: path.to_path_buf(), source };
        let file = File::open(path).map_err(io)?;
        let about = file.metadata().map_err(io)?;
        if about.len() == 0 {
            return Ok(Self::Owned(Vec::new()));
        }
        // SAFETY: the map is read-only and lives as long as the checkpoint. Checkpoint files are
        // replaced, not rewritten in place, by every tool that writes them; one that is truncated
        // by force while it is open ends the process (SIGBUS), as with any memory-mapped loader.
        let map = unsafe { memmap2::Mmap::map(&file) }.map_err(io)?;
        Ok(Self::Mapped(map, about.modified().ok()))
    }

    /// Gives the memory of a part that was read back, if it lies in this mapped file; reading it again
    /// takes it from the file, or from the system's copy of it.
    pub(super) fn release(&self, part: &[u8]) {
        let Self::Mapped(map, _) = self else { return };
        let Some(start) = part.as_ptr().addr().checked_sub(map.as_ptr().addr()) else { return };
        // Only pages that lie wholly inside.
        let (from, to) = (start.next_multiple_of(PAGE), (start + part.len()) / PAGE * PAGE);
        if start + part.len() <= map.len() && from < to {
            // SAFETY: the map is shared and read-only, so its pages come back with the file's bytes.
            // An advice that is not taken changes nothing.
            let _ =
                unsafe { map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, from, to - from) };
        }
    }

    /// Length and time of change: two files that differ in content differ here, in all likelihood.
    pub(super) fn stamp(&self) -> String {
        let changed = match self {
            Self::Mapped(_, Some(time)) => time.duration_since(SystemTime::UNIX_EPOCH).ok(),
            _ => None,
        };
        format!("{}@{}", self.len(), changed.map_or(0, |t| t.as_nanos()))
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map, _) => map,
            Self::Embedded(bytes) => bytes,
            Self::Owned(bytes) => bytes,
        }
    }
}
