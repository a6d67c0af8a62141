//! The page's tables: the baselines, the best candidate, and the course of the search. A session's state comes in, HTML
//! goes out; the page calls it.

use std::fmt::Write;

use super::{escape, percent};
use crate::session::protocol::{Score, TaskScore};
use crate::session::report::{self, Row};
use crate::session::state::SessionState;
use crate::task::AnswerLanguage;

/// The result of the search in one sentence of measured figures.
pub fn sentence(state: &SessionState) -> Option<String> {
    let rows = report::comparison(state);
    let rows = &rows;
    let of =
        |what: &'static str| rows.iter().filter(move |r| r.what == what).filter_map(|r| Some((r, r.test?)));
    let (best, score) = of("evolved").next()?;
    let part = |name: &str, score: Score| format!("{name} {}%", percent(Some(score.acc_in_language)));
    let mut others = Vec::new();
    if let Some((_, base)) = of("base").next() {
        others.push(part("the base", base));
    }
    if let Some((row, source)) =
        of("source").max_by(|a, b| a.1.acc_in_language.total_cmp(&b.1.acc_in_language))
    {
        others.push(part(&format!("the best source ({})", row.label), source));
    }
    if let Some((_, global)) = of("best global").next() {
        others.push(part("the best global weighting", global));
    }
    let against = if others.is_empty() { String::new() } else { format!("; {}", others.join(", ")) };
    Some(format!(
        "The evolved merge {} answers {}% of {} held-out questions {}{against}.",
        best.label,
        percent(Some(score.acc_in_language)),
        score.n,
        AnswerLanguage::of_tasks(&state.languages).right_in(),
    ))
}

pub fn comparison(state: &SessionState, out: &mut String) -> std::fmt::Result {
    let rows = report::comparison(state);
    out.push_str(concat!(
        "<section>\n<h2>What it is measured against</h2>\n<div class=\"scroll\"><table>\n<tr><th></th><th class=\"name\"></th>",
        "<th>fitness</th><th>training</th><th>held out</th>"
    ));
    let asked = AnswerLanguage::of_tasks(&state.languages);
    let columns = if let Some(language) = asked.language() {
        writeln!(out, "<th>any language</th><th>{}</th></tr>", escape(language))?;
        5
    } else {
        out.push_str("</tr>\n");
        3
    };
    for row in &rows {
        let class = if matches!(row.what, "evolved" | "mean") { " class=\"found\"" } else { "" };
        write!(out, "<tr{class}><td>{}</td><td class=\"name\">{}</td>", row.what, escape(&row.label))?;
        if let Some(why) = &row.failed {
            writeln!(out, "<td class=\"failed\" colspan=\"{columns}\">failed: {}</td></tr>", escape(why))?;
            continue;
        }
        scores(&asked, row.train, row.test, out)?;
        parts(&asked, row, out)?;
    }
    write!(
        out,
        "</table></div>\n<p class=\"note\">training, held out: {}, in per cent.",
        escape(&asked.right())
    )?;
    if let Some(language) = asked.language() {
        let language = escape(language);
        write!(
            out,
            " any language: right, whatever the language; {language}: in {language}, right or wrong; both held out."
        )?;
    }
    out.push_str("</p>\n</section>\n");
    Ok(())
}

/// Each task's own score, if there are several tasks.
fn parts(asked: &AnswerLanguage, row: &Row, out: &mut String) -> std::fmt::Result {
    for (i, task) in row.train_tasks.iter().enumerate().filter(|_| row.train_tasks.len() > 1) {
        let name = task.task.rsplit('/').next().unwrap_or_default();
        write!(out, "<tr><td></td><td class=\"name part\">{}</td>", escape(name))?;
        scores(asked, Some(task.score), row.test_tasks.get(i).map(|t: &TaskScore| t.score), out)?;
    }
    Ok(())
}

fn scores(
    asked: &AnswerLanguage,
    train: Option<Score>,
    test: Option<Score>,
    out: &mut String,
) -> std::fmt::Result {
    let fitness = train.map_or_else(|| "–".to_owned(), |s| format!("{:.3}", s.fitness));
    let (train, right) =
        (percent(train.map(|s| s.acc_in_language)), percent(test.map(|s| s.acc_in_language)));
    write!(out, "<td>{fitness}</td><td>{train}</td><td>{right}</td>")?;
    if asked.language().is_some() {
        let (any, language) = (percent(test.map(|s| s.acc)), percent(test.map(|s| s.in_language)));
        write!(out, "<td>{any}</td><td>{language}</td>")?;
    }
    writeln!(out, "</tr>")
}

pub fn generations(state: &SessionState, out: &mut String) -> std::fmt::Result {
    if state.generations.iter().all(|g| !g.complete) {
        return Ok(());
    }
    out.push_str(concat!(
        "<section>\n<h2>Generation by generation</h2>\n<details><summary>All generations</summary><div class=\"scroll\"><table>\n",
        "<tr><th>generation</th><th>evaluations</th><th>best</th><th class=\"name\"></th><th>held out</th><th>mean</th><th>deviation</th><th>σ</th></tr>\n"
    ));
    for g in state.generations.iter().filter(|g| g.complete) {
        let best = g.best.and_then(|id| state.entry(id));
        writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{:.3}</td><td class=\"name\">{}</td><td>{}</td><td>{:.3}</td><td>{:.3}</td><td>{:.3}</td></tr>",
            g.generation,
            g.evaluations,
            g.best_fitness,
            best.map_or_else(String::new, |e| escape(&e.candidate.label)),
            percent(best.and_then(|e| e.test).map(|s| s.acc_in_language)),
            g.mean_fitness,
            g.std_fitness,
            g.sigma,
        )?;
    }
    out.push_str("</table></div></details>\n</section>\n");
    Ok(())
}

/// The cost of a candidate, and the text of the config.
pub fn details(state: &SessionState, out: &mut String) -> std::fmt::Result {
    let s = report::spent(state);
    out.push_str("<section>\n<h2>How it was run</h2>\n");
    if s.candidates > 0 {
        writeln!(
            out,
            "<p class=\"note\">A candidate took {:.3} s on average: merge {:.3}, prefill {:.3}, decode {:.3}, score {:.3}; {:.0} tokens. Language was judged by {}.</p>",
            s.merge_s + s.prefill_s + s.decode_s + s.score_s,
            s.merge_s,
            s.prefill_s,
            s.decode_s,
            s.score_s,
            s.tokens,
            escape(&state.language_by),
        )?;
    }
    if let Some(reason) = &state.reason {
        writeln!(out, "<p class=\"note\">It ended: {}.</p>", escape(reason))?;
    }
    writeln!(
        out,
        "<details><summary>The session's config</summary><pre>{}</pre></details>\n</section>",
        escape(&state.config)
    )
}
