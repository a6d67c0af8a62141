//! How many bytes a merge takes in memory, before anything is read. A pool and a recipe come in, a [`Footprint`] goes
//! out. `evaluate` compares it with what is free.

use std::collections::HashSet;

use super::kernels::mask_table::MaskTable;
use super::kernels::trim::Trim;
use super::methods::{self, Rule, Sparsify};
use super::plan::planned::{Plan, PlannedTensor};
use super::plan::tensor_cache::TensorCache;
use super::{MergeError, Pool};
use crate::checkpoint::{Dtype, ModelConfig};
use crate::recipe::Recipe;

/// What a merge takes in memory, and what it makes.
#[derive(Clone, Debug)]
pub struct Footprint {
    /// Config of the merge.
    pub config: ModelConfig,
    /// Name, shape and type of its tensors, from input to output.
    pub tensors: Vec<(String, Vec<usize>, Dtype)>,
    /// Bytes of its tensors, without a vision part.
    pub bytes: u64,
    /// Bytes of the largest of them.
    pub largest_tensor: u64,
    /// Bytes of its vision part, if it merges one.
    pub vision: u64,
    /// Bytes that the pool keeps for the next candidate: orders of magnitude, sums under masks. About as many as the
    /// task vectors of fine-tunes need.
    pub kept: u64,
    /// Bytes that a method takes beside inputs and outputs while it merges, at most.
    pub passing: u64,
    /// Bytes of base and sources as they are stored.
    pub inputs: u64,
}

impl Pool {
    /// What a merge of this recipe takes in memory. Reads no tensor.
    ///
    /// # Errors
    /// A recipe that cannot be merged from this pool.
    pub fn footprint(&self, recipe: &Recipe) -> Result<Footprint, MergeError> {
        let plan = self.plan(recipe)?;
        let mut seen = HashSet::new();
        let mut inputs = 0;
        for input in plan.tensors.iter().flat_map(|planned| &planned.inputs) {
            let name = self.stored_name(input);
            if let Some((dtype, shape)) = self.models[input.model].extent(name)
                && seen.insert((input.model, name))
            {
                inputs += (shape.iter().product::<usize>() * dtype.size()) as u64;
            }
        }
        Ok(Footprint {
            tensors: plan.tensors.iter().map(|t| (t.name.clone(), t.whole_shape(), t.stored)).collect(),
            bytes: plan.tensors.iter().map(|t| t.bytes() as u64).sum(),
            largest_tensor: plan.tensors.iter().map(|t| t.bytes() as u64).max().unwrap_or(0),
            vision: plan.vision.iter().map(|t| t.bytes() as u64).sum(),
            kept: plan.tensors.iter().map(|t| self.kept_bytes(&plan, t)).sum(),
            passing: self.passing_bytes(&plan),
            inputs,
            config: plan.config,
        })
    }

    /// Bytes that the pool keeps for one tensor.
    fn kept_bytes(&self, plan: &Plan, planned: &PlannedTensor) -> u64 {
        let Rule::Family { sparsify, .. } = methods::rule(plan.method) else { return 0 };
        if !self.cache(planned).is_some_and(TensorCache::remembers) {
            return 0;
        }
        let sources = planned.inputs.len() - usize::from(planned.base.is_some());
        let bytes = match sparsify {
            Sparsify::Largest => Trim::usual_bytes(planned.len(), planned.work),
            // The sums are made where the exponents of all models are known, which are those of bfloat16.
            Sparsify::AtRandom if planned.work == Dtype::BF16 => MaskTable::bytes(planned.len()),
            _ => 0,
        };
        (sources * bytes) as u64
    }

    /// Bytes of lists with an entry for each element, for the tensors that are merged at the same time.
    fn passing_bytes(&self, plan: &Plan) -> u64 {
        let Rule::Family { sparsify, .. } = methods::rule(plan.method) else { return 0 };
        if sparsify == Sparsify::Nothing {
            return 0;
        }
        let of = |planned: &PlannedTensor| {
            let narrow = |input| self.type_of(input) == Some(Dtype::BF16);
            let quick = planned.stored == Dtype::BF16 && planned.inputs.iter().all(narrow);
            let listed = match sparsify {
                Sparsify::Nothing => false,
                Sparsify::Largest | Sparsify::AtRandom => !quick,
                Sparsify::WithoutOutliers | Sparsify::ByRank => true,
            };
            // A byte for each element of each source, and an order of one source's magnitudes.
            if listed { planned.len() * (planned.inputs.len() + ORDER) } else { 0 }
        };
        let mut each: Vec<usize> = plan.tensors.iter().map(of).collect();
        each.sort_unstable_by(|a, b| b.cmp(a));
        let at_once = if plan.one_stream() { 1 } else { rayon::current_num_threads() };
        each.iter().take(at_once).map(|bytes| *bytes as u64).sum()
    }
}

/// Bytes of an entry of an order of magnitudes, with its index.
const ORDER: usize = 12;
