//! Bytes of a target on a device. What is to be loaded and what it is asked come in; a [`MemoryPlan`] goes out.

use std::collections::{BTreeSet, HashMap};

use super::MemoryPlan;
use crate::checkpoint::{Checkpoint, Dtype};
use crate::error::BadInput;
use crate::lm::{self, Device, LmError, PathStep, Sequences};
use crate::memory;
use crate::merge::{Footprint, Pool, WINDOW_BYTES};
use crate::recipe::Recipe;

/// The program itself with its threads and libraries, measured with the zoo.
const PROGRAM: u64 = 4_000_000;
/// The questions of a task and what judges the answers.
const JUDGE: u64 = 12_000_000;
/// Memory of a tokenizer in multiples of its file. While one is made, it takes twice as much.
const TOKENIZER: u64 = 12;
/// Share of a card's memory beside the decoder that base and sources may take.
const SHARE: f64 = 0.85;

/// What a target is asked at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workload {
    pub sequences: Sequences,
    /// Whether pictures are shown, so that the vision part is loaded.
    pub pictures: bool,
    /// Whether these are questions of tasks, whose answers are judged.
    pub judged: bool,
}

/// What is to be loaded. Everything is opened and nothing is read.
pub enum Load<'a> {
    /// A model as it is.
    Model(&'a Checkpoint),
    /// A merge of models; the first gives the tokenizer.
    Merge { models: Vec<&'a Checkpoint>, footprint: Box<Footprint> },
    /// A path. Blocks in `loaded` (model, layer) are there already, with the ends if there are any.
    Path { models: &'a [Checkpoint], steps: &'a [PathStep], loaded: &'a [(usize, usize)] },
}

impl<'a> Load<'a> {
    /// A merge of a recipe over a pool.
    ///
    /// # Errors
    /// A recipe that cannot be merged from the pool.
    pub fn of_pool(pool: &'a Pool, recipe: &Recipe) -> anyhow::Result<Self> {
        let footprint = Box::new(pool.footprint(recipe).map_err(BadInput::error)?);
        Ok(Self::Merge { models: pool.models().iter().collect(), footprint })
    }
}

impl Load<'_> {
    /// What it is, for a sentence.
    fn what(&self) -> String {
        match self {
            Self::Model(model) => model.reference().to_owned(),
            Self::Merge { models, .. } => format!("the merge of {} models", models.len()),
            Self::Path { steps, .. } => format!("the path of {} steps", steps.len()),
        }
    }

    fn models(&self) -> Vec<&Checkpoint> {
        match self {
            Self::Model(model) => vec![model],
            Self::Merge { models, .. } => models.clone(),
            Self::Path { models, .. } => models.iter().collect(),
        }
    }

    /// Bytes of the decoder's weights, and the number of blocks that a token passes.
    fn weights(&self, device: &Device) -> Result<(u64, usize), LmError> {
        let stored = |model: &Checkpoint| {
            let dtype = |name: &str| model.extent(name).map(|(dtype, _)| dtype);
            lm::weight_bytes(model.config(), device, &dtype)
        };
        match self {
            Self::Model(model) => Ok((stored(model)?.total(), model.config().num_hidden_layers)),
            Self::Merge { footprint, .. } => {
                let types: HashMap<&str, Dtype> =
                    footprint.tensors.iter().map(|(name, _, dtype)| (name.as_str(), *dtype)).collect();
                let dtype = |name: &str| types.get(name).copied();
                let bytes = lm::weight_bytes(&footprint.config, device, &dtype)?;
                Ok((bytes.total(), footprint.config.num_hidden_layers))
            }
            Self::Path { models, steps, loaded } => {
                let each = models.iter().map(stored).collect::<Result<Vec<_>, _>>()?;
                let new: BTreeSet<(usize, usize)> = steps.iter().map(|s| (s.model, s.layer)).collect();
                let new = new.iter().filter(|place| !loaded.contains(place));
                let blocks: u64 = new.filter_map(|(model, layer)| each.get(*model)?.blocks.get(*layer)).sum();
                let ends = if loaded.is_empty() { each.first().map_or(0, |first| first.ends) } else { 0 };
                Ok((ends + blocks, steps.len()))
            }
        }
    }

    /// What it takes on a device, beside what is loaded already. `outlined`: models that recipes make are outlines.
    ///
    /// # Errors
    /// A config that no decoder can run.
    pub(super) fn figures(
        &self,
        device: &Device,
        asked: &Workload,
        outlined: bool,
    ) -> anyhow::Result<MemoryPlan> {
        let (weights, steps) = self.weights(device).map_err(BadInput::error)?;
        let models = self.models();
        let Some(first) = models.first() else { return Ok(MemoryPlan::default()) };
        let config = match self {
            Self::Merge { footprint, .. } => &footprint.config,
            Self::Model(_) | Self::Path { .. } => first.config(),
        };
        let sequences =
            lm::sequence_bytes(config, device, steps, &asked.sequences).map_err(BadInput::error)?;
        let held: u64 = models.iter().map(|model| model.held_bytes()).sum();
        let made = held + models.iter().map(|model| model.bytes_to_adapt()).sum::<u64>();
        let giver = models.iter().find(|model| model.vision_config().is_some());
        let vision = giver.filter(|_| asked.pictures).map_or(0, |giver| vision_bytes(giver));
        let tokenizer = giver.unwrap_or(first).file("tokenizer.json").map_or(0, |file| file.len() as u64);
        // Where answers are judged, the tokenizer is made while the decoder is there.
        let other =
            PROGRAM + TOKENIZER * tokenizer + if asked.judged { JUDGE + TOKENIZER * tokenizer } else { 0 };
        let (passing, kept, inputs) = match self {
            Self::Merge { footprint, .. } => passing(footprint),
            Self::Model(_) | Self::Path { .. } => (0, 0, 0),
        };
        let mut plan = MemoryPlan {
            what: self.what(),
            device: device.name(),
            dtype: device.dtype().to_owned(),
            weights,
            caches: sequences.batch,
            sequences: sequences.sequences,
            least_sequences: sequences.least_sequences,
            tokens: sequences.tokens,
            ..MemoryPlan::default()
        };
        let on_host = passing + kept + made + vision + other;
        if let Some(free) = device.free_bytes() {
            let room = free.saturating_sub(weights + sequences.batch) as f64 * SHARE;
            plan.merge = inputs.min(room as u64);
            plan.least = weights + sequences.least;
            plan.available = Some(free);
            plan.limit = device.name();
            plan.host = on_host;
        } else {
            let free = memory::free();
            (plan.merge, plan.models, plan.vision, plan.other) = (passing + kept, made, vision, other);
            plan.least = weights + sequences.least + on_host;
            // What is in memory already is among the models.
            plan.available = free.map(|free| free.bytes + if outlined { 0 } else { held });
            plan.limit = free.map_or_else(String::new, |free| free.limit.words().to_owned());
        }
        plan.total = plan.weights + plan.merge + plan.models + plan.vision + plan.caches + plan.other;
        Ok(plan)
    }
}

/// Bytes on their way into the decoder, bytes that the pool keeps, and bytes of base and sources.
fn passing(footprint: &Footprint) -> (u64, u64, u64) {
    // Tensors pass through a window, or one by one if they are larger. A smaller merge stays as a whole.
    let window = footprint.bytes.min((WINDOW_BYTES as u64).max(footprint.largest_tensor));
    // A merged vision part is kept, and a copy of it sees.
    (window + footprint.passing + 2 * footprint.vision, footprint.kept, footprint.inputs)
}

/// The vision part in f32.
fn vision_bytes(model: &Checkpoint) -> u64 {
    let extents = model.vision_names().into_iter().filter_map(|name| model.vision_extent(name));
    extents.map(|(_, shape)| 4 * shape.iter().product::<usize>() as u64).sum()
}
