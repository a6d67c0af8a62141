//! Verdicts: what is to be said of one answer, or of the log-likelihoods of some choices.

use std::collections::BTreeMap;

use regex::Regex;
use serde::{Deserialize, Serialize};

use super::{Metric, lenient_number, number, rouge, squad};
use crate::task::config::Extract;
use crate::task::{Kind, Language, LanguageProbability, Question, Scorer, Task};

/// What is to be said of one answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// What the task's scorer found in the text: a number as it stands there, or an extracted part.
    pub number: Option<String>,
    /// Its value, where it is a number.
    pub value: Option<f64>,
    /// It is right, by the task's scorer.
    pub correct: bool,
    /// The same by [`Scorer::NumberLenient`], whichever scorer the task has.
    pub lenient_correct: bool,
    /// Code of the likeliest language (`ja`, `en`), or `other` where only letters are counted.
    pub language: String,
    #[serde(flatten)]
    pub p_language: LanguageProbability,
    /// The task's language condition holds: the probability of its language is above one half.
    /// True where the task has none.
    pub in_language: bool,
    /// What a task without numbers adds.
    #[serde(flatten)]
    pub detail: Detail,
}

/// More on an answer than every task has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Detail {
    /// Where `number` stands in the text, as byte positions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span: Option<(usize, usize)>,
    /// The verdict of [`Scorer::Number`], where the task's scorer is [`Scorer::NumberLenient`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference_correct: Option<bool>,
    /// This answer's values of metrics that are means over answers, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, f64>,
    /// The likeliest choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choice: Option<usize>,
    /// Sum of each choice's token log-probabilities.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log_likelihoods: Vec<f64>,
}

impl std::ops::Deref for Verdict {
    type Target = Detail;

    fn deref(&self) -> &Detail {
        &self.detail
    }
}

impl Task {
    /// Judges an answer. Costs tens of microseconds; needs no model but the language identifier.
    #[must_use]
    pub fn score(&self, question: &Question, text: &str) -> Verdict {
        let gold = number::gold(&question.gold);
        let lenient = lenient_number::last(text);
        let lenient_correct = lenient_number::equal(lenient.as_ref().map(|n| n.1), gold);
        let span_of = |found: &str| {
            let start = found.as_ptr() as usize - text.as_ptr() as usize;
            (start, start + found.len())
        };
        let mut verdict = Verdict { lenient_correct, ..Verdict::default() };
        match self.scorer {
            Scorer::Number => {
                let found = number::last(text);
                #[expect(clippy::float_cmp, reason = "the reference compares floats for equality")]
                let correct = matches!((found, gold), (Some((_, v)), Some(g)) if v == g);
                verdict.correct = correct;
                verdict.detail.span = found.map(|(s, _)| span_of(s));
                (verdict.number, verdict.value) = found.map(|(s, v)| (s.to_owned(), v)).unzip();
            }
            Scorer::NumberLenient => {
                verdict.correct = lenient_correct;
                verdict.detail.span = lenient.as_ref().and_then(|_| lenient_number::span(text));
                #[expect(clippy::float_cmp, reason = "the reference compares floats for equality")]
                let reference = matches!((number::last(text), gold), (Some((_, v)), Some(g)) if v == g);
                verdict.detail.reference_correct = Some(reference);
                (verdict.number, verdict.value) = lenient.unzip();
            }
            Scorer::Mgsm => {
                let found = number::harness(text);
                #[expect(clippy::float_cmp, reason = "the reference compares integers")]
                let correct = matches!((found, gold), (Some((_, Some(v))), Some(g)) if v == g);
                verdict.correct = correct;
                verdict.detail.span = found.map(|(s, _)| span_of(s));
                verdict.number = found.map(|(s, _)| s.to_owned());
                verdict.value = found.and_then(|(_, v)| v);
            }
            Scorer::ExactMatch => self.compare(question, text, &mut verdict),
        }
        self.judge_language(text, &mut verdict);
        verdict
    }

    /// Exact match and the other text metrics.
    fn compare(&self, question: &Question, text: &str, verdict: &mut Verdict) {
        let found = match &self.extract {
            Extract::None => Some(text),
            Extract::Number => number::last(text).map(|(s, _)| s),
            Extract::Regex(_) => self.pattern.as_ref().and_then(|p| last_match(p, text)),
        };
        verdict.detail.span = found.filter(|_| self.extract != Extract::None).map(|found| {
            let start = found.as_ptr() as usize - text.as_ptr() as usize;
            (start, start + found.len())
        });
        let answer = found.unwrap_or_default().trim();
        verdict.number = found.filter(|_| self.extract != Extract::None).map(str::to_owned);
        let golds: Vec<&str> = question.accepted().collect();
        let mut report = |metric: Metric, value: f64| {
            verdict.detail.metrics.insert(metric.name().to_owned(), value);
        };
        let Some(segmenter) = self.segmenter else {
            verdict.correct = golds.iter().any(|gold| gold.trim() == answer);
            return;
        };
        let squad = squad(&golds, answer, segmenter);
        report(Metric::ExactMatch, squad.exact_match);
        report(Metric::F1, squad.f1);
        if self.metrics.iter().any(|m| matches!(m, Metric::Rouge1 | Metric::Rouge2 | Metric::RougeL)) {
            let counts = if self.answers_in_wrong_language(&question.gold, text) { "" } else { answer };
            let found = rouge(&segmenter.words(&question.gold), &segmenter.words(counts));
            report(Metric::Rouge1, found.rouge1);
            report(Metric::Rouge2, found.rouge2);
            report(Metric::RougeL, found.rouge_l);
        }
        verdict.correct = squad.exact_match > 0.5;
    }

    /// The reference's rule for ROUGE where a task asks for a language: to a right answer in it
    /// (P ≥ 0.5) an answer in another counts as empty.
    fn answers_in_wrong_language(&self, gold: &str, answer: &str) -> bool {
        let Some(wanted) = self.language.as_deref() else { return false };
        let p = |text| self.detector.detect_as(text, wanted).p_language;
        p(gold) >= 0.5 && p(answer) < 0.5
    }

    fn judge_language(&self, text: &str, verdict: &mut Verdict) {
        let wanted = self.language.as_deref();
        let Language { code, p_language } = self.detector.detect_as(text, wanted.unwrap_or("ja"));
        verdict.language = code;
        verdict.p_language = LanguageProbability::of(wanted, p_language);
        verdict.in_language = wanted.is_none() || p_language > 0.5;
    }

    /// Judges the log-likelihoods of a question's choices, in their order: the likeliest one is the
    /// answer, the first of equals; of sentences the right one must be likelier than all others.
    #[must_use]
    pub fn choose(&self, question: &Question, log_likelihoods: &[f64]) -> Verdict {
        let best = argmax(log_likelihoods.iter().copied());
        let gold = question.gold_choice;
        let tied = self.kind == Kind::Sentence
            && best.is_some_and(|b| {
                log_likelihoods.iter().enumerate().any(|(i, l)| i != b && *l >= log_likelihoods[b])
            });
        let mut verdict = Verdict {
            number: best.and_then(|b| question.choices.get(b).cloned()),
            correct: best.is_some() && best == gold && !tied,
            in_language: true,
            ..Verdict::default()
        };
        verdict.lenient_correct = verdict.correct;
        verdict.detail.choice = best;
        verdict.detail.log_likelihoods = log_likelihoods.to_vec();
        if self.metrics.contains(&Metric::AccNorm) {
            let per_character = log_likelihoods
                .iter()
                .zip(&question.choices)
                .map(|(l, c)| l / c.chars().count().max(1) as f64);
            let value = f64::from(u8::from(argmax(per_character) == gold));
            verdict.detail.metrics.insert(Metric::AccNorm.name().to_owned(), value);
        }
        verdict
    }
}

/// The last match of a pattern: its first group where it has one.
fn last_match<'t>(pattern: &Regex, text: &'t str) -> Option<&'t str> {
    let found = pattern.captures_iter(text).last()?;
    Some(found.iter().skip(1).flatten().next().or(found.get(0))?.as_str())
}

/// Place of the greatest value, the first of equals.
fn argmax(values: impl Iterator<Item = f64>) -> Option<usize> {
    let mut best: Option<(usize, f64)> = None;
    for (i, value) in values.enumerate() {
        if best.is_none_or(|(_, b)| value > b) {
            best = Some((i, value));
        }
    }
    best.map(|(i, _)| i)
}
