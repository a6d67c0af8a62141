//! Where a search begins (another session's best, or a recipe), when it ends before its evaluations are used, and how a
//! finished session is extended. Also a candidate's objectives and the Pareto front. The engine and the run call these.

use std::collections::HashSet;
use std::path::Path;

use super::Evolution;
use crate::error::BadInput;
use crate::evaluate::StoredQuestion;
use crate::recipe::model_paths::name_as_in;
use crate::recipe::{Recipe, RecipeFile};
use crate::search::{AnySpace, dominates};
use crate::session::config::Config;
use crate::session::home::Home;
use crate::session::journal::Reader;
use crate::session::protocol::{CandidateId, Event, Origin, Split, Status, Target};
use crate::session::state::Entry;
use crate::text::visible_line;

impl Evolution {
    /// Why the search should end, if it has reached a limit other than the evaluations.
    pub(super) fn limit(&self) -> Option<String> {
        let (budget, state) = (&self.config.budget, &self.state);
        if state.extended || state.ended.is_some() {
            return None;
        }
        if let Some(tokens) = budget.tokens.filter(|t| state.tokens >= *t) {
            return Some(format!("the budget of {tokens} tokens is used"));
        }
        if let Some(seconds) = budget.seconds.filter(|s| state.seconds >= *s) {
            return Some(format!("the budget of {seconds} seconds is used"));
        }
        let best = state.best_entry().and_then(Entry::train).map(|s| s.fitness);
        if let Some(target) = budget.target.filter(|t| best.is_some_and(|b| b >= *t)) {
            return Some(format!("the fitness of {target} that was asked for is reached"));
        }
        let limit = budget.stagnation.filter(|g| *g > 0)?;
        // Generations of an earlier stage do not count.
        let first = state.begun.last().map_or(0, |b| b.generation);
        let complete = || state.generations.iter().rev().filter(|g| g.complete && g.generation >= first);
        let newest = complete().next()?;
        let same = complete().take_while(|g| g.best == newest.best);
        // The generation that found the best counts as the first of them.
        (same.count() as u64 > limit).then(|| format!("{limit} generations in a row found nothing better"))
    }

    /// The event that lets a finished session go on.
    ///
    /// # Errors
    /// The session has not finished, or has used `budget` evaluations already.
    pub fn extend(&self, budget: u64) -> anyhow::Result<Event> {
        let state = &self.state;
        let name = &state.name;
        if state.status != Status::Finished {
            return Err(BadInput::error(format!(
                "session `{name}` has not finished: go on with it by --resume, extend it once it has"
            )));
        }
        if budget <= state.evaluations {
            return Err(BadInput::error(format!(
                "session `{name}` has used {} evaluations: extend it to more, by --budget N",
                state.evaluations
            )));
        }
        Ok(Event::Extended { budget })
    }

    /// The Pareto front: with several objectives, the candidates that no other one beats in all of them.
    pub(super) fn front(&self) -> Vec<CandidateId> {
        if self.config.search.objectives.is_empty() {
            return Vec::new();
        }
        let searched =
            |e: &&Entry| matches!(e.candidate.origin, Origin::Search | Origin::Hand) && e.train().is_some();
        let entries: Vec<&Entry> = self.state.entries.iter().filter(searched).collect();
        let rows: Vec<Vec<f64>> =
            entries.iter().map(|e| objectives(&self.config.search.objectives, e)).collect();
        let beaten = |row: &Vec<f64>| rows.iter().any(|other| dominates(other, row));
        let kept = entries.iter().zip(&rows).filter(|(_, row)| !beaten(row));
        kept.map(|(e, _)| e.candidate.id).collect()
    }

    /// The values that the optimiser gets for a candidate: its objectives, or its fitness alone.
    pub(super) fn objectives(&self, id: CandidateId, fitness: f64) -> Vec<f64> {
        let names = &self.config.search.objectives;
        match self.state.entry(id) {
            Some(entry) if !names.is_empty() => objectives(names, entry),
            _ => vec![fitness],
        }
    }
}

/// A candidate's objectives on the training questions; NaN if it failed.
#[must_use]
pub fn objectives(names: &[String], entry: &Entry) -> Vec<f64> {
    let score = entry.train();
    let one = |name: &String| {
        let of_task = || entry.train_tasks.iter().find(|t| t.task == *name).map(|t| t.score.fitness);
        match (name.as_str(), score) {
            (_, None) => f64::NAN,
            ("fitness", Some(s)) => s.fitness,
            ("acc", Some(s)) => s.acc,
            ("acc_in_language" | "acc_ja", Some(s)) => s.acc_in_language,
            ("in_language" | "japanese", Some(s)) => s.in_language,
            _ => of_task().unwrap_or(f64::NAN),
        }
    };
    names.iter().map(one).collect()
}

/// The genome that the search begins from, if the config names another session's best or a recipe; otherwise empty.
///
/// # Errors
/// The other session or the recipe can't be read, or does not fit this space.
pub fn warm_start(home: &Home, config: &Config, space: &AnySpace) -> anyhow::Result<Vec<f64>> {
    let Some(from) = config.search.starts_elsewhere() else { return Ok(Vec::new()) };
    let recipe = match from.strip_prefix("session:") {
        Some(name) => best_recipe(home, name)?,
        None => read_recipe(from, config)?,
    };
    let genome = space.from_recipe(&recipe).map_err(|e| BadInput::error(format!("`search.start`: {e}")))?;
    Ok(genome.0)
}

fn best_recipe(home: &Home, name: &str) -> anyhow::Result<Recipe> {
    // A damaged journal is used as far as it can be read.
    let (state, _) = Reader::open(home, name)?.legible_state()?;
    if let Some(finish) = state.finished {
        return Ok(finish.recipe);
    }
    match state.best_entry().map(|e| &e.candidate.target) {
        Some(Target::Recipe(recipe)) => Ok((**recipe).clone()),
        _ => Err(BadInput::error(format!("`search.start`: session `{name}` has no best candidate yet"))),
    }
}

fn read_recipe(path: &str, config: &Config) -> anyhow::Result<Recipe> {
    let recipe_file = RecipeFile::open(Path::new(path), config.search.lenient);
    let recipe = recipe_file.and_then(RecipeFile::into_recipe);
    let mut recipe = recipe.map_err(|e| BadInput::error(format!("`search.start`: {e}")))?;
    let pool = &config.pool;
    // The config's paths were made absolute when it was sent; those of the recipe were not.
    let pool: Vec<&str> = std::iter::once(&pool.base).chain(&pool.sources).map(String::as_str).collect();
    name_as_in(&mut recipe, &pool);
    Ok(recipe)
}

/// The number of held-out questions that are also training questions.
///
/// # Errors
/// There are such questions, and no task of the config allows them.
pub fn checked_overlap(config: &Config, questions: &[StoredQuestion]) -> anyhow::Result<u64> {
    let (count, first) = overlap(questions);
    let allowed = config.task.0.iter().any(|t| t.overlap);
    match first.filter(|_| !allowed) {
        None => Ok(count),
        Some(first) => Err(BadInput::error(format!(
            "{count} of the held-out questions stand among the training questions too (\"{first}\"): held-out scores \
             would say too much; take other data, or set overlap = true under [task] and the report will say so"
        ))),
    }
}

/// The number of held-out questions that are also training questions, and the first of them. Their texts are compared
/// without regard to spaces; the same text about other pictures is another question.
#[must_use]
pub fn overlap(questions: &[StoredQuestion]) -> (u64, Option<String>) {
    let plain = |q: &StoredQuestion| {
        let images: Vec<String> = q.images.iter().map(|image| image.path.clone()).collect();
        (q.question.split_whitespace().collect::<String>(), images)
    };
    let train: HashSet<(String, Vec<String>)> =
        questions.iter().filter(|q| q.split == Split::Train).map(plain).collect();
    let both = |q: &&StoredQuestion| q.split == Split::Test && train.contains(&plain(q));
    let mut twice = questions.iter().filter(both);
    let first = twice.next().map(|q| visible_line(&q.question).chars().take(60).collect());
    (twice.count() as u64 + u64::from(first.is_some()), first)
}
