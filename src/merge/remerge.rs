//! Brings a merge from its last recipe to the next one, in windows: some tensors are merged, the caller takes them, and a
//! large merge drops them before the next window. A plan comes in; which layer groups changed goes out.

use rayon::prelude::*;

use crate::checkpoint::ModelConfig;
use crate::recipe::{LayerGroup, Recipe};

use super::merged::Tensor;
use super::parity::mt19937::Mt19937;
use super::plan::planned::{Plan, PlannedTensor};
use super::run::RandomSource;
use super::{MergeError, Merged, Pool};

/// A window of more bytes than this bypasses the CPU's caches when it writes.
const CACHE_BYTES: usize = 16 << 20;
/// Base and sources of a merge of more bytes give the memory back into which they were read, window by window.
const RELEASED: usize = 1 << 30;

/// The result of an update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeStats {
    /// For each layer group, in [`LayerGroup`] order, whether any of its tensors was merged again.
    pub groups: Vec<bool>,
    /// Whether any tensor of the vision part was merged again.
    pub vision: bool,
    /// Bytes of base and sources that were read, plus bytes that were written, for the tensors merged again.
    pub bytes: u64,
}

/// An update of a [`Merged`] to a recipe that is under way. If it is dropped before [`Self::finish`], the next one makes
/// all tensors.
pub struct Remerge<'p> {
    pool: &'p Pool,
    plan: Plan,
    /// What the merge held before.
    old: Option<Plan>,
    /// The tensors to merge, by their index among those of the plan and then those of its vision part, in the order in
    /// which random numbers are drawn for them. `None` before the first window.
    queue: Option<std::vec::IntoIter<usize>>,
    /// mergekit's one random stream, if the plan draws from it.
    stream: Option<Mt19937>,
    /// Whether all tensors stay in memory.
    keeps: bool,
    stats: MergeStats,
}

impl Pool {
    /// Begins to bring `out` to `recipe`, in windows.
    ///
    /// # Errors
    /// A recipe that cannot be merged from the pool.
    pub fn remerge(&self, recipe: &Recipe, out: &mut Merged) -> Result<Remerge<'_>, MergeError> {
        Ok(Remerge::new(self, self.plan(recipe)?, out))
    }

    /// Updates `out` to `recipe`: only tensors whose inputs or parameters changed since the last call are merged again;
    /// if the method changed, all are. The values do not depend on the number of threads.
    pub fn merge_into(&self, recipe: &Recipe, out: &mut Merged) -> Result<MergeStats, MergeError> {
        self.carry_out(self.plan(recipe)?, out)
    }

    pub(super) fn carry_out(&self, plan: Plan, out: &mut Merged) -> Result<MergeStats, MergeError> {
        let mut remerge = Remerge::new(self, plan, out);
        while remerge.next(out)?.is_some() {}
        Ok(remerge.finish(out))
    }
}

impl<'p> Remerge<'p> {
    pub(super) fn new(pool: &'p Pool, plan: Plan, out: &mut Merged) -> Self {
        if !out.fits(pool, &plan) {
            out.make_room(pool, &plan);
        }
        out.config.clone_from(&plan.config);
        let stream = plan.one_stream().then(|| Mt19937::new(plan.seed));
        let groups = vec![false; LayerGroup::count(plan.layers)];
        let stats = MergeStats { groups, vision: false, bytes: 0 };
        let bytes = plan.tensors.iter().map(PlannedTensor::bytes).fold(0, usize::saturating_add);
        let keeps = bytes <= out.window;
        Self { pool, plan, old: out.made.take(), queue: None, stream, keeps, stats }
    }

    /// Config of the merged model: number of layers, type and LM head are those of the tensors.
    #[must_use]
    pub const fn config(&self) -> &ModelConfig {
        &self.plan.config
    }

    /// Makes all tensors, whatever the merge held before. To be called before the first window.
    pub fn all(&mut self) {
        self.old = None;
    }

    /// Bytes of the tensors that are still to be made. From now on [`Self::all`] is too late.
    pub fn bytes_left(&mut self) -> u64 {
        self.begin();
        let left = self.queue.as_ref().map_or(&[][..], |queue| queue.as_slice());
        left.iter().map(|place| self.planned(*place).bytes() as u64).sum()
    }

    /// Decides which tensors are to be merged, if that is not done yet.
    fn begin(&mut self) {
        if self.queue.is_none() {
            self.queue = Some(self.stale_tensors().into_iter());
        }
    }

    /// Merges the next window into `out`. Returns the layer groups of its tensors, in [`LayerGroup`] order; `None` if
    /// there is none left. [`Merged::is_fresh`] says which tensors it has.
    ///
    /// # Errors
    /// A method that fails on a tensor, values that are not finite, or a file that has changed meanwhile.
    pub fn next(&mut self, out: &mut Merged) -> Result<Option<Vec<bool>>, MergeError> {
        self.close_window(out);
        self.begin();
        let text = self.plan.tensors.len();
        let (mut window, mut bytes) = (Vec::new(), 0_usize);
        while let Some(&next) = self.queue.as_ref().and_then(|queue| queue.as_slice().first()) {
            let size = self.planned(next).bytes();
            if !window.is_empty() && bytes.saturating_add(size) > out.window {
                break;
            }
            bytes = bytes.saturating_add(size);
            window.push(next);
            self.queue.as_mut().map(Iterator::next);
        }
        if window.is_empty() {
            return Ok(None);
        }
        self.merge(&window, bytes, out)?;
        let mut groups = vec![false; self.stats.groups.len()];
        for &place in &window {
            self.stats.bytes += self.traffic(self.planned(place));
            if place < text {
                let group = self.planned(place).group.index(self.plan.layers);
                (groups[group], self.stats.groups[group]) = (true, true);
            } else {
                self.stats.vision = true;
            }
        }
        Ok(Some(groups))
    }

    /// Ends the update: `out` is at its recipe.
    pub fn finish(self, out: &mut Merged) -> MergeStats {
        self.close_window(out);
        out.made = Some(self.plan);
        self.stats
    }

    fn planned(&self, place: usize) -> &PlannedTensor {
        let text = self.plan.tensors.len();
        if place < text { &self.plan.tensors[place] } else { &self.plan.vision[place - text] }
    }

    /// The tensors to merge again, in order.
    fn stale_tensors(&self) -> Vec<usize> {
        let old = self.old.as_ref();
        let stale = stale(&self.plan, old).into_iter().chain(stale_vision(&self.plan, old));
        let mut places: Vec<usize> = stale.enumerate().filter_map(|(i, stale)| stale.then_some(i)).collect();
        if self.stream.is_some() {
            // mergekit draws from one random stream: tensors in the order of the last of their input names, and within
            // a tensor the sources in recipe order. A vision part comes last: mergekit does not merge it.
            let text = self.plan.tensors.len();
            places.sort_by_cached_key(|place| (*place >= text, self.pool.label(self.planned(*place))));
        }
        places
    }

    fn merge(&mut self, window: &[usize], bytes: usize, out: &mut Merged) -> Result<(), MergeError> {
        let (pool, plan, large) = (self.pool, &self.plan, bytes > CACHE_BYTES);
        let mut order = vec![None; plan.tensors.len() + plan.vision.len()];
        window.iter().enumerate().for_each(|(i, place)| order[*place] = Some(i));
        let all = plan.tensors.iter().chain(&plan.vision).zip(out.tensors.iter_mut().chain(&mut out.vision));
        let mut jobs: Vec<(usize, &PlannedTensor, &mut Tensor)> =
            all.zip(&order).filter_map(|((planned, out), i)| i.map(|i| (i, planned, out))).collect();
        for (_, planned, out) in &mut jobs {
            out.fresh = true;
            out.data.resize(planned.bytes(), 0);
        }
        if let Some(stream) = &mut self.stream {
            jobs.sort_by_key(|job| job.0);
            for (_, planned, out) in jobs {
                pool.merge_tensor(plan, planned, RandomSource::Stream(stream), &mut out.data, large)?;
            }
        } else {
            jobs.into_par_iter().try_for_each(|(_, planned, out)| {
                pool.merge_tensor(plan, planned, RandomSource::Counter(plan.seed), &mut out.data, large)
            })?;
        }
        if !self.keeps
            && plan.tensors.iter().map(PlannedTensor::bytes).fold(0, usize::saturating_add) > RELEASED
        {
            for place in window {
                pool.release(self.planned(*place));
            }
        }
        Ok(())
    }

    /// Drops the tensors of the last window, unless all are kept.
    fn close_window(&self, out: &mut Merged) {
        for tensor in &mut out.tensors {
            tensor.fresh = false;
            if !self.keeps {
                tensor.data = Vec::new();
            }
        }
        out.vision.iter_mut().for_each(|tensor| tensor.fresh = false);
    }

    fn traffic(&self, planned: &PlannedTensor) -> u64 {
        let read: usize = planned.inputs.iter().map(|input| self.pool.view(input).data.len()).sum();
        (read + planned.bytes()) as u64
    }
}

/// The tensors that must be merged again to get from `old` to `new`.
pub(crate) fn stale(new: &Plan, old: Option<&Plan>) -> Vec<bool> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Method;

    #[test]
    fn what_is_left_goes_down_window_by_window() {
        let names = ["zoo:ja".to_owned()];
        let pool = Pool::open("zoo:base", &names).unwrap();
        let mut merged = Merged::with_window(&pool, 100_000);
        let mut recipe = Recipe::uniform("zoo:base", &names, Method::TaskArithmetic, 0.5);
        let all: u64 = pool.plan(&recipe).unwrap().tensors.iter().map(|t| t.bytes() as u64).sum();
        let mut remerge = pool.remerge(&recipe, &mut merged).unwrap();
        let mut left = vec![remerge.bytes_left()];
        while remerge.next(&mut merged).unwrap().is_some() {
            left.push(remerge.bytes_left());
        }
        remerge.finish(&mut merged);
        assert_eq!((left[0], left.last()), (all, Some(&0)));
        assert!(left.len() > 3 && left.is_sorted_by(|a, b| a > b), "{left:?}");
        // Of the next recipe, what it changes.
        recipe.sources[0].weight_mut().set(LayerGroup::Block(1), pool.layers(), 0.7);
        let own = pool.plan(&recipe).unwrap().tensors;
        let own =
            own.iter().filter(|t| t.group == LayerGroup::Block(1)).map(|t| t.bytes() as u64).sum::<u64>();
        assert_eq!(pool.remerge(&recipe, &mut merged).unwrap().bytes_left(), own);
    }
}
