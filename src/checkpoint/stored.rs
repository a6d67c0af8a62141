//! Where the values of one tensor of an open checkpoint are: in a weight file, or computed from it by an adapter.
//! `model` reads tensors through it.

use std::sync::OnceLock;

use super::adapter::Delta;
use super::formats::header::Entry;

/// Where a tensor's values are.
#[derive(Clone)]
pub(super) enum Held {
    /// Directly in a weight file.
    Stored(Spot),
    /// A tensor of a shard that the adapter in shard `adapter` changes: computed when it is first read, then kept.
    Adapted { base: Spot, adapter: usize, delta: Delta, made: OnceLock<Vec<u8>> },
}

/// Shard number, and position in the shard.
pub(super) type Spot = (usize, Entry);

impl Held {
    /// Type and shape, without computing values.
    pub(super) fn entry(&self) -> &Entry {
        match self {
            Self::Stored((_, entry)) | Self::Adapted { base: (_, entry), .. } => entry,
        }
    }
}
