//! The decoder's one code path over any backend: weights, and the path of blocks that a token travels.
//!
//! `load` writes tensors from a [`WeightSource`]; `forward` runs tokens; `workspace` keeps the buffers between
//! generations; `memory_limit` remembers the batch size that did not fit. `decoding` and `Decoder` call them through
//! `with_model!`.

mod forward;
mod load;
mod memory_limit;
mod weight_source;
mod workspace;

#[cfg(any(feature = "cuda", test))]
pub(crate) use weight_source::MakeTensor;
pub(crate) use weight_source::{HostWeights, TensorRows, WeightSource};
pub(crate) use workspace::Workspace;

use std::sync::{Arc, Mutex};

use self::memory_limit::MemoryLimit;
use super::{backend::Backend, image_rows::ImageRows, rope::Rope, shape::DecoderShape};

/// Weights of one decoder block.
pub(crate) struct Block<B: Backend> {
    /// Index of its model, among the models that run together.
    pub model: usize,
    /// Index of its layer in that model.
    pub layer: usize,
    pub input_norm: B::Vector,
    /// Query, key and value projections, fused.
    pub qkv: B::Matrix,
    /// Norms on each head's queries and keys.
    pub qk_norm: Option<(B::Vector, B::Vector)>,
    pub attention_out: B::Matrix,
    /// Norms on the outputs of attention and MLP.
    pub post_norms: Option<(B::Vector, B::Vector)>,
    pub mlp_norm: B::Vector,
    /// Gate and up projections, fused.
    pub gate_up: B::Matrix,
    pub down: B::Matrix,
}

/// One step of the path that a token travels: a block, and a factor on its input. In an ordinary model every
/// block occurs once, in order, with factor 1. Steps share blocks; each step has its own keys and values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Step {
    pub block: usize,
    pub scale: f32,
}

/// A decoder's weights on a device.
pub(crate) struct Model<B: Backend> {
    pub backend: B,
    /// Shape of the first model; its embedding, final norm and head are used.
    pub shape: DecoderShape,
    /// Shape of every model that provides blocks. All have the same hidden size and heads.
    pub shapes: Vec<DecoderShape>,
    /// The rotations; the attention settings in `shapes` refer to them.
    pub ropes: Vec<Rope>,
    /// The embedding; `None` if it is tied to the head, whose weight it then is.
    pub table: Option<B::Table>,
    pub blocks: Vec<Block<B>>,
    pub steps: Vec<Step>,
    pub norm: B::Vector,
    pub head: B::Matrix,
    /// Images that prompts may name.
    pub images: Option<Arc<ImageRows>>,
    /// Buffers of earlier generations, kept for reuse: allocating a cache's pages again is slow.
    spare: Mutex<Vec<Workspace<B>>>,
    memory_limit: Mutex<MemoryLimit>,
}

impl<B: Backend> Model<B> {
    /// A model without blocks. `shapes` is not empty.
    pub fn new(
        backend: B,
        shapes: Vec<DecoderShape>,
        ropes: Vec<Rope>,
        table: Option<B::Table>,
        norm: B::Vector,
        head: B::Matrix,
    ) -> Self {
        let shape = shapes[0].clone();
        let (blocks, steps, spare) = (Vec::new(), Vec::new(), Mutex::default());
        let memory_limit = Mutex::default();
        let images = None;
        Self { backend, shape, shapes, ropes, table, blocks, steps, norm, head, images, spare, memory_limit }
    }
}
