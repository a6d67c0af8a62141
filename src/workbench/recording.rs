//! A recorded session as lines of JSON: its events, and the engine's replies that the panes need. Every pane can be
//! drawn from it, with the same result on every machine. The screenshot command makes and draws it; a replay plays it.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use super::action::{Action, AppAction};
use super::app::{App, Pane, Startup};
use super::canvas::Canvas;
use super::config::{StartConfig, pool_of, task_of, watched_of};
use super::effect::{Ask, Effect};
use super::messages::{self, Language};
use super::overlays::Preset;
use super::panes;
use super::pictures::Placed;
use super::pictures::graphics::Graphics;
use super::screenshot::{self, Embed, Screenshot};
use super::theme::{Depth, Theme, Tone};
use crate::checkpoint::ModelSummary;
use crate::error::BadInput;
use crate::picture::PictureSource;
use crate::recipe::Recipe;
use crate::session::Client;
use crate::session::protocol::{
    Answers, Candidate, CandidateId, Command, Distances, Event, ImageRef, Message, Record, Reply, Split,
    Target,
};
use crate::session::state::SessionState;

/// The greatest number of answers kept for each candidate.
const QUESTIONS: usize = 24;
/// Size of the pictures in cells.
pub const SIZE: (u16, u16) = (126, 38);
const THEME: Theme = Theme { depth: Depth::True, ascii: false };

/// The recorded session that the pictures of the documentation show.
pub const RECORDED: &str = include_str!("../../screenshots/session.jsonl");
/// A recorded session about pictures, for the picture of such answers.
const RECORDED_VISION: &str = include_str!("../../screenshots/vision.jsonl");

/// The events of a session, and the engine's replies.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recording {
    pub models: Vec<ModelSummary>,
    pub records: Vec<Record>,
    pub answers: Vec<(CandidateId, Answers)>,
    /// Sample answers of the uniform merge and of the best candidate.
    pub tried: Vec<Answers>,
    /// The distances of the sources from the base.
    pub distances: Option<Distances>,
    /// Why there are no sample answers.
    pub without: Option<String>,
}

/// Rounds the numbers of genomes and recipes to the precision that a picture shows, so that the file stays small.
fn round(event: &mut Event) {
    let candidate = |c: &mut Candidate| {
        c.genome.iter_mut().for_each(shorten);
        if let Target::Recipe(recipe) = &mut c.target {
            round_recipe(recipe);
        }
    };
    match event {
        Event::GenerationStarted { mean, candidates, .. } => {
            mean.iter_mut().for_each(shorten);
            candidates.iter_mut().for_each(candidate);
        }
        Event::Baseline { candidate: c, .. } | Event::Injected { candidate: c } => candidate(c),
        Event::Finished { recipe, .. } => round_recipe(recipe),
        _ => {}
    }
}

fn round_recipe(recipe: &mut Recipe) {
    for source in &mut recipe.sources {
        for (_, values) in source.parameters.iter_mut() {
            values.change_each(&mut shorten);
        }
    }
}

fn shorten(value: &mut f64) {
    *value = (*value * 1e3).round() / 1e3;
}

/// A request for a recipe's answers to the watched questions.
fn try_command(config: &str, recipe: Recipe) -> Command {
    Command::Try {
        target: Target::Recipe(Box::new(recipe)),
        task: task_of(config),
        split: Split::Train,
        questions: watched_of(config),
    }
}

/// A line of the file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Model(ModelSummary),
    Record(Record),
    Answers {
        candidate: CandidateId,
        answers: Answers,
    },
    Tried(Answers),
    Distances(Distances),
    /// A picture that answers name by its number (`#0`), as a `data:` URL.
    Picture(String),
}

impl Recording {
    /// Reads a recording from the lines of its file.
    ///
    /// # Errors
    /// A line does not belong to a recording; the error names the line's number.
    pub fn from_lines(text: &str) -> anyhow::Result<Self> {
        let (mut out, mut pictures) = (Self::default(), Vec::new());
        for (number, line) in text.lines().enumerate().filter(|(_, l)| !l.is_empty()) {
            let line = serde_json::from_str(line).with_context(|| format!("line {}", number + 1))?;
            match line {
                Line::Model(model) => out.models.push(model),
                Line::Record(record) => out.records.push(record),
                Line::Answers { candidate, answers } => out.answers.push((candidate, answers)),
                Line::Tried(answers) => out.tried.push(answers),
                Line::Distances(distances) => out.distances = Some(distances),
                Line::Picture(url) => pictures.push(url),
            }
        }
        for image in out.images() {
            let number = image.path.strip_prefix('#').and_then(|n| n.parse::<usize>().ok());
            if let Some(url) = number.and_then(|n| pictures.get(n)) {
                image.path.clone_from(url);
            }
        }
        Ok(out)
    }

    /// The recording as the lines of its file.
    ///
    /// # Errors
    /// A number is not finite: JSON has no form for it.
    pub fn to_lines(&self) -> anyhow::Result<String> {
        let mut numbered = self.clone();
        let mut pictures: Vec<String> = Vec::new();
        for image in numbered.images().filter(|image| image.path.starts_with("data:")) {
            let known = pictures.iter().position(|url| *url == image.path);
            let number = known.unwrap_or(pictures.len());
            let url = std::mem::replace(&mut image.path, format!("#{number}"));
            if known.is_none() {
                pictures.push(url);
            }
        }
        let models = numbered.models.into_iter().map(Line::Model);
        let records = numbered.records.into_iter().map(Line::Record);
        let answers = numbered.answers.into_iter();
        let answers = answers.map(|(candidate, answers)| Line::Answers { candidate, answers });
        let tried = numbered.tried.into_iter().map(Line::Tried);
        let distances = numbered.distances.into_iter().map(Line::Distances);
        let pictures = pictures.into_iter().map(Line::Picture);
        let mut out = String::new();
        for line in models.chain(records).chain(answers).chain(tried).chain(distances).chain(pictures) {
            out.push_str(&serde_json::to_string(&line)?);
            out.push('\n');
        }
        Ok(out)
    }

    /// Requests from the engine everything that the pictures of a session show.
    ///
    /// # Errors
    /// The connection to the engine is lost, or the engine has no such session.
    pub fn of_session(client: &mut Client, session: &str) -> anyhow::Result<Self> {
        let mut out = Self::default();
        out.follow(client, session)?;
        let mut state = SessionState::default();
        for record in &out.records {
            state.apply(record);
        }
        let pool = pool_of(&state.config);
        for reference in [&pool.base].into_iter().chain(&pool.sources).filter(|r| !r.is_empty()) {
            let base = Some(pool.base.clone());
            let command = Command::Model { reference: reference.clone(), base, here: true };
            if let Reply::Models(list) = client.call(command)? {
                out.models.extend(list);
            }
        }
        let command = Command::Distances { base: pool.base.clone(), sources: pool.sources.clone() };
        if let Reply::Distances(mut found) = client.call(command)? {
            found.norms.iter_mut().flatten().for_each(shorten);
            found.cosines.iter_mut().flat_map(|p| &mut p.cosines).for_each(shorten);
            out.distances = Some(found);
        }
        let mut run = super::panes::evolve::state::Run::new(session);
        run.state = state;
        let shown = run.references().into_iter().chain(run.state.best_entry());
        for candidate in shown.map(|e| e.candidate.id).collect::<Vec<_>>() {
            let session = session.to_owned();
            let command = Command::Answers { session, candidate, split: Split::Train };
            if let Reply::Answers(mut answers) = client.call(command)? {
                answers.answers.truncate(QUESTIONS);
                out.answers.push((candidate, answers));
            }
        }
        let best = run.state.best_entry().map(|e| e.candidate.target.clone());
        if let Some(Target::Recipe(best)) = best {
            let models =
                if best.sources.is_empty() { super::editor::sources_of(&best) } else { pool.sources };
            let base = if pool.base.is_empty() { best.donor() } else { &pool.base };
            let uniform = super::editor::Editor::new(base, &models, run.state.layers).recipe;
            for recipe in [uniform, *best] {
                // If a recipe's models are missing, it has no sample answers.
                match client.call(try_command(&run.state.config, recipe))? {
                    Reply::Answers(answers) => out.tried.push(answers),
                    Reply::Error(why) => {
                        out.without = Some(why);
                        break;
                    }
                    other => bail!("sample answers: {other:?}"),
                }
            }
        }
        out.take_pictures();
        Ok(out)
    }

    /// The pictures of all questions.
    fn images(&mut self) -> impl Iterator<Item = &mut ImageRef> {
        let answers = self.answers.iter_mut().map(|(_, answers)| answers).chain(&mut self.tried);
        answers.flat_map(|answers| &mut answers.answers).flat_map(|answer| &mut answer.images)
    }

    /// Takes the pictures themselves into the recording, so that they are there on every machine. One that can't be
    /// read stays a name.
    fn take_pictures(&mut self) {
        let mut read: HashMap<String, Option<String>> = HashMap::new();
        for image in self.images() {
            let embed = || {
                let source = PictureSource::from_text(&image.path, Path::new("/"));
                Some(source.ok()?.embedded().ok()?.url())
            };
            if let Some(url) = read.entry(image.path.clone()).or_insert_with(embed) {
                image.path.clone_from(url);
            }
        }
    }

    fn follow(&mut self, client: &mut Client, session: &str) -> anyhow::Result<()> {
        let name = session.to_owned();
        if let Reply::Error(why) = client.call(Command::Subscribe { session: name, since: 0 })? {
            return Err(BadInput::error(why));
        }
        loop {
            match client.recv()? {
                Message::Event { mut record, .. } => {
                    round(&mut record.event);
                    self.records.push(record);
                }
                Message::Boundary { .. } => return Ok(()),
                _ => {}
            }
        }
    }

    /// The workbench at the recording's end, with all its requests answered.
    #[must_use]
    pub fn workbench(&self, theme: Theme) -> App {
        let mut app = App::new(theme, StartConfig::default(), Startup::ShowRunning);
        app.pictures.show_by(Some(Graphics::screenshot(screenshot::CELL)));
        app.connected("cpu".to_owned());
        self.serve(&mut app, None);
        let mut state = SessionState::default();
        if let Some(first) = self.records.first() {
            state.apply(first);
        }
        app.open_session(&state.name);
        for record in &self.records {
            app.receive(Message::Event { session: state.name.clone(), record: record.clone() });
        }
        app.receive(Message::Boundary { session: state.name, next: 0 });
        self.serve(&mut app, self.tried.first());
        if let Some(best) = app.run.as_ref().and_then(|r| r.state.best) {
            app.preset(Preset::Candidate(best));
        }
        self.serve(&mut app, self.tried.get(1));
        for pane in Pane::ALL {
            app.pane = pane;
            self.serve(&mut app, None);
        }
        app.notice = None;
        app
    }

    /// Answers the workbench's requests from the recording.
    fn serve(&self, app: &mut App, tried: Option<&Answers>) {
        app.settle();
        for (id, effect) in (1..).zip(std::mem::take(&mut app.effects)) {
            let Effect::Send(ask, _) = effect else { continue };
            let reply = match &ask {
                Ask::Models => Reply::Models(self.models.clone()),
                Ask::Answers { candidate, .. } => {
                    let found = self.answers.iter().find(|(id, _)| id == candidate);
                    found.map_or(Reply::Done, |(_, answers)| Reply::Answers(answers.clone()))
                }
                Ask::Distances { .. } => self.distances.clone().map_or(Reply::Done, Reply::Distances),
                Ask::Try { .. } => tried.map_or(Reply::Superseded, |a| Reply::Answers(a.clone())),
                _ => Reply::Done,
            };
            app.sent(id, ask);
            app.receive(Message::Reply { id, reply });
        }
    }

    /// The pictures of a session, by file name: every pane, one with help over it, and one in Japanese.
    #[must_use]
    pub fn screenshots(&self) -> Vec<Screenshot> {
        let before = messages::language();
        messages::speak(Language::English);
        let mut out: Vec<Screenshot> =
            Pane::ALL.into_iter().map(|pane| self.screenshot(pane, SIZE)).collect();
        let mut app = self.workbench(THEME);
        app.pane = Pane::Recipe;
        app.act(Action::App(AppAction::Help));
        out.push(draw(&app, "help", SIZE));
        messages::speak(Language::Japanese);
        out.push(Screenshot { name: "japanese".to_owned(), ..self.screenshot(Pane::Evolve, SIZE) });
        messages::speak(before);
        out
    }

    /// A picture of one pane at a size in cells, in this thread's language.
    #[must_use]
    pub fn screenshot(&self, pane: Pane, size: (u16, u16)) -> Screenshot {
        let mut app = self.workbench(THEME);
        app.pane = pane;
        draw(&app, pane.name(), size)
    }
}

/// The pictures of the documentation, by file name: those of the recorded session, and answers about pictures from
/// another.
///
/// # Errors
/// A bundled recording that cannot be read.
pub fn documentation() -> anyhow::Result<Vec<Screenshot>> {
    let mut out = Recording::from_lines(RECORDED)?.screenshots();
    let before = messages::language();
    messages::speak(Language::English);
    let answers = Recording::from_lines(RECORDED_VISION)?.screenshot(Pane::Answers, SIZE);
    messages::speak(before);
    out.push(Screenshot { name: "vision".to_owned(), ..answers });
    Ok(out)
}

fn draw(app: &App, name: &str, size: (u16, u16)) -> Screenshot {
    let title = format!("Yosegi: {}", messages::pane(app.pane));
    let (mut frame, placed) = panes::frame_of(app, size);
    let mut pictures = Vec::new();
    for Placed { area, key, alternative, .. } in placed {
        let source = PictureSource::from_text(&key.source, Path::new("/"));
        match source.and_then(|source| source.embedded()) {
            Ok(picture) => pictures.push(Embed { area, picture, alternative }),
            Err(why) => {
                let style = app.theme.tone(Tone::Warn);
                Canvas::new(&mut frame, &app.theme).paragraph(area, &why.to_string(), style);
            }
        }
    }
    Screenshot { name: name.to_owned(), title, frame, pictures }
}
