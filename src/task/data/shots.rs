//! Few-shot examples. Reads them from their file, and draws the examples of each question as the Python harnesses do.
//! `load.rs` calls it.

use std::collections::BTreeMap;

use super::python_random::PythonRandom;
use super::questions::{Loaded, Source};
use crate::task::config::{Data, Draw, ShotConfig, SplitConfig};
use crate::task::pictures::{self, Problem};
use crate::task::question::Example;
use crate::task::{Question, TaskError, template};

/// The examples to draw from.
pub(in crate::task) struct Pool {
    /// The file of the examples, for reports.
    pub data: String,
    pub examples: Vec<Example>,
    config: SplitConfig,
}

impl Pool {
    /// Reads the examples.
    pub fn load(source: &Source, shots: &ShotConfig) -> Result<Self, TaskError> {
        let config = match (&shots.data, &source.task.train) {
            (Some(data), _) => SplitConfig {
                data: data.clone(),
                config: shots.config.clone(),
                split: shots.split.clone(),
                columns: shots.columns.clone(),
                skip: shots.skip,
                limit: shots.limit,
            },
            (None, Some(train)) => train.clone(),
            (None, None) => {
                return Err(TaskError::Value {
                    file: source.file.to_owned(),
                    key: "shots",
                    what: "has no data and there is no [train]: say where examples come from".to_owned(),
                });
            }
        };
        let source = &Source { examples: true, ..*source };
        let Loaded { data, questions } = source.load(&config)?;
        if questions.len() < shots.count {
            return Err(TaskError::Shots {
                file: source.file.to_owned(),
                data,
                count: shots.count,
                found: questions.len(),
            });
        }
        let example = |q: &Question| -> Result<Example, TaskError> {
            let broken = |key, e: &String| TaskError::template(source.file, key, e, &q.row);
            let prompt = prompt(source, q)?;
            let answer = match &source.task.target {
                None => q.gold.clone(),
                Some(target) => {
                    let mut variables = q.row.clone();
                    variables.insert("gold".to_owned(), q.gold.clone().into());
                    variables.insert("golds".to_owned(), q.golds.clone().into());
                    variables.insert("choices".to_owned(), q.choices.clone().into());
                    template::render(target, &variables).map_err(|e| broken("target", &e))?
                }
            };
            Ok(Example { prompt, answer, images: q.images.clone() })
        };
        let examples = questions.iter().map(example).collect::<Result<_, _>>()?;
        Ok(Self { data, examples, config })
    }

    /// Whether the examples come from the same rows as a split.
    pub fn is(&self, split: &SplitConfig) -> bool {
        self.config.data != Data::None && self.config == *split
    }
}

/// The prompt of an example.
fn prompt(source: &Source, q: &Question) -> Result<String, TaskError> {
    let text = &source.task.prompt;
    let broken = |why: &str| TaskError::template(source.file, "prompt", why, &q.row);
    if source.task.image.all().is_empty() {
        return template::render(text, &q.row).map_err(|why| broken(&why));
    }
    pictures::render(text, &q.row, q.images.len()).map_err(|problem| match problem {
        Problem::Template(why) => broken(&why),
        Problem::Marks(what) => TaskError::marks(source.file, &q.id, what),
    })
}

/// Draws the examples of each of `n` questions, as indices into the pool.
///
/// `same` means that the questions themselves are the pool. Then one more example is drawn, and a question is removed
/// from its own examples.
pub(in crate::task) fn draw(shots: &ShotConfig, pool: &Pool, n: usize, same: bool) -> Vec<Vec<usize>> {
    let k = shots.count;
    let more = usize::from(same);
    if shots.draw == Draw::First {
        let first = |i| (0..k + more).filter(|s| !(same && *s == i)).take(k).collect();
        return (0..n).map(first).collect();
    }
    let mut random = PythonRandom::new(shots.seed);
    let mut order: Vec<usize> = (0..n).collect();
    if shots.draw == Draw::Shuffled {
        random.shuffle(&mut order);
    }
    let strata = if shots.stratified { strata(&pool.examples) } else { Vec::new() };
    let mut out = vec![Vec::new(); n];
    for i in order {
        let drawn = if shots.stratified {
            stratified(&mut random, &strata, pool.examples.len(), k + more)
        } else {
            random.sample(pool.examples.len(), (k + more).min(pool.examples.len()))
        };
        out[i] = drawn.into_iter().filter(|s| !(same && *s == i)).take(k).collect();
    }
    out
}

/// Examples grouped by answer, in the order in which answers first appear.
fn strata(examples: &[Example]) -> Vec<Vec<usize>> {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut out: Vec<Vec<usize>> = Vec::new();
    for (i, example) in examples.iter().enumerate() {
        let place = *places.entry(&example.answer).or_insert(out.len());
        if place == out.len() {
            out.push(Vec::new());
        }
        out[place].push(i);
    }
    out
}

/// The harness's stratified sampling. Each answer gets ⌊share · k⌋ examples; each missing example goes to the answer
/// with the fewest (the first of equals). The examples are drawn answer by answer, then all are shuffled.
fn stratified(random: &mut PythonRandom, strata: &[Vec<usize>], n: usize, k: usize) -> Vec<usize> {
    let mut counts: Vec<usize> =
        strata.iter().map(|s| (s.len() as f64 / n as f64 * k as f64) as usize).collect();
    for _ in counts.iter().sum::<usize>()..k {
        if let Some(least) = counts.iter_mut().min_by_key(|c| **c) {
            *least += 1;
        }
    }
    let mut out = Vec::new();
    for (stratum, count) in strata.iter().zip(&counts) {
        let drawn = random.sample(stratum.len(), (*count).min(stratum.len()));
        out.extend(drawn.into_iter().map(|i| stratum[i]));
    }
    random.shuffle(&mut out);
    out
}
