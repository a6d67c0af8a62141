//! What a setup would read and ask, before anything is computed. A setup comes in; its models with their places and
//! sizes, and its tasks with their tokens, go out, from headers and task files alone. `yosegi evolve --dry-run` and the
//! worker call it for a session's plan.

mod measure;
mod tokens;

use serde::{Deserialize, Serialize};

pub use measure::{MeasureRequest, Timed, measure};
pub use tokens::{AskedSplit, PlannedTask};

use super::evaluator::Evaluator;
use super::memory_plan::MemoryPlan;
use super::types::{EvalSetup, Listener, StoredQuestion};
use crate::checkpoint::{Fit, ModelSummary, Place, look_up, place_of};
use crate::error::BadInput;
use crate::recipe::Recipe;

/// What a setup would read and ask.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SetupPlan {
    /// The base, then the sources.
    pub models: Vec<PlannedModel>,
    pub tasks: Vec<PlannedTask>,
    /// Number of decoder blocks; `None` while no model is on this machine.
    pub layers: Option<usize>,
    /// Bytes of a token's keys and values in float32, all blocks together.
    pub cache_bytes: Option<u64>,
    /// The device's readable name, and the type in which the decoder computes.
    pub device: String,
    pub dtype: String,
    /// What a merge takes in memory while it answers; `None` while a model is not on this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemoryPlan>,
}

/// A model of a setup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedModel {
    pub reference: String,
    #[serde(flatten)]
    pub place: Place,
    /// Bytes of its tensors, `None` if they are not on this machine.
    pub bytes: Option<u64>,
    pub parameters: Option<u64>,
    /// The type of its tensors; empty if they are not on this machine.
    pub dtype: String,
}

impl PlannedModel {
    /// A model, with its summary if it is on this machine. If `base` is too, the model must fit it.
    fn of(reference: &str, base: Option<&str>) -> anyhow::Result<(Self, Option<ModelSummary>)> {
        let place = place_of(reference).map_err(BadInput::error)?;
        let here = !matches!(place, Place::Hub { .. });
        let found = here.then(|| look_up(reference, base));
        match found.as_ref().map(|found| (&found.fit, found.layers)) {
            Some((Fit::No(why), 0)) => return Err(BadInput::error(why)),
            Some((Fit::No(why), _)) => {
                let base = base.unwrap_or_default();
                return Err(BadInput::error(format!("{reference} cannot be merged with {base}: {why}")));
            }
            _ => {}
        }
        let model = Self {
            reference: reference.to_owned(),
            place,
            bytes: found.as_ref().map(|found| found.bytes),
            parameters: found.as_ref().map(|found| found.parameters),
            dtype: found.as_ref().map(|found| found.dtype.clone()).unwrap_or_default(),
        };
        Ok((model, found))
    }
}

impl SetupPlan {
    /// Number of training questions of all tasks together.
    #[must_use]
    pub fn train_questions(&self) -> usize {
        self.tasks.iter().map(|task| task.train.questions).sum()
    }

    /// Number of held-out questions of all tasks together.
    #[must_use]
    pub fn test_questions(&self) -> usize {
        self.tasks.iter().map(|task| task.test.questions).sum()
    }

    /// Whether all models are on this machine.
    #[must_use]
    pub fn is_here(&self) -> bool {
        self.models.iter().all(|model| !matches!(model.place, Place::Hub { .. }))
    }

    /// Why a merge does not fit into memory, if it does not.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        self.memory.as_ref()?.refusal()
    }

    /// Bytes of the models that are on this machine.
    #[must_use]
    pub fn read_bytes(&self) -> u64 {
        self.models.iter().filter_map(|model| model.bytes).sum()
    }
}

/// Bytes of a token's keys and values in float32.
fn cache_bytes(model: &ModelSummary) -> u64 {
    let head = model.hidden / model.heads.max(1);
    (2 * size_of::<f32>() * model.layers * model.kv_heads * head) as u64
}

/// Plans a setup whose merges are like `merge`, and gives the questions of its tasks. Where models are on this machine,
/// their headers are read and must fit together; nothing is fetched.
///
/// # Errors
/// A model or a task that cannot be read or does not exist, models that do not fit together, or a task without
/// questions.
pub fn plan(
    evaluator: &mut Evaluator,
    setup: &EvalSetup,
    merge: &Recipe,
    listener: &Listener<'_>,
) -> anyhow::Result<(SetupPlan, Vec<StoredQuestion>)> {
    let base = PlannedModel::of(&setup.base, None)?;
    let on = base.1.is_some().then_some(setup.base.as_str());
    let mut models = vec![base];
    for source in &setup.sources {
        models.push(PlannedModel::of(source, on)?);
    }
    let known = models.iter().find_map(|(_, found)| found.as_ref());
    let (facts, questions) = evaluator.facts(setup, known.map_or(0, |model| model.layers))?;
    let mut out = SetupPlan {
        layers: known.map(|model| model.layers),
        cache_bytes: known.map(cache_bytes),
        device: facts.device,
        dtype: facts.dtype,
        ..SetupPlan::default()
    };
    if models.iter().all(|(_, found)| found.is_some()) {
        out.memory = Some(evaluator.memory_of_merge(setup, merge, listener)?);
    }
    let speaks = models.iter().find(|(_, found)| found.is_some()).map(|(model, _)| model.reference.clone());
    out.tasks = evaluator.planned_tasks(setup, speaks.as_deref())?;
    out.models = models.into_iter().map(|(model, _)| model).collect();
    Ok((out, questions))
}
