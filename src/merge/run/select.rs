//! Which elements of one source stay in a merge of the task-arithmetic family, by the method's sparsifier. `run` calls
//! it for each source and passes the selection to a pass.

use rayon::prelude::*;

use crate::merge::kernels::block::CHUNK_LEN;
use crate::merge::kernels::exact_grid::ExactGrid;
use crate::merge::kernels::group::Group;
use crate::merge::kernels::mask::{self, Key};
use crate::merge::kernels::mask_l1::mask_l1;
use crate::merge::kernels::selection::Selection;
use crate::merge::kernels::task_vector::TaskVector;
use crate::merge::kernels::trim;
use crate::merge::methods::{Problem, Sparsify};
use crate::merge::plan::planned::PlannedTensor;
use crate::merge::plan::tensor_cache::TensorCache;
use crate::recipe::Param;

use super::random_source::RandomSource;

/// Sums of |δ| below this are not rescaled (mergekit's `rescaled_masked_tensor`).
const TINY: f32 = 1e-7;

/// One source of a merge in the task-arithmetic family.
pub(super) struct Selector<'a> {
    pub(super) planned: &'a PlannedTensor,
    pub(super) group: &'a Group<'a>,
    pub(super) base: usize,
    pub(super) input: usize,
    /// Its index among the inputs without the base.
    pub(super) place: usize,
    pub(super) cache: Option<&'a TensorCache>,
    /// Whether a pass of `kernels` follows; such a pass needs no list with a byte per element.
    pub(super) quick: bool,
}

impl Selector<'_> {
    /// Selects the elements of the source's task vector that stay.
    pub(super) fn select(
        &self,
        sparsify: Sparsify,
        numbers: &mut RandomSource<'_>,
    ) -> Result<Selection, Problem> {
        let group = self.group;
        if sparsify == Sparsify::Nothing {
            return Ok(Selection::All);
        }
        let values = &self.planned.values;
        let value = |param: Param| values.others(param, group)[self.place];
        let density = value(Param::Density);
        if density >= 1.0 {
            return Ok(Selection::All);
        }
        let rescale = values.flag(Param::Rescale);
        let task_vector = self.task_vector();
        let n = group.len();
        let name = &self.planned.name;
        let keep = match sparsify {
            Sparsify::Nothing => return Ok(Selection::All),
            Sparsify::Largest => {
                // The task vector of tensors that must be cast first is not in memory.
                let cast = group.inputs.iter().any(|view| view.dtype != group.work);
                let cache = self.cache.filter(|_| density > 0.0 && n > 0 && !cast);
                if let Some(cache) = cache {
                    let model = self.planned.inputs[self.input].model;
                    let cut = cache.cut(model, &task_vector, trim::kept_count(density, n));
                    if self.quick && !rescale {
                        return Ok(Selection::Largest(cut));
                    }
                    task_vector.kept_by(cut)
                } else {
                    task_vector.largest(density)
                }
            }
            Sparsify::WithoutOutliers => task_vector.without_outliers(density, value(Param::Gamma)),
            Sparsify::AtRandom => {
                if self.quick
                    && density > 0.0
                    && let RandomSource::Counter(seed) = numbers
                {
                    let key = Key::new(*seed, name, self.place);
                    let below = mask::threshold(density);
                    let scale = if rescale { self.counted_scale(key, below) } else { None };
                    return Ok(Selection::Hashed { key, below, scale });
                }
                task_vector.at_random(density, numbers.draw(name, self.place))
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
                    task_vector.by_rank(density, epsilon, group.rows().1, numbers.draw(name, self.place))
                }
            }
        };
        let scale = if rescale { task_vector.rescale(&keep) } else { None };
        Ok(Selection::Listed { keep, scale })
    }

    fn task_vector(&self) -> TaskVector<'_> {
        let Self { group, base, input, .. } = *self;
        TaskVector { base: group.inputs[base], source: group.inputs[input], work: group.work }
    }

    /// The factor that gives the elements kept by a hashed mask the Σ|δ| of all elements. The sums are exact up to one
    /// rounding.
    fn counted_scale(&self, key: Key, below: u32) -> Option<f32> {
        let delta = self.task_vector();
        let n = self.group.len();
        let (grid, sums) = match self.cache.and_then(|cache| cache.exponents().map(|e| (cache, e))) {
            Some((cache, exponents)) => {
                let grid = ExactGrid::new(exponents, n);
                let table = cache.mask_table(self.planned.inputs[self.input].model);
                (grid, table.get(&delta, grid, key, below))
            }
            None => (ExactGrid::NONE, None),
        };
        let (before, after) = sums.unwrap_or_else(|| {
            let selection = Selection::Hashed { key, below, scale: None };
            let sums: Vec<(f64, f64)> = (0..n.div_ceil(CHUNK_LEN))
                .into_par_iter()
                .map(|i| mask_l1(&delta, &selection, grid, i * CHUNK_LEN..n.min((i + 1) * CHUNK_LEN)))
                .collect();
            let (before, after) = sums.iter().fold((0.0, 0.0), |(a, b), (x, y)| (a + x, b + y));
            (before as f32, after as f32)
        });
        let r = |x: f32| self.group.r(x);
        let (before, after) = (r(before), r(after));
        (before >= TINY && after >= TINY).then(|| r(before / after))
    }
}

#[cfg(any(feature = "cuda", test))]
impl Selector<'_> {
    /// Like [`Self::select`], if it needs no memory per element; else `None`.
    pub(super) fn select_on_card(&self, sparsify: Sparsify, seed: u64) -> Result<Option<Selection>, Problem> {
        let values = &self.planned.values;
        let density = match sparsify {
            Sparsify::Nothing => 1.0,
            Sparsify::Largest | Sparsify::AtRandom => values.others(Param::Density, self.group)[self.place],
            Sparsify::WithoutOutliers | Sparsify::ByRank => return Ok(None),
        };
        if density >= 1.0 {
            return Ok(Some(Selection::All));
        }
        if sparsify == Sparsify::Largest && (values.flag(Param::Rescale) || self.cache.is_none()) {
            return Ok(None);
        }
        self.select(sparsify, &mut RandomSource::Counter(seed)).map(Some)
    }
}
