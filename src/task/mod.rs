//! Tasks define which answers are good. A [`Task`] has questions, a prompt template and a scorer. A task file or the
//! name of a built-in task comes in; prompts, stop strings and verdicts on answers go out. A [`Fitness`] turns the
//! means of the verdicts into the one number that the search maximises. No models here; the evaluation calls it.

mod answer_language;
mod config;
mod data;
mod definition;
mod error;
mod fingerprint;
pub(crate) mod jinja;
mod language;
mod load;
mod pictures;
mod question;
mod scoring;
mod suite;
mod template;
mod types;
mod words;

pub use answer_language::{AnswerLanguage, NO_LANGUAGE, share_names};
pub use config::{Decoding, EarlyStopping, Encode, Length, LengthRule};
pub use data::{BUILTIN, Places, SUITES};
pub use definition::Task;
pub use error::TaskError;
pub use fingerprint::fingerprinted_questions;
pub use language::{Detector, Language, LanguageProbability, Lid};
pub use pictures::MARK as IMAGE_MARK;
pub use question::{Example, Question};
pub use scoring::{
    Detail, Fitness, McNemar, Means, Metric, Rouge, Squad, Test, Verdict, bootstrap_medians, mcnemar, rouge,
    squad,
};
pub use suite::Suite;
pub use types::{Kind, Scorer, Split};
pub use words::Segmenter;
