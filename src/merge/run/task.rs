//! Builds the task of a pass from inputs, weights and selections. `run` fills a tensor with it, `on_card` translates it
//! for the card's kernel.

use crate::checkpoint::Dtype;
use crate::merge::kernels::group::Group;
use crate::merge::kernels::selection::Selection;
use crate::merge::kernels::task::{Combine, Input, Task};
use crate::merge::methods::{self, Problem, SumRule};
use crate::merge::plan::tensor_cache::TensorCache;

/// The weighted mean of all inputs.
pub(super) fn linear_task<'a>(
    group: &Group<'a>,
    weights: &[f64],
    normalize: bool,
    cache: Option<&TensorCache>,
) -> Result<Task<'a>, Problem> {
    methods::check_weights(weights, normalize)?;
    let inputs = group.inputs.iter().zip(weights);
    let inputs = inputs
        .map(|(view, w)| Input { source: *view, weight: *w as f32, selection: Selection::All })
        .collect();
    let narrow = group.work == Dtype::BF16;
    let exponents = cache.and_then(TensorCache::exponents);
    Ok(Task { base: group.inputs[0], inputs, narrow, combine: Combine::Linear, normalize, exponents })
}

/// The base plus the weighted sum of the kept elements of each task vector. `selections` belong to the inputs without
/// the base, in order.
pub(super) fn sum_task<'a>(
    group: &Group<'a>,
    base: usize,
    weights: &[f64],
    selections: Vec<Selection>,
    SumRule { consensus, normalize, lambda }: SumRule,
    cache: Option<&TensorCache>,
) -> Task<'a> {
    let inputs = group.others().zip(weights).zip(selections).map(|((input, weight), selection)| Input {
        source: group.inputs[input],
        weight: group.r(*weight as f32),
        selection,
    });
    Task {
        base: group.inputs[base],
        inputs: inputs.collect(),
        narrow: group.work == Dtype::BF16,
        combine: Combine::Sum { consensus, lambda: lambda as f32 },
        normalize,
        exponents: cache.and_then(TensorCache::exponents),
    }
}
