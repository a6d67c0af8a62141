//! The thread that reads, shrinks and encodes pictures, so that neither a key nor a frame waits for one. Lists of wanted
//! pictures come in, the newest list replaces the older ones; each picture goes out as an event.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use image::RgbImage;
use image::imageops::thumbnail;

use super::encode::{Encoded, encode};
use super::graphics::Graphics;
use super::{Outcome, PictureKey};
use crate::picture::PictureSource;

/// The longest side, in points, of the copies that are kept; no terminal shows more of a picture beside a text.
const LONGEST_SIDE: u32 = 1600;
/// How many read pictures are kept, to be encoded again at another size.
const KEPT: usize = 6;

/// The pictures that a frame shows and that are not there yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    pub graphics: Graphics,
    pub keys: Vec<PictureKey>,
}

/// A picture that was made ready, or why it can't be shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    pub graphics: Graphics,
    pub key: PictureKey,
    pub outcome: Outcome,
}

/// Starts the thread. It ends when the returned sender is dropped, or when `deliver` says that nobody listens.
///
/// # Errors
/// The thread can't be started.
pub fn start(deliver: impl Fn(Loaded) -> bool + Send + 'static) -> io::Result<Sender<Wanted>> {
    let (sender, wanted) = mpsc::channel();
    thread::Builder::new().name("pictures".into()).spawn(move || {
        Loader { wanted, read: VecDeque::new(), next: 0 }.run(deliver);
    })?;
    Ok(sender)
}

struct Loader {
    wanted: Receiver<Wanted>,
    /// Pictures read lately, the latest last.
    read: VecDeque<(String, Result<Arc<RgbImage>, String>)>,
    /// How many pictures were encoded.
    next: u64,
}

impl Loader {
    fn run(&mut self, deliver: impl Fn(Loaded) -> bool) {
        while let Ok(mut list) = self.wanted.recv() {
            // The newest list is what the screen shows.
            while let Some(key) = self.next_of(&mut list) {
                let outcome = self.load(&key, list.graphics);
                if !deliver(Loaded { graphics: list.graphics, key, outcome }) {
                    return;
                }
            }
        }
    }

    /// The next picture of the newest list.
    fn next_of(&self, list: &mut Wanted) -> Option<PictureKey> {
        while let Ok(newer) = self.wanted.try_recv() {
            *list = newer;
        }
        (!list.keys.is_empty()).then(|| list.keys.remove(0))
    }

    fn load(&mut self, key: &PictureKey, graphics: Graphics) -> Result<Arc<Encoded>, String> {
        let points = self.points(&key.source)?;
        self.next += 1;
        encode(&points, (key.columns, key.rows), graphics, self.next)
            .map(Arc::new)
            .map_err(|why| why.to_string())
    }

    /// The picture's points, from the pictures read lately or from its file.
    fn points(&mut self, source: &str) -> Result<Arc<RgbImage>, String> {
        if let Some(at) = self.read.iter().position(|(known, _)| known == source)
            && let Some(entry) = self.read.remove(at)
        {
            self.read.push_back(entry);
        } else {
            if self.read.len() == KEPT {
                self.read.pop_front();
            }
            self.read.push_back((source.to_owned(), read(source).map(Arc::new)));
        }
        self.read.back().map_or_else(|| Err(String::new()), |(_, outcome)| outcome.clone())
    }
}

/// Reads a picture, shrunk to what a terminal may show.
fn read(source: &str) -> Result<RgbImage, String> {
    let source = PictureSource::from_text(source, Path::new("/")).map_err(|why| why.to_string())?;
    let picture = source.read().map_err(|why| why.to_string())?;
    let (width, height) = (picture.width, picture.height);
    let points = RgbImage::from_raw(width, height, picture.rgb)
        .ok_or_else(|| format!("{} is not {width}x{height} points", source.name()))?;
    let longest = width.max(height);
    if longest <= LONGEST_SIDE {
        return Ok(points);
    }
    let share = |side: u32| (u64::from(side) * u64::from(LONGEST_SIDE) / u64::from(longest)).max(1) as u32;
    Ok(thumbnail(&points, share(width), share(height)))
}
