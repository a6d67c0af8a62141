//! Evaluation: a model or a recipe and a list of tasks come in; answers, scores and their cost go out.
//!
//! This room is below `session` and above `merge`, `lm` and `task`. `yosegi eval`, `compare`, `generate` and `merge`
//! call it without a session; a session's worker calls it for its jobs.
//!
//! - [`Evaluator`] keeps models and tasks loaded and answers requests;
//! - [`ModelSources`] opens the models of a recipe, [`PathModels`] holds those of a path;
//! - [`CandidateModel`] merges a recipe over a pool and updates the decoder, [`TaskRunner`] answers a task with it;
//! - [`path_export`] writes a path as an ordinary checkpoint;
//! - [`fingerprints`] checks that models and tasks have not changed.

mod align;
mod candidate_model;
#[cfg(test)]
mod candidate_tests;
mod evaluator;
pub mod fingerprints;
mod judge;
mod loaded_models;
mod loaded_tasks;
mod memory_plan;
mod model_sources;
#[cfg(any(feature = "cuda", test))]
mod on_device;
pub mod path_export;
mod path_models;
mod pictures;
pub mod plan;
mod pool_key;
mod score;
mod setup_sources;
mod task_list;
mod task_runner;
mod types;
mod watched_weights;

pub use crate::lm::Precision;
pub use candidate_model::{CandidateModel, is_settled, merged_decoder};
pub use evaluator::{EvalRequest, Evaluator};
pub use memory_plan::{Instead, Load, MemoryPlan, Workload};
pub use model_sources::ModelSources;
pub use path_models::PathModels;
pub use score::{Answer, Answers, Cost, FITNESS_MAX, ImageRef, Score, SplitScore, TaskScore};
pub use task_runner::{ModelAnswer, TaskQuestions, TaskRunner};
pub use types::{
    EvalSetup, Listener, Progress, SetupFacts, SplitQuestions, SplitResult, StoredQuestion, Target, TaskSpec,
};
pub use watched_weights::{WatchedWeights, meter_of_model};
