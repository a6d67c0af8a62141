//! Judging one answer: a question with a written answer, or with its choices' log-likelihoods, comes in; a
//! [`Verdict`] goes out. The evaluation calls it for every answer.

use regex::Regex;

use super::metric::{Metric, TextAnswer, Value, argmax};
use super::{Verdict, facts, lenient_number, number, rouge};
use crate::task::config::Extract;
use crate::task::{Kind, Language, LanguageProbability, Question, Scorer, Task};

impl Task {
    /// Judges an answer. This takes tens of microseconds and needs no model except the language identifier.
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
            Scorer::Facts => self.compare_facts(question, text, &mut verdict),
        }
        self.judge_language(text, &mut verdict);
        if let (false, Some(share)) =
            (verdict.in_language, verdict.detail.metrics.get_mut(Metric::Facts.name()))
        {
            *share = 0.0;
        }
        verdict
    }

    /// Judges by exact match, and computes the text metrics.
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
        verdict.correct = match self.compare_texts(question, text, answer, verdict) {
            Some(equal) => equal,
            None => question.accepted().any(|gold| gold.trim() == answer),
        };
    }

    /// Judges by the facts that the answer names.
    fn compare_facts(&self, question: &Question, text: &str, verdict: &mut Verdict) {
        // The data reader has refused facts that contradict the task's words.
        let Ok((words, wanted)) = self.facts.of_question(&question.facts) else { return };
        let found = words.found(text);
        verdict.correct = found == wanted;
        verdict.lenient_correct = verdict.correct;
        verdict.number = Some(words.names(&found)).filter(|names| !names.is_empty());
        self.compare_texts(question, text, text.trim(), verdict);
        verdict.detail.metrics.insert(Metric::Facts.name().to_owned(), facts::share(&wanted, &found));
    }

    /// Computes the metrics that compare an answer, or the part `answer` of its text, with the right answers. Returns
    /// whether they are equal after normalisation; nothing if the task has no such metric.
    fn compare_texts(
        &self,
        question: &Question,
        text: &str,
        answer: &str,
        verdict: &mut Verdict,
    ) -> Option<bool> {
        let segmenter = self.segmenter?;
        let golds: Vec<&str> = question.accepted().collect();
        let compared = TextAnswer::new(&golds, answer, segmenter);
        let rouge = self.metrics.iter().any(|m| m.is_bootstrapped()).then(|| {
            let counts = if self.answers_in_wrong_language(&question.gold, text) { "" } else { answer };
            rouge(&segmenter.words(&question.gold), &segmenter.words(counts))
        });
        for metric in Metric::ALL {
            // Every task of texts reports exact match and F1.
            let always =
                self.scorer == Scorer::ExactMatch && matches!(metric, Metric::ExactMatch | Metric::F1);
            let value = match (&metric.spec().value, &rouge) {
                (Value::Text(of), _) if always || self.metrics.contains(&metric) => of(&compared),
                (Value::Rouge(of), Some(rouge)) => of(rouge),
                _ => continue,
            };
            verdict.detail.metrics.insert(metric.name().to_owned(), value);
        }
        Some(compared.squad().exact_match > 0.5)
    }

    /// The reference's rule for ROUGE if a task asks for a language: the answer counts as empty if the right answer is
    /// in that language (P ≥ 0.5) and the model's answer is not.
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

    /// Judges the log-likelihoods of a question's choices, given in the order of the choices. The answer is the
    /// likeliest choice, the first of equals. Among sentences the right one must be likelier than every other sentence.
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
        for metric in &self.metrics {
            if let Value::Taken(by) = metric.spec().value {
                let value = f64::from(u8::from(by(log_likelihoods, &question.choices) == gold));
                verdict.detail.metrics.insert(metric.name().to_owned(), value);
            }
        }
        verdict
    }
}

/// The last match of a pattern, or its first group if the pattern has one.
fn last_match<'t>(pattern: &Regex, text: &'t str) -> Option<&'t str> {
    let found = pattern.captures_iter(text).last()?;
    Some(found.iter().skip(1).flatten().next().or(found.get(0))?.as_str())
}
