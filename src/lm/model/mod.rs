//! The decoder itself, over any backend: blocks of weights, and the path through them.

mod forward;
mod load;
mod memory_limit;
mod weight_source;
mod workspace;

pub(crate) use weight_source::{Band, Fill, Source};
pub(crate) use workspace::Workspace;

use std::sync::Mutex;

use self::memory_limit::Found;
use super::{backend::Backend, rope::Rope, shape::Shape};

/// Weights of one decoder block.
pub(crate) struct Block<B: Backend> {
    /// Whose block it is: a model, and its layer there.
    pub model: usize,
    pub layer: usize,
    pub input_norm: B::Vector,
    /// Query, key and value projections, fused.
    pub qkv: B::Matrix,
    /// Of each head's queries, and keys.
    pub qk_norm: Option<(B::Vector, B::Vector)>,
    pub attention_out: B::Matrix,
    /// Of what attention, and the MLP, give.
    pub post_norms: Option<(B::Vector, B::Vector)>,
    pub mlp_norm: B::Vector,
    /// Gate and up projections, fused.
    pub gate_up: B::Matrix,
    pub down: B::Matrix,
}

/// One step of the path that a token travels: a block, and a factor on what enters it. A stock
/// model is every block once, in order, with factor 1. Steps share blocks; each step has its own
/// keys and values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Step {
    pub block: usize,
    pub scale: f32,
}

/// A decoder's weights on a device.
pub(crate) struct Model<B: Backend> {
    pub backend: B,
    /// Of the first model, whose embedding, final norm and head are used.
    pub shape: Shape,
    /// Of every model that blocks come from. Hidden size and heads are the same in all.
    pub shapes: Vec<Shape>,
    /// The rotations that shapes name by their views.
    pub ropes: Vec<Rope>,
    pub table: B::Table,
    pub blocks: Vec<Block<B>>,
    pub steps: Vec<Step>,
    pub norm: B::Vector,
    pub head: B::Matrix,
    /// Buffers of earlier generations, for the next: a cache's pages are costly to get anew.
    spare: Mutex<Vec<Workspace<B>>>,
    found: Mutex<Found>,
}

impl<B: Backend> Model<B> {
    /// A model without blocks; `shapes` holds at least one.
    pub fn new(
        backend: B,
        shapes: Vec<Shape>,
        ropes: Vec<Rope>,
        table: B::Table,
        norm: B::Vector,
        head: B::Matrix,
    ) -> Self {
        let shape = shapes[0].clone();
        let (blocks, steps, spare) = (Vec::new(), Vec::new(), Mutex::default());
        let found = Mutex::default();
        Self { backend, shape, shapes, ropes, table, blocks, steps, norm, head, spare, found }
    }
}
