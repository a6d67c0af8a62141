//! The questions' pictures on the screen. `graphics.rs` decides how they are shown, `fit.rs` how large; `loader.rs`
//! makes them ready on a thread of its own; what is ready is kept here, within a bound. Panes draw them by
//! `widgets/picture.rs`.

pub mod encode;
pub mod fit;
pub mod graphics;
pub mod loader;

use std::collections::HashMap;
use std::sync::Arc;

use encode::{Encoded, Sent};
use graphics::Graphics;
use loader::{Loaded, Wanted};
use ratatui::layout::Rect;

use super::messages;
use crate::evaluate::ImageRef;

/// How many pictures are kept ready, and in how many bytes.
const MOST: usize = 64;
const MOST_BYTES: usize = 32 << 20;

/// A picture at a size in cells.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PictureKey {
    /// Its file, or a `data:` URL in a recorded session.
    pub source: String,
    pub columns: u16,
    pub rows: u16,
}

/// A picture that is ready, or why it can't be shown.
pub type Outcome = Result<Arc<Encoded>, String>;

/// A picture's place in a frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    pub area: Rect,
    pub key: PictureKey,
    /// What is said in its place where it can't be seen.
    pub alternative: String,
    /// It can't be shown at all; `alternative` says why.
    pub bad: bool,
    /// The picture, once it is ready.
    pub encoded: Option<Arc<Encoded>>,
}

/// The pictures that are ready.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pictures {
    /// How pictures are shown; `None` for not at all.
    graphics: Option<Graphics>,
    ready: HashMap<PictureKey, Outcome>,
    /// Keys of `ready`, the one shown last at the end.
    order: Vec<PictureKey>,
    /// What the loader was last asked for.
    asked: Vec<PictureKey>,
    /// Stamps of kitty's pictures that are no longer kept.
    dropped: Vec<u64>,
}

impl Pictures {
    /// How pictures are shown; `None` for not at all.
    #[must_use]
    pub const fn graphics(&self) -> Option<Graphics> {
        self.graphics
    }

    /// Shows pictures in another way. What was made ready for the earlier way is dropped.
    pub fn show_by(&mut self, graphics: Option<Graphics>) {
        if self.graphics != graphics {
            self.forget();
            self.graphics = graphics;
        }
    }

    /// Drops every picture, so that it is read again.
    pub fn forget(&mut self) {
        for key in std::mem::take(&mut self.order) {
            self.drop_one(&key);
        }
        self.asked.clear();
    }

    /// The picture at this size, once it is ready or known to be bad.
    #[must_use]
    pub fn get(&self, key: &PictureKey) -> Option<&Outcome> {
        self.ready.get(key)
    }

    /// Takes in a picture from the loader. One made for an earlier way of showing is dropped.
    pub fn take(&mut self, loaded: Loaded) {
        if self.graphics != Some(loaded.graphics) {
            return;
        }
        self.asked.retain(|key| *key != loaded.key);
        self.drop_one(&loaded.key);
        self.order.retain(|key| *key != loaded.key);
        self.order.push(loaded.key.clone());
        self.ready.insert(loaded.key, loaded.outcome);
    }

    /// Notes what a frame shows: drops what has not been shown for longest if too much is kept, and returns a request
    /// for what is missing, if it was not made already.
    pub fn shown(&mut self, placed: &[Placed]) -> Option<Wanted> {
        let graphics = self.graphics?;
        for place in placed {
            if let Some(at) = self.order.iter().position(|key| *key == place.key) {
                let key = self.order.remove(at);
                self.order.push(key);
            }
        }
        let bytes = |ready: &HashMap<PictureKey, Outcome>| -> usize {
            ready.values().filter_map(|o| o.as_ref().ok()).map(|e| e.bytes()).sum()
        };
        while self.order.len() > placed.len() && (self.order.len() > MOST || bytes(&self.ready) > MOST_BYTES)
        {
            let key = self.order.remove(0);
            self.drop_one(&key);
        }
        let mut missing: Vec<PictureKey> = Vec::new();
        for key in placed.iter().map(|p| &p.key).filter(|key| !self.ready.contains_key(key)) {
            if !missing.contains(key) {
                missing.push(key.clone());
            }
        }
        if missing.iter().all(|key| self.asked.contains(key)) {
            return None;
        }
        self.asked.clone_from(&missing);
        Some(Wanted { graphics, keys: missing })
    }

    /// Stamps of kitty's pictures that the terminal may forget.
    pub fn take_dropped(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.dropped)
    }

    fn drop_one(&mut self, key: &PictureKey) {
        if let Some(Ok(encoded)) = self.ready.remove(key)
            && let Sent::Before { stamp, .. } = encoded.sent
        {
            self.dropped.push(stamp);
        }
    }
}

/// What people call the picture: its file's name and its size.
#[must_use]
pub fn named(image: &ImageRef) -> String {
    let file = match image.path.split_once(':') {
        Some(("data", _)) => messages::a_picture(),
        _ => image.path.rsplit('/').next().unwrap_or_default(),
    };
    messages::picture_named(file, image.width, image.height)
}
