//! What the next session would read, ask and store, before it starts. `overlays/mod.rs` draws it; `update/overlay.rs`
//! starts the session from it, or asks for candidates to be timed.

use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::{Layout, Rect};

use crate::checkpoint::Place;
use crate::recipe::Recipe;
use crate::session::protocol::{PlannedStage, PlannedTime, RunPlan};
use crate::workbench::canvas::Canvas;
use crate::workbench::messages;
use crate::workbench::text::{bytes, count, duration, pad, wrap};
use crate::workbench::theme::Tone;

/// Cells of the words at the left.
const WORD: usize = 11;
/// Cells of the box.
const WIDE: u16 = 74;

/// A session that is about to start, and its plan.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanView {
    /// The config's text, and the session's name in place of the config's.
    pub config: String,
    pub name: Option<String>,
    /// The config's name on the screen.
    pub title: String,
    /// The recipe to put into the session once it has started.
    pub recipe: Option<Box<Recipe>>,
    /// What to say when it starts.
    pub starting: String,
    /// `None` until the engine has answered.
    pub plan: Option<Box<RunPlan>>,
    /// Why there is no plan, or why nothing could be timed.
    pub problem: Option<String>,
    /// Candidates are being timed.
    pub measuring: bool,
    /// Lines scrolled down.
    pub down: usize,
}

impl PlanView {
    /// Whether an answer of the engine is outstanding.
    #[must_use]
    pub const fn waits(&self) -> bool {
        self.problem.is_none() && (self.plan.is_none() || self.measuring)
    }

    /// Scrolls by whole lines, never past the last.
    pub fn scroll(&mut self, lines: isize) {
        let last = self.lines().len().saturating_sub(1);
        self.down = self.down.saturating_add_signed(lines).min(last);
    }

    /// The plan in lines that fit the box.
    fn lines(&self) -> Vec<(String, Tone)> {
        let mut out = Vec::new();
        let mut row = |word: &str, text: &str, tone: Tone| {
            for (at, line) in wrap(text, usize::from(WIDE) - 6 - WORD).into_iter().enumerate() {
                let word = if at == 0 { word } else { "" };
                out.push((format!("{}{line}", pad(word, WORD)), tone));
            }
        };
        if let Some(plan) = &self.plan {
            for (word, text, tone) in rows(plan) {
                row(word, &text, tone);
            }
        }
        if let Some(problem) = &self.problem {
            row("", problem, Tone::Bad);
        } else if self.measuring {
            row("", messages::plan_times(), Tone::Accent);
        } else if self.plan.is_none() {
            row("", messages::plan_waits(), Tone::Dim);
        }
        out
    }
}

/// The rows of a plan: a word, what it says, and how it is shown.
fn rows(plan: &RunPlan) -> Vec<(&'static str, String, Tone)> {
    let mut out = Vec::new();
    for (at, model) in plan.setup.models.iter().enumerate() {
        let word = match at {
            0 => messages::plan_base(),
            1 => messages::plan_sources(),
            _ => "",
        };
        let (name, size) = (model.reference.as_str(), bytes(model.bytes.unwrap_or(0)));
        let (text, tone) = match &model.place {
            Place::Bundled => (messages::plan_bundled(name, &size), Tone::Plain),
            Place::Folder => (messages::plan_folder(name, &size), Tone::Plain),
            Place::Cache => (messages::plan_cache(name, &size), Tone::Plain),
            Place::Hub { download: Some(n), .. } => (messages::plan_hub(name, &bytes(*n)), Tone::Warn),
            Place::Hub { download: None, .. } => (messages::plan_hub_unknown(name), Tone::Warn),
        };
        out.push((word, text, tone));
    }
    if let Some(memory) = &plan.setup.memory {
        let total = bytes(memory.total);
        let text = match memory.available {
            Some(available) => messages::plan_of_memory(&total, &bytes(available)),
            None => total,
        };
        out.push((messages::plan_memory(), text, Tone::Plain));
        if let Some(sentence) = memory.refusal() {
            out.push(("", sentence, Tone::Bad));
        }
    }
    let several = plan.stages.len() > 1;
    for stage in &plan.stages {
        let word = if several { messages::plan_stage() } else { messages::plan_search() };
        out.push((word, of_search(stage), Tone::Plain));
        out.push(("", of_rounds(stage), Tone::Plain));
    }
    let work = &plan.work;
    let baselines = if work.baselines > work.plain_models + 1 {
        messages::plan_of_baselines(work.baselines)
    } else {
        messages::plan_of_few_baselines(work.baselines)
    };
    out.push((messages::plan_baselines(), baselines, Tone::Plain));
    let questions = messages::plan_of_questions(work.train_questions, work.test_questions);
    out.push((messages::plan_questions(), questions, Tone::Plain));
    let answers = match (work.answers.least, work.answers.most) {
        (least, most) if least == most => count(most),
        (least, most) => messages::plan_span(&count(least), &count(most)),
    };
    out.push((messages::plan_answers(), answers, Tone::Plain));
    if work.racing.is_some() {
        out.push(("", messages::plan_racing().to_owned(), Tone::Dim));
    }
    let tokens = match (&plan.time, work.tokens) {
        (Some(time), _) => messages::plan_about(&count(time.tokens), time.tokens_an_answer),
        (None, Some(most)) => messages::plan_at_most(&count(most)),
        (None, None) => messages::plan_unknown().to_owned(),
    };
    out.push((messages::plan_tokens(), tokens, Tone::Plain));
    out.push((messages::plan_journal(), of_journal(plan), Tone::Plain));
    if let Some(time) = &plan.time {
        out.extend(of_time(time));
    }
    out
}

fn of_search(stage: &PlannedStage) -> String {
    match stage.genes {
        Some(genes) => messages::plan_genes(&stage.searches, genes, &stage.algorithm),
        None => messages::plan_no_genes(&stage.searches, &stage.algorithm),
    }
}

fn of_rounds(stage: &PlannedStage) -> String {
    match (stage.generations, stage.population) {
        (Some(generations), Some(population)) => {
            messages::plan_rounds(generations, population, stage.evaluations)
        }
        _ => messages::plan_evaluations(stage.evaluations),
    }
}

fn of_journal(plan: &RunPlan) -> String {
    let Some(journal) = plan.disk.journal else { return messages::plan_unknown().to_owned() };
    let size = if plan.disk.measured { bytes(journal) } else { messages::plan_at_most(&bytes(journal)) };
    match plan.disk.free {
        Some(free) => messages::plan_free(&size, &bytes(free)),
        None => size,
    }
}

fn of_time(time: &PlannedTime) -> [(&'static str, String, Tone); 2] {
    let seconds = |s: f64| if s < 60.0 { format!("{s:.2} s") } else { duration(s) };
    let candidate =
        messages::plan_a_candidate(&seconds(time.candidate_s), &format!("{:.0}", time.tokens_per_second));
    let whole = if time.least_s < time.whole_s {
        messages::plan_span(&duration(time.least_s), &duration(time.whole_s))
    } else {
        messages::plan_about_time(&duration(time.whole_s))
    };
    [(messages::plan_candidate(), candidate, Tone::Plain), (messages::plan_whole(), whole, Tone::Strong)]
}

/// Draws the plan.
pub fn draw(view: &PlanView, canvas: &mut Canvas<'_>, area: Rect) {
    let lines = view.lines();
    let inner =
        canvas.popup(Canvas::centred(area, WIDE, lines.len() as u16 + 4), &messages::plan_title(&view.title));
    let [text, _, keys] = Layout::vertical([Fill(1), Length(1), Length(1)]).areas(Canvas::indented(inner));
    let down = view.down.min(lines.len().saturating_sub(text.height.into()));
    for ((line, tone), row) in lines.iter().skip(down).zip(text.rows()) {
        canvas.line(row, line, canvas.theme.tone(*tone));
    }
    let timed = view.plan.as_ref().is_none_or(|plan| plan.time.is_some()) || view.measuring;
    let hint = if timed { messages::plan_keys_timed() } else { messages::plan_keys() };
    canvas.line(keys, hint, canvas.theme.tone(Tone::Accent));
}
