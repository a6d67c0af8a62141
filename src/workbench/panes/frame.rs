//! Draws the lines around a pane: above it the tabs and the session's status, below it key hints or the last notice.
//! `panes/mod.rs` calls it.

use ratatui::layout::Rect;

use crate::progress::What;
use crate::session::protocol::Status;
use crate::text::visible_line;
use crate::workbench::action::key_names::shown;
use crate::workbench::action::row::Needs;
use crate::workbench::action::{Action, AppAction, EvolveAction, RecipeAction, here};
use crate::workbench::app::{App, Link, Pane};
use crate::workbench::canvas::Canvas;
use crate::workbench::messages;
use crate::workbench::overlays::Overlay;
use crate::workbench::panes::Hit;
use crate::workbench::panes::evolve::state::Run;
use crate::workbench::text::{cut, duration, of_bytes, width, wrap};
use crate::workbench::theme::Tone;

/// Cells of the last line that long work leaves to hints and notices.
const KEPT: u16 = 30;

/// The greatest number of lines for a notice at the foot of the screen.
const SENTENCE: u16 = 4;

/// Draws the tabs on the left, the session on the right.
pub fn header(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let mut rest = area;
    for (i, pane) in Pane::ALL.into_iter().enumerate() {
        let here = pane == app.pane;
        let text = if app.pane == Pane::Recipe && area.width >= 76 {
            // In Recipe a digit without Alt begins a number.
            format!(" Alt-{} {} ", i + 1, messages::pane(pane))
        } else if here || area.width >= 48 {
            format!(" {} {} ", i + 1, messages::pane(pane))
        } else {
            format!(" {} ", i + 1)
        };
        let style = if here { canvas.theme.chosen() } else { canvas.theme.tone(Tone::Plain) };
        let used = canvas.line(rest, &text, style);
        canvas.hit(Rect { width: used, ..rest }, Hit::Pane(pane));
        rest = Canvas::after(rest, used);
    }
    let (text, tone) = match (&app.link, &app.run) {
        (Link::Connecting, _) => (messages::starting_engine().to_owned(), Tone::Dim),
        (Link::Lost(_), _) => (messages::no_engine().to_owned(), Tone::Bad),
        (Link::Connected { device }, None) if device.is_empty() => (messages::ready().to_owned(), Tone::Dim),
        (Link::Connected { device }, None) => (device.clone(), Tone::Dim),
        (Link::Connected { .. }, Some(run)) if app.replay.is_some() => (replaying(app, run), Tone::Accent),
        (Link::Connected { .. }, Some(run)) => {
            let tone = match run.status() {
                Status::Running => Tone::Good,
                Status::Paused | Status::Stopped => Tone::Warn,
                Status::New | Status::Finished => Tone::Accent,
            };
            (format!("{} {}", run.state.name, run.status_word()), tone)
        }
    };
    canvas.right(Canvas::after(rest, 1), &text, canvas.theme.tone(tone));
}

/// Draws the last notice, else hints for the keys of this pane; to the right of it how far long work has come.
pub fn footer(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    canvas.blank(area);
    let area = headway(app, canvas, area);
    if let Some(notice) = &app.notice {
        let tone = if notice.bad { Tone::Bad } else { Tone::Strong };
        return said(&notice.text, canvas, area, tone);
    }
    if app.overlay.is_some() {
        let text = match app.overlay {
            Some(Overlay::Prompt(_)) => messages::prompt_keys(),
            _ => messages::esc_closes(),
        };
        canvas.line(Canvas::indented(area), text, canvas.theme.tone(Tone::Dim));
        return;
    }
    let idle = app.run.is_none();
    let useful = |a: &Action| {
        let row = a.row();
        !(row.hint().is_empty() || idle && row.needs == Needs::Session)
    };
    let hints = here(app.pane, app.replay.is_some()).filter(useful);
    let with_key = |h: &(String, &str)| !h.0.is_empty();
    let mut hints: Vec<(String, &str)> = hints.map(|a| hint(app, a)).filter(with_key).collect();
    if idle && app.replay.is_none() {
        let (start, _) = hint(app, Action::Evolve(EvolveAction::StartEvolution));
        hints.insert(0, (start, messages::hint_evolve()));
    }
    if !app.headway.is_empty() && app.waits() {
        hints.insert(0, (hint(app, Action::App(AppAction::GiveUp)).0, messages::hint_give_up()));
    }
    if app.pane == Pane::Recipe && app.editor.typing.is_some() {
        hints = vec![
            ("Enter".to_owned(), messages::hint_set()),
            ("Esc".to_owned(), messages::hint_leave()),
            ("-".to_owned(), messages::hint_sign()),
            ("Alt-1..4".to_owned(), messages::hint_pane()),
        ];
    }
    // Help and quit always have a hint; the other actions only if there is room.
    let fixed: Vec<(String, &str)> = [AppAction::Help, AppAction::Quit]
        .map(|a| hint(app, Action::App(a)))
        .into_iter()
        .filter(with_key)
        .collect();
    hints.retain(|h| !fixed.contains(h));
    let length = |h: &(String, &str)| (width(&h.0) + width(h.1) + 3) as u16;
    let tail: u16 = fixed.iter().map(length).sum();
    let mut rest = Canvas::indented(area);
    let unread = app.log.unread(app.session());
    if unread > 0 {
        // The number of unread notes and warnings.
        let (key, _) = hint(app, Action::App(AppAction::Log));
        let text = format!("{key} {}", messages::unread(unread));
        let room = Rect { width: rest.width.saturating_sub(tail), ..rest };
        let used = canvas.line(room, &text, canvas.theme.tone(Tone::Warn));
        rest = Canvas::after(rest, used + 3);
    }
    let (accent, dim) = (canvas.theme.tone(Tone::Accent), canvas.theme.tone(Tone::Dim));
    for hint in &hints {
        if length(hint) + tail > rest.width {
            break;
        }
        canvas.pieces(rest, &[(&hint.0, accent), (" ", dim), (hint.1, dim)]);
        rest = Canvas::after(rest, length(hint));
    }
    for hint in &fixed {
        canvas.pieces(rest, &[(&hint.0, accent), (" ", dim), (hint.1, dim)]);
        rest = Canvas::after(rest, length(hint));
    }
}

/// Draws how far the longest running work has come, if there is room. Returns what is left of the line.
fn headway(app: &App, canvas: &mut Canvas<'_>, area: Rect) -> Rect {
    let Some(headway) = app.headway.first() else { return area };
    let what = match &headway.what {
        What::Fetching(file) => messages::fetching(&last_part(file)),
        What::Fingerprints => messages::fingerprints().to_owned(),
        What::Checking => messages::reading_models().to_owned(),
        What::Distances => messages::measuring_distances().to_owned(),
        What::Merging => messages::merging().to_owned(),
        What::Loading(model) => messages::loading(&last_part(model)),
        What::Writing(folder) => messages::writing(&last_part(folder)),
    };
    let amount = of_bytes(headway.done, headway.of);
    let text = match headway.left_s {
        Some(left) => messages::headway_left(&what, &amount, &duration(left as f64)),
        None => messages::headway(&what, &amount),
    };
    let room = usize::from(area.width.saturating_sub(KEPT));
    let Some(text) = [text, amount].into_iter().find(|text| width(text) <= room) else { return area };
    let used = width(&text) as u16 + 2;
    canvas.right(
        Rect { width: area.width.saturating_sub(1), ..area },
        &text,
        canvas.theme.tone(Tone::Accent),
    );
    Rect { width: area.width.saturating_sub(used), ..area }
}

/// The last part of a name: `org/name` is `name`.
fn last_part(name: &str) -> String {
    visible_line(name.trim_end_matches('/').rsplit('/').next().unwrap_or(name))
}

/// Draws a notice on the last line. A longer notice also takes lines above it.
fn said(text: &str, canvas: &mut Canvas<'_>, area: Rect, tone: Tone) {
    let cells = area.width.saturating_sub(2).max(1);
    let lines = wrap(text, cells.into());
    let rows = (lines.len() as u16).clamp(1, SENTENCE).min(area.y + 1);
    let lines = cut(lines, rows.into(), cells.into());
    let area = Rect { y: area.y + 1 - rows, height: rows, ..area };
    canvas.blank(area);
    canvas.lines(Canvas::indented(area), lines.iter().map(String::as_str), canvas.theme.tone(tone));
}

/// The replay's session, speed and progress.
fn replaying(app: &App, run: &Run) -> String {
    let Some(standing) = app.replay else { return String::new() };
    let at = run.state.seq;
    if standing.paused {
        messages::replay_paused(&run.state.name, at, standing.of)
    } else if at == standing.of {
        messages::replay_ended(&run.state.name, at)
    } else {
        messages::replaying(&run.state.name, standing.speed, at, standing.of)
    }
}

/// An action's key and its hint.
fn hint(app: &App, action: Action) -> (String, &'static str) {
    let key = |action: Action| app.keys.keys(action).first().map(|k| shown(k));
    // The hint for step up includes step down.
    let both = action == Action::Recipe(RecipeAction::StepDown);
    let up = both.then(|| key(Action::Recipe(RecipeAction::StepUp))).flatten();
    let keys = [up, key(action)].into_iter().flatten().collect::<Vec<_>>();
    (keys.join(" "), action.row().hint())
}
