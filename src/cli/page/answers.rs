//! The page's section on which questions the best candidate gains and loses compared with the base. A session's state
//! and answers come in, HTML goes out; the page calls it.

use std::fmt::Write;

use super::{escape, pictures};
use crate::session::journal::Reader;
use crate::session::protocol::{Answer, Origin, Split};
use crate::session::state::{Entry, SessionState};
use crate::task::AnswerLanguage;

/// The most questions shown of each kind; of the rest, only the number is shown.
const SHOWN: usize = 40;

pub fn draw(state: &SessionState, reader: &Reader<'_>, out: &mut String) -> anyhow::Result<()> {
    let base = state.entries.iter().find(|e| e.candidate.origin == Origin::Base);
    let (Some(base), Some(best)) = (base, state.best_entry()) else { return Ok(()) };
    // Held-out questions if both were measured on them, else training questions.
    for (split, words) in [(Split::Test, "held-out questions"), (Split::Train, "training questions")] {
        let of = |entry: &Entry| reader.answers(entry.candidate.id, split);
        let (before, after) = (of(base)?, of(best)?);
        if !before.is_empty() && !after.is_empty() {
            return compare(
                (base, &before),
                (best, &after),
                (words, &AnswerLanguage::of_tasks(&state.languages)),
                out,
            );
        }
    }
    Ok(())
}

fn compare(
    (base, before): (&Entry, &[Answer]),
    (best, after): (&Entry, &[Answer]),
    (questions, asked): (&str, &AnswerLanguage),
    out: &mut String,
) -> anyhow::Result<()> {
    let pairs: Vec<(&Answer, &Answer)> =
        after.iter().filter_map(|a| before.iter().find(|b| b.index == a.index).map(|b| (b, a))).collect();
    let pick = |gained: bool| -> Vec<(&Answer, &Answer)> {
        pairs.iter().copied().filter(|(b, a)| a.counts() == gained && b.counts() != gained).collect()
    };
    let (gained, lost) = (pick(true), pick(false));
    writeln!(
        out,
        "<section>\n<h2>Gained and lost against {}</h2>\n<p class=\"note\">Of {} {questions}, {} are {} now \
         that were not before, and {} no longer are.</p>",
        escape(&base.candidate.label),
        pairs.len(),
        gained.len(),
        asked.right(),
        lost.len(),
    )?;
    let names = (base.candidate.label.as_str(), best.candidate.label.as_str());
    for (title, list, open) in [("Gained", gained, " open"), ("Lost", lost, "")] {
        if list.is_empty() {
            continue;
        }
        let open = if list.len() <= 12 { open } else { "" };
        writeln!(out, "<details{open}><summary>{title}: {}</summary>", list.len())?;
        for (b, a) in list.iter().take(SHOWN) {
            article(b, a, names, out)?;
        }
        if list.len() > SHOWN {
            writeln!(
                out,
                "<p class=\"note\">and {} more; `yosegi attach` shows them all.</p>",
                list.len() - SHOWN
            )?;
        }
        out.push_str("</details>\n");
    }
    out.push_str("</section>\n");
    Ok(())
}

fn article(before: &Answer, after: &Answer, names: (&str, &str), out: &mut String) -> std::fmt::Result {
    writeln!(
        out,
        "<article>\n<h3>{} <span class=\"who\">{}, answer {}</span></h3>",
        escape(&after.question),
        escape(&after.id),
        escape(&after.gold)
    )?;
    pictures::draw(&after.images, out)?;
    writeln!(out, "<div class=\"pair\">")?;
    for (answer, name) in [(before, names.0), (after, names.1)] {
        let class = if answer.counts() { "right" } else { "wrong" };
        writeln!(
            out,
            "<div class=\"answer {class}\"><div class=\"who\">{}: {} {}</div><p>{}</p></div>",
            escape(name),
            escape(answer.number.as_deref().unwrap_or("no number")),
            escape(&answer.language),
            escape(answer.text.trim()),
        )?;
    }
    out.push_str("</div>\n</article>\n");
    Ok(())
}
