//! The loop: wake at once, take in everything that waits, draw once.

use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use crossterm::event::Event;
use ratatui::layout::Rect;

use super::app::App;
use super::effect::Effect;
use super::panes::Hit;
use super::replay::{self, Control, Story};
use super::wake::{self, Keeper, Wake};
use super::{panes, signals, terminal};
use crate::session::line::Unsayable;
use crate::session::{CommandSender, Home};

/// What the engine sends is drawn at most this often; a key is drawn at once.
const FRAME: Duration = Duration::from_millis(33);
/// Keys that come faster than this share a frame.
const KEY_FRAME: Duration = Duration::from_millis(8);
/// Messages taken in before a frame is due regardless.
const BURST: usize = 4096;
/// Pause before a lost engine is looked for again.
const RETRY: Duration = Duration::from_secs(1);

/// Why the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A key closed the workbench.
    Quit,
    Signal(i32),
}

/// Who tells what happens.
pub enum Feed {
    /// The engine of this home, started if there is none.
    Engine(Home),
    /// A session played again at this many times its speed.
    Replay(Box<Story>, f64),
}

/// The workbench in a terminal.
struct Looper {
    app: App,
    /// Whose engine is looked for again when it is lost.
    home: Option<Home>,
    /// The player of a replay.
    player: Option<Sender<Control>>,
    screen: terminal::Screen,
    wakes: Sender<Wake>,
    engine: Option<CommandSender>,
    hits: Vec<(Rect, Hit)>,
    /// When to look for the engine again.
    retry: Option<Instant>,
    /// Who stores the desks.
    keeper: Option<Keeper>,
}

/// Runs the workbench until it is closed.
pub fn run(app: App, feed: Feed) -> anyhow::Result<(End, App)> {
    signals::block();
    let (wakes, inbox) = mpsc::channel();
    let (home, player) = match feed {
        Feed::Engine(home) => {
            wake::listen_to_engine(home.clone(), wakes.clone())?;
            (Some(home), None)
        }
        Feed::Replay(story, speed) => (None, Some(replay::play(*story, speed, wakes.clone())?)),
    };
    let screen = terminal::Screen::take()?;
    signals::watch(wakes.clone())?;
    wake::listen_to_keys(wakes.clone())?;
    let keeper = home.clone().map(|home| wake::keep_desks(home, wakes.clone())).transpose()?;
    let mut looper =
        Looper { app, home, player, screen, wakes, engine: None, hits: Vec::new(), retry: None, keeper };
    let end = looper.run(&inbox);
    // What was changed last is stored before the terminal is given back.
    looper.app.keep_desks();
    looper.act()?;
    if let Some((keep, keeper)) = looper.keeper.take() {
        drop(keep);
        let _ = keeper.join();
    }
    Ok((end?, looper.app))
}

impl Looper {
    fn run(&mut self, inbox: &Receiver<Wake>) -> anyhow::Result<End> {
        self.draw()?;
        let mut drawn = Instant::now();
        // When the next frame is due; `None` while nothing has changed.
        let mut due: Option<Instant> = None;
        loop {
            let wait = [due, self.retry].into_iter().flatten().min();
            let first = match wait {
                Some(at) => match inbox.recv_timeout(at.saturating_duration_since(Instant::now())) {
                    Ok(wake) => Some(wake),
                    Err(RecvTimeoutError::Timeout) => None,
                    Err(RecvTimeoutError::Disconnected) => return Ok(End::Quit),
                },
                None => Some(inbox.recv()?),
            };
            let waiting = first.into_iter().chain(std::iter::from_fn(|| inbox.try_recv().ok()));
            for wake in waiting.take(BURST) {
                let pace = if matches!(wake, Wake::Input(_)) { KEY_FRAME } else { FRAME };
                let at = drawn + pace;
                due = Some(due.map_or(at, |d| d.min(at)));
                if let Some(end) = self.take_in(wake)? {
                    return Ok(end);
                }
            }
            if self.app.quit {
                return Ok(End::Quit);
            }
            if self.retry.is_some_and(|at| at <= Instant::now()) {
                self.retry = None;
                if let Some(home) = &self.home {
                    wake::listen_to_engine(home.clone(), self.wakes.clone())?;
                }
            }
            if due.is_some_and(|at| at <= Instant::now()) {
                self.app.settle();
                self.act()?;
                self.draw()?;
                drawn = Instant::now();
                due = None;
            }
        }
    }

    fn take_in(&mut self, wake: Wake) -> anyhow::Result<Option<End>> {
        match wake {
            Wake::Input(Event::Key(key)) => self.app.key(key),
            Wake::Input(Event::Paste(text)) => self.app.paste(&text),
            Wake::Input(Event::Mouse(event)) => self.app.mouse(event, &self.hits),
            Wake::Input(_) => {}
            Wake::Engine(message) => self.app.receive(*message),
            Wake::Connected { sender, device, since_ms } => {
                self.engine = Some(sender);
                self.app.since_ms = since_ms;
                self.app.connected(device);
            }
            Wake::Disconnected(why) => {
                self.engine = None;
                self.app.disconnected(&why);
                self.retry = Some(Instant::now() + RETRY);
            }
            Wake::Written(path, outcome) => self.app.written(path, outcome),
            Wake::Read(path, why, outcome) => {
                let outcome = outcome.map(|(recipe, notes, text)| {
                    self.app.passed_over(&notes);
                    (recipe, text)
                });
                self.app.read(path, why, outcome);
            }
            Wake::TextWritten(path, outcome) => self.app.exported(&path, outcome),
            Wake::Desk(session, desk) => self.app.take_desk(&session, *desk),
            Wake::NotKept(path, why) => self.app.not_kept(&path, &why),
            Wake::Replay(standing) => self.app.replay = Some(standing),
            Wake::Signal(libc::SIGTSTP) => self.suspend()?,
            Wake::Signal(signal) => return Ok(Some(End::Signal(signal))),
        }
        // A reply may come before the loop turns again: what is asked is sent at once.
        self.act()?;
        Ok(None)
    }

    /// Does what the state wants done.
    fn act(&mut self) -> anyhow::Result<()> {
        for effect in std::mem::take(&mut self.app.effects) {
            match effect {
                Effect::Send(ask, command) => {
                    // Without an engine the connection's end is reported by its own thread.
                    match self.engine.as_ref().map(|e| e.send(command)) {
                        Some(Ok(id)) => self.app.sent(id, ask),
                        Some(Err(why)) if why.is::<Unsayable>() => self.app.complain(why.to_string()),
                        _ => {}
                    }
                }
                Effect::Write { path, content, over } => {
                    wake::write_recipe(path, content, over, self.wakes.clone());
                }
                Effect::WriteText { path, text, over } => {
                    wake::write_text(path, text, over, self.wakes.clone());
                }
                Effect::Keep { whose, desk } => {
                    if let Some((keep, _)) = &self.keeper {
                        // It ends when this loop does.
                        let _ = keep.send((whose, desk));
                    }
                }
                Effect::ReadDesk(session) => {
                    if let Some(home) = &self.home {
                        wake::read_desk(home.clone(), session, self.wakes.clone());
                    }
                }
                Effect::Read { path, why } => wake::read_recipe(path, why, self.wakes.clone()),
                Effect::Copy(text) => self.screen.copy(&text)?,
                Effect::Mouse(ours) => self.screen.mouse(ours)?,
                Effect::Redraw => self.screen.redraw(),
                Effect::Suspend => self.suspend()?,
                Effect::Replay(control) => {
                    if let Some(player) = &self.player {
                        // The player ends when this loop does.
                        let _ = player.send(control);
                    }
                }
            }
        }
        Ok(())
    }

    fn suspend(&mut self) -> io::Result<()> {
        terminal::restore();
        signals::stop_self();
        self.screen.resume(self.app.mouse)
    }

    fn draw(&mut self) -> io::Result<()> {
        let (app, hits) = (&self.app, &mut self.hits);
        self.screen.show(|buffer| {
            let drawn = panes::draw(app, buffer);
            *hits = drawn.hits;
            drawn.cursor
        })
    }
}
