//! A merged model in memory, updated for one recipe after another: only tensors whose planned inputs or parameters
//! changed are merged again (`remerge`). A pool and recipes come in, tensors go out. A decoder takes a large merge in
//! windows, so that the whole of it never lies in memory beside the decoder's own weights.

use std::collections::HashMap;

use crate::checkpoint::{Checkpoint, Dtype, ModelConfig, TensorView, Weights};

use super::Pool;
use super::plan::planned::{Plan, PlannedTensor};

/// A merge whose tensors are taken as they are made is made in windows of this many bytes, or of one tensor.
pub const WINDOW_BYTES: usize = 64 << 20;

/// The tensors of a merge, each in the type in which the recipe stores it. It keeps the plan of the last merge, so that
/// the next recipe only merges what it changes.
pub struct Merged {
    pool: u64,
    pub(super) config: ModelConfig,
    pub(super) tensors: Vec<Tensor>,
    /// Tensors of the vision part, if the recipe merges it.
    pub(super) vision: Vec<Tensor>,
    by_name: HashMap<String, usize>,
    pub(super) made: Option<Plan>,
    /// A merge of more bytes is made in windows, and the tensors of a window are dropped before the next.
    pub(super) window: usize,
}

pub(super) struct Tensor {
    pub(super) name: String,
    shape: Vec<usize>,
    dtype: Dtype,
    /// Empty if it is not made yet, or dropped.
    pub(super) data: Vec<u8>,
    /// Whether it was made in the current window.
    pub(super) fresh: bool,
}

impl Merged {
    /// An empty merge of `pool`; it holds no tensors until the first recipe, and then all of them.
    #[must_use]
    pub fn new(pool: &Pool) -> Self {
        Self::with_window(pool, usize::MAX)
    }

    /// As [`Self::new`], for a merge that is taken in windows (`Pool::remerge`): a large one holds only the tensors of
    /// the current window.
    #[must_use]
    pub fn in_windows(pool: &Pool) -> Self {
        Self::with_window(pool, WINDOW_BYTES)
    }

    pub(super) fn with_window(pool: &Pool, window: usize) -> Self {
        Self {
            window,
            pool: pool.id,
            config: pool.config().clone(),
            tensors: Vec::new(),
            vision: Vec::new(),
            by_name: HashMap::new(),
            made: None,
        }
    }

    /// Names of all tensors, from the input to the output.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.iter().map(|t| t.name.as_str())
    }

    /// Config of the merged model: number of layers, type and LM head are those of the tensors.
    #[must_use]
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Whether a tensor was made in the current window.
    #[must_use]
    pub fn is_fresh(&self, name: &str) -> bool {
        self.by_name.get(name).is_some_and(|place| self.tensors[*place].fresh)
    }

    /// Forgets what was made, so that the next recipe makes all tensors.
    pub fn forget(&mut self) {
        self.made = None;
    }

    /// Only the tensors: name, shape, type, little-endian bytes.
    #[must_use]
    pub fn into_tensors(self) -> Vec<(String, Vec<usize>, Dtype, Vec<u8>)> {
        self.tensors.into_iter().map(|t| (t.name, t.shape, t.dtype, t.data)).collect()
    }

    /// The merged vision part: name, shape, type, little-endian bytes. Empty if it is that of the pool's vision giver as
    /// it is.
    #[must_use]
    pub fn vision_tensors(&self) -> Vec<(String, Vec<usize>, Dtype, Vec<u8>)> {
        self.vision.iter().map(|t| (t.name.clone(), t.shape.clone(), t.dtype, t.data.clone())).collect()
    }

    /// A tensor of the merged vision part; `None` if it is that of the pool's vision giver as it is.
    #[must_use]
    pub fn vision_tensor(&self, name: &str) -> Option<TensorView<'_>> {
        self.vision.iter().find(|t| t.name == name).map(Tensor::view)
    }

    /// A number that is the same for two merges of one pool only if their vision parts are; 0 for the vision giver's.
    #[must_use]
    pub fn vision_stamp(&self) -> u128 {
        let plan = self.made.as_ref().filter(|plan| !plan.vision.is_empty());
        plan.map_or(0, |plan| {
            let what = format!("{:?} {:?} {} {:?}", plan.method, plan.mask, plan.seed, plan.vision);
            xxhash_rust::xxh3::xxh3_128(what.as_bytes()).max(1)
        })
    }

    /// Whether the tensors have the names, types and shapes of `plan`; their values may differ.
    pub(super) fn fits(&self, pool: &Pool, plan: &Plan) -> bool {
        let own = self.tensors.iter().chain(&self.vision);
        let theirs = plan.tensors.iter().chain(&plan.vision);
        self.pool == pool.id
            && (self.tensors.len(), self.vision.len()) == (plan.tensors.len(), plan.vision.len())
            && own.zip(theirs).all(|(tensor, planned)| {
                tensor.name == planned.name
                    && tensor.shape == planned.whole_shape()
                    && tensor.dtype == planned.stored
            })
    }

    /// Takes on the names, types and shapes of `plan`; nothing is made yet.
    pub(super) fn make_room(&mut self, pool: &Pool, plan: &Plan) {
        let room = |planned: &PlannedTensor| Tensor {
            name: planned.name.clone(),
            shape: planned.whole_shape(),
            dtype: planned.stored,
            data: Vec::new(),
            fresh: false,
        };
        self.tensors.clear();
        self.vision.clear();
        self.tensors.extend(plan.tensors.iter().map(room));
        self.vision.extend(plan.vision.iter().map(room));
        self.by_name = self.tensors.iter().enumerate().map(|(i, t)| (t.name.clone(), i)).collect();
        self.pool = pool.id;
        self.made = None;
    }
}

impl Weights for Merged {
    fn tensor(&self, name: &str) -> Option<TensorView<'_>> {
        let tensor = &self.tensors[*self.by_name.get(name)?];
        let there = !tensor.data.is_empty() || tensor.shape.contains(&0);
        there.then(|| tensor.view())
    }
}

impl Tensor {
    fn view(&self) -> TensorView<'_> {
        TensorView { dtype: self.dtype, shape: &self.shape, data: &self.data }
    }
}

impl Pool {
    /// The model to see with: the vision giver, with the vision part of `merged` where the recipe merged it. `None` if
    /// all are models of text. [`Merged::vision_stamp`] says whether it is another one than before.
    #[must_use]
    pub fn seeing(&self, merged: &Merged) -> Option<Checkpoint> {
        self.vision_giver().map(|giver| giver.clone().with_vision(merged.vision_tensors()))
    }

    /// The last of the input names, as stored in the models. mergekit sorts its work by it.
    pub(super) fn label(&self, planned: &PlannedTensor) -> String {
        let names = planned.inputs.iter().map(|input| self.stored_name(input));
        names.max().unwrap_or_default().to_owned()
    }
}
