//! The event loop. It takes in all waiting events, carries out the effects that the state requests, then draws one
//! frame. `workbench::run` and `workbench::play` run it.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use crossterm::event::Event;
use ratatui::layout::Rect;

use super::action::ReplayAction;
use super::app::App;
use super::effect::Effect;
use super::event::{self, AppEvent, Keeper};
use super::panes;
use super::panes::Hit;
use super::pictures::Placed;
use super::pictures::encode::{Encoded, Sent};
use super::pictures::kitty::part_end;
use super::replay::{self, ReplaySource};
use super::terminal::{self, Frame, input, signals};
use super::viewer::Viewer;
use crate::session::json_line::Unsayable;
use crate::session::{CommandSender, Home};

/// Shortest time between two frames that show engine messages. A frame after a key comes sooner.
const FRAME: Duration = Duration::from_millis(33);
/// Shortest time between two frames that show keys.
const KEY_FRAME: Duration = Duration::from_millis(8);
/// The greatest number of events taken in before a frame is drawn.
const BURST: usize = 4096;
/// Time without a key after which new pictures are sent to the terminal.
const CALM: Duration = Duration::from_millis(80);
/// Bytes of a picture that are sent before the loop looks for keys again.
const PART: usize = 16_384;
/// Pause before the loop tries to find a lost engine again.
const RETRY: Duration = Duration::from_secs(1);

/// Why the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A key closed the workbench.
    Quit,
    Signal(i32),
}

/// Where the session's messages come from.
pub enum Feed {
    /// The engine of this home. It is started if none runs.
    Engine(Home),
    /// A replay, at this many times the recorded speed.
    Replay(Box<ReplaySource>, f64),
}

/// The workbench in a terminal.
struct EventLoop {
    app: App,
    /// The home whose engine is found again after it is lost.
    home: Option<Home>,
    /// The channel to a replay's playback.
    playback: Option<Sender<ReplayAction>>,
    screen: terminal::Screen,
    viewer: Viewer,
    events: Sender<AppEvent>,
    engine: Option<CommandSender>,
    hits: Vec<(Rect, Hit)>,
    /// When to try to find the engine again.
    retry: Option<Instant>,
    /// The pictures of the last frame.
    placed: Vec<Placed>,
    /// A picture that is being sent, and how many of its bytes were.
    sending: Option<(Arc<Encoded>, usize)>,
    /// When pictures that wait for a pause between keys are sent.
    calm: Option<Instant>,
    /// The thread that stores hand work.
    keeper: Option<Keeper>,
}

/// Runs the workbench until it is closed.
///
/// # Errors
/// The terminal can't be set up or written, or a thread can't be started.
pub fn run(mut app: App, feed: Feed) -> anyhow::Result<(End, App)> {
    signals::block();
    let (events, inbox) = mpsc::channel();
    let (home, playback) = match feed {
        Feed::Engine(home) => {
            event::listen_to_engine(home.clone(), events.clone())?;
            (Some(home), None)
        }
        Feed::Replay(source, speed) => (None, Some(replay::play(*source, speed, events.clone())?)),
    };
    let screen = terminal::Screen::take()?;
    signals::watch(events.clone())?;
    let viewer = Viewer::start(&mut app, &events)?;
    event::listen_to_keys(events.clone())?;
    let keeper = home.clone().map(|home| event::keep_desks(home, events.clone())).transpose()?;
    let mut event_loop = EventLoop {
        app,
        home,
        playback,
        screen,
        viewer,
        events,
        engine: None,
        hits: Vec::new(),
        retry: None,
        calm: None,
        placed: Vec::new(),
        sending: None,
        keeper,
    };
    let end = event_loop.run(&inbox);
    input::settle();
    // Hand work changed since the last frame is stored before the terminal is restored.
    event_loop.app.keep_desks();
    event_loop.act()?;
    if let Some((keep, keeper)) = event_loop.keeper.take() {
        drop(keep);
        let _ = keeper.join();
    }
    Ok((end?, event_loop.app))
}

impl EventLoop {
    fn run(&mut self, inbox: &Receiver<AppEvent>) -> anyhow::Result<End> {
        self.draw()?;
        let mut drawn = Instant::now();
        // When the next frame is due; `None` while nothing has changed.
        let mut due: Option<Instant> = None;
        loop {
            let now = self.must_send().then(Instant::now);
            let wait = [due, self.retry, self.calm, now].into_iter().flatten().min();
            let first = match wait {
                Some(at) => match inbox.recv_timeout(at.saturating_duration_since(Instant::now())) {
                    Ok(event) => Some(event),
                    Err(RecvTimeoutError::Timeout) => None,
                    Err(RecvTimeoutError::Disconnected) => return Ok(End::Quit),
                },
                None => Some(inbox.recv()?),
            };
            let waiting = first.into_iter().chain(std::iter::from_fn(|| inbox.try_recv().ok()));
            for event in waiting.take(BURST) {
                let pace = if matches!(event, AppEvent::Input(_)) { KEY_FRAME } else { FRAME };
                let at = drawn + pace;
                due = Some(due.map_or(at, |d| d.min(at)));
                if let Some(end) = self.take_in(event)? {
                    return Ok(end);
                }
            }
            if self.app.quit {
                return Ok(End::Quit);
            }
            if self.retry.is_some_and(|at| at <= Instant::now()) {
                self.retry = None;
                if let Some(home) = &self.home {
                    event::listen_to_engine(home.clone(), self.events.clone())?;
                }
            }
            if self.calm.is_some_and(|at| at <= Instant::now()) {
                self.calm = None;
                self.app.pictures.hurry(false);
                due = Some(Instant::now());
            }
            if due.is_some_and(|at| at <= Instant::now()) {
                self.app.settle();
                self.act()?;
                self.draw()?;
                drawn = Instant::now();
                due = None;
            }
            if self.must_send() && self.send_part()? {
                due = Some(Instant::now());
            }
        }
    }

    fn take_in(&mut self, event: AppEvent) -> anyhow::Result<Option<End>> {
        match event {
            AppEvent::Input(Event::Key(key)) => {
                self.app.key(key);
                self.app.pictures.hurry(true);
                self.calm = Some(Instant::now() + CALM);
            }
            AppEvent::Input(Event::Paste(text)) => self.app.paste(&text),
            AppEvent::Input(Event::Mouse(event)) => self.app.mouse(event, &self.hits),
            AppEvent::Input(Event::Resize(..)) => self.viewer.resized(&mut self.app)?,
            AppEvent::Input(_) => {}
            AppEvent::Terminal(reply) => self.viewer.reply(reply, &mut self.app),
            AppEvent::Tmux(tmux) => self.viewer.tmux(tmux, &mut self.app)?,
            AppEvent::Picture(loaded) => self.app.pictures.take(*loaded),
            AppEvent::Engine(message) => self.app.receive(*message),
            AppEvent::Connected { sender, device, since_ms } => {
                self.engine = Some(sender);
                self.app.since_ms = since_ms;
                self.app.connected(device);
            }
            AppEvent::Disconnected(why) => {
                self.engine = None;
                self.app.disconnected(&why);
                self.retry = Some(Instant::now() + RETRY);
            }
            AppEvent::Written(output, path, outcome) => self.app.written(output, path, outcome),
            AppEvent::Read(path, why, outcome) => {
                let outcome = outcome.map(|(recipe, notes, text)| {
                    self.app.passed_over(&notes);
                    (recipe, text)
                });
                self.app.read(path, why, outcome);
            }
            AppEvent::Desk(session, desk) => self.app.take_desk(&session, *desk),
            AppEvent::NotKept(path, why) => self.app.not_kept(&path, &why),
            AppEvent::Replay(standing) => self.app.replay = Some(standing),
            AppEvent::Signal(libc::SIGTSTP) => self.suspend()?,
            AppEvent::Signal(signal) => return Ok(Some(End::Signal(signal))),
        }
        // Requests are sent at once, since their replies may arrive before the next frame.
        self.act()?;
        Ok(None)
    }

    /// Carries out the effects that the state requests.
    fn act(&mut self) -> anyhow::Result<()> {
        for effect in std::mem::take(&mut self.app.effects) {
            match effect {
                Effect::Send(ask, command) => {
                    // Without an engine nothing is sent. The engine's thread has already reported the loss.
                    match self.engine.as_ref().map(|e| e.send(command)) {
                        Some(Ok(id)) => self.app.sent(id, ask),
                        Some(Err(why)) if why.is::<Unsayable>() => self.app.complain(why.to_string()),
                        _ => {}
                    }
                }
                Effect::Write { output, path, content, over } => {
                    event::write_file(output, path, content, over, self.events.clone());
                }
                Effect::Keep { whose, desk } => {
                    if let Some((keep, _)) = &self.keeper {
                        // Sending fails only after the loop has ended.
                        let _ = keep.send((whose, desk));
                    }
                }
                Effect::ReadDesk(session) => {
                    if let Some(home) = &self.home {
                        event::read_desk(home.clone(), session, self.events.clone());
                    }
                }
                Effect::Read { path, why } => event::read_recipe(path, why, self.events.clone()),
                Effect::Copy(text) => self.screen.copy(&text)?,
                Effect::Mouse(ours) => self.screen.mouse(ours)?,
                Effect::Redraw => {
                    self.app.pictures.forget();
                    self.screen.redraw();
                }
                Effect::Suspend => self.suspend()?,
                Effect::Replay(control) => {
                    if let Some(playback) = &self.playback {
                        // Sending fails only after the loop has ended.
                        let _ = playback.send(control);
                    }
                }
            }
        }
        Ok(())
    }

    fn suspend(&mut self) -> io::Result<()> {
        terminal::restore();
        signals::stop_self();
        self.screen.resume(self.app.mouse)?;
        // It may be continued in another terminal.
        self.viewer.ask(self.app.theme)
    }

    fn draw(&mut self) -> io::Result<()> {
        // Nothing else of kitty's protocol may stand between the parts of a picture.
        let dropped = if self.sending.is_none() { self.app.pictures.take_dropped() } else { Vec::new() };
        let (app, hits) = (&self.app, &mut self.hits);
        let mut placed = Vec::new();
        let cleared = self.screen.show(|buffer| {
            let drawn = panes::draw(app, buffer);
            *hits = drawn.hits;
            placed.clone_from(&drawn.pictures);
            Frame { cursor: drawn.cursor, pictures: drawn.pictures, dropped }
        })?;
        if cleared {
            self.app.pictures.forgotten();
            self.sending = None;
        }
        self.viewer.drawn(&placed, &mut self.app);
        self.placed = placed;
        Ok(())
    }

    /// Whether no key came lately and a picture must be sent.
    fn must_send(&self) -> bool {
        self.calm.is_none() && (self.sending.is_some() || self.app.pictures.to_send(&self.placed).is_some())
    }

    /// Sends a part of the next picture. Returns whether it was the last part.
    fn send_part(&mut self) -> io::Result<bool> {
        let next = || self.app.pictures.to_send(&self.placed).map(|encoded| (encoded, 0));
        let Some((encoded, from)) = self.sending.take().or_else(next) else { return Ok(false) };
        let Sent::Before { id, stamp, data } = &encoded.sent else { return Ok(false) };
        let to = part_end(data, from, PART);
        let through_tmux = data.starts_with("\x1bPtmux;");
        self.screen.send((*id, *stamp), &data[from..to], through_tmux)?;
        if to == data.len() {
            self.app.pictures.sent(*stamp);
            return Ok(true);
        }
        self.sending = Some((encoded, to));
        Ok(false)
    }
}
