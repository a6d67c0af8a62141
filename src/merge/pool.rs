//! The models that take part: a base and its sources, mapped and checked once, ready for any
//! number of recipes.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use crate::checkpoint::{Checkpoint, Dtype, Fit, ModelConfig, TensorView, Weights, tensor_shapes};
use crate::recipe::LayerGroup;

use super::MergeError;
use super::delta::Delta;
use super::dispatch;
use super::extent::Extent;
use super::shares::Shares;
use super::trim::Trim;

/// Elements of one parallel piece of a tensor; fixed, so that sums do not depend on threads.
pub(super) const CHUNK: usize = 1 << 16;

/// A base and its sources. Weights stay where they are mapped; task vectors are computed inside
/// each pass from the two, which reads no more than a stored task vector would.
pub struct Pool {
    /// Tells one pool from another, so that a [`super::Merged`] is never reused across pools.
    pub(super) id: u64,
    base: Checkpoint,
    sources: Vec<Checkpoint>,
    config: ModelConfig,
    pub(super) tensors: Vec<PoolTensor>,
}

/// A tensor of the merged model.
pub(super) struct PoolTensor {
    pub(super) name: String,
    pub(super) group: LayerGroup,
    pub(super) shape: Vec<usize>,
    /// Whether the base and all sources store it as bfloat16, which then is the work type.
    pub(super) narrow: bool,
    /// Of all models together, if [`Self::narrow`].
    pub(super) extent: Option<Extent>,
    /// Magnitude order of each source's task vector, made when first trimmed.
    trims: Vec<OnceLock<Trim>>,
    /// Sums of each source's task vector under a drop mask.
    pub(super) shares: Vec<Shares>,
}

impl PoolTensor {
    /// Number of elements.
    pub(super) fn len(&self) -> usize {
        self.shape.iter().product()
    }
}

impl Pool {
    /// Opens `base` and `sources` (fetching them where needed) and checks that they fit and that
    /// every value is finite.
    pub fn open(base: &str, sources: &[String]) -> Result<Self, MergeError> {
        let base = Checkpoint::open(base)?;
        let sources = sources.iter().map(|s| Checkpoint::open(s)).collect::<Result<_, _>>()?;
        Self::new(base, sources)
    }

    /// A pool of checkpoints that are already open.
    pub fn new(base: Checkpoint, sources: Vec<Checkpoint>) -> Result<Self, MergeError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        for source in &sources {
            if let Fit::No(why) = source.fit(&base) {
                return Err(MergeError::Misfit {
                    model: source.reference().to_owned(),
                    base: base.reference().to_owned(),
                    why,
                });
            }
        }
        let mut config = base.config().clone();
        let has_head = |c: &Checkpoint| c.tensor(LM_HEAD).is_some();
        // A tied head is left out unless some input has one of its own; then the tied inputs
        // contribute their embeddings.
        config.tie_word_embeddings = !has_head(&base) && !sources.iter().any(has_head);
        let models = || std::iter::once(&base).chain(&sources);
        let tensors = tensor_shapes(&config).into_iter().filter_map(|(name, shape)| {
            let narrow = models().all(|m| view(m, &name).is_some_and(|v| v.dtype == Dtype::BF16));
            let shares = sources.iter().map(|_| Shares::default()).collect();
            let trims = sources.iter().map(|_| OnceLock::new()).collect();
            // Every name of `tensor_shapes` has a group.
            LayerGroup::of_tensor(&name).map(|group| PoolTensor {
                name,
                group,
                shape,
                narrow,
                extent: None,
                trims,
                shares,
            })
        });
        let mut tensors: Vec<PoolTensor> = tensors.collect();
        for model in models() {
            for tensor in &mut tensors {
                let found = view(model, &tensor.name).filter(|v| v.shape == tensor.shape);
                let found = found.ok_or_else(|| MergeError::Misfit {
                    model: model.reference().to_owned(),
                    base: base.reference().to_owned(),
                    why: format!("its {} is missing or not of shape {:?}", tensor.name, tensor.shape),
                })?;
                let extent = check_finite(model, &tensor.name, found)?;
                if tensor.narrow {
                    let before = tensor.extent.unwrap_or(Extent::NONE);
                    tensor.extent = extent.map(|e| e.and(before));
                }
            }
        }
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok(Self { id, base, sources, config, tensors })
    }

    /// The base checkpoint.
    #[must_use]
    pub fn base(&self) -> &Checkpoint {
        &self.base
    }

    /// The sources, in the order in which they were opened.
    #[must_use]
    pub fn sources(&self) -> &[Checkpoint] {
        &self.sources
    }

    /// Config of every merge of this pool: the base's, with an LM head of its own if any model
    /// has one.
    #[must_use]
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Decoder blocks.
    #[must_use]
    pub fn layers(&self) -> usize {
        self.config.num_hidden_layers
    }

    pub(super) fn base_view(&self, tensor: &PoolTensor) -> TensorView<'_> {
        view(&self.base, &tensor.name).expect("Pool::new found it in every model")
    }

    pub(super) fn source_view(&self, tensor: &PoolTensor, source: usize) -> TensorView<'_> {
        view(&self.sources[source], &tensor.name).expect("Pool::new found it in every model")
    }

    pub(super) fn delta(&self, tensor: &PoolTensor, source: usize) -> Delta<'_> {
        Delta {
            base: self.base_view(tensor),
            source: self.source_view(tensor, source),
            narrow: tensor.narrow,
        }
    }

    /// The magnitude order of a task vector, made at the first call.
    pub(super) fn trim<'t>(&self, tensor: &'t PoolTensor, source: usize) -> &'t Trim {
        tensor.trims[source].get_or_init(|| Trim::new(&self.delta(tensor, source)))
    }
}

const LM_HEAD: &str = "lm_head.weight";

/// A model's tensor; for a tied LM head its embeddings.
fn view<'a>(model: &'a Checkpoint, name: &str) -> Option<TensorView<'a>> {
    let tied = || (name == LM_HEAD).then(|| model.tensor("model.embed_tokens.weight")).flatten();
    model.tensor(name).or_else(tied)
}

/// Checks that all values are finite; bfloat16 ones tell their extent at the same time.
fn check_finite(model: &Checkpoint, name: &str, view: TensorView<'_>) -> Result<Option<Extent>, MergeError> {
    let size = view.dtype.size();
    let pieces = view.data.par_chunks(CHUNK * size);
    if view.dtype == Dtype::BF16 {
        let extent = pieces.clone().map(dispatch::extent).reduce(|| Extent::NONE, Extent::and);
        if extent.most < 255 {
            return Ok(Some(extent));
        }
    }
    // All exponent bits set, in the two upper bytes of an element.
    let exponent: u16 = match view.dtype {
        Dtype::F32 | Dtype::BF16 => 0x7f80,
        Dtype::F16 => 0x7c00,
    };
    let bad =
        |element: &[u8]| u16::from_le_bytes([element[size - 2], element[size - 1]]) & exponent == exponent;
    let count = pieces.map(|c| c.chunks_exact(size).filter(|e| bad(e)).count()).sum();
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
