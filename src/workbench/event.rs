//! The events that the event loop waits for, all in one channel: keys, messages of the engine, outcomes of reading and
//! writing files, signals. Each source sends from its own thread; `terminal/signals.rs` and `replay` start theirs, the
//! others are started here.

use std::path::PathBuf;
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{io, thread};

use crossterm::event::{self, Event};

use super::effect::Reading;
use super::files::desk::{Damaged, Desk, Whose};
use super::files::write::{self, Content, Output, Over, Unwritten};
use super::pictures::loader::Loaded;
use super::replay::PlaybackState;
use super::terminal::replies::Reply;
use super::terminal::tmux::Tmux;
use crate::recipe::model_paths::make_absolute;
use crate::recipe::{Recipe, RecipeError, RecipeFile};
use crate::session::protocol::{Live, Message};
use crate::session::{Client, CommandSender, Home};

/// Something that happened outside the state.
pub enum AppEvent {
    /// A key, a paste, a mouse event or a new size.
    Input(Event),
    /// A message from the engine.
    Engine(Box<Message>),
    /// The engine is found; commands go to `sender`.
    Connected {
        sender: CommandSender,
        device: String,
        /// When the engine was found, in milliseconds since the Unix epoch.
        since_ms: u64,
    },
    /// There is no engine, and why.
    Disconnected(String),
    /// The outcome of writing a file: its new text, or why it was not written.
    Written(Output, PathBuf, Result<String, Unwritten>),
    /// The outcome of reading a recipe: the recipe, a note for each key that was ignored, and the file's text.
    Read(PathBuf, Reading, Result<(Box<Recipe>, Vec<String>, String), String>),
    /// The hand work stored with a session, or the path of its damaged file and what is wrong with it.
    Desk(String, Box<Result<Desk, Damaged>>),
    /// Hand work could not be stored.
    NotKept(PathBuf, String),
    Signal(i32),
    /// A reply of the terminal about what it can show.
    Terminal(Reply),
    /// What tmux says about itself and the terminal behind it.
    Tmux(Tmux),
    /// A picture is ready, or can't be shown.
    Picture(Box<Loaded>),
    /// Speed and length of a replay.
    Replay(PlaybackState),
}

/// Starts the thread that reads the terminal's input.
///
/// # Errors
/// The thread can't be started.
pub fn listen_to_keys(events: Sender<AppEvent>) -> io::Result<()> {
    thread::Builder::new().name("keys".into()).spawn(move || {
        while let Ok(event) = event::read() {
            if events.send(AppEvent::Input(event)).is_err() {
                return;
            }
        }
    })?;
    Ok(())
}

/// Asks tmux on a new thread. A tmux that was just started asks its terminal's name first, so that it is asked again
/// for a while.
///
/// # Errors
/// The thread can't be started.
pub fn ask_tmux(events: Sender<AppEvent>) -> io::Result<()> {
    thread::Builder::new().name("tmux".into()).spawn(move || {
        let mut last = None;
        for wait in [0, 100, 200, 400, 800, 1600] {
            thread::sleep(Duration::from_millis(wait));
            let said = Tmux::ask();
            let is_named = !said.terminal.is_empty();
            if last.as_ref() != Some(&said) && events.send(AppEvent::Tmux(said.clone())).is_err() {
                return;
            }
            if is_named {
                return;
            }
            last = Some(said);
        }
    })?;
    Ok(())
}

/// Starts the thread that finds or starts the engine and passes its messages on until the connection ends.
///
/// # Errors
/// The thread can't be started.
pub fn listen_to_engine(home: Home, events: Sender<AppEvent>) -> io::Result<()> {
    thread::Builder::new().name("engine".into()).spawn(move || {
        let client = match Client::connect_or_start(&home) {
            Ok(client) => client,
            Err(why) => {
                let _ = events.send(AppEvent::Disconnected(format!("{why:#}")));
                return;
            }
        };
        let (device, since_ms) = (client.device.clone(), client.since_ms);
        let (sender, messages) = client.split();
        if events.send(AppEvent::Connected { sender, device, since_ms }).is_err() {
            return;
        }
        let mut why = "the connection was closed".to_owned();
        for message in messages {
            if let Message::Live { live: Live::LetGo { reason }, .. } = &message {
                why.clone_from(reason);
            }
            if events.send(AppEvent::Engine(Box::new(message))).is_err() {
                return;
            }
        }
        let _ = events.send(AppEvent::Disconnected(why));
    })?;
    Ok(())
}

/// Writes a file on a new thread.
pub fn write_file(output: Output, path: PathBuf, content: Content, over: Over, events: Sender<AppEvent>) {
    thread::spawn(move || {
        let outcome = write::write(&path, &content, &over);
        let _ = events.send(AppEvent::Written(output, path, outcome));
    });
}

/// Reads a recipe on a new thread. Each unknown key is ignored with a note. Relative paths are made absolute, since
/// the engine works in another folder.
pub fn read_recipe(path: PathBuf, why: Reading, events: Sender<AppEvent>) {
    thread::spawn(move || {
        let read = || {
            let (mut recipe_file, text) = RecipeFile::open_with_text(&path, true)?;
            let notes = std::mem::take(&mut recipe_file.warnings);
            let mut recipe = recipe_file.into_recipe()?;
            if let Ok(here) = std::env::current_dir() {
                make_absolute(&mut recipe, &here);
            }
            Ok((Box::new(recipe), notes, text))
        };
        let outcome = read().map_err(|e: RecipeError| e.to_string());
        let _ = events.send(AppEvent::Read(path, why, outcome));
    });
}

/// Reads the hand work stored with a session.
pub fn read_desk(home: Home, session: String, events: Sender<AppEvent>) {
    thread::spawn(move || {
        let desk = Desk::read(&home, &Whose::Session(session.clone()));
        let _ = events.send(AppEvent::Desk(session, Box::new(desk)));
    });
}

/// The thread that stores hand work, and the channel to it.
pub type Keeper = (Sender<(Whose, Box<Desk>)>, JoinHandle<()>);

/// Starts the thread that stores hand work. If several versions wait, it writes only the latest. It ends when the
/// sender is dropped.
///
/// # Errors
/// The thread can't be started.
pub fn keep_desks(home: Home, events: Sender<AppEvent>) -> io::Result<Keeper> {
    let (sender, desks) = mpsc::channel::<(Whose, Box<Desk>)>();
    let keeper = thread::Builder::new().name("desks".into()).spawn(move || {
        while let Ok((whose, desk)) = desks.recv() {
            let mut latest = vec![(whose, desk)];
            while let Ok((whose, desk)) = desks.try_recv() {
                latest.retain(|(before, _)| *before != whose);
                latest.push((whose, desk));
            }
            for (whose, desk) in latest {
                let path = Desk::path(&home, &whose);
                if let Err(why) = desk.write(&path) {
                    let _ = events.send(AppEvent::NotKept(path, why.to_string()));
                }
            }
        }
    })?;
    Ok((sender, keeper))
}
