//! Merges one planned tensor: its inputs and a source of random numbers come in, the tensor's bytes go out. `merged`
//! and the exports call it for every tensor; `device::resident` uses `on_card` instead.

#[cfg(any(feature = "cuda", test))]
mod on_card;
mod random_source;
mod select;
mod task;

#[cfg(any(feature = "cuda", test))]
pub(crate) use on_card::launch;
pub(crate) use random_source::RandomSource;

use crate::checkpoint::Dtype;
use crate::recipe::{Method, Param};

use super::kernels::cast;
use super::kernels::group::{Group, Out};
use super::kernels::selection::Selection;
use super::methods::{self, Part, Problem, Rule, SumRule};
use super::plan::planned::{Plan, PlannedTensor};
use super::plan::tensor_cache::TensorCache;
use super::{MergeError, Pool};
use select::Selector;
use task::{linear_task, sum_task};

impl Pool {
    /// Merges one tensor into `out`, which has the tensor's exact size in its stored type. `large` says that the whole
    /// merge is larger than the caches.
    pub(crate) fn merge_tensor(
        &self,
        plan: &Plan,
        planned: &PlannedTensor,
        numbers: RandomSource<'_>,
        out: &mut [u8],
        large: bool,
    ) -> Result<(), MergeError> {
        self.look_at_inputs(planned)?;
        let inputs = planned.inputs.iter().map(|input| self.view(input)).collect();
        let group = Group { inputs, base: planned.base, shape: &planned.shape, work: planned.work };
        let hints = Hints { cache: self.cache(planned), large };
        let (out, rest) = out.split_at_mut(planned.stored.size() * planned.len());
        let bad = merge(plan.method, planned, &group, hints, numbers, out);
        self.copy_rest(planned, rest);
        // Checked before the result: a file that changed meanwhile may be why the method failed.
        self.intact(planned)?;
        let bad = bad.map_err(|Problem(problem)| MergeError::Method {
            method: plan.method.name(),
            tensor: planned.name.clone(),
            problem,
        })?;
        if bad == 0 || self.non_finite {
            return Ok(());
        }
        Err(planned.not_finite(plan.method, bad))
    }

    /// Writes the rows after the merged ones, in the type in which the tensor is stored.
    fn copy_rest(&self, planned: &PlannedTensor, out: &mut [u8]) {
        let Some(rest) = self.rest(planned) else { return };
        if rest.dtype == planned.stored {
            out.copy_from_slice(rest.data);
            return;
        }
        let mut values = vec![0.0; rest.len()];
        rest.read_f32(0, &mut values);
        cast::store(planned.stored, &values, out);
    }
}

/// Options that make a merge faster without changing any value.
#[derive(Clone, Copy)]
pub(crate) struct Hints<'k> {
    /// The pool's cached facts about the tensor.
    pub(crate) cache: Option<&'k TensorCache>,
    /// Whether the result bypasses the CPU's caches.
    pub(crate) large: bool,
}

/// Merges a planned tensor's inputs. Returns the number of non-finite values.
pub(crate) fn merge(
    method: Method,
    planned: &PlannedTensor,
    group: &Group<'_>,
    hints: Hints<'_>,
    mut numbers: RandomSource<'_>,
    out: &mut [u8],
) -> Result<usize, Problem> {
    let values = &planned.values;
    let quick = planned.stored == Dtype::BF16
        && match planned.work {
            Dtype::F32 => true,
            Dtype::F16 => false,
            Dtype::BF16 => group.inputs.iter().all(|view| view.dtype == Dtype::BF16),
        };
    let (consensus, sparsify) = match methods::rule(method) {
        Rule::Whole(_) if quick && method == Method::Linear => {
            let (weights, normalize) = (values.each(Param::Weight), values.flag(Param::Normalize));
            return Ok(linear_task(group, &weights, normalize, hints.cache)?.fill(out, hints.large));
        }
        Rule::Whole(merge) => {
            let mut sample = |n: usize| numbers.sample(&planned.name, n);
            let mut out = Out { dtype: planned.stored, computed: planned.computed, data: out, bad: 0 };
            merge(group, values, &mut sample, &mut out)?;
            return Ok(out.bad);
        }
        Rule::Family { consensus, sparsify } => (consensus, sparsify),
    };
    let base = group.base.ok_or_else(|| Problem("needs a base".to_owned()))?;
    let mut selections = Vec::new();
    for (place, input) in group.others().enumerate() {
        let selector = Selector { planned, group, base, input, place, cache: hints.cache, quick };
        selections.push(selector.select(sparsify, &mut numbers)?);
    }
    let weights = values.others(Param::Weight, group);
    let rule =
        SumRule { consensus, normalize: values.flag(Param::Normalize), lambda: values.shared(Param::Lambda) };
    if quick {
        return Ok(sum_task(group, base, &weights, selections, rule, hints.cache).fill(out, hints.large));
    }
    let parts = weights.iter().zip(&selections).map(|(&weight, selection)| match selection {
        Selection::Listed { keep, scale } => Part { weight, keep: Some(keep), scale: *scale },
        _ => Part { weight, keep: None, scale: None },
    });
    let mut out = Out { dtype: planned.stored, computed: planned.computed, data: out, bad: 0 };
    methods::sum(group, base, &parts.collect::<Vec<_>>(), rule, &mut out);
    Ok(out.bad)
}
