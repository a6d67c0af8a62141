//! The bytes of a weight file: mapped from disk, embedded in the binary, or in memory. `open` makes them; the tensors
//! of a checkpoint are slices of them.

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::CheckpointError;
use crate::limits::Mapped;

/// A multiple of every page size.
const PAGE: usize = 1 << 16;

/// The whole content of one file. Clones share the bytes.
#[derive(Clone)]
pub(super) enum Bytes {
    Mapped(Arc<Mapped>),
    Embedded(&'static [u8]),
    Owned(Arc<Vec<u8>>),
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Owned(Arc::new(bytes))
    }
}

impl Bytes {
    /// Maps a file read-only. A page is read from disk when it is first touched.
    pub(super) fn map(path: &Path) -> Result<Self, CheckpointError> {
        let io = |source| CheckpointError::Io { path: path.to_path_buf(), source };
        let mapped = Mapped::open(path).map_err(io)?.map(Arc::new);
        Ok(mapped.map_or_else(|| Self::from(Vec::new()), Self::Mapped))
    }

    /// An error if the file has changed since it was opened.
    pub(super) fn unchanged(&self) -> Result<(), CheckpointError> {
        let Self::Mapped(map) = self else { return Ok(()) };
        let error = |what| CheckpointError::Changed { path: map.path().to_path_buf(), what };
        map.changed().map_or(Ok(()), |what| Err(error(what)))
    }

    /// Returns the memory of a range that was read to the system, if the range lies in this mapped file. The next read
    /// takes it from the file again, or from the system's cache.
    pub(super) fn release(&self, part: &[u8]) {
        let Self::Mapped(mapped) = self else { return };
        let map = mapped.map();
        let Some(start) = part.as_ptr().addr().checked_sub(map.as_ptr().addr()) else { return };
        // Only whole pages inside the range.
        let (from, to) = (start.next_multiple_of(PAGE), (start + part.len()) / PAGE * PAGE);
        if start + part.len() <= map.len() && from < to {
            // SAFETY: the map is shared and read-only, so its pages come back with the file's bytes. The system may
            // ignore the advice without harm.
            let _ =
                unsafe { map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, from, to - from) };
        }
    }

    /// Bytes that lie in memory for as long as this exists; 0 for a file.
    pub(super) fn held(&self) -> u64 {
        match self {
            Self::Mapped(_) | Self::Embedded(_) => 0,
            Self::Owned(bytes) => bytes.len() as u64,
        }
    }

    /// Length and modification time: files with different content almost certainly differ in one of them.
    pub(super) fn stamp(&self) -> String {
        let changed = match self {
            Self::Mapped(map) => map.modified().and_then(|t| t.duration_since(SystemTime::UNIX_EPOCH).ok()),
            _ => None,
        };
        format!("{}@{}", self.len(), changed.map_or(0, |t| t.as_nanos()))
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
