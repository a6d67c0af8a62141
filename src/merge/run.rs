//! Merging one planned tensor: which passes to run, and where random numbers come from.

use rayon::prelude::*;

use crate::checkpoint::Dtype;
use crate::recipe::{MaskStream, Method, Param};

use super::kernels::dispatch;
use super::kernels::group::{Group, Out};
use super::kernels::kernel::{self, Input, Keep, Task};
use super::kernels::mask::{self, Key};
use super::kernels::mask_l1::Grid;
use super::kernels::task_vector::Delta;
use super::kernels::trim;
use super::methods::{self, Part, Problem, Rule, SAMPLE, Sparsify, Sum};
use super::parity::mt19937::Twister;
use super::parity::prune::{Change, Draw};
use super::plan::planned::{Plan, Planned};
use super::plan::pool::CHUNK;
use super::plan::tensor_cache::Known;
use super::{MergeError, Pool};

/// Sums of |δ| below this are not matched (mergekit's `rescaled_masked_tensor`).
const TINY: f32 = 1e-7;

/// Where a merge's random numbers come from.
pub(super) enum Numbers<'a> {
    /// mergekit's one stream; tensors come in the order of their names.
    Stream(&'a mut Twister),
    /// A number for each (seed, tensor, source, element).
    Counter(u64),
}

impl Plan {
    /// Whether the method draws random numbers.
    pub(super) fn draws(&self) -> bool {
        let sparsify = match methods::rule(self.method) {
            Rule::Family { sparsify, .. } => sparsify,
            Rule::Whole(_) => Sparsify::Nothing,
        };
        matches!(sparsify, Sparsify::AtRandom | Sparsify::ByRank)
            || self.method == Method::ArceeFusion && self.tensors.iter().any(|t| t.len() > SAMPLE)
    }

    /// Whether the tensors must be merged in one order because their random numbers are one stream.
    pub(super) fn one_stream(&self) -> bool {
        self.mask == MaskStream::Mergekit && self.draws()
    }
}

/// What is kept of one source, on its way into a pass.
enum Kept {
    All,
    Cut(trim::Cut),
    Hashed { key: Key, below: u32, scale: Option<f32> },
    Listed { keep: Vec<u8>, scale: Option<f32> },
}

impl Pool {
    /// Merges one tensor into `out`, which has its length in its stored type. `large`: the whole
    /// merge is larger than the caches.
    pub(super) fn merge_tensor(
        &self,
        plan: &Plan,
        planned: &Planned,
        numbers: Numbers<'_>,
        out: &mut [u8],
        large: bool,
    ) -> Result<(), MergeError> {
        self.look_at_inputs(planned)?;
        let inputs = planned.feeds.iter().map(|feed| self.view(feed)).collect();
        let group = Group { inputs, base: planned.base, shape: &planned.shape, work: planned.work };
        let recall = Recall { known: self.known(planned), large };
        let bad = merge(plan.method, planned, &group, recall, numbers, out);
        // First of all: what a method complains of may come of it.
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
}

/// What a merge may know beforehand; it changes no value.
#[derive(Clone, Copy)]
pub(super) struct Recall<'k> {
    /// Of the tensor in this pool.
    pub(super) known: Option<&'k Known>,
    /// Whether the result had better be written past the caches.
    pub(super) large: bool,
}

/// Merges a group as planned. Gives the number of values that are not finite.
pub(super) fn merge(
    method: Method,
    planned: &Planned,
    group: &Group<'_>,
    recall: Recall<'_>,
    mut numbers: Numbers<'_>,
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
            return quick_linear(
                group,
                &values.each(Param::Weight),
                values.flag(Param::Normalize),
                recall,
                out,
            );
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
    let mut kept = Vec::new();
    for (place, input) in group.others().enumerate() {
        let sieve = Sieve { planned, group, base, input, place, known: recall.known, quick };
        kept.push(sieve.keep(sparsify, &mut numbers)?);
    }
    let weights = values.others(Param::Weight, group);
    let rule =
        Sum { consensus, normalize: values.flag(Param::Normalize), lambda: values.shared(Param::Lambda) };
    if quick {
        return Ok(sum_task(group, base, &weights, &kept, rule, recall.known).fill(out, recall.large));
    }
    let parts = weights.iter().zip(&kept).map(|(&weight, kept)| match kept {
        Kept::Listed { keep, scale } => Part { weight, keep: Some(keep), scale: *scale },
        _ => Part { weight, keep: None, scale: None },
    });
    let mut out = Out { dtype: planned.stored, computed: planned.computed, data: out, bad: 0 };
    methods::sum(group, base, &parts.collect::<Vec<_>>(), rule, &mut out);
    Ok(out.bad)
}

/// One source on its way into a merge of the task-arithmetic family.
struct Sieve<'a> {
    planned: &'a Planned,
    group: &'a Group<'a>,
    base: usize,
    input: usize,
    /// Its place among the inputs beside the base.
    place: usize,
    known: Option<&'a Known>,
    /// Whether a quick pass follows, which need not have a byte for each element.
    quick: bool,
}

impl Sieve<'_> {
    /// What is kept of the source.
    fn keep(&self, sparsify: Sparsify, numbers: &mut Numbers<'_>) -> Result<Kept, Problem> {
        let Self { group, base, input, .. } = *self;
        if sparsify == Sparsify::Nothing {
            return Ok(Kept::All);
        }
        let values = &self.planned.values;
        let value = |param: Param| values.others(param, group)[self.place];
        let density = value(Param::Density);
        if density >= 1.0 {
            return Ok(Kept::All);
        }
        let rescale = values.flag(Param::Rescale);
        let change = Change { base: group.inputs[base], source: group.inputs[input], work: group.work };
        let n = group.len();
        let name = &self.planned.name;
        let keep = match sparsify {
            Sparsify::Nothing => return Ok(Kept::All),
            Sparsify::Largest => {
                // Tensors that must be cast first have no task vector in memory.
                let cast = group.inputs.iter().any(|view| view.dtype != group.work);
                let known = self.known.filter(|_| density > 0.0 && n > 0 && !cast);
                if let Some(known) = known {
                    let delta = self.delta();
                    let cut = known.cut(self.planned.feeds[input].model, &delta, trim::kept(density, n));
                    if self.quick && !rescale {
                        return Ok(Kept::Cut(cut));
                    }
                    change.kept_by(cut)
                } else {
                    change.largest(density)
                }
            }
            Sparsify::WithoutOutliers => change.without_outliers(density, value(Param::Gamma)),
            Sparsify::AtRandom => {
                if self.quick
                    && density > 0.0
                    && let Numbers::Counter(seed) = numbers
                {
                    let key = Key::new(*seed, name, self.place);
                    let below = mask::threshold(density);
                    let scale = if rescale { self.counted_scale(key, below) } else { None };
                    return Ok(Kept::Hashed { key, below, scale });
                }
                change.at_random(density, numbers.draw(name, self.place))
            }
            Sparsify::ByRank => {
                let epsilon = value(Param::Epsilon);
                if density <= 0.0 {
                    vec![0; n]
                } else if density + epsilon >= 1.0 || density - epsilon <= 0.0 {
                    return Err(Problem(format!(
                        "has density {density} and epsilon {epsilon}: density - epsilon and density + epsilon must lie between 0 and 1"
                    )));
                } else {
                    change.by_rank(density, epsilon, group.rows().1, numbers.draw(name, self.place))
                }
            }
        };
        let scale = if rescale { change.rescale(&keep) } else { None };
        Ok(Kept::Listed { keep, scale })
    }

    fn delta(&self) -> Delta<'_> {
        let Self { group, base, input, .. } = *self;
        let narrow = group.work == Dtype::BF16;
        Delta { base: group.inputs[base], source: group.inputs[input], narrow }
    }

    /// The factor by which Σ|δ| after a counted mask becomes what it was before. The sums are exact up
    /// to one rounding.
    fn counted_scale(&self, key: Key, below: u32) -> Option<f32> {
        let delta = self.delta();
        let n = self.group.len();
        let (grid, sums) = match self.known.and_then(|known| known.extent().map(|e| (known, e))) {
            Some((known, extent)) => {
                let grid = Grid::new(extent, n);
                let shares = known.shares(self.planned.feeds[self.input].model);
                (grid, shares.get(&delta, grid, key, below))
            }
            None => (Grid::NONE, None),
        };
        let (before, after) = sums.unwrap_or_else(|| {
            let keep = Keep::Hashed { key, below, scale: None };
            let sums: Vec<(f64, f64)> = (0..n.div_ceil(CHUNK))
                .into_par_iter()
                .map(|i| dispatch::l1(&delta, keep, grid, i * CHUNK..n.min((i + 1) * CHUNK)))
                .collect();
            let (before, after) = sums.iter().fold((0.0, 0.0), |(a, b), (x, y)| (a + x, b + y));
            (before as f32, after as f32)
        });
        let r = |x: f32| self.group.r(x);
        let (before, after) = (r(before), r(after));
        (before >= TINY && after >= TINY).then(|| r(before / after))
    }
}

impl Numbers<'_> {
    fn draw(&mut self, tensor: &str, place: usize) -> Draw<'_> {
        match self {
            Self::Stream(stream) => Draw::Stream(stream),
            Self::Counter(seed) => Draw::Hash(Key::new(*seed, tensor, place)),
        }
    }

    /// [`SAMPLE`] indices below `n`, with replacement.
    fn sample(&mut self, tensor: &str, n: usize) -> Vec<u32> {
        match self {
            Self::Stream(stream) => (0..SAMPLE).map(|_| stream.below(n as u64) as u32).collect(),
            Self::Counter(seed) => {
                let key = Key::new(*seed, tensor, 0);
                (0..SAMPLE as u32).map(|i| ((u64::from(key.pair(i)) * n as u64) >> 32) as u32).collect()
            }
        }
    }
}

/// What the card's kernel is told to merge a tensor as planned; none where it cannot. Of base and sources
/// no more is read than the CPU reads before its own pass. What may overflow is left to the CPU, which
/// looks at what it makes, unless that is `allowed`.
#[cfg(any(feature = "cuda", test))]
pub(super) fn launch(
    method: Method,
    planned: &Planned,
    group: &Group<'_>,
    known: Option<&Known>,
    seed: u64,
    allowed: bool,
) -> Result<Option<super::device::launch::Launch>, Problem> {
    let values = &planned.values;
    let stored = planned.stored == Dtype::BF16 && group.inputs.iter().all(|view| view.dtype == Dtype::BF16);
    if !stored || planned.work == Dtype::F16 {
        return Ok(None);
    }
    let (consensus, sparsify) = match methods::rule(method) {
        Rule::Whole(_) if method == Method::Linear => {
            let (weights, normalize) = (values.each(Param::Weight), values.flag(Param::Normalize));
            let task = linear_task(group, &weights, normalize, known)?;
            let fits = allowed || task.stays_finite();
            return Ok(super::device::launch::Launch::of(&task).filter(|_| fits));
        }
        Rule::Whole(_) => return Ok(None),
        Rule::Family { consensus, sparsify } => (consensus, sparsify),
    };
    let base = group.base.ok_or_else(|| Problem("needs a base".to_owned()))?;
    let mut kept = Vec::new();
    for (place, input) in group.others().enumerate() {
        let sieve = Sieve { planned, group, base, input, place, known, quick: true };
        match sieve.keep_on_card(sparsify, seed)? {
            Some(of_one) => kept.push(of_one),
            None => return Ok(None),
        }
    }
    let weights = values.others(Param::Weight, group);
    let rule =
        Sum { consensus, normalize: values.flag(Param::Normalize), lambda: values.shared(Param::Lambda) };
    let task = sum_task(group, base, &weights, &kept, rule, known);
    let fits = allowed || task.stays_finite();
    Ok(super::device::launch::Launch::of(&task).filter(|_| fits))
}

#[cfg(any(feature = "cuda", test))]
impl Sieve<'_> {
    /// As [`Self::keep`], where that needs no memory for each element.
    fn keep_on_card(&self, sparsify: Sparsify, seed: u64) -> Result<Option<Kept>, Problem> {
        let values = &self.planned.values;
        let density = match sparsify {
            Sparsify::Nothing => 1.0,
            Sparsify::Largest | Sparsify::AtRandom => values.others(Param::Density, self.group)[self.place],
            Sparsify::WithoutOutliers | Sparsify::ByRank => return Ok(None),
        };
        if density >= 1.0 {
            return Ok(Some(Kept::All));
        }
        if sparsify == Sparsify::Largest && (values.flag(Param::Rescale) || self.known.is_none()) {
            return Ok(None);
        }
        self.keep(sparsify, &mut Numbers::Counter(seed)).map(Some)
    }
}

fn quick_linear(
    group: &Group<'_>,
    weights: &[f64],
    normalize: bool,
    recall: Recall<'_>,
    out: &mut [u8],
) -> Result<usize, Problem> {
    Ok(linear_task(group, weights, normalize, recall.known)?.fill(out, recall.large))
}

fn linear_task<'a>(
    group: &Group<'a>,
    weights: &[f64],
    normalize: bool,
    known: Option<&Known>,
) -> Result<Task<'a>, Problem> {
    methods::check_weights(weights, normalize)?;
    let inputs = group.inputs.iter().zip(weights);
    let inputs =
        inputs.map(|(view, w)| Input { source: *view, weight: *w as f32, keep: Keep::All }).collect();
    let narrow = group.work == Dtype::BF16;
    let extent = known.and_then(Known::extent);
    Ok(Task { base: group.inputs[0], inputs, narrow, rule: kernel::Rule::Linear, normalize, extent })
}

fn sum_task<'a>(
    group: &Group<'a>,
    base: usize,
    weights: &[f64],
    kept: &'a [Kept],
    Sum { consensus, normalize, lambda }: Sum,
    known: Option<&Known>,
) -> Task<'a> {
    let inputs = group.others().zip(weights).zip(kept).map(|((input, weight), kept)| Input {
        source: group.inputs[input],
        weight: group.r(*weight as f32),
        keep: match kept {
            Kept::All => Keep::All,
            Kept::Cut(cut) => Keep::Largest(*cut),
            Kept::Hashed { key, below, scale } => Keep::Hashed { key: *key, below: *below, scale: *scale },
            Kept::Listed { keep, scale } => Keep::Listed { keep, scale: *scale },
        },
    });
    Task {
        base: group.inputs[base],
        inputs: inputs.collect(),
        narrow: group.work == Dtype::BF16,
        rule: kernel::Rule::Sum { consensus, lambda: lambda as f32 },
        normalize,
        extent: known.and_then(Known::extent),
    }
}
