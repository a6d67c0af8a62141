//! Kernel arguments for a planned tensor. A planned tensor comes in, a `Launch` goes out; `device::resident` calls it
//! for every tensor of a candidate.

use crate::checkpoint::Dtype;
use crate::merge::device::launch::Launch;
use crate::merge::kernels::group::Group;
use crate::merge::methods::{self, Problem, Rule, SumRule};
use crate::merge::plan::planned::PlannedTensor;
use crate::merge::plan::tensor_cache::TensorCache;
use crate::recipe::{Method, Param};

use super::select::Selector;
use super::task::{linear_task, sum_task};

/// The kernel arguments that merge a tensor as planned; `None` if the kernel cannot merge it. It reads no more of base
/// and sources than the CPU reads before its own pass. A merge that may overflow is left to the CPU, which counts
/// non-finite values, unless NaN and infinity are `allowed`.
pub(crate) fn launch(
    method: Method,
    planned: &PlannedTensor,
    group: &Group<'_>,
    cache: Option<&TensorCache>,
    seed: u64,
    allowed: bool,
) -> Result<Option<Launch>, Problem> {
    let values = &planned.values;
    let stored = planned.stored == Dtype::BF16 && group.inputs.iter().all(|view| view.dtype == Dtype::BF16);
    if !stored || planned.work == Dtype::F16 {
        return Ok(None);
    }
    let (consensus, sparsify) = match methods::rule(method) {
        Rule::Whole(_) if method == Method::Linear => {
            let (weights, normalize) = (values.each(Param::Weight), values.flag(Param::Normalize));
            let task = linear_task(group, &weights, normalize, cache)?;
            let fits = allowed || task.stays_finite();
            return Ok(Launch::of(&task).filter(|_| fits));
        }
        Rule::Whole(_) => return Ok(None),
        Rule::Family { consensus, sparsify } => (consensus, sparsify),
    };
    let base = group.base.ok_or_else(|| Problem("needs a base".to_owned()))?;
    let mut selections = Vec::new();
    for (place, input) in group.others().enumerate() {
        let selector = Selector { planned, group, base, input, place, cache, quick: true };
        match selector.select_on_card(sparsify, seed)? {
            Some(of_one) => selections.push(of_one),
            None => return Ok(None),
        }
    }
    let weights = values.others(Param::Weight, group);
    let rule =
        SumRule { consensus, normalize: values.flag(Param::Normalize), lambda: values.shared(Param::Lambda) };
    let task = sum_task(group, base, &weights, selections, rule, cache);
    let fits = allowed || task.stays_finite();
    Ok(Launch::of(&task).filter(|_| fits))
}
