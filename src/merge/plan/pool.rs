//! The models of a merge: mapped and checked once, ready for any number of recipes. Checkpoints come in; plans, merges
//! and exports read their tensors through the pool.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use crate::checkpoint::{Checkpoint, Dtype, Fit, ModelConfig, TensorView, Weights, tensor_shapes};
use crate::error::Interrupted;
use crate::progress::{Observer, What};
use crate::recipe::Recipe;

use super::planned::{PlannedInput, PlannedTensor};
use super::tensor_cache::TensorCache;
use super::vocabulary::{self, LM_HEAD, has_vocabulary, stored_name, whole};
use crate::merge::kernels::block::CHUNK_LEN;
use crate::merge::kernels::exponents::ExponentRange;
use crate::merge::kernels::finite;
use crate::merge::{MergeError, vocab};

/// A base and its sources. Weights stay mapped from disk. Each pass computes task vectors from base and source, which
/// reads no more memory than a stored task vector would.
pub struct Pool {
    /// Identifies the pool, so that a [`crate::merge::Merged`] is never reused across pools.
    pub(crate) id: u64,
    /// The base first, if there is one.
    pub(crate) models: Vec<Checkpoint>,
    /// Index of each model by its reference; the first of equal references.
    places: HashMap<String, usize>,
    has_base: bool,
    /// Whether the models already have the vocabulary that their recipe asks for.
    pub(crate) retokenized: bool,
    /// Whether NaN and infinity are allowed, in the models and in their merges.
    pub(crate) non_finite: bool,
    config: ModelConfig,
    /// Cached facts by tensor name.
    caches: BTreeMap<String, TensorCache>,
    /// Index of the model that gives the vision part, if there is one: the base, else the first that has one.
    pub(super) giver: Option<usize>,
    /// Shape of the rows of the vocabulary that all models have, if some have more. The giver's further rows follow.
    pub(super) shared: Option<[usize; 2]>,
}

impl Pool {
    /// Opens `base` and `sources` (fetching them where needed) and checks that they fit and that
    /// every value is finite.
    pub fn open(base: &str, sources: &[String]) -> Result<Self, MergeError> {
        let base = Checkpoint::open(base)?;
        let sources = sources.iter().map(|s| Checkpoint::open(s)).collect::<Result<_, _>>()?;
        Self::new(base, sources)
    }

    /// A pool of open checkpoints with one architecture. Any recipe on whole models can be merged.
    pub fn new(base: Checkpoint, sources: Vec<Checkpoint>) -> Result<Self, MergeError> {
        Self::unseen(Some(base), sources, true)?.checked(&Observer::none())
    }

    /// A pool of all models that a recipe names, with the vocabulary that it asks for, for a single merge: a tensor's
    /// values are checked when it is merged, not before. `open` turns a reference into a checkpoint.
    ///
    /// # Errors
    /// An error of `open`, or models that can't be merged.
    pub fn gather<E: From<MergeError>>(
        recipe: &Recipe,
        open: impl Fn(&str) -> Result<Checkpoint, E>,
    ) -> Result<Self, E> {
        let base = recipe.base.as_deref().map(&open).transpose()?;
        let sources: Vec<_> = recipe.models().into_iter().map(&open).collect::<Result<_, E>>()?;
        let giver = recipe.vocabulary_giver().map(open).transpose()?;
        Ok(Self::for_recipe(recipe, base, sources, giver.as_ref(), false)?)
    }

    /// Like [`Self::gather`], for models that are already open: the recipe's base, if it has one, and all other models
    /// that it names. `giver` is its [`Recipe::vocabulary_giver`]. `often` says that more than one merge follows, so
    /// that magnitude orders are worth keeping.
    pub fn for_recipe(
        recipe: &Recipe,
        base: Option<Checkpoint>,
        sources: Vec<Checkpoint>,
        giver: Option<&Checkpoint>,
        often: bool,
    ) -> Result<Self, MergeError> {
        let has_base = base.is_some();
        let mut models =
            vocab::prepare(recipe, base.into_iter().chain(sources).collect(), giver)?.into_iter();
        let base = if has_base { models.next() } else { None };
        let mut pool = Self::unseen(base, models.collect(), often)?;
        pool.retokenized = true;
        Ok(pool)
    }

    /// Sets whether this pool allows NaN and infinity; by default it refuses them.
    #[must_use]
    pub fn allowing_non_finite(mut self, allow: bool) -> Self {
        self.non_finite = allow;
        self
    }

    /// A pool of any checkpoints, with or without a base, with all values finite. Each recipe checks whether their
    /// tensors fit each other, since slices may take layers from models of different depth.
    pub fn of(base: Option<Checkpoint>, sources: Vec<Checkpoint>) -> Result<Self, MergeError> {
        let pool = Self::unseen(base, sources, true)?;
        pool.looked_at(&Observer::none())
    }

    fn looked_at(self, observer: &Observer<'_>) -> Result<Self, MergeError> {
        let bytes = |name: &String| {
            let views = self.models.iter().filter_map(|model| whole(model, name));
            views.map(|view| view.data.len() as u64).sum()
        };
        let meter = observer.meter(What::Checking, self.caches.keys().map(bytes).sum());
        for name in self.caches.keys() {
            if meter.stopped() {
                return Err(MergeError::Interrupted(Interrupted(
                    "interrupted while the models were read".to_owned(),
                )));
            }
            self.look_at(name)?;
            meter.add(bytes(name));
        }
        drop(meter);
        Ok(self)
    }

    /// This pool, if its models have one architecture and every value is finite. Any recipe on whole models can then be
    /// merged. The observer may end the reading.
    pub fn checked(self, observer: &Observer<'_>) -> Result<Self, MergeError> {
        for source in self.sources() {
            if let Fit::No(why) = source.fit(self.base()) {
                return Err(misfit(source, self.base(), why));
            }
        }
        self.looked_at(observer)
    }

    /// Like [`Self::of`], without checking any value; `often` as in [`Self::for_recipe`].
    fn unseen(base: Option<Checkpoint>, sources: Vec<Checkpoint>, often: bool) -> Result<Self, MergeError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let has_base = base.is_some();
        let models: Vec<Checkpoint> = base.into_iter().chain(sources).collect();
        let donor = models.first().ok_or(MergeError::Empty)?;
        let mut config = donor.config().clone();
        // A tied head is left out unless some input has its own head; then the tied inputs contribute their embeddings.
        config.tie_word_embeddings = !models.iter().any(|m| m.extent(LM_HEAD).is_some());
        let giver = models.iter().position(|m| m.vision_config().is_some());
        let shared = match giver {
            Some(giver) => vocabulary::shared_rows(&models, giver)?,
            None => None,
        };
        if let Some(giver) = giver {
            vocabulary::take_over(&mut config, models[giver].config());
        }
        let mut caches = BTreeMap::new();
        for model in &models {
            for (name, _) in tensor_shapes(model.config()).into_iter().chain(head(&config)) {
                if model.extent(stored_name(model, &name)).is_none() {
                    return Err(misfit(model, donor, missing(&name)));
                }
                caches.entry(name).or_insert_with(|| TensorCache::new(models.len(), often));
            }
        }
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let named = models.iter().enumerate().rev();
        let places = named.map(|(i, m)| (m.reference().to_owned(), i)).collect();
        Ok(Self {
            id,
            models,
            places,
            has_base,
            retokenized: false,
            non_finite: false,
            config,
            caches,
            giver,
            shared,
        })
    }

    /// Checks that a tensor's values are finite in every model that has it, unless this was done before.
    fn look_at(&self, name: &str) -> Result<(), MergeError> {
        let Some(cache) = self.caches.get(name) else { return self.look_at_vision(name) };
        if cache.is_looked_at() {
            return Ok(());
        }
        let mut all = Some(ExponentRange::NONE);
        for model in &self.models {
            let Some(found) = self.view_of(model, name) else { continue };
            let exponents = match check_finite(model, name, found) {
                Err(MergeError::NotFinite { .. }) if self.non_finite => None,
                found => found?,
            };
            // The combined range is only valid if each model has exponents.
            all = all.zip(exponents).map(|(a, b)| a.and(b));
        }
        if let Some((model, rest)) = self.rest_of(name).filter(|_| !self.non_finite) {
            check_finite(model, name, rest)?;
        }
        cache.looked_at(all);
        Ok(())
    }

    /// Checks that a tensor of the vision parts is finite.
    fn look_at_vision(&self, name: &str) -> Result<(), MergeError> {
        let seen = self.models.iter().filter(|_| !self.non_finite);
        let views = seen.filter_map(|model| Some((model, model.vision_tensor(name)?)));
        views.into_iter().try_for_each(|(model, view)| check_finite(model, name, view).map(|_| ()))
    }

    /// Checks that the inputs of an output tensor are finite, unless this was done before.
    pub(crate) fn look_at_inputs(&self, planned: &PlannedTensor) -> Result<(), MergeError> {
        planned.inputs.iter().try_for_each(|input| self.look_at(&input.tensor))
    }

    /// Fails if the file of any input of this output tensor changed since it was opened.
    pub(crate) fn intact(&self, planned: &PlannedTensor) -> Result<(), MergeError> {
        let intact = |input: &PlannedInput| self.models[input.model].intact(self.stored_name(input));
        planned.inputs.iter().try_for_each(intact).map_err(MergeError::from)
    }

    /// Releases the memory used to read the inputs of an output tensor, in every model that has them.
    pub(crate) fn release(&self, planned: &PlannedTensor) {
        for input in &planned.inputs {
            for model in &self.models {
                if let Some(found) = whole(model, &input.tensor) {
                    model.release(&found);
                }
            }
        }
    }

    /// The base checkpoint; in a pool without a base, the first source, which provides config and tokenizer.
    #[must_use]
    pub fn base(&self) -> &Checkpoint {
        &self.models[0]
    }

    /// All models, the base first, if there is one.
    #[must_use]
    pub fn models(&self) -> &[Checkpoint] {
        &self.models
    }

    /// The sources, in the order in which they were opened.
    #[must_use]
    pub fn sources(&self) -> &[Checkpoint] {
        &self.models[usize::from(self.has_base)..]
    }

    /// Config of every merge of whole models of this pool: the base's, with a separate LM head if any model has one, and
    /// with the vision part and the vocabulary of the model that gives the vision part.
    #[must_use]
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Decoder blocks.
    #[must_use]
    pub fn layers(&self) -> usize {
        self.config.num_hidden_layers
    }

    /// Index of a model by its reference.
    pub(crate) fn place(&self, reference: &str) -> Option<usize> {
        self.places.get(reference).copied()
    }

    /// The tensor of an input.
    pub(crate) fn view(&self, input: &PlannedInput) -> TensorView<'_> {
        self.view_of(&self.models[input.model], &input.tensor).expect("the plan found it")
    }

    /// Like [`Self::view`], for a tensor that may be missing.
    pub(crate) fn find(&self, input: &PlannedInput) -> Result<TensorView<'_>, MergeError> {
        let model = &self.models[input.model];
        self.view_of(model, &input.tensor).ok_or_else(|| misfit(model, self.base(), missing(&input.tensor)))
    }

    /// A model's tensor. Of the vocabulary, the rows that all models have.
    fn view_of<'a>(&'a self, model: &'a Checkpoint, name: &str) -> Option<TensorView<'a>> {
        let found = whole(model, name)?;
        match &self.shared {
            Some(shape) if has_vocabulary(name) && found.shape[0] > shape[0] => {
                let bytes = shape[0] * shape[1] * found.dtype.size();
                Some(TensorView { shape, data: &found.data[..bytes], ..found })
            }
            _ => Some(found),
        }
    }

    /// The type in which an input is stored.
    pub(crate) fn type_of(&self, input: &PlannedInput) -> Option<Dtype> {
        let model = &self.models[input.model];
        model.extent(stored_name(model, &input.tensor)).map(|(dtype, _)| dtype)
    }

    /// The name under which the model stores an input: a tied LM head is its embeddings.
    pub(crate) fn stored_name<'f>(&self, input: &'f PlannedInput) -> &'f str {
        stored_name(&self.models[input.model], &input.tensor)
    }

    /// Whether a model stores its own LM head.
    pub(crate) fn has_head(&self, model: usize) -> bool {
        self.models[model].extent(LM_HEAD).is_some()
    }

    /// The cached facts about an output's inputs, if they are one tensor of several models and task vectors are taken
    /// against the pool's base.
    pub(crate) fn cache(&self, planned: &PlannedTensor) -> Option<&TensorCache> {
        let base = planned.base.map(|base| planned.inputs[base].model);
        let usual = base.is_none_or(|model| model == 0 && self.has_base);
        let alike = planned.inputs.iter().all(|input| input.tensor == planned.name);
        self.caches.get(&planned.name).filter(|_| usual && alike)
    }
}

/// Name and shape of the LM head that a merge with this config has, if any; tied models contribute their embeddings.
fn head(config: &ModelConfig) -> Option<(String, Vec<usize>)> {
    (!config.tie_word_embeddings).then(|| (LM_HEAD.to_owned(), vec![config.vocab_size, config.hidden_size]))
}

fn missing(tensor: &str) -> String {
    format!("its {tensor} is missing")
}

pub(crate) fn misfit(model: &Checkpoint, base: &Checkpoint, why: String) -> MergeError {
    MergeError::Misfit { model: model.reference().to_owned(), base: base.reference().to_owned(), why }
}

/// Checks that all values are finite; for bfloat16 it also returns their exponents.
fn check_finite(
    model: &Checkpoint,
    name: &str,
    view: TensorView<'_>,
) -> Result<Option<ExponentRange>, MergeError> {
    let size = view.dtype.size();
    let pieces = view.data.par_chunks(CHUNK_LEN * size);
    if view.dtype == Dtype::BF16 {
        let exponents =
            pieces.clone().map(ExponentRange::of_bf16).reduce(|| ExponentRange::NONE, ExponentRange::and);
        if exponents.most < 255 {
            return Ok(Some(exponents));
        }
    }
    // All exponent bits set, in the two upper bytes of an element.
    let exponent: u16 = match view.dtype {
        Dtype::F32 | Dtype::BF16 => 0x7f80,
        Dtype::F16 => 0x7c00,
    };
    let bad =
        |element: &[u8]| u16::from_le_bytes([element[size - 2], element[size - 1]]) & exponent == exponent;
    let count = pieces.map(|c| finite::count(view.dtype, c)).sum();
    if count == 0 {
        return Ok(None);
    }
    Err(MergeError::NotFinite {
        model: model.reference().to_owned(),
        tensor: name.to_owned(),
        count,
        first: view.data.chunks_exact(size).position(bad).unwrap_or_default(),
    })
}
