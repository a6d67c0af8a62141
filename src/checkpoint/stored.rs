//! Where the values of one tensor of an open checkpoint are: in a weight file, or made of it by an adapter.

use std::sync::OnceLock;

use super::adapter::Delta;
use super::formats::header::Entry;

/// Where a tensor's values are.
#[derive(Clone)]
pub(super) enum Held {
    /// In a weight file, as they are.
    Stored(Spot),
    /// A tensor of a shard that the adapter in shard `adapter` changes: computed when it is first asked for, then kept.
    Adapted { base: Spot, adapter: usize, delta: Delta, made: OnceLock<Vec<u8>> },
}

/// Shard number and place in it.
pub(super) type Spot = (usize, Entry);

impl Held {
    /// Type and shape, without making anything.
    pub(super) fn entry(&self) -> &Entry {
        match self {
            Self::Stored((_, entry)) | Self::Adapted { base: (_, entry), .. } => entry,
        }
    }
}
