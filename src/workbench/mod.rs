//! The workbench: the terminal interface. Keys and the engine's messages come in; frames and commands go out.
//!
//! key → [`action::Action`] → [`app::App`] → command → engine → message → [`app::App`] → one frame. The state is
//! plain data, drawing only reads it, and the thread that draws touches no tensor, file or database.
//! `cli` calls [`run`] and [`play`].

pub mod action;
pub mod app;
pub mod canvas;
pub mod config;
pub mod editor;
pub mod effect;
mod event;
mod event_loop;
pub mod files;
pub mod log;
pub mod messages;
pub mod overlays;
pub mod panes;
pub mod pictures;
pub mod receive;
pub mod recording;
pub mod replay;
pub mod screenshot;
pub mod terminal;
pub mod text;
pub mod theme;
pub mod update;
mod viewer;
pub mod widgets;

use action::keymap::Keymap;
use app::{App, Startup};
use config::StartConfig;
use event_loop::{End, Feed};
use files::desk::{Desk, Whose};
use messages::Language;
use replay::ReplaySource;
use theme::Theme;

use crate::session::Home;
use crate::session::protocol::Status;

/// The command line's arguments for the workbench.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// A session's config to start at once (`yosegi evolve CONFIG`). Without one, `s` starts the bundled zoo.
    pub start: Option<StartConfig>,
    /// The session to open (`yosegi attach NAME`).
    pub attach: Option<String>,
}

/// Opens the workbench and returns when it is closed. A run goes on without it.
///
/// # Errors
/// The home can't be used, or the terminal can't be set up.
pub fn run(options: Options) -> anyhow::Result<()> {
    let home = Home::from_env()?;
    messages::speak(Language::from_env());
    let startup = match (&options.attach, &options.start) {
        (Some(name), _) => Startup::Attach(name.clone()),
        (None, Some(_)) => Startup::Start,
        (None, None) => Startup::ShowRunning,
    };
    let mut app = App::new(Theme::from_env(), options.start.unwrap_or_default(), startup);
    take_keys(&mut app);
    take_desk(&mut app, &home);
    let (end, app) = event_loop::run(app, Feed::Engine(home))?;
    match end {
        End::Quit => say_goodbye(&app),
        // The terminal is restored. Now end the process by the signal.
        End::Signal(signal) => std::process::exit(128 + signal),
    }
    Ok(())
}

/// Opens the workbench on a replay. A replay needs no engine and changes nothing.
///
/// # Errors
/// The terminal can't be set up.
pub fn play(source: ReplaySource, speed: f64) -> anyhow::Result<()> {
    messages::speak(Language::from_env());
    let startup = Startup::Attach(source.name().to_owned());
    let mut app = App::new(Theme::from_env(), StartConfig::default(), startup);
    take_keys(&mut app);
    match event_loop::run(app, Feed::Replay(Box::new(source), speed))?.0 {
        End::Quit => Ok(()),
        End::Signal(signal) => std::process::exit(128 + signal),
    }
}

/// Reads the user's key file. The first mistake in it is shown as a notice, and all of them are in the log.
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

/// Restores the hand work that was stored when the workbench was last closed.
fn take_desk(app: &mut App, home: &Home) {
    let alone = app.startup == Startup::ShowRunning;
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

/// Prints on the normal screen which run continues and how to return to it.
fn say_goodbye(app: &App) {
    let Some(run) = &app.run else { return };
    let name = &run.state.name;
    match run.status() {
        Status::New | Status::Running => println!("{}", messages::run_goes_on(name)),
        Status::Paused => println!("{}", messages::run_is_paused(name)),
        Status::Stopped | Status::Finished => {}
    }
}

#[cfg(test)]
mod tests;
