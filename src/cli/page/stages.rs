//! The page's section on a session in stages. The session's state comes in; HTML goes out with each stage's name and
//! the winner that later stages may use. The page calls it.

use std::fmt::Write;

use super::{escape, percent};
use crate::session::protocol::{Origin, Target};
use crate::session::report::path_text::path_text;
use crate::session::state::{Entry, SessionState};

/// The stages as a table, and each winner's recipe to copy. Empty for a session with one stage.
pub fn draw(state: &SessionState, out: &mut String) -> std::fmt::Result {
    if state.stages.is_empty() {
        return Ok(());
    }
    out.push_str(concat!(
        "<section>\n<h2>Stages</h2>\n<div class=\"scroll\"><table>\n<tr><th>stage</th><th class=\"name\"></th>",
        "<th>evaluations</th><th class=\"name\">winner</th><th>fitness</th><th>held out</th>",
        "<th class=\"name\">from then on</th></tr>\n"
    ));
    for (at, name) in state.stages.iter().enumerate() {
        write!(out, "<tr><td>{}</td><td class=\"name\">{}</td>", at + 1, escape(name))?;
        if at > state.stage() {
            out.push_str("<td colspan=\"5\" class=\"name\">to come</td></tr>\n");
            continue;
        }
        let winner = winner(state, at);
        let joins = state.begun.get(at).and_then(|b| b.recipe.as_ref()?.name.clone());
        writeln!(
            out,
            "<td>{}</td><td class=\"name\">{}</td><td>{}</td><td>{}</td><td class=\"name\">{}</td></tr>",
            evaluations(state, at),
            winner.map_or_else(|| "–".to_owned(), |e| escape(&e.candidate.label)),
            winner.and_then(Entry::train).map_or_else(|| "–".to_owned(), |s| format!("{:.3}", s.fitness)),
            percent(winner.and_then(|e| e.test).map(|s| s.acc_in_language)),
            joins.map_or_else(String::new, |name| format!("a model of the pool: {}", escape(&name))),
        )?;
    }
    out.push_str("</table></div>\n");
    for at in 0..state.begun.len() {
        let Some(winner) = winner(state, at) else { continue };
        let Target::Recipe(recipe) = &winner.candidate.target else { continue };
        let text = path_text(recipe).unwrap_or_else(|| recipe.to_toml());
        writeln!(
            out,
            "<details><summary>The winner of stage {}: {}</summary><pre>{}</pre></details>",
            at + 1,
            escape(&winner.candidate.label),
            escape_lines(&text)
        )?;
    }
    out.push_str("</section>\n");
    Ok(())
}

/// Fitness evaluations of the stage with this index.
fn evaluations(state: &SessionState, at: usize) -> u64 {
    let before = |at: usize| at.checked_sub(1).map_or(0, |i| state.begun[i].evaluations);
    let until = if at < state.begun.len() { before(at + 1) } else { state.evaluations };
    until - before(at)
}

/// The stage's winner; for the current stage, the best candidate so far.
fn winner(state: &SessionState, at: usize) -> Option<&Entry> {
    if let Some(next) = state.begun.get(at) {
        return state.entry(next.winner?);
    }
    state
        .entries
        .iter()
        .filter(|e| e.candidate.id >= state.stage_first() && !e.stopped && e.train().is_some())
        .filter(|e| matches!(e.candidate.origin, Origin::Search | Origin::Hand))
        .rev()
        .max_by(|a, b| a.fitness_or_least().total_cmp(&b.fitness_or_least()))
}

/// Text of several lines, escaped for an element.
fn escape_lines(text: &str) -> String {
    text.lines().map(escape).collect::<Vec<_>>().join("\n")
}
