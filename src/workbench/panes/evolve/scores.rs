//! Draws the table of reference points: scores of the base, the sources and simple merges, then of the best candidate
//! that the search has found. `panes/evolve/mod.rs` calls it.

use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::{Layout, Rect};

use crate::session::protocol::{Origin, Score};
use crate::session::state::Entry;
use crate::task::AnswerLanguage;
use crate::workbench::canvas::Canvas;
use crate::workbench::messages;
use crate::workbench::panes::evolve::state::Run;
use crate::workbench::text::{pad_left, percent};
use crate::workbench::theme::Tone;
use crate::workbench::widgets::heat::short;

/// Draws the table.
pub fn draw(run: &Run, canvas: &mut Canvas<'_>, area: Rect) {
    let wide = area.width >= 42;
    let figures = if wide { 28 } else { 17 };
    let [names, figures] =
        Layout::horizontal([Length(area.width.saturating_sub(figures).max(6)), Fill(1)]).areas(area);
    let [head, body] = Layout::vertical([Length(1), Fill(1)]).areas(area);
    let dim = canvas.theme.tone(Tone::Dim);
    let asked = AnswerLanguage::of_tasks(&run.state.languages);
    let any = wide && asked.language().is_some();
    let mut titles =
        format!("{}  {}", pad_left(messages::score_train(), 7), pad_left(messages::score_held_out(), 8));
    if any {
        titles.push_str(&pad_left(messages::score_any(), 10));
    }
    let what = if wide { messages::what_counts(&asked) } else { messages::score_right().to_owned() };
    canvas.line(names.intersection(head), &what, dim);
    canvas.line(figures.intersection(head), &titles, dim);
    let mut rows: Vec<(&Entry, Tone, String)> = Vec::new();
    let global = run.best_global().map(|e| e.candidate.id);
    for entry in run.references() {
        let label = if Some(entry.candidate.id) == global {
            messages::best_global().to_owned()
        } else {
            short(&entry.candidate.label)
        };
        rows.push((entry, Tone::Plain, label));
    }
    if let Some(best) = run.state.best_entry() {
        rows.push((best, Tone::Good, messages::best_of(&best.candidate.label)));
    }
    let mean = run.state.finished.as_ref().and_then(|f| f.mean);
    if let Some(mean) = mean.and_then(|id| run.state.entry(id)) {
        rows.push((mean, Tone::Accent, messages::search_mean().to_owned()));
    }
    let share = |score: Option<Score>, of: fn(&Score) -> f64| {
        score.as_ref().map_or_else(|| "-".to_owned(), |s| percent(of(s)))
    };
    // If there is too little room, the weakest sources are left out, then the first rows. The search's own results
    // always stay.
    let room = usize::from(body.height);
    while rows.len() > room
        && let Some(weakest) = weakest_source(&rows)
    {
        rows.remove(weakest);
    }
    let skip = rows.len().saturating_sub(room);
    for ((entry, tone, label), row) in rows.iter().skip(skip).zip(body.rows()) {
        let style = canvas.theme.tone(*tone);
        let name = names.intersection(row);
        canvas.line(Rect { width: name.width.saturating_sub(1), ..name }, label, style);
        let mut text = format!(
            "{:>7}  {:>8}",
            share(entry.train(), |s| s.acc_in_language),
            share(entry.test, |s| s.acc_in_language)
        );
        if any {
            let any = share(entry.test.or(entry.train()), |s| s.acc);
            text = format!("{text}{any:>10}");
        }
        canvas.line(figures.intersection(row), &text, style);
    }
}

/// The row of the source with the lowest fitness, if there is more than one source.
fn weakest_source(rows: &[(&Entry, Tone, String)]) -> Option<usize> {
    let fitness = |i: &usize| rows[*i].0.fitness_or_least();
    let sources: Vec<usize> =
        (0..rows.len()).filter(|&i| rows[i].0.candidate.origin == Origin::Source).collect();
    // Among equal ones, the last.
    let weakest = sources.iter().rev().min_by(|a, b| fitness(a).total_cmp(&fitness(b))).copied();
    weakest.filter(|_| sources.len() > 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workbench::tests::fixture;

    /// The heading over the table, in this thread's language.
    fn heading(languages: &[&str]) -> String {
        let mut app = fixture::evolving();
        let run = app.run.as_mut().unwrap();
        run.state.languages = languages.iter().map(|l| (*l).to_owned()).collect();
        app.pane = crate::workbench::app::Pane::Evolve;
        let screen = crate::workbench::tests::snapshots::screen(&app, 120, 40);
        let line = screen
            .lines()
            .find(|l| l.contains(messages::score_train()) && l.contains(messages::score_held_out()));
        line.and_then(|l| l.rsplit('│').nth(1)).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_heading_names_the_language_that_is_asked_for() {
        assert_eq!(heading(&["ja"]), "right, Japanese train held-out any lang");
        assert_eq!(heading(&["de"]), "right, German train held-out any lang");
        assert_eq!(heading(&["none"]), "right train held-out");
        assert_eq!(heading(&["ja", "none"]), "right, as asked train held-out any lang");
        messages::speak(messages::Language::Japanese);
        let japanese = [heading(&["ja"]), heading(&["de"]), heading(&["none"])];
        messages::speak(messages::Language::English);
        assert!(
            japanese[0].starts_with("正解かつ日本語 ") && japanese[1].starts_with("正解かつドイツ語 "),
            "{japanese:?}"
        );
        assert!(japanese[2].starts_with("正解 "), "{japanese:?}");
    }

    #[test]
    fn the_weakest_source_goes_first_and_the_last_one_stays() {
        let app = fixture::evolving();
        let run = app.run.as_ref().unwrap();
        let mut rows: Vec<(&Entry, Tone, String)> =
            run.references().into_iter().map(|e| (e, Tone::Plain, e.candidate.label.clone())).collect();
        let mut gone = Vec::new();
        while let Some(weakest) = weakest_source(&rows) {
            gone.push(rows.remove(weakest).2);
        }
        assert_eq!(gone, ["zoo:math-add", "zoo:math-mul"]);
        assert_eq!(rows[0].2, "zoo:base");
        assert_eq!(rows[1].2, "zoo:ja");
    }
}
