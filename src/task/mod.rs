//! What good means: a [`Task`] is questions, a prompt template and a scorer. A task file or the
//! name of a built-in task comes in; prompts, stop strings and verdicts on answers go out, and a
//! [`Fitness`] turns the verdicts' means into the one number that the search climbs. No models here.

mod bootstrap;
mod builtin;
mod data;
mod emoji;
mod error;
mod file;
mod fitness;
mod language;
mod lattice;
mod lenient;
mod lid;
mod mecab;
mod neologdn;
mod number;
mod place;
mod rouge;
mod segment;
mod significance;
mod squad;

use serde::{Deserialize, Serialize};

pub use bootstrap::bootstrap_medians;
pub use builtin::BUILTIN;
pub use error::TaskError;
pub use fitness::{Fitness, Means};
pub use language::{Detector, Language};
pub use lid::Lid;
pub use place::Places;
pub use rouge::{Rouge, rouge};
pub use segment::Segmenter;
pub use significance::{McNemar, Test, mcnemar};
pub use squad::{Squad, squad};

/// A question with the answer that counts as right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// From the data's `id` column, else the row's number from 1.
    pub id: String,
    pub question: String,
    /// The right answer as the data gives it; of a worked solution what follows the last `####`.
    pub gold: String,
}

/// Which questions of a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// The questions that fitness is measured on.
    #[default]
    Train,
    /// Held out: never used by the search.
    Test,
}

/// How the number in an answer is found, and so what `correct` means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scorer {
    /// The published evaluation's rule: the last match of `\d*\.?\d+`, whatever it may be.
    #[default]
    Number,
    /// Reads numbers as a person would: thousands commas, signs, full-width digits, kanji numerals.
    NumberLenient,
}

/// Questions, how they are put to a model, and how its answers are judged.
#[derive(Clone, Debug)]
pub struct Task {
    pub name: String,
    pub train: Vec<Question>,
    pub test: Vec<Question>,
    /// An answer ends after so many tokens at the latest.
    pub max_new_tokens: usize,
    /// An answer ends before the first of these strings.
    pub stop: Vec<String>,
    pub scorer: Scorer,
    /// The prompt's template, in minijinja, with the variables `question` and `id`.
    pub template: String,
    detector: &'static Detector,
}

/// What is to be said of one answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The number found by the task's scorer, as it stands in the text.
    pub number: Option<String>,
    /// Its value.
    pub value: Option<f64>,
    /// The value equals the gold answer's, by the task's scorer.
    pub correct: bool,
    /// The same by [`Scorer::NumberLenient`], whichever scorer the task has.
    pub lenient_correct: bool,
    /// Code of the likeliest language (`ja`, `en`), or `other` where only letters are counted.
    pub language: String,
    /// Probability that the answer is Japanese, in [0, 1].
    pub p_ja: f64,
    /// `p_ja` is above one half.
    pub japanese: bool,
}

impl Task {
    /// Loads a built-in task by name (`zoo`, `mgsm_ja`) or a task file by path.
    pub fn load(reference: &str) -> Result<Self, TaskError> {
        Self::load_from(reference, &Places::from_env())
    }

    /// As [`Self::load`], with the folders to look for data in given.
    pub fn load_from(reference: &str, places: &Places) -> Result<Self, TaskError> {
        let (file, text, base) = builtin::find(reference)?;
        let config = file::parse(&file, &text)?;
        let load = |split: &file::SplitConfig| data::load(&file, &config, split, &base, places);
        let (train, test) = (load(&config.train)?, load(&config.test)?);
        data::check_overlap(&file, &train, &test)?;
        let task = Self {
            name: config.name,
            train,
            test,
            max_new_tokens: config.max_new_tokens,
            stop: config.stop,
            scorer: config.scorer,
            template: config.prompt,
            detector: Detector::shared(),
        };
        // Whatever can be wrong with a template shows with the first question.
        task.prompt(&task.train[0]).map_err(|e| e.in_file(&file))?;
        Ok(task)
    }

    /// The text that a model is given for a question.
    pub fn prompt(&self, question: &Question) -> Result<String, TaskError> {
        file::render(&self.template, question)
    }

    /// The questions of a split.
    #[must_use]
    pub fn questions(&self, split: Split) -> &[Question] {
        match split {
            Split::Train => &self.train,
            Split::Test => &self.test,
        }
    }

    /// How language is judged: `lid.176`, or the fallback's name.
    #[must_use]
    pub fn language_by(&self) -> &'static str {
        self.detector.name()
    }

    /// Judges an answer. Costs tens of microseconds; needs no model but the language identifier.
    #[must_use]
    pub fn score(&self, question: &Question, text: &str) -> Verdict {
        let gold = number::gold(&question.gold);
        let lenient = lenient::last(text);
        let lenient_correct = lenient::equal(lenient.as_ref().map(|n| n.1), gold);
        let found = match self.scorer {
            Scorer::Number => number::last(text).map(|(s, v)| (s.to_owned(), v)),
            Scorer::NumberLenient => lenient,
        };
        #[expect(clippy::float_cmp, reason = "the reference compares floats for equality")]
        let correct = match self.scorer {
            Scorer::Number => matches!((&found, gold), (Some((_, v)), Some(g)) if *v == g),
            Scorer::NumberLenient => lenient_correct,
        };
        let Language { code, p_ja } = self.detector.detect(text);
        let (number, value) = found.unzip();
        Verdict { number, value, correct, lenient_correct, language: code, p_ja, japanese: p_ja > 0.5 }
    }
}

/// The known name nearest to a mistyped one.
fn nearest<'a>(name: &str, known: &[&'a str]) -> &'a str {
    known.iter().min_by_key(|k| strsim::damerau_levenshtein(name, k)).copied().unwrap_or("")
}
