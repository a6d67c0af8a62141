//! The contents of a weight file in any format: each tensor's type, shape and position. The readers of safetensors and
//! of `PyTorch` archives make it, `shards` joins several, an open checkpoint keeps it.

use std::collections::BTreeMap;

use crate::checkpoint::Dtype;

/// A tensor of a file: its type, its shape, and its byte range from the start of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::checkpoint) struct Entry {
    pub(in crate::checkpoint) dtype: Dtype,
    pub(in crate::checkpoint) shape: Vec<usize>,
    pub(in crate::checkpoint) start: usize,
    pub(in crate::checkpoint) end: usize,
}

/// All tensors of a file.
#[derive(Debug, Default)]
pub(in crate::checkpoint) struct Header {
    /// Tensors with a supported element type.
    pub(in crate::checkpoint) tensors: BTreeMap<String, Entry>,
    /// Tensors with other types (integer buffers, 8-bit floats), with the type's name.
    pub(in crate::checkpoint) foreign: BTreeMap<String, String>,
}

impl Header {
    /// Whether the file has a tensor of this name, of any type.
    pub(in crate::checkpoint) fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name) || self.foreign.contains_key(name)
    }
}
