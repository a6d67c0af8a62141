//! Plays a session again, without an engine. A thread reads the session's journal or a recording and answers in
//! the engine's protocol at any speed, so that every pane shows what it showed during the run. The event loop starts
//! the thread. Keys that would change something are refused.

mod playback;
mod source;
mod state;

use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::{io, thread};

pub use source::ReplaySource;
pub use state::PlaybackState;

use super::action::ReplayAction;
use super::event::AppEvent;
use super::messages;
use crate::session::CommandSender;
use playback::{Input, Playback};

/// Starts the playback. Its messages and its `PlaybackState` arrive as events, as an engine's messages do.
///
/// # Errors
/// The thread can't be started.
pub(super) fn play(
    source: ReplaySource,
    speed: f64,
    events: Sender<AppEvent>,
) -> io::Result<Sender<ReplayAction>> {
    let (input, inbox) = mpsc::channel();
    let (controls, asked) = mpsc::channel();
    let requests = input.clone();
    let sender = CommandSender::over(Arc::new(move |request| requests.send(Input::Request(request)).is_ok()));
    let device = source.device();
    let language = messages::language();
    thread::Builder::new().name("controls".into()).spawn(move || {
        for control in asked {
            if input.send(Input::Control(control)).is_err() {
                return;
            }
        }
    })?;
    thread::Builder::new().name("playback".into()).spawn(move || {
        messages::speak(language);
        if events.send(AppEvent::Connected { sender, device, since_ms: 0 }).is_ok() {
            Playback::new(source, speed, events).run(&inbox);
        }
    })?;
    Ok(controls)
}
