//! What a weight file lists, whatever its format: each tensor's type, shape and place. Made by the readers of
//! safetensors and of `PyTorch`'s archives, joined by `shards`, kept by an open checkpoint.

use std::collections::BTreeMap;

use crate::checkpoint::Dtype;

/// A tensor of a file: its type, its shape, and where its bytes are from the start of the file.
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
    /// Tensors of an element type that is read here.
    pub(in crate::checkpoint) tensors: BTreeMap<String, Entry>,
    /// Tensors of other types (integer buffers, 8-bit floats), with their type's name.
    pub(in crate::checkpoint) foreign: BTreeMap<String, String>,
}

impl Header {
    /// Whether it lists a tensor of this name, of any type.
    pub(in crate::checkpoint) fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name) || self.foreign.contains_key(name)
    }
}
