//! Whatever wakes the loop, in one channel: keys, the engine, files, signals.

use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::{fs, io, thread};

use crossterm::event::{self, Event};

use super::effect::Reading;
use super::replay::Standing;
use crate::limits;
use crate::recipe::{Book, Recipe, RecipeError};
use crate::session::place::make_absolute;
use crate::session::protocol::{Live, Message};
use crate::session::{Client, CommandSender, Home};

/// A reason to look at the state again.
pub enum Wake {
    /// A key, a paste, a new size.
    Input(Event),
    /// The engine has something to say.
    Engine(Box<Message>),
    /// The engine answers; commands go this way.
    Connected {
        sender: CommandSender,
        device: String,
    },
    /// There is no engine, and why.
    Disconnected(String),
    /// A file was written.
    Written(PathBuf, Result<(), String>),
    /// A file was read, with what was passed over in it.
    Read(PathBuf, Reading, Result<(Box<Recipe>, Vec<String>), String>),
    /// A text was written.
    TextWritten(PathBuf, Result<(), String>),
    Signal(i32),
    /// How a replay stands.
    Replay(Standing),
}

/// Sends keys as they come, from a thread that does nothing else.
pub fn listen_to_keys(wakes: Sender<Wake>) -> io::Result<()> {
    thread::Builder::new().name("keys".into()).spawn(move || {
        while let Ok(event) = event::read() {
            if wakes.send(Wake::Input(event)).is_err() {
                return;
            }
        }
    })?;
    Ok(())
}

/// Finds or starts the engine, then hands on its messages until it is gone.
pub fn listen_to_engine(home: Home, wakes: Sender<Wake>) -> io::Result<()> {
    thread::Builder::new().name("engine".into()).spawn(move || {
        let client = match Client::connect_or_start(&home) {
            Ok(client) => client,
            Err(why) => {
                let _ = wakes.send(Wake::Disconnected(format!("{why:#}")));
                return;
            }
        };
        let device = client.device.clone();
        let (sender, messages) = client.split();
        if wakes.send(Wake::Connected { sender, device }).is_err() {
            return;
        }
        let mut why = "the connection was closed".to_owned();
        for message in messages {
            if let Message::Live { live: Live::LetGo { reason }, .. } = &message {
                why.clone_from(reason);
            }
            if wakes.send(Wake::Engine(Box::new(message))).is_err() {
                return;
            }
        }
        let _ = wakes.send(Wake::Disconnected(why));
    })?;
    Ok(())
}

/// Writes a recipe over what the file says, away from the drawing thread.
pub fn write_recipe(path: PathBuf, recipe: Box<Recipe>, wakes: Sender<Wake>) {
    thread::spawn(move || {
        let text = limits::read_text(&path, limits::TEXT_FILE)
            .map_or_else(|_| recipe.to_toml(), |before| recipe.write_back(&before));
        let outcome = write_aside(&path, &text).map_err(|e| e.to_string());
        let _ = wakes.send(Wake::Written(path, outcome));
    });
}

/// Reads a recipe away from the drawing thread. Unknown keys are passed over and told; the engine works in
/// another folder, so relative ones are made absolute.
pub fn read_recipe(path: PathBuf, why: Reading, wakes: Sender<Wake>) {
    thread::spawn(move || {
        let read = || {
            let mut book = Book::open(&path, true)?;
            let notes = std::mem::take(&mut book.warnings);
            let mut recipe = book.whole()?;
            if let Ok(here) = std::env::current_dir() {
                make_absolute(&mut recipe, &here);
            }
            Ok((Box::new(recipe), notes))
        };
        let outcome = read().map_err(|e: RecipeError| e.to_string());
        let _ = wakes.send(Wake::Read(path, why, outcome));
    });
}

/// Writes a text away from the drawing thread.
pub fn write_text(path: PathBuf, text: String, wakes: Sender<Wake>) {
    thread::spawn(move || {
        let outcome = write_aside(&path, &text).map_err(|e| e.to_string());
        let _ = wakes.send(Wake::TextWritten(path, outcome));
    });
}

/// A reader of `path` sees the old text or the new one, never a part.
fn write_aside(path: &Path, text: &str) -> io::Result<()> {
    let name = path.file_name().ok_or_else(|| io::Error::other("it names no file"))?;
    let mut aside = name.to_os_string();
    aside.push(format!(".{}.part", std::process::id()));
    let aside = path.with_file_name(aside);
    let written = fs::write(&aside, text).and_then(|()| fs::rename(&aside, path));
    if written.is_err() {
        let _ = fs::remove_file(&aside);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_written_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recipe.toml");
        write_aside(&path, "a = 1\n").unwrap();
        write_aside(&path, "a = 2\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "a = 2\n");
        assert!(write_aside(&folder.path().join("none/recipe.toml"), "").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
