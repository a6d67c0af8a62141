//! What a person sees. Keys and the engine's messages come in; frames and commands go out.
//!
//! key → [`action::Action`] → [`app::App`] → command → engine → message → [`app::App`] → one
//! draw. The state is plain data, drawing reads it and nothing else, and no tensor, file or
//! database is touched on the thread that draws.

pub mod action;
pub mod answers;
pub mod app;
pub mod config;
pub mod desk;
pub mod editor;
pub mod effect;
mod export;
pub mod keymap;
pub mod keys;
pub mod log;
mod looper;
pub mod overlays;
pub mod panes;
pub mod pen;
pub mod picture;
pub mod pool;
pub mod receive;
pub mod recording;
pub mod replay;
pub mod run;
mod signals;
pub mod terminal;
pub mod text;
pub mod theme;
pub mod trial;
pub mod update;
mod wake;
pub mod widgets;
pub mod words;
pub mod write;

use app::{App, Wish};
use config::StartConfig;
use desk::{Desk, Whose};
use keymap::Keymap;
use looper::{End, Feed};
use replay::Story;
use theme::Theme;
use words::Language;

use crate::session::Home;
use crate::session::protocol::Status;

/// What the command line asks of the workbench.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// A session's config to start at once (`yosegi evolve CONFIG`); the bundled zoo is what
    /// `s` starts otherwise.
    pub start: Option<StartConfig>,
    /// The session to open (`yosegi attach NAME`).
    pub attach: Option<String>,
}

/// Opens the workbench and returns when it is closed; what runs goes on.
///
/// # Errors
/// The home can't be used, or the terminal can't be taken.
pub fn run(options: Options) -> anyhow::Result<()> {
    let home = Home::from_env()?;
    words::speak(Language::from_env());
    let wish = match (&options.attach, &options.start) {
        (Some(name), _) => Wish::Attach(name.clone()),
        (None, Some(_)) => Wish::Start,
        (None, None) => Wish::Look,
    };
    let mut app = App::new(Theme::from_env(), options.start.unwrap_or_default(), wish);
    take_keys(&mut app);
    take_desk(&mut app, &home);
    let (end, app) = looper::run(app, Feed::Engine(home))?;
    match end {
        End::Quit => say_goodbye(&app),
        // The terminal is given back; now end as the signal asked.
        End::Signal(signal) => std::process::exit(128 + signal),
    }
    Ok(())
}

/// Plays a session again: nothing can be changed and no engine is needed.
///
/// # Errors
/// The terminal can't be taken.
pub fn play(story: Story, speed: f64) -> anyhow::Result<()> {
    words::speak(Language::from_env());
    let wish = Wish::Attach(story.name().to_owned());
    let mut app = App::new(Theme::from_env(), StartConfig::default(), wish);
    take_keys(&mut app);
    match looper::run(app, Feed::Replay(Box::new(story), speed))?.0 {
        End::Quit => Ok(()),
        End::Signal(signal) => std::process::exit(128 + signal),
    }
}

/// The person's own keys; what is wrong with them is said once and stays in the log.
fn take_keys(app: &mut App) {
    let (keys, problems) = Keymap::from_file();
    app.keys = keys;
    for problem in &problems {
        app.log.add(0, "warn", problem);
    }
    if let Some(first) = problems.into_iter().next() {
        app.complain(first);
    }
}

/// What lay on the home's desk when the workbench was closed.
fn take_desk(app: &mut App, home: &Home) {
    let alone = app.wish == Wish::Look;
    let mut read = |whose: &Whose| {
        Desk::read(home, whose).unwrap_or_else(|(path, why)| {
            app.desk_unreadable(&path, why.as_deref());
            Desk::default()
        })
    };
    let desk = read(&Whose::Home);
    let last = desk.last.clone().filter(|name| alone && home.session(name).is_ok());
    let last = last.map(|name| read(&Whose::Session(name)));
    app.take_home_desk(desk, last, alone);
}

/// On the normal screen: what goes on, and how to come back to it.
fn say_goodbye(app: &App) {
    let Some(run) = &app.run else { return };
    let name = &run.state.name;
    match run.status() {
        Status::New | Status::Running => println!("{}", words::run_goes_on(name)),
        Status::Paused => println!("{}", words::run_is_paused(name)),
        Status::Stopped | Status::Finished => {}
    }
}

#[cfg(test)]
mod tests;
