//! Evaluation: a model or a recipe and a list of tasks come in; answers, scores and their cost go out.
//!
//! Below `session`, above `merge`, `lm` and `task`: `yosegi eval`, `compare`, `generate` and `merge` work here without a
//! session, and a session's worker does the same for its jobs.
//!
//! - [`Evaluator`] holds what is loaded and answers requests;
//! - [`ModelSources`] leads from a recipe to its models, [`PathModels`] to those that a path runs through;
//! - [`CandidateModel`] merges a recipe over a pool and keeps the decoder up to date, [`TaskRunner`] lets it answer;
//! - [`path_export`] writes a path as an ordinary checkpoint;
//! - [`fingerprints`] says whether models and tasks are still what they were.

mod align;
mod candidate_model;
#[cfg(test)]
mod candidate_tests;
mod evaluator;
pub mod fingerprints;
mod judge;
mod loaded_models;
mod loaded_tasks;
mod model_sources;
#[cfg(any(feature = "cuda", test))]
mod on_device;
pub mod path_export;
mod path_models;
mod pool_key;
mod score;
mod setup_sources;
mod task_list;
mod task_runner;
mod types;

pub use candidate_model::{CandidateModel, is_settled};
pub use evaluator::{EvalRequest, Evaluator};
pub use model_sources::ModelSources;
pub use path_models::PathModels;
pub use score::{Answer, Answers, Cost, FITNESS_MAX, Score, SplitScore, TaskScore};
pub use task_runner::{ModelAnswer, TaskQuestions, TaskRunner};
pub use types::{
    EvalSetup, Progress, SetupFacts, SplitQuestions, SplitResult, StoredQuestion, Target, TaskSpec,
};
