//! Makes a recipe's tensors for an export, a few at a time, and keeps none in memory. A plan comes in; `stream` asks
//! for the tensors.

use rayon::prelude::*;
use serde_json::Value;

use crate::recipe::Recipe;

use super::shards::TensorHeader;
use super::stream::Maker;
use crate::merge::parity::mt19937::Mt19937;
use crate::merge::plan::planned::{Plan, PlannedTensor};
use crate::merge::run::RandomSource;
use crate::merge::{MergeError, Pool};

/// A planned recipe, and how many of its tensors have been made.
pub(super) struct Piecewise<'a> {
    pool: &'a Pool,
    plan: Plan,
    /// Indices into the plan's tensors and, after these, its vision part, in the order in which they must be made.
    order: Vec<usize>,
    next: usize,
    /// mergekit's random stream, if the recipe uses it.
    stream: Option<Mt19937>,
}

impl<'a> Piecewise<'a> {
    pub(super) fn new(recipe: &Recipe, pool: &'a Pool) -> Result<Self, MergeError> {
        let plan = pool.plan(recipe)?;
        let mut order: Vec<usize> = (0..plan.tensors.len()).collect();
        let stream = plan.one_stream().then(|| Mt19937::new(plan.seed));
        if stream.is_some() {
            order.sort_by_cached_key(|i| pool.label(&plan.tensors[*i]));
        }
        // A merged vision part follows.
        order.extend(plan.tensors.len()..plan.tensors.len() + plan.vision.len());
        Ok(Self { pool, plan, order, next: 0, stream })
    }

    fn planned(&self, i: usize) -> &PlannedTensor {
        planned(&self.plan, i)
    }

    /// Whether the vision part is merged too.
    pub(super) fn merges_vision(&self) -> bool {
        !self.plan.vision.is_empty()
    }

    /// The output's tensors in the order in which they must be made.
    pub(super) fn tensors(&self) -> Vec<TensorHeader> {
        let header = |t: &PlannedTensor| TensorHeader {
            name: t.name.clone(),
            dtype: t.stored,
            shape: t.whole_shape(),
        };
        self.order.iter().map(|i| header(self.planned(*i))).collect()
    }

    /// `config.json` of the result.
    pub(super) fn config(&self) -> Value {
        let mut config = self.plan.config.raw.clone();
        if let Value::Object(map) = &mut config {
            map.remove("_name_or_path");
        }
        config
    }
}

/// A tensor of the plan or, after these, of its vision part.
fn planned(plan: &Plan, i: usize) -> &PlannedTensor {
    plan.tensors.get(i).unwrap_or_else(|| &plan.vision[i - plan.tensors.len()])
}

impl Maker for Piecewise<'_> {
    fn make(&mut self, tensors: &[TensorHeader], out: Vec<&mut [u8]>) -> Result<(), MergeError> {
        let (pool, plan) = (self.pool, &self.plan);
        let places = &self.order[self.next..self.next + tensors.len()];
        self.next += tensors.len();
        let jobs = || places.iter().map(|i| planned(plan, *i));
        if let Some(stream) = &mut self.stream {
            for (planned, out) in jobs().zip(out) {
                pool.merge_tensor(plan, planned, RandomSource::Stream(&mut *stream), out, false)?;
            }
        } else {
            let each: Vec<(&PlannedTensor, &mut [u8])> = jobs().zip(out).collect();
            each.into_par_iter().try_for_each(|(planned, out)| {
                pool.merge_tensor(plan, planned, RandomSource::Counter(plan.seed), out, false)
            })?;
        }
        // Each input is read for only one tensor.
        jobs().for_each(|planned| pool.release(planned));
        Ok(())
    }

    /// mergekit uses one random stream for all tensors, so a tensor's draws shift those of all later tensors. A tensor
    /// that is already on disk is therefore merged again and dropped.
    fn skip(&mut self, tensors: &[TensorHeader]) -> Result<(), MergeError> {
        if self.stream.is_none() {
            self.next += tensors.len();
            return Ok(());
        }
        for tensor in tensors {
            let mut scratch = vec![0; tensor.bytes() as usize];
            self.make(std::slice::from_ref(tensor), vec![&mut scratch])?;
        }
        Ok(())
    }
}
