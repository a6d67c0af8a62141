//! The recorded session is played again through the workbench, without a terminal and without an engine.

use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use super::fixture;
use super::keys::press;
use super::snapshots::screen;
use crate::session::protocol::Status;
use crate::session::{CommandSender, Home};
use crate::workbench::action::ReplayAction;
use crate::workbench::app::{App, Pane, Startup};
use crate::workbench::config::StartConfig;
use crate::workbench::effect::Effect;
use crate::workbench::event::AppEvent;
use crate::workbench::replay::{self, ReplaySource};

/// A workbench that shows a replay.
struct Stage {
    app: App,
    inbox: Receiver<AppEvent>,
    engine: Option<CommandSender>,
    playback: Sender<ReplayAction>,
}

impl Stage {
    fn open(speed: f64) -> (Self, ReplaySource) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        let source = ReplaySource::open(&home, None).unwrap();
        let again = ReplaySource::open(&home, None).unwrap();
        let startup = Startup::Attach(source.name().to_owned());
        let app = App::new(fixture::theme(), StartConfig::default(), startup);
        let (events, inbox) = mpsc::channel();
        let playback = replay::play(source, speed, events).unwrap();
        (Self { app, inbox, engine: None, playback }, again)
    }

    /// Takes in events until `enough` holds.
    fn until(&mut self, what: &str, enough: impl Fn(&App) -> bool) {
        while !enough(&self.app) {
            match self.inbox.recv_timeout(Duration::from_mins(1)).unwrap_or_else(|_| panic!("never {what}")) {
                AppEvent::Engine(message) => self.app.receive(*message),
                AppEvent::Connected { sender, device, .. } => {
                    self.engine = Some(sender);
                    self.app.connected(device);
                }
                AppEvent::Replay(standing) => self.app.replay = Some(standing),
                _ => {}
            }
            self.app.settle();
            self.act();
        }
    }

    fn act(&mut self) {
        for effect in std::mem::take(&mut self.app.effects) {
            match effect {
                Effect::Send(ask, command) => {
                    let id = self.engine.as_ref().unwrap().send(command).unwrap();
                    self.app.sent(id, ask);
                }
                Effect::Replay(control) => self.playback.send(control).unwrap(),
                _ => {}
            }
        }
    }
}

fn seq(app: &App) -> u64 {
    app.run.as_ref().map_or(0, |r| r.state.seq)
}

#[test]
fn a_session_is_seen_again_to_its_end() {
    let (mut stage, source) = Stage::open(65_536.0);
    let of = source.records.len() as u64;
    stage.until("played to its end", |a| seq(a) == of);
    assert_eq!(stage.app.run.as_ref().unwrap().state, source.state);
    assert_eq!(source.state.status, Status::Finished);
    assert!(screen(&stage.app, 80, 24).contains(&format!("replay ended {of}/{of}")));
    // Answers in the recording can be read.
    stage.app.pane = Pane::Answers;
    stage.until("answered", |a| !a.shown_questions().is_empty());
    // The best candidate's recipe was evaluated, so its answers also serve as its sample answers.
    stage.app.pane = Pane::Evolve;
    press(&mut stage.app, "e");
    stage.until("answered by hand", |a| a.preview.now.is_some());
}

#[test]
fn time_stops_steps_and_goes_on() {
    let (mut stage, _) = Stage::open(1.0 / 16.0);
    stage.until("begun", |a| seq(a) >= 1 && a.replay.is_some());
    press(&mut stage.app, " ");
    stage.act();
    stage.until("paused", |a| a.replay.is_some_and(|r| r.paused));
    let at = seq(&stage.app);
    assert!(screen(&stage.app, 80, 24).contains(&format!("replay paused {at}/")));
    for n in 1..=3 {
        press(&mut stage.app, "]");
        stage.act();
        stage.until("a step further", |a| seq(a) == at + n);
    }
    press(&mut stage.app, ">>");
    stage.act();
    stage.until("faster", |a| a.replay.is_some_and(|r| (r.speed - 0.25).abs() < 1e-9));
    press(&mut stage.app, "< ");
    stage.act();
    stage
        .until("going on, slower", |a| a.replay.is_some_and(|r| !r.paused && (r.speed - 0.125).abs() < 1e-9));
}

#[test]
fn nothing_can_be_changed() {
    let (mut stage, _) = Stage::open(65_536.0);
    stage.until("to be seen", |a| a.replay.is_some() && seq(a) > 50 && a.models.list.is_some());
    stage.act();
    let before = stage.app.editor.recipe.clone();
    let pool = stage.app.models.pool.clone();
    for (pane, keys) in [
        (Pane::Models, "sb"),
        (Pane::Recipe, "s+-0urwoipcgmbdE"),
        (Pane::Evolve, "sxiWK"),
        (Pane::Answers, "s"),
    ] {
        for key in keys.chars() {
            stage.app.pane = pane;
            press(&mut stage.app, &key.to_string());
            let said = stage.app.notice.as_ref().map_or("", |n| n.text.as_str());
            // Outside a replay a digit begins a number; in a replay it does nothing.
            assert!(said.contains("This is a replay") || key == '0', "{key} in {pane:?} says {said:?}");
            assert!(stage.app.overlay.is_none(), "{key} in {pane:?}");
            assert!(stage.app.effects.is_empty(), "{key} in {pane:?}: {:?}", stage.app.effects);
        }
    }
    assert_eq!((stage.app.editor.recipe.clone(), stage.app.models.pool.clone()), (before, pool));
    // Help lists the actions that a replay allows, the replay's own first.
    stage.app.pane = Pane::Evolve;
    press(&mut stage.app, "?");
    let help = screen(&stage.app, 80, 24);
    assert!(help.contains("Play twice as fast") && !help.contains("Stop the evolution"), "{help}");
}
