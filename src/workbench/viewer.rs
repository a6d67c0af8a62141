//! Brings the questions' pictures to the terminal: asks what it can show, decides how pictures are shown, and has
//! missing ones made ready. Replies, tmux's facts and drawn frames come in; questions to the terminal and requests to the
//! loader go out. The event loop calls it.

use std::io;
use std::sync::mpsc::Sender;

use super::app::App;
use super::event::{self, AppEvent};
use super::messages;
use super::pictures::Placed;
use super::pictures::graphics::{Known, Protocol, Setting};
use super::pictures::loader::{self, Wanted};
use super::terminal::input::{self, Ask};
use super::terminal::replies::Reply;
use super::terminal::tmux::Tmux;
use super::theme::{Depth, Theme};

/// What is known of the terminal, and the channel to the loader.
pub struct Viewer {
    known: Known,
    setting: Setting,
    loader: Sender<Wanted>,
    events: Sender<AppEvent>,
}

impl Viewer {
    /// Starts the loader and asks the terminal.
    ///
    /// # Errors
    /// A thread can't be started, or the terminal can't be read or written.
    pub fn start(app: &mut App, events: &Sender<AppEvent>) -> io::Result<Self> {
        let setting = Setting::from_env().unwrap_or_else(|value| {
            let names = Setting::NAMES.map(|(name, _)| name).join(", ");
            app.complain(messages::pictures_setting(&value, &names));
            Setting::Auto
        });
        let done = events.clone();
        let loader = loader::start(move |loaded| done.send(AppEvent::Picture(Box::new(loaded))).is_ok())?;
        let mut viewer = Self { known: Known::from_env(), setting, loader, events: events.clone() };
        viewer.resized(app)?;
        viewer.ask(app.theme)?;
        Ok(viewer)
    }

    /// Asks what the terminal can show, if that matters.
    ///
    /// # Errors
    /// A thread can't be started, or the terminal can't be read or written.
    pub fn ask(&self, theme: Theme) -> io::Result<()> {
        let plain = theme.ascii || theme.depth == Depth::Mono;
        let needed = match self.setting {
            Setting::Off | Setting::Always(Protocol::Blocks) => false,
            Setting::Auto => !plain,
            Setting::Always(_) => true,
        };
        if !needed || !self.known.answers() {
            Ok(())
        } else if Tmux::is_around() {
            event::ask_tmux(self.events.clone())
        } else {
            input::ask(Ask::Terminal, self.events.clone())
        }
    }

    /// Takes in a reply of the terminal.
    pub fn reply(&mut self, reply: Reply, app: &mut App) {
        self.known.take(reply);
        self.decide(app);
    }

    /// Takes in what tmux says, and asks it the rest.
    ///
    /// # Errors
    /// The terminal can't be read or written.
    pub fn tmux(&mut self, tmux: Tmux, app: &mut App) -> io::Result<()> {
        let who = if tmux.passthrough { Ask::ThroughTmux } else { Ask::Tmux };
        self.known.tmux = Some(tmux);
        self.decide(app);
        input::ask(who, self.events.clone())
    }

    /// The terminal's window, or the size of its letters, has changed. With other letters it is asked again.
    ///
    /// # Errors
    /// A thread can't be started, or the terminal can't be read or written.
    pub fn resized(&mut self, app: &mut App) -> io::Result<()> {
        let before = self.known.window_cell;
        let window = crossterm::terminal::window_size().ok();
        self.known.window_cell = window.and_then(|w| {
            let cell = |pixels: u16, cells: u16| pixels.checked_div(cells).filter(|n| *n > 0);
            cell(w.width, w.columns).zip(cell(w.height, w.rows))
        });
        let is_other = before.is_some() && before != self.known.window_cell;
        if is_other {
            self.known.cell = None;
        }
        self.decide(app);
        if is_other { self.ask(app.theme) } else { Ok(()) }
    }

    /// Has the pictures of the frame that was drawn made ready, where they are missing.
    pub fn drawn(&self, placed: &[Placed], app: &mut App) {
        if let Some(wanted) = app.pictures.shown(placed) {
            // Sending fails only after the loader has ended: its panic ends the program.
            let _ = self.loader.send(wanted);
        }
    }

    fn decide(&self, app: &mut App) {
        app.pictures.show_by(self.known.graphics(self.setting, app.theme));
    }
}
