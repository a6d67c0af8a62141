//! The results of an evaluation: scores, answers with their verdicts, and their cost. The evaluator makes them; a
//! session's events and journal store these types unchanged.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::task::{Detail, LanguageProbability, Split};

/// Seconds and tokens spent on a candidate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    pub merge_s: f64,
    pub prefill_s: f64,
    pub decode_s: f64,
    pub score_s: f64,
    /// Tokens generated.
    pub tokens: u64,
    /// Pictures whose features were computed; those that were there already are not counted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pictures: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl ImageRef {
    /// The same with an absolute path. A relative one begins at the session's folder, so that a session may be moved
    /// together with its pictures.
    #[must_use]
    pub fn in_folder(mut self, session: &Path) -> Self {
        if let Ok(path) = session.join(&self.path).into_os_string().into_string() {
            self.path = path;
        }
        self
    }
}

impl Cost {
    /// The sum of two costs.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            merge_s: self.merge_s + other.merge_s,
            prefill_s: self.prefill_s + other.prefill_s,
            decode_s: self.decode_s + other.decode_s,
            score_s: self.score_s + other.score_s,
            tokens: self.tokens + other.tokens,
            pictures: self.pictures + other.pictures,
        }
    }

    /// The sum of all seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.merge_s + self.prefill_s + self.decode_s + self.score_s
    }
}

/// A split with its score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SplitScore {
    pub split: Split,
    /// The task's score, or the weighted mean of several tasks.
    pub score: Score,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<TaskScore>,
}

/// One task's own score, if a session has several tasks or its task has a minimum (bar). Its fitness is the value of
/// the task's own expression, also for a candidate below a minimum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskScore {
    /// The task's name in the config.
    pub task: String,
    pub score: Score,
    /// The task's metrics by name, shares in [0, 1].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, f64>,
}

/// A candidate's score over a set of questions; shares in [0, 1].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The config's fitness expression.
    pub fitness: f64,
    /// Right number, any language (the paper's `acc`).
    pub acc: f64,
    /// Right, and in the language that the task asks for, if it asks for one. Journals and protocol lines call it
    /// `acc_ja` for every language, after the paper's metric for Japanese.
    #[serde(rename = "acc_ja", alias = "acc_in_language")]
    pub acc_in_language: f64,
    /// In that language, right or wrong; `japanese` in journals and protocol lines.
    #[serde(rename = "japanese", alias = "in_language")]
    pub in_language: f64,
    /// Questions answered.
    pub n: u64,
}

/// The greatest absolute fitness by which candidates are ranked. With this bound, the sums and squares over all
/// candidates that a session may have stay finite.
pub const FITNESS_MAX: f64 = 1e100;

impl Score {
    /// Why candidates cannot be ranked by this score, if they cannot.
    #[must_use]
    pub fn unfit(&self) -> Option<String> {
        let shares = [self.acc, self.acc_in_language, self.in_language];
        if self.fitness.is_nan() {
            return Some(
                "the fitness is not a number: `task.fitness` divides 0 by 0, or adds up infinities".into(),
            );
        }
        if self.fitness.abs() > FITNESS_MAX {
            return Some(format!(
                "the fitness is {:e}, and candidates are ranked by numbers within ±{FITNESS_MAX:e}: change \
                 `task.fitness`",
                self.fitness
            ));
        }
        shares.iter().any(|s| !s.is_finite()).then(|| "a share of the answers is not a number".to_owned())
    }

    /// The combined score of these questions and the other ones.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let n = self.n + other.n;
        let (a, b) = (self.n as f64, other.n as f64);
        let mean = |x: f64, y: f64| (a * x + b * y) / (a + b).max(1.0);
        Self {
            fitness: mean(self.fitness, other.fitness),
            acc: mean(self.acc, other.acc),
            acc_in_language: mean(self.acc_in_language, other.acc_in_language),
            in_language: mean(self.in_language, other.in_language),
            n,
        }
    }
}

/// One score for all tasks: the weighted mean of each figure, and the total number of questions.
#[must_use]
pub fn combined(weights: &[f64], scores: &[TaskScore]) -> Score {
    let total: f64 = weights.iter().sum();
    let mean = |of: fn(&Score) -> f64| {
        weights.iter().zip(scores).map(|(w, s)| w * of(&s.score)).sum::<f64>() / total
    };
    Score {
        fitness: mean(|s| s.fitness),
        acc: mean(|s| s.acc),
        acc_in_language: mean(|s| s.acc_in_language),
        in_language: mean(|s| s.in_language),
        n: scores.iter().map(|s| s.score.n).sum(),
    }
}

/// Answers of one candidate to some questions, in the order asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answers {
    pub label: String,
    pub score: Score,
    pub answers: Vec<Answer>,
}

/// A picture of a question, for whoever shows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ImageRef {
    /// Absolute path: the data's own file, or the copy that stands beside the journal. Without a session, pictures that
    /// the data holds as bytes have no copy, and this is the place of one.
    pub path: String,
    /// Width and height in points.
    pub width: u32,
    pub height: u32,
}

/// One answer with its verdict. `text` comes from the model and must not be trusted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Index of the question in its split.
    pub index: usize,
    /// The question's id in the data.
    pub id: String,
    pub question: String,
    /// The question's pictures.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<ImageRef>,
    pub gold: String,
    pub text: String,
    /// The number found, as written in the text.
    pub number: Option<String>,
    pub correct: bool,
    /// Language code (`ja`, `en`) from the language identification that is named in `Created`.
    pub language: String,
    #[serde(flatten)]
    pub p_language: LanguageProbability,
    /// Number of tokens generated, or of those whose likelihood was computed.
    pub tokens: u64,
    /// Right as a person would read it; absent in journals of earlier sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lenient_correct: Option<bool>,
    /// In the language that the task asks for, or the task asks for none; absent in journals of earlier sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_language: Option<bool>,
    #[serde(flatten)]
    pub detail: Detail,
}

impl Answer {
    /// Whether the answer is right and in the language that its task asks for.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.correct && self.in_language.unwrap_or_else(|| self.in_language_by_chance())
    }

    /// Whether the language is right, from the fields in journals of earlier sessions. Choices have no language.
    fn in_language_by_chance(&self) -> bool {
        self.language.is_empty() || self.p_language.value() > 0.5
    }
}
