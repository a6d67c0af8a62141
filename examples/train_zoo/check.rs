//! Does the zoo show what it is made for? Sources, a uniform merge, a grid of global weights, and a short
//! evolution of per-layer weights, all by task arithmetic on the held-out questions.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use yosegi::search::{GeneInfo, Genome, Optimiser};

use crate::corpus::Question;
use crate::export::{load_weights, read_shape, rounded};
use crate::generate::greedy;
use crate::model::{Model, NORM_1, PER_BLOCK, flat};
use crate::ops::tensor;
use crate::tokenizer::Codec;
use crate::train::Text;

/// Tokens that an answer may have.
pub const MAX_NEW_TOKENS: usize = 160;
/// An answer counts as Japanese if this share of its letters is.
const JAPANESE_SHARE: f64 = 0.8;

/// The sources' folders.
pub const SOURCES: [&str; 3] = ["ja", "math-add", "math-mul"];

/// A tokenized question and what is right.
pub struct Item {
    prompt: Text,
    question: Question,
}

/// Shares of answers that are right, Japanese, and both.
#[derive(Clone, Copy, Debug, Default)]
pub struct Score {
    pub right: f64,
    pub japanese: f64,
    pub both: f64,
}

impl Score {
    /// What the evolution maximises: small credit for each half alone.
    fn fitness(self) -> f64 {
        self.both + 0.05 * self.right + 0.02 * self.japanese
    }
}

impl std::fmt::Display for Score {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "both {:.3}  right {:.3}  japanese {:.3}", self.both, self.right, self.japanese)
    }
}

/// Tokenizes questions.
pub fn items(questions: &[Question], codec: &Codec) -> Result<Vec<Item>> {
    questions
        .iter()
        .map(|question| {
            Ok(Item {
                prompt: Text::ask(codec.prompt(&question.question)?, None),
                question: question.clone(),
            })
        })
        .collect()
}

/// Reads a task file.
fn read_items(path: &Path, codec: &Codec) -> Result<Vec<Item>> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let questions =
        text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect::<Result<Vec<Question>>>()?;
    items(&questions, codec)
}

/// Prints a model's score, kind by kind, and some of its answers.
pub fn tell(label: &str, model: &Model, codec: &Codec, items: &[Item], show: usize) -> Result<()> {
    let (score, texts) = score(model, codec, items)?;
    println!("{label:<34} {score}   {}", by_kind(items, &texts));
    for (item, text) in items.iter().zip(&texts).take(show) {
        let Question { question, answer, .. } = &item.question;
        println!("    {question}\n    -> {text} [{answer}]");
    }
    Ok(())
}

/// The last run of digits.
fn last_number(text: &str) -> Option<&str> {
    let end = text.rfind(|c: char| c.is_ascii_digit())? + 1;
    let head = &text[..end];
    let start = head
        .rfind(|c: char| !c.is_ascii_digit())
        .map_or(0, |i| i + head[i..].chars().next().map_or(1, char::len_utf8));
    Some(&head[start..])
}

/// Whether most letters of a text are Japanese.
pub fn is_japanese(text: &str) -> bool {
    let (mut japanese, mut letters) = (0u32, 0u32);
    for c in text.chars().filter(|c| c.is_alphabetic()) {
        letters += 1;
        japanese += u32::from(!c.is_ascii());
    }
    letters > 0 && f64::from(japanese) / f64::from(letters) >= JAPANESE_SHARE
}

/// Answers every question and scores the answers.
pub fn score(model: &Model, codec: &Codec, items: &[Item]) -> Result<(Score, Vec<String>)> {
    let prompts: Vec<_> = items.iter().map(|item| item.prompt.clone()).collect();
    let mut score = Score::default();
    let mut texts = Vec::new();
    let share = 1.0 / items.len() as f64;
    let (left, right) = prompts.split_at(prompts.len() / 2);
    let (left, right) = std::thread::scope(|scope| {
        let left = scope.spawn(|| greedy(model, left, MAX_NEW_TOKENS));
        let right = greedy(model, right, MAX_NEW_TOKENS);
        (left.join(), right)
    });
    let left = left.map_err(|_| anyhow!("an answering thread stopped"))??;
    for (ids, item) in left.iter().chain(&right?).zip(items) {
        let text = codec.decode(ids)?;
        let right = last_number(&text) == Some(item.question.answer.as_str());
        let japanese = is_japanese(&text);
        score.right += share * f64::from(right);
        score.japanese += share * f64::from(japanese);
        score.both += share * f64::from(right && japanese);
        texts.push(text);
    }
    Ok((score, texts))
}

/// How often each kind of question is answered right.
fn by_kind(items: &[Item], texts: &[String]) -> String {
    let mut kinds: Vec<(&str, u32, u32)> = Vec::new();
    for (item, text) in items.iter().zip(texts) {
        let right = u32::from(last_number(text) == Some(item.question.answer.as_str()));
        match kinds.iter_mut().find(|(kind, _, _)| *kind == item.question.kind) {
            Some((_, n, r)) => {
                *n += 1;
                *r += right;
            }
            None => kinds.push((&item.question.kind, 1, right)),
        }
    }
    kinds.sort_unstable();
    let parts: Vec<String> = kinds.iter().map(|(kind, n, right)| format!("{kind} {right}/{n}")).collect();
    parts.join(", ")
}

/// A base and what each source adds to it.
pub struct Pool {
    base: Vec<Vec<f32>>,
    deltas: Vec<Vec<Vec<f32>>>,
    like: Model,
}

impl Pool {
    pub fn new(base: &Model, sources: &[Model]) -> Result<Self> {
        let values = |model: &Model| model.params.iter().map(flat).collect::<Result<Vec<_>>>();
        let base_values = values(base)?;
        let mut deltas = Vec::new();
        for source in sources {
            let mut delta = values(source)?;
            for (d, b) in delta.iter_mut().flatten().zip(base_values.iter().flatten()) {
                *d -= b;
            }
            deltas.push(delta);
        }
        Ok(Self { base: base_values, deltas, like: base.clone() })
    }

    /// Layer groups: the embedding with the final norm, then each block.
    fn groups(&self) -> usize {
        1 + self.like.shape.layers
    }

    /// Base plus weighted deltas; `weight(group, source)`.
    fn merge(&self, weight: impl Fn(usize, usize) -> f64) -> Result<Model> {
        let mut params = Vec::new();
        for (i, base) in self.base.iter().enumerate() {
            let group = i.checked_sub(NORM_1).map_or(0, |i| 1 + i / PER_BLOCK);
            let mut values = base.clone();
            for (source, delta) in self.deltas.iter().enumerate() {
                let w = weight(group, source) as f32;
                for (v, d) in values.iter_mut().zip(&delta[i]) {
                    *v += w * d;
                }
            }
            params.push(tensor(values, self.like.params[i].dims().to_vec())?);
        }
        rounded(&Model { shape: self.like.shape, params })
    }
}

/// What `--check` is asked to do.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// Questions for the grid and for a fitness.
    pub questions: usize,
    /// Also evolve, with this many evaluations (0: no).
    pub evaluations: usize,
    pub seed: u64,
    /// Show some answers.
    pub show: usize,
}

/// Prints the table of a zoo.
pub fn check(zoo: &Path, wish: Wish) -> Result<()> {
    let shape = read_shape(&zoo.join("base"))?;
    let codec = Codec::load(&zoo.join("base/tokenizer.json"))?;
    let train = read_items(&zoo.join("task/train.jsonl"), &codec)?;
    let test = read_items(&zoo.join("task/test.jsonl"), &codec)?;
    let train = &train[..wish.questions.min(train.len())];
    let load = |name: &str| load_weights(shape, &zoo.join(name).join("model.safetensors"));
    let base = load("base")?;
    let sources = SOURCES.map(load).into_iter().collect::<Result<Vec<_>>>()?;
    let tell = |label: &str, model: &Model| tell(label, model, &codec, &test, wish.show);
    println!("held-out, {} questions", test.len());
    tell("base", &base)?;
    for (name, model) in SOURCES.iter().zip(&sources) {
        tell(name, model)?;
    }
    let pool = Pool::new(&base, &sources)?;
    tell("uniform 1/3", &pool.merge(|_, _| 1.0 / 3.0)?)?;
    let best = grid(&pool, &codec, train)?;
    tell(&format!("best global {best:?} (on train)"), &pool.merge(|_, source| best[source])?)?;
    if wish.evaluations > 0 {
        let (top, mean) = evolve(&pool, &codec, train, best, wish)?;
        tell("evolved, best", &pool.merge(|g, s| top[g * 3 + s])?)?;
        tell("evolved, mean", &pool.merge(|g, s| mean[g * 3 + s])?)?;
        println!("genome {top:.3?}");
    }
    Ok(())
}

/// The best of 27 global weightings by fitness.
fn grid(pool: &Pool, codec: &Codec, items: &[Item]) -> Result<[f64; 3]> {
    let steps = [0.3, 0.6, 0.9];
    let mut best = ([0.0; 3], f64::MIN);
    for a in steps {
        for b in steps {
            for c in steps {
                let weights = [a, b, c];
                let model = pool.merge(|_, source| weights[source])?;
                let (score, _) = score(&model, codec, items)?;
                eprintln!("grid {weights:?}: {score}");
                if score.fitness() > best.1 {
                    best = (weights, score.fitness());
                }
            }
        }
    }
    Ok(best.0)
}

/// CMA-ES over one weight a layer group and source; returns the best genome and the last mean.
fn evolve(
    pool: &Pool,
    codec: &Codec,
    items: &[Item],
    start: [f64; 3],
    wish: Wish,
) -> Result<(Vec<f64>, Vec<f64>)> {
    const POPULATION: usize = 16;
    let start: Vec<f64> = (0..pool.groups()).flat_map(|_| start).collect();
    let gene = |(i, &x): (usize, &f64)| GeneInfo::number(format!("w{i}"), (-0.3, 1.8), x, 0.25);
    let genes: Vec<GeneInfo> = start.iter().enumerate().map(gene).collect();
    let start = Genome(start);
    let mut search = Optimiser::new("cma-es", &genes, &start, Some(POPULATION), wish.seed)?;
    let mut best = (start.0, f64::MIN);
    for generation in 0..wish.evaluations / POPULATION {
        let mut told = Vec::with_capacity(POPULATION);
        for (i, genome) in search.ask().into_iter().enumerate() {
            let merged = pool.merge(|g, s| genome.0[g * 3 + s])?;
            let (score, _) = score(&merged, codec, items)?;
            let fitness = score.fitness();
            told.push(fitness);
            if fitness > best.1 {
                best = (genome.0, fitness);
                eprintln!("evaluation {}: {score}", generation * POPULATION + i + 1);
            }
        }
        search.tell(&told);
    }
    Ok((best.0, search.mean().0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_number_counts() {
        assert_eq!(last_number("3×8=24です。答えは24個です。"), Some("24"));
        assert_eq!(last_number("The answer is 7."), Some("7"));
        assert_eq!(last_number("なし"), None);
    }

    #[test]
    fn japanese_needs_japanese_letters() {
        assert!(is_japanese("ケンはリンゴを5個持っています。"));
        assert!(!is_japanese("Ken has 5 apples."));
        assert!(!is_japanese("5+5=10"));
    }
}
