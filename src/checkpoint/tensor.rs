//! Tensors as bytes: element types, a borrowed view with its shape, and the trait for everything that provides tensors
//! by name (a checkpoint on disk, a merge in memory).

use super::CheckpointError;

/// Element type of a stored tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dtype {
    F32,
    F16,
    BF16,
}

impl Dtype {
    /// Bytes per element.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
        }
    }

    /// Name in a safetensors header (`BF16`).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::BF16 => "BF16",
        }
    }

    /// The inverse of [`Self::name`]; `None` for unsupported element types.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::F32, Self::F16, Self::BF16].into_iter().find(|d| d.name() == name)
    }
}

/// A borrowed tensor: row-major, little-endian, `data.len()` = product of `shape` × element size.
#[derive(Clone, Copy, Debug)]
pub struct TensorView<'a> {
    pub dtype: Dtype,
    pub shape: &'a [usize],
    pub data: &'a [u8],
}

impl TensorView<'_> {
    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.data.len() / self.dtype.size()
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Elements `start..start + out.len()` as f32 (exact for all three types).
    #[inline(always)]
    #[allow(clippy::inline_always)] // must be inlined into vectorised passes
    pub fn read_f32(&self, start: usize, out: &mut [f32]) {
        let size = self.dtype.size();
        let bytes = &self.data[start * size..(start + out.len()) * size];
        match self.dtype {
            Dtype::F32 => {
                for (o, b) in out.iter_mut().zip(bytes.as_chunks::<4>().0) {
                    *o = f32::from_le_bytes(*b);
                }
            }
            Dtype::F16 => {
                for (o, b) in out.iter_mut().zip(bytes.as_chunks::<2>().0) {
                    *o = half::f16::from_le_bytes(*b).to_f32();
                }
            }
            Dtype::BF16 => {
                for (o, b) in out.iter_mut().zip(bytes.as_chunks::<2>().0) {
                    *o = f32::from_bits(u32::from(u16::from_le_bytes(*b)) << 16);
                }
            }
        }
    }
}

/// Anything that provides a model's tensors by their Hugging Face names: a checkpoint on disk or a merge in memory.
pub trait Weights: Sync {
    /// The tensor called `name`, if there is one.
    fn tensor(&self, name: &str) -> Option<TensorView<'_>>;

    /// An error if the file of a tensor has changed since it was opened. Call it after reading a tensor and before
    /// using the result.
    fn intact(&self, _name: &str) -> Result<(), CheckpointError> {
        Ok(())
    }

    /// Gives the memory into which a tensor's file was read back to the system. The tensor can be read again.
    fn release(&self, _name: &str) {}
}
