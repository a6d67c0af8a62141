//! A merged model in memory, and how it is brought up to date with a recipe.

use std::collections::HashMap;

use rayon::prelude::*;

use crate::checkpoint::{Dtype, TensorView, Weights};
use crate::recipe::{LayerGroup, MaskStream, Method, Param, Parameters, Recipe, Source, Values};

use super::dispatch;
use super::kernel::{Input, Keep, Rule, Task};
use super::mask::{self, Key};
use super::pool::{CHUNK, PoolTensor};
use super::shares::Grid;
use super::twister::Twister;
use super::{MergeError, Pool, round, trim};

/// Sums of |δ| below this are not matched (mergekit's `rescaled_masked_tensor`).
const TINY: f32 = 1e-7;

/// Outputs of more bytes than this are written past the caches.
const CACHES: usize = 16 << 20;

/// The tensors of a merge, in bfloat16. It remembers with what each layer group was merged, so
/// that the next recipe recomputes only what it changes.
pub struct Merged {
    pool: u64,
    tensors: Vec<Tensor>,
    by_name: HashMap<String, usize>,
    made: Option<Made>,
}

struct Tensor {
    name: String,
    shape: Vec<usize>,
    data: Vec<u8>,
}

/// All that decides a merge's values.
#[derive(Clone, PartialEq)]
struct Made {
    method: Method,
    /// Place in the pool of each of the recipe's sources.
    sources: Vec<usize>,
    lambda: u64,
    normalize: bool,
    /// Seed and stream, for methods that draw.
    mask: Option<(MaskStream, u64)>,
    /// Bits of weight and density of each source, per layer group.
    groups: Vec<Vec<(u64, u64)>>,
}

/// What a call of [`Pool::merge_into`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeStats {
    /// Whether each layer group was merged again, in [`LayerGroup`] order.
    pub groups: Vec<bool>,
    /// Bytes of base and sources read once, plus bytes written, for the tensors merged again.
    pub bytes: u64,
}

impl Merged {
    /// Room for a merge of `pool`; it holds no values yet.
    #[must_use]
    pub fn new(pool: &Pool) -> Self {
        let tensors: Vec<Tensor> = pool
            .tensors
            .iter()
            .map(|t| Tensor { name: t.name.clone(), shape: t.shape.clone(), data: vec![0; 2 * t.len()] })
            .collect();
        let by_name = tensors.iter().enumerate().map(|(i, t)| (t.name.clone(), i)).collect();
        Self { pool: pool.id, tensors, by_name, made: None }
    }

    /// Names of all tensors, from the input to the output.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.iter().map(|t| t.name.as_str())
    }
}

impl Weights for Merged {
    fn tensor(&self, name: &str) -> Option<TensorView<'_>> {
        let tensor = &self.tensors[*self.by_name.get(name)?];
        Some(TensorView { dtype: Dtype::BF16, shape: &tensor.shape, data: &tensor.data })
    }
}

impl Pool {
    /// Brings `out` up to date with `recipe`: only layer groups whose weights or densities
    /// changed since the last call are merged again; all, if anything else changed. The values do
    /// not depend on the number of threads.
    pub fn merge_into(&self, recipe: &Recipe, out: &mut Merged) -> Result<MergeStats, MergeError> {
        let made = self.resolve(recipe)?;
        if out.pool != self.id {
            *out = Merged::new(self);
        }
        let stale = stale_groups(&made, out.made.as_ref());
        out.made = None;
        let layers = self.layers();
        let jobs: Vec<(&PoolTensor, &mut [u8])> = self
            .tensors
            .iter()
            .zip(&mut out.tensors)
            .filter(|(t, _)| stale[t.group.index(layers)])
            .map(|(t, o)| (t, o.data.as_mut_slice()))
            .collect();
        let bytes = jobs.iter().map(|(t, _)| self.traffic(t, &made)).sum();
        let large = jobs.iter().map(|(_, out)| out.len()).sum::<usize>() > CACHES;
        if made.one_stream() {
            self.merge_in_stream_order(&made, jobs, large);
        } else {
            jobs.into_par_iter().for_each(|(tensor, out)| {
                let masks = vec![None; made.sources.len()];
                self.merge_tensor(&made, tensor, &masks, out, large);
            });
        }
        out.made = Some(made);
        Ok(MergeStats { groups: stale, bytes })
    }

    /// Checks a recipe against this pool.
    fn resolve(&self, recipe: &Recipe) -> Result<Made, MergeError> {
        let layers = self.layers();
        recipe.check(layers)?;
        let loaded = || self.sources().iter().map(|s| s.reference().to_owned()).collect();
        possible(recipe)?;
        if recipe.donor() != self.base().reference() {
            return Err(MergeError::NotLoaded {
                key: "base".to_owned(),
                model: recipe.donor().to_owned(),
                loaded: vec![self.base().reference().to_owned()],
            });
        }
        let place = |(i, source): (usize, &Source)| {
            self.sources().iter().position(|s| s.reference() == source.model).ok_or_else(|| {
                MergeError::NotLoaded {
                    key: format!("source[{i}].model"),
                    model: source.model.clone(),
                    loaded: loaded(),
                }
            })
        };
        let sources = recipe.sources.iter().enumerate().map(place).collect::<Result<_, _>>()?;
        let normalize = recipe.normalizes();
        let or = |p: Param| recipe.parameters.get(p);
        let weight = |s| own(s, Param::Weight).or(or(Param::Weight)).unwrap_or(&ONE);
        let density = |s| own(s, Param::Density).or(or(Param::Density)).unwrap_or(&ONE);
        let mut groups = Vec::with_capacity(LayerGroup::count(layers));
        for group in LayerGroup::all(layers) {
            // `check` found a value for every group.
            let value = |v: &Values| v.at(group, layers).unwrap_or_default();
            let sum = recipe.sources.iter().fold(0.0_f32, |sum, s| sum + value(weight(s)) as f32);
            if recipe.method == Method::Linear && normalize && sum == 0.0 {
                let group = group.to_string();
                return Err(MergeError::ZeroSum { group, method: recipe.method.name() });
            }
            let uses_density = recipe.method.uses_density();
            let bits = recipe.sources.iter().map(|s| {
                let density = if uses_density { value(density(s)) } else { 1.0 };
                (value(weight(s)).to_bits(), density.to_bits())
            });
            groups.push(bits.collect());
        }
        let draws = matches!(recipe.method, Method::DareLinear | Method::DareTies);
        Ok(Made {
            method: recipe.method,
            sources,
            lambda: recipe.lambda().to_bits(),
            normalize,
            mask: draws.then_some((recipe.mask, recipe.seed)),
            groups,
        })
    }

    fn traffic(&self, tensor: &PoolTensor, made: &Made) -> u64 {
        let base = if made.method == Method::Linear { 0 } else { self.base_view(tensor).data.len() };
        let sources: usize = made.sources.iter().map(|s| self.source_view(tensor, *s).data.len()).sum();
        (base + sources + 2 * tensor.len()) as u64
    }

    /// mergekit draws all masks from one stream: output tensors in the order of their names,
    /// within a tensor the sources in recipe order.
    fn merge_in_stream_order(&self, made: &Made, mut jobs: Vec<(&PoolTensor, &mut [u8])>, large: bool) {
        jobs.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
        let mut stream = Twister::new(made.mask.map_or(0, |(_, seed)| seed));
        for (tensor, out) in jobs {
            let masks: Vec<Option<Vec<u8>>> = made
                .values(tensor.group, self.layers())
                .map(|(_, density)| {
                    let rounded = if tensor.narrow { round::bf16(density as f32) } else { density as f32 };
                    (density < 1.0).then(|| stream.bernoulli(rounded, tensor.len()))
                })
                .collect();
            self.merge_tensor(made, tensor, &masks, out, large);
        }
    }

    fn merge_tensor(
        &self,
        made: &Made,
        tensor: &PoolTensor,
        masks: &[Option<Vec<u8>>],
        out: &mut [u8],
        large: bool,
    ) {
        let values = made.values(tensor.group, self.layers());
        let inputs =
            values.zip(&made.sources).zip(masks).enumerate().map(|(i, ((value, &source), mask))| {
                self.input(made, tensor, source, value, i, mask.as_deref())
            });
        let lambda = f64::from_bits(made.lambda) as f32;
        let task = Task {
            base: self.base_view(tensor),
            inputs: inputs.collect(),
            narrow: tensor.narrow,
            rule: match made.method {
                Method::Linear => Rule::Linear,
                Method::TaskArithmetic | Method::DareLinear => Rule::Sum { consensus: false, lambda },
                _ => Rule::Sum { consensus: true, lambda },
            },
            normalize: made.normalize,
            extent: tensor.extent,
        };
        task.fill(out, large);
    }

    /// One source's part: its weight in the work type, and which elements it keeps.
    fn input<'a>(
        &'a self,
        made: &Made,
        tensor: &'a PoolTensor,
        source: usize,
        (weight, density): (f64, f64),
        place: usize,
        mask: Option<&'a [u8]>,
    ) -> Input<'a> {
        let linear = made.method == Method::Linear;
        let weight = weight as f32;
        let weight = if tensor.narrow && !linear { round::bf16(weight) } else { weight };
        let keep = match (made.method, made.mask, mask) {
            (Method::Linear | Method::TaskArithmetic, ..) => Keep::All,
            _ if density >= 1.0 => Keep::All,
            (Method::Ties, ..) => {
                let k = trim::kept(density, tensor.len());
                Keep::Largest(self.trim(tensor, source).cut(k, &self.delta(tensor, source)))
            }
            (_, _, Some(keep)) => {
                let scale = self.rescale(tensor, source, Keep::Listed { keep, scale: None });
                Keep::Listed { keep, scale }
            }
            (_, stream, None) => {
                let key = Key::new(stream.map_or(0, |(_, seed)| seed), &tensor.name, place);
                let below = mask::threshold(density);
                let scale = self.rescale(tensor, source, Keep::Hashed { key, below, scale: None });
                Keep::Hashed { key, below, scale }
            }
        };
        Input { source: self.source_view(tensor, source), weight, keep }
    }

    /// mergekit's rescale: the factor by which Σ|δ| after masking becomes what it was before.
    ///
    /// The sums are exact up to one rounding, as torch's are on one thread. On several, torch rounds
    /// each thread's part of a large tensor to bfloat16 first, so mergekit's own result then
    /// depends on their number.
    fn rescale(&self, tensor: &PoolTensor, source: usize, keep: Keep<'_>) -> Option<f32> {
        let delta = self.delta(tensor, source);
        let n = tensor.len();
        let r = |x: f32| if tensor.narrow { round::bf16(x) } else { x };
        let (grid, known) = match (keep, tensor.extent) {
            (Keep::Hashed { key, below, .. }, Some(extent)) => {
                let grid = Grid::new(extent, n);
                (grid, tensor.shares[source].get(&delta, grid, key, below))
            }
            _ => (Grid::NONE, None),
        };
        let (before, after) = known.unwrap_or_else(|| {
            let sums: Vec<(f64, f64)> = (0..n.div_ceil(CHUNK))
                .into_par_iter()
                .map(|i| dispatch::l1(&delta, keep, grid, i * CHUNK..n.min((i + 1) * CHUNK)))
                .collect();
            let (before, after) = sums.iter().fold((0.0, 0.0), |(a, b), (x, y)| (a + x, b + y));
            (before as f32, after as f32)
        });
        let (before, after) = (r(before), r(after));
        (before >= TINY && after >= TINY).then(|| r(before / after))
    }
}

impl Made {
    /// Weight and density of each source for a layer group.
    fn values(&self, group: LayerGroup, layers: usize) -> impl Iterator<Item = (f64, f64)> {
        self.groups[group.index(layers)].iter().map(|(w, d)| (f64::from_bits(*w), f64::from_bits(*d)))
    }

    /// Whether the tensors must be merged in one order because their masks are one stream.
    fn one_stream(&self) -> bool {
        self.mask.is_some_and(|(stream, _)| stream == MaskStream::Mergekit)
    }
}

/// A source that says nothing counts once, whole.
static ONE: Values = Values::All(1.0);

fn own(source: &Source, param: Param) -> Option<&Values> {
    source.parameters.get(param)
}

/// What a recipe may say that is not merged yet.
fn possible(recipe: &Recipe) -> Result<(), MergeError> {
    let not_yet = |what: &str| Err(MergeError::NotYet { what: what.to_owned() });
    if !implemented(recipe.method) {
        return not_yet(&format!("method {}", recipe.method.name()));
    }
    if !recipe.slices.is_empty() || !recipe.path.is_empty() {
        return not_yet("a merge of layers");
    }
    if recipe.tokenizer.is_some() || recipe.align.is_some() {
        return not_yet("a tokenizer or alignment");
    }
    let filters = |v: &Values| matches!(v, Values::Filters(_));
    let given = recipe.sources.iter().map(|s| &s.parameters).chain([&recipe.parameters]);
    if given.flat_map(Parameters::iter).any(|(_, v)| filters(v)) {
        return not_yet("a filter of tensor names");
    }
    Ok(())
}

/// Whether a method is merged here.
pub(super) fn implemented(method: Method) -> bool {
    use Method::{DareLinear, DareTies, Linear, TaskArithmetic, Ties};
    matches!(method, Linear | TaskArithmetic | Ties | DareLinear | DareTies)
}

/// Which layer groups must be merged again to get from `old` to `new`.
fn stale_groups(new: &Made, old: Option<&Made>) -> Vec<bool> {
    let all = vec![true; new.groups.len()];
    let Some(old) = old else { return all };
    if new == old {
        return vec![false; new.groups.len()];
    }
    let same_rules = Made { groups: Vec::new(), ..old.clone() } == Made { groups: Vec::new(), ..new.clone() };
    if !same_rules || new.one_stream() {
        return all;
    }
    new.groups.iter().zip(&old.groups).map(|(a, b)| a != b).collect()
}
