//! A merged model in memory, updated for one recipe after another: only tensors whose planned inputs or parameters
//! changed are merged again. A pool and recipes come in, tensors go out; sessions and `yosegi generate` hold their
//! candidates this way.

use std::collections::HashMap;

use rayon::prelude::*;

use crate::checkpoint::{Checkpoint, Dtype, ModelConfig, TensorView, Weights};
use crate::recipe::{LayerGroup, Recipe};

use super::parity::mt19937::Mt19937;
use super::plan::planned::{Plan, PlannedTensor};
use super::run::RandomSource;
use super::{MergeError, Pool};

/// A merge of more bytes than this bypasses the CPU's caches when it writes.
const CACHE_BYTES: usize = 16 << 20;

/// The tensors of a merge, each in the type in which the recipe stores it. It keeps the plan of the last merge, so that
/// the next recipe only merges what it changes.
pub struct Merged {
    pool: u64,
    config: ModelConfig,
    tensors: Vec<Tensor>,
    /// Tensors of the vision part, if the recipe merges it.
    vision: Vec<Tensor>,
    by_name: HashMap<String, usize>,
    made: Option<Plan>,
}

struct Tensor {
    name: String,
    shape: Vec<usize>,
    dtype: Dtype,
    data: Vec<u8>,
}

/// The result of [`Pool::merge_into`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeStats {
    /// For each layer group, in [`LayerGroup`] order, whether any of its tensors was merged again.
    pub groups: Vec<bool>,
    /// Whether any tensor of the vision part was merged again.
    pub vision: bool,
    /// Bytes of base and sources that were read, plus bytes that were written, for the tensors merged again.
    pub bytes: u64,
}

impl Merged {
    /// An empty merge of `pool`; it holds no tensors until the first recipe.
    #[must_use]
    pub fn new(pool: &Pool) -> Self {
        Self {
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
    fn fits(&self, pool: &Pool, plan: &Plan) -> bool {
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

    fn make_room(&mut self, pool: &Pool, plan: &Plan) {
        let room = |planned: &PlannedTensor| Tensor {
            name: planned.name.clone(),
            shape: planned.whole_shape(),
            dtype: planned.stored,
            data: vec![0; planned.bytes()],
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
        Some(self.tensors[*self.by_name.get(name)?].view())
    }
}

impl Tensor {
    fn view(&self) -> TensorView<'_> {
        TensorView { dtype: self.dtype, shape: &self.shape, data: &self.data }
    }
}

/// A tensor to be merged, and its output buffer.
type Job<'a> = (&'a PlannedTensor, &'a mut [u8]);

impl Pool {
    /// Updates `out` to `recipe`: only tensors whose inputs or parameters changed since the last call are merged again;
    /// if the method changed, all are. The values do not depend on the number of threads.
    pub fn merge_into(&self, recipe: &Recipe, out: &mut Merged) -> Result<MergeStats, MergeError> {
        self.carry_out(self.plan(recipe)?, out)
    }

    /// The model to see with: the vision giver, with the vision part of `merged` where the recipe merged it. `None` if
    /// all are models of text. [`Merged::vision_stamp`] says whether it is another one than before.
    #[must_use]
    pub fn seeing(&self, merged: &Merged) -> Option<Checkpoint> {
        self.vision_giver().map(|giver| giver.clone().with_vision(merged.vision_tensors()))
    }

    pub(super) fn carry_out(&self, plan: Plan, out: &mut Merged) -> Result<MergeStats, MergeError> {
        if !out.fits(self, &plan) {
            out.make_room(self, &plan);
        }
        out.config.clone_from(&plan.config);
        let old = out.made.take();
        let (stale, seen_anew) = (stale(&plan, old.as_ref()), stale_vision(&plan, old.as_ref()));
        let text = plan.tensors.iter().zip(&mut out.tensors).zip(&stale);
        let vision = plan.vision.iter().zip(&mut out.vision).zip(&seen_anew);
        let jobs = text.chain(vision).filter(|(_, stale)| **stale);
        let jobs: Vec<Job<'_>> = jobs.map(|((t, o), _)| (t, o.data.as_mut_slice())).collect();
        let bytes = jobs.iter().map(|(t, _)| self.traffic(t)).sum();
        let large = jobs.iter().map(|(_, out)| out.len()).sum::<usize>() > CACHE_BYTES;
        if plan.one_stream() {
            // mergekit draws from one random stream: tensors in the order of the last of their input names, and within
            // a tensor the sources in recipe order.
            let mut jobs = jobs;
            // A vision part comes last: mergekit does not merge it.
            jobs.sort_by_cached_key(|(planned, _)| (is_vision(&plan, planned), self.label(planned)));
            let mut stream = Mt19937::new(plan.seed);
            for (planned, out) in jobs {
                let numbers = RandomSource::Stream(&mut stream);
                self.merge_tensor(&plan, planned, numbers, out, large)?;
            }
        } else {
            jobs.into_par_iter().try_for_each(|(planned, out)| {
                let numbers = RandomSource::Counter(plan.seed);
                self.merge_tensor(&plan, planned, numbers, out, large)
            })?;
        }
        let mut groups = vec![false; LayerGroup::count(plan.layers)];
        for (planned, stale) in plan.tensors.iter().zip(stale) {
            groups[planned.group.index(plan.layers)] |= stale;
        }
        out.made = Some(plan);
        Ok(MergeStats { groups, vision: seen_anew.contains(&true), bytes })
    }

    /// The last of the input names, as stored in the models. mergekit sorts its work by it.
    pub(super) fn label(&self, planned: &PlannedTensor) -> String {
        let names = planned.inputs.iter().map(|input| self.stored_name(input));
        names.max().unwrap_or_default().to_owned()
    }

    fn traffic(&self, planned: &PlannedTensor) -> u64 {
        let read: usize = planned.inputs.iter().map(|input| self.view(input).data.len()).sum();
        (read + planned.bytes()) as u64
    }
}

fn is_vision(plan: &Plan, planned: &PlannedTensor) -> bool {
    plan.vision.as_ptr_range().contains(&std::ptr::from_ref(planned))
}

/// The tensors that must be merged again to get from `old` to `new`.
pub(super) fn stale(new: &Plan, old: Option<&Plan>) -> Vec<bool> {
    stale_of(new, old, |plan| &plan.tensors)
}

/// The same for the vision part.
fn stale_vision(new: &Plan, old: Option<&Plan>) -> Vec<bool> {
    stale_of(new, old, |plan| &plan.vision)
}

fn stale_of(new: &Plan, old: Option<&Plan>, of: impl Fn(&Plan) -> &Vec<PlannedTensor>) -> Vec<bool> {
    let all = |stale| vec![stale; of(new).len()];
    let Some(old) = old else { return all(true) };
    if new == old {
        return all(false);
    }
    let same_numbers = !new.draws() || (new.mask, new.seed) == (old.mask, old.seed);
    if new.method != old.method || !same_numbers || new.one_stream() {
        // mergekit uses one random stream, so the draws of one tensor shift those of all later tensors.
        let same_tensors = (&new.tensors, &new.vision) == (&old.tensors, &old.vision);
        let changed = !same_tensors || new.method != old.method || !same_numbers;
        return all(changed);
    }
    of(new).iter().zip(of(old)).map(|(a, b)| a != b).collect()
}
