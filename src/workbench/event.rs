//! What the event loop waits for, in one channel: keys, messages of the engine, files read and written,
//! signals. Each source sends from a thread of its own.

use std::path::PathBuf;
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;
use std::{io, thread};

use crossterm::event::{self, Event};

use super::effect::Reading;
use super::files::desk::{Damaged, Desk, Whose};
use super::files::write::{self, Content, Over, Unwritten};
use super::replay::PlaybackState;
use crate::limits;
use crate::recipe::model_paths::make_absolute;
use crate::recipe::{Recipe, RecipeError, RecipeFile};
use crate::session::protocol::{Live, Message};
use crate::session::{Client, CommandSender, Home};

/// Something that happened outside the state.
pub enum AppEvent {
    /// A key, a paste, a new size.
    Input(Event),
    /// The engine has something to say.
    Engine(Box<Message>),
    /// The engine answers; commands go this way.
    Connected {
        sender: CommandSender,
        device: String,
        /// When, milliseconds since the Unix epoch.
        since_ms: u64,
    },
    /// There is no engine, and why.
    Disconnected(String),
    /// The recipe was written, and what the file holds now.
    Written(PathBuf, Result<String, Unwritten>),
    /// A recipe was read, with what was passed over in it and its file's text.
    Read(PathBuf, Reading, Result<(Box<Recipe>, Vec<String>, String), String>),
    /// The answers were written.
    TextWritten(PathBuf, Result<(), Unwritten>),
    /// What lies on a session's desk, or which file is damaged and how.
    Desk(String, Box<Result<Desk, Damaged>>),
    /// A desk could not be stored.
    NotKept(PathBuf, String),
    Signal(i32),
    /// How a replay stands.
    Replay(PlaybackState),
}

/// Sends keys as they come, from a thread that does nothing else.
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

/// Finds or starts the engine, then hands on its messages until it is gone.
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

/// Writes the recipe away from the drawing thread.
pub fn write_recipe(path: PathBuf, content: Content, over: Over, events: Sender<AppEvent>) {
    thread::spawn(move || {
        let outcome = write::write(&path, &content, &over);
        let _ = events.send(AppEvent::Written(path, outcome));
    });
}

/// Reads a recipe away from the drawing thread. Unknown keys are passed over and told; the engine works in
/// another folder, so relative ones are made absolute.
pub fn read_recipe(path: PathBuf, why: Reading, events: Sender<AppEvent>) {
    thread::spawn(move || {
        let read = || {
            let mut recipe_file = RecipeFile::open(&path, true)?;
            let notes = std::mem::take(&mut recipe_file.warnings);
            let mut recipe = recipe_file.into_recipe()?;
            if let Ok(here) = std::env::current_dir() {
                make_absolute(&mut recipe, &here);
            }
            let text = limits::read_text(&path, limits::TEXT_FILE).unwrap_or_default();
            Ok((Box::new(recipe), notes, text))
        };
        let outcome = read().map_err(|e: RecipeError| e.to_string());
        let _ = events.send(AppEvent::Read(path, why, outcome));
    });
}

/// Reads what lies on a session's desk.
pub fn read_desk(home: Home, session: String, events: Sender<AppEvent>) {
    thread::spawn(move || {
        let desk = Desk::read(&home, &Whose::Session(session.clone()));
        let _ = events.send(AppEvent::Desk(session, Box::new(desk)));
    });
}

/// Where desks are sent to be stored, and who stores them.
pub type Keeper = (Sender<(Whose, Box<Desk>)>, JoinHandle<()>);

/// Stores desks one after another, the latest of those that wait; ends when the sender is dropped.
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

/// Writes a text away from the drawing thread.
pub fn write_text(path: PathBuf, text: String, over: Over, events: Sender<AppEvent>) {
    thread::spawn(move || {
        let outcome = write::write(&path, &Content::Text(text), &over).map(|_| ());
        let _ = events.send(AppEvent::TextWritten(path, outcome));
    });
}
