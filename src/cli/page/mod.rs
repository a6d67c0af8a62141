//! `yosegi report NAME --html FILE`: a session's state and journal come in, one self-contained HTML page goes out. It
//! has no script and no link and loads nothing. All text from models and data sets is escaped. `yosegi report` calls
//! it.

mod answers;
mod chart;
mod pictures;
mod recipe;
mod stages;
mod style;
mod tables;

use std::fmt::Write;
use std::path::Path;

use anyhow::Context;

use crate::error::BadInput;
use crate::session::journal::Reader;
use crate::session::protocol::Status;
use crate::session::state::SessionState;
use crate::text::visible;

/// Writes the page of a session: the whole page or nothing.
pub fn write(reader: &Reader<'_>, file: &Path) -> anyhow::Result<()> {
    let (state, lost) = reader.legible_state()?;
    if let (Some(trouble), 0) = (lost, state.seq) {
        return Err(trouble.into());
    }
    let text = page(&state, reader)?;
    crate::checkpoint::write_whole(file, text.as_bytes())
        .map_err(|why| BadInput::error(format!("{} can't be written: {why}", file.display())))
}

/// The whole page.
fn page(state: &SessionState, reader: &Reader<'_>) -> anyhow::Result<String> {
    let mut out = String::new();
    write!(
        out,
        concat!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n",
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
            "<title>{name}: a merge evolved by Yosegi</title>\n<style>{style}</style>\n</head>\n<body>\n<main>\n"
        ),
        name = escape(&state.name),
        style = style::CSS,
    )?;
    header(state, &mut out)?;
    chart::draw(state, &mut out)?;
    stages::draw(state, &mut out)?;
    tables::comparison(state, &mut out)?;
    recipe::draw(state, &mut out)?;
    answers::draw(state, reader, &mut out).context("the answers")?;
    tables::generations(state, &mut out)?;
    tables::details(state, &mut out)?;
    writeln!(out, "<footer>Yosegi {}</footer>\n</main>\n</body>\n</html>", escape(super::VERSION))?;
    Ok(out)
}

/// The session's settings and its result, in figures and one sentence.
fn header(state: &SessionState, out: &mut String) -> anyhow::Result<()> {
    let status = match state.status {
        Status::New => "new",
        Status::Running => "running",
        Status::Paused => "paused",
        Status::Stopped => "stopped",
        Status::Finished => "finished",
    };
    writeln!(
        out,
        "<header>\n<h1>{} <span class=\"status {status}\">{status}</span></h1>",
        escape(&state.name)
    )?;
    if let Some(sentence) = tables::sentence(state) {
        writeln!(out, "<p class=\"lead\">{}</p>", escape(&sentence))?;
    }
    let seconds = state.updated_ms.saturating_sub(state.created_ms) / 1000;
    let figures = [
        ("evaluations", format!("{} of {}", state.evaluations, state.budget)),
        ("generations", state.generations.len().to_string()),
        ("genes", state.genes.len().to_string()),
        ("questions", format!("{} training, {} held out", state.train_questions, state.test_questions)),
        ("tokens", grouped(state.tokens)),
        (
            "from first to last event",
            format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60),
        ),
        ("seed", state.seed.to_string()),
        ("device", format!("{} ({})", state.device, state.dtype)),
    ];
    out.push_str("<dl class=\"figures\">\n");
    for (name, value) in figures {
        writeln!(out, "<div><dt>{name}</dt><dd>{}</dd></div>", escape(&value))?;
    }
    out.push_str("</dl>\n");
    if !state.device_note.is_empty() {
        writeln!(out, "<p class=\"note\">{}.</p>", escape(state.device_note.trim_end_matches('.')))?;
    }
    if state.overlap > 0 {
        writeln!(
            out,
            "<p class=\"note\">{} of the held-out questions stand among the training questions too: their scores \
             say too much.</p>",
            state.overlap
        )?;
    }
    out.push_str("</header>\n");
    Ok(())
}

/// Text for an element or an attribute: made visible, with markup escaped.
fn escape(text: &str) -> String {
    visible(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

/// A count with a gap between groups of three digits.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push('\u{a0}');
        }
        out.push(c);
    }
    out
}

/// A share as a percentage.
fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |s| format!("{:.1}", 100.0 * s))
}

#[cfg(test)]
mod tests;
