//! A session's report: the tables that `evolve` prints at its end and `report` at any time, made from the session's
//! state. `json` gives the same content as a document, `path_text` gives paths and stages as text.

mod json;
pub mod path_text;

use std::fmt::Write;

pub use json::{document, name_shares};

use serde::Serialize;

use crate::locale::{in_locale, speaks_unicode};
use crate::session::config::Config;
use crate::session::evolve::objectives;
use crate::session::protocol::{Candidate, Cost, Origin, Outcome, Score, Status, Target, TaskScore};
use crate::session::state::{Entry, SessionState};
use crate::task::AnswerLanguage;
use crate::text::visible_line;
use path_text::{path_text, stage_lines};

/// One row of the comparison: a reference point of the search, or a result.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// `base`, `source`, `uniform`, `best global`, `evolved`, `mean`.
    pub what: &'static str,
    pub label: String,
    pub train: Option<Score>,
    pub test: Option<Score>,
    /// Each task's score, if there are several tasks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub train_tasks: Vec<TaskScore>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub test_tasks: Vec<TaskScore>,
    /// Why it could not be measured, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// The number of measured candidates of the search, and their mean cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spent {
    pub candidates: u64,
    pub merge_s: f64,
    pub prefill_s: f64,
    pub decode_s: f64,
    pub score_s: f64,
    pub tokens: f64,
}

/// The rows: base, sources, uniform merge, best global weighting, best candidate, mean.
#[must_use]
pub fn comparison(state: &SessionState) -> Vec<Row> {
    let row = |what, entry: &Entry| Row {
        what,
        label: entry.candidate.label.clone(),
        train: entry.train(),
        test: entry.test,
        train_tasks: entry.train_tasks.clone(),
        test_tasks: entry.test_tasks.clone(),
        failed: match &entry.outcome {
            Some(Outcome::Failed(why)) => Some(why.clone()),
            _ => None,
        },
    };
    let of = |origin| state.entries.iter().filter(move |e| e.candidate.origin == origin);
    let mut rows: Vec<Row> = of(Origin::Base).map(|e| row("base", e)).collect();
    rows.extend(of(Origin::Source).map(|e| row("source", e)));
    rows.extend(of(Origin::Uniform).map(|e| row("uniform", e)));
    rows.extend(best(of(Origin::Grid)).map(|e| row("best global", e)));
    let searched =
        state.entries.iter().filter(|e| matches!(e.candidate.origin, Origin::Search | Origin::Hand));
    rows.extend(best(searched).map(|e| row("evolved", e)));
    rows.extend(of(Origin::Mean).map(|e| row("mean", e)));
    rows
}

/// The entry with the highest training fitness; of equal ones the first.
fn best<'a>(entries: impl Iterator<Item = &'a Entry>) -> Option<&'a Entry> {
    let mut best: Option<(&Entry, f64)> = None;
    for entry in entries {
        if let Some(score) = entry.train().filter(|_| !entry.stopped)
            && best.is_none_or(|(_, fitness)| score.fitness > fitness)
        {
            best = Some((entry, score.fitness));
        }
    }
    best.map(|(entry, _)| entry)
}

/// The average cost of the search's candidates.
#[must_use]
pub fn spent(state: &SessionState) -> Spent {
    let costs: Vec<Cost> = state
        .entries
        .iter()
        .filter(|e| matches!(e.candidate.origin, Origin::Search | Origin::Hand) && e.train().is_some())
        .map(|e| e.cost)
        .collect();
    let mean = |f: fn(&Cost) -> f64| costs.iter().map(f).sum::<f64>() / costs.len().max(1) as f64;
    Spent {
        candidates: costs.len() as u64,
        merge_s: mean(|c| c.merge_s),
        prefill_s: mean(|c| c.prefill_s),
        decode_s: mean(|c| c.decode_s),
        score_s: mean(|c| c.score_s),
        tokens: mean(|c| c.tokens as f64),
    }
}

/// The comparison as a text table, with shares in per cent.
#[must_use]
pub fn comparison_table(state: &SessionState) -> String {
    let asked = AnswerLanguage::of_tasks(&state.languages);
    let mut out = format!("{:<12} {:<24} {:>8} {:>8} {:>8}", "", "", "fitness", "train", "held out");
    if let Some(language) = asked.column() {
        let _ = write!(out, " {:>8} {language:>8}", "any lang");
    }
    out.push('\n');
    for row in &comparison(state) {
        let label = clipped(&row.label, 24);
        if let Some(why) = &row.failed {
            let _ = writeln!(out, "{:<12} {label} failed: {}", row.what, visible_line(why));
            continue;
        }
        score_line(&mut out, &asked, (row.what, &label), row.train, row.test);
        for (i, part) in row.train_tasks.iter().enumerate().filter(|_| row.train_tasks.len() > 1) {
            let name = part.task.rsplit('/').next().unwrap_or_default();
            let label = clipped(&format!("  {name}"), 24);
            let test = row.test_tasks.get(i).map(|t| t.score);
            score_line(&mut out, &asked, ("", &label), Some(part.score), test);
        }
    }
    out = in_locale(out);
    let _ = write!(out, "train, held out: {}, in per cent", asked.right());
    if let (Some(language), Some(column)) = (asked.language(), asked.column()) {
        let _ =
            write!(out, "; any lang: right in any language, and {column}: answers in {language}, held out");
    }
    out.push('\n');
    out
}

fn score_line(
    out: &mut String,
    asked: &AnswerLanguage,
    (what, label): (&str, &str),
    train: Option<Score>,
    test: Option<Score>,
) {
    let percent = |share: Option<f64>| share.map_or_else(|| "–".into(), |s| format!("{:.1}", 100.0 * s));
    let fitness = train.map_or_else(|| "–".into(), |s| format!("{:.3}", s.fitness));
    let (right, held_out) =
        (percent(train.map(|s| s.acc_in_language)), percent(test.map(|s| s.acc_in_language)));
    let _ = write!(out, "{what:<12} {label} {fitness:>8} {right:>8} {held_out:>8}");
    if asked.column().is_some() {
        let (any, language) = (percent(test.map(|s| s.acc)), percent(test.map(|s| s.in_language)));
        let _ = write!(out, " {any:>8} {language:>8}");
    }
    out.push('\n');
}

/// A text padded or cut to exactly `width` characters, safe to print.
fn clipped(text: &str, width: usize) -> String {
    let safe = visible_line(text);
    let n = safe.chars().count();
    if n > width {
        safe.chars().take(width - 1).chain([if speaks_unicode() { '…' } else { '~' }]).collect()
    } else {
        safe + &" ".repeat(width - n)
    }
}

/// One line for a generation.
#[must_use]
pub fn generation_line(state: &SessionState, generation: u64) -> Option<String> {
    let row = state.generations.iter().rev().find(|g| g.generation == generation)?;
    let best = row.best.and_then(|id| state.entry(id));
    let label = best.map_or("", |e| e.candidate.label.as_str());
    let test = best
        .and_then(|e| e.test)
        .map_or(String::new(), |s| format!(", held out {:.1}%", 100.0 * s.acc_in_language));
    let failed = row
        .candidates
        .iter()
        .filter(|&&id| state.entry(id).is_some_and(|e| matches!(e.outcome, Some(Outcome::Failed(_)))));
    let failed = match failed.count() {
        0 => String::new(),
        n => format!(", {n} failed"),
    };
    Some(in_locale(format!(
        "generation {:>3}   {:>5}/{} evaluations   best {:.3} ({}{test})   mean {:.3} ± {:.3}   σ {:.3}{failed}",
        row.generation,
        row.evaluations,
        state.budget,
        row.best_fitness,
        visible_line(label),
        row.mean_fitness,
        row.std_fitness,
        row.sigma,
    )))
}

/// The Pareto front: with several objectives, the candidates that no other one beats in all of them, sorted by the
/// first.
fn front_table(state: &SessionState) -> String {
    let Ok(config) = Config::parse(&state.config, "the session's config") else { return String::new() };
    let names = &config.search.objectives;
    let mut front: Vec<(Vec<f64>, &Entry)> = state
        .front
        .iter()
        .filter_map(|&id| state.entry(id))
        .map(|entry| (objectives(names, entry), entry))
        .collect();
    if front.is_empty() {
        return String::new();
    }
    front.sort_by(|a, b| b.0[0].total_cmp(&a.0[0]));
    let mut out =
        format!("\nno candidate beats these in all of {}, on the training questions:\n", names.join(", "));
    for (values, entry) in front {
        out.push_str(&clipped(&entry.candidate.label, 24));
        for value in values {
            let _ = write!(out, "{value:>8.3}");
        }
        out.push('\n');
    }
    out
}

/// How accurate the estimator was, if the session has one.
fn estimator_line(state: &SessionState) -> Option<String> {
    let off = state.off()?;
    let guessed = state.entries.iter().filter(|e| e.stopped && e.estimate.is_some()).count();
    Some(format!(
        "{guessed} candidates have an estimate for their fitness; of {} that answered everything it was off by \
         {:.3} on average, {:.3} at most",
        off.candidates, off.mean, off.most
    ))
}

/// The whole session's report as text.
#[must_use]
pub fn text(state: &SessionState) -> String {
    let mut out = String::new();
    let status = match state.status {
        Status::New => "new",
        Status::Running => "running, or its process was killed",
        Status::Paused => "paused",
        Status::Stopped => "stopped",
        Status::Finished => "finished",
    };
    let reason = state.reason.as_deref().map_or(String::new(), |r| format!(": {}", visible_line(r)));
    let _ = writeln!(out, "session {} is {status}{reason}", visible_line(&state.name));
    let _ = writeln!(
        out,
        "{} of {} evaluations, {} generations, seed {}, {} genes, {} training and {} held-out questions",
        state.evaluations,
        state.budget,
        state.generations.len(),
        state.seed,
        state.genes.len(),
        state.train_questions,
        state.test_questions,
    );
    let _ = writeln!(
        out,
        "on {} ({}), language by {}, {} tokens generated\n",
        visible_line(&state.device),
        visible_line(&state.dtype),
        visible_line(&state.language_by),
        state.tokens
    );
    if state.overlap > 0 {
        let _ = writeln!(
            out,
            "{} of the held-out questions stand among the training questions too: their scores say too much\n",
            state.overlap
        );
    }
    for line in stage_lines(state) {
        let _ = writeln!(out, "{line}");
    }
    if !state.stages.is_empty() {
        out.push('\n');
    }
    out.push_str(&comparison_table(state));
    out.push_str(&front_table(state));
    if let Some(line) = estimator_line(state) {
        let _ = writeln!(out, "\n{line}");
    }
    if !state.generations.is_empty() {
        out.push('\n');
    }
    for generation in state.generations.iter().filter(|g| g.complete) {
        if let Some(at) = state.begun.iter().position(|b| b.generation == generation.generation) {
            let name = state.stages.get(at + 1).map_or("", String::as_str);
            let _ = writeln!(out, "stage {}, {}", at + 2, visible_line(name));
        }
        if let Some(line) = generation_line(state, generation.generation) {
            let _ = writeln!(out, "{line}");
        }
    }
    let s = spent(state);
    if s.candidates > 0 {
        let _ = writeln!(
            out,
            "\na candidate took {:.3} s: merge {:.3}, prefill {:.3}, decode {:.3}, score {:.3}; {:.0} tokens",
            s.merge_s + s.prefill_s + s.decode_s + s.score_s,
            s.merge_s,
            s.prefill_s,
            s.decode_s,
            s.score_s,
            s.tokens
        );
    }
    let best = state.best_entry().map(|e| &e.candidate);
    if let Some(Candidate { label, target: Target::Recipe(recipe), .. }) = best
        && let Some(way) = path_text(recipe)
    {
        let (n, label) = (recipe.path.len(), visible_line(label));
        let _ = writeln!(out, "\nthe path of the best ({label}), {n} layers:\n\n  {way}");
    }
    for begun in state.begun.iter().filter(|_| state.finished.is_some()) {
        if let Some(recipe) = &begun.recipe {
            let name = recipe.name.as_deref().map_or_else(String::new, visible_line);
            let _ = writeln!(out, "\nthe recipe of {name}:\n\n{}", recipe.to_toml());
        }
    }
    if let Some(finish) = &state.finished {
        let _ = writeln!(out, "\nthe final recipe:\n\n{}", finish.recipe.to_toml());
    }
    out
}
