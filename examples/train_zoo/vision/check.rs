//! A quick look at what was trained, by the trainer's own decoder. The figures that are published come from the
//! program itself.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow};

use super::corpus::{image_tokens, look, prompt};
use super::task::Item;
use super::texts::fact_words;
use super::tower::Tower;
use crate::check::is_japanese;
use crate::generate::greedy;
use crate::model::Model;
use crate::tokenizer::Codec;
use crate::train::Text;

/// Tokens that an answer may have.
pub const MAX_NEW_TOKENS: usize = 40;

/// For each kind of question the shares that are right and Japanese, and right.
type Kinds = BTreeMap<String, [f64; 2]>;

/// Questions ready to be answered.
pub struct Exam<'a> {
    items: &'a [Item],
    prompts: Vec<Text>,
    codec: &'a Codec,
    words: Vec<(String, usize)>,
}

/// Shares of answers with all facts right, that are Japanese, and both; and of facts in Japanese answers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Score {
    pub right: f64,
    pub japanese: f64,
    pub both: f64,
    pub facts: f64,
}

impl std::fmt::Display for Score {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { right, japanese, both, facts } = self;
        write!(f, "both {both:.3}  right {right:.3}  japanese {japanese:.3}  facts {facts:.3}")
    }
}

/// Length of the longest common subsequence.
fn common(a: &[usize], b: &[usize]) -> usize {
    let mut row = vec![0; b.len() + 1];
    for x in a {
        let mut before = 0;
        for (j, y) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = if x == y { before + 1 } else { above.max(row[j]) };
            before = above;
        }
    }
    row[b.len()]
}

impl<'a> Exam<'a> {
    pub fn new(items: &'a [Item], codec: &'a Codec, tower: &Tower) -> Result<Self> {
        let pixels: Vec<Vec<u8>> = items.iter().map(|item| item.rgb.clone()).collect();
        let ask = |(item, features): (&Item, super::corpus::Features)| -> Result<Text> {
            let ids = codec.encode(&prompt(&image_tokens(), &item.question.question))?;
            Ok(Text::ask(ids, Some(features)))
        };
        let prompts = items.iter().zip(look(tower, &pixels)?).map(ask).collect::<Result<_>>()?;
        let words = fact_words().into_iter().enumerate();
        let mut words: Vec<(String, usize)> =
            words.flat_map(|(i, spellings)| spellings.into_iter().map(move |s| (s, i))).collect();
        words.sort_by_key(|(spelling, _)| std::cmp::Reverse(spelling.len()));
        Ok(Self { items, prompts, codec, words })
    }

    /// The facts that a text names, in order.
    fn found(&self, text: &str) -> Vec<usize> {
        let text = text.to_lowercase();
        let (mut at, mut out) = (0, Vec::new());
        let word = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        while at < text.len() {
            let hit = self.words.iter().find(|(spelling, _)| {
                let rest = &text[at..];
                rest.starts_with(spelling.as_str())
                    && !(word(spelling.chars().next()) && word(text[..at].chars().next_back()))
                    && !(word(spelling.chars().next_back()) && word(rest[spelling.len()..].chars().next()))
            });
            if let Some((spelling, fact)) = hit {
                out.push(*fact);
                at += spelling.len();
            } else {
                at += text[at..].chars().next().map_or(1, char::len_utf8);
            }
        }
        out
    }

    /// Answers every question and scores the answers; also the share that is both, by kind.
    pub fn take(&self, model: &Model) -> Result<(Score, Kinds, Vec<String>)> {
        let (left, right) = self.prompts.split_at(self.prompts.len() / 2);
        let (left, right) = std::thread::scope(|scope| {
            let left = scope.spawn(|| greedy(model, left, MAX_NEW_TOKENS));
            let right = greedy(model, right, MAX_NEW_TOKENS);
            (left.join(), right)
        });
        let left = left.map_err(|_| anyhow!("an answering thread stopped"))??;
        let (mut score, mut kinds, mut texts) = (Score::default(), BTreeMap::new(), Vec::new());
        let share = 1.0 / self.items.len() as f64;
        for (ids, item) in left.iter().chain(&right?).zip(self.items) {
            let text = self.codec.decode(ids)?;
            let japanese = is_japanese(&text);
            let (found, wanted) = (self.found(&text), self.found(&item.question.facts.join(" ")));
            let right = found == wanted;
            score.right += share * f64::from(right);
            score.japanese += share * f64::from(japanese);
            score.both += share * f64::from(right && japanese);
            if japanese {
                score.facts += share * common(&found, &wanted) as f64 / found.len().max(wanted.len()) as f64;
            }
            let kind = kinds.entry(item.question.kind.clone()).or_insert([0.0; 2]);
            kind[0] += 5.0 * share * f64::from(right && japanese);
            kind[1] += 5.0 * share * f64::from(right);
            texts.push(text);
        }
        Ok((score, kinds, texts))
    }

    pub fn tell(&self, label: &str, model: &Model, show: usize) -> Result<Score> {
        let (score, kinds, texts) = self.take(model)?;
        let kinds: Vec<String> =
            kinds.iter().map(|(kind, [both, right])| format!("{kind} {both:.2} of {right:.2}")).collect();
        println!("{label:<34} {score}   {}", kinds.join(", "));
        for (item, text) in self.items.iter().zip(&texts).take(show) {
            println!("    {} -> {text} [{}]", item.question.question, item.question.answer);
        }
        Ok(score)
    }
}
