//! The questions' pictures on the screen. `graphics.rs` decides how they are shown, `fit.rs` how large; `loader.rs`
//! makes them ready on a thread of its own; what is ready is kept here, within a bound. Panes draw them by
//! `widgets/picture.rs`.

pub mod encode;
pub mod fit;
pub mod graphics;
pub mod kitty;
pub mod loader;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use encode::{Encoded, Sent};
use graphics::Graphics;
use loader::{Loaded, Wanted};
use ratatui::layout::Rect;

use super::messages;
use crate::session::protocol::ImageRef;

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
    /// Stamps of the pictures that the terminal holds by kitty's protocol.
    held: HashSet<u64>,
    /// Keys come one after the other: pictures that must be sent wait.
    hurried: bool,
    /// The pictures that the last frame showed.
    last: Vec<PictureKey>,
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

    /// The picture at this size, once it is ready to be drawn or known to be bad. One of kitty's must be on the terminal
    /// before its letters. While keys come, nothing else is sent either, since that may take longer than a key may.
    #[must_use]
    pub fn get(&self, key: &PictureKey) -> Option<&Outcome> {
        let outcome = self.ready.get(key)?;
        let waits = outcome.as_ref().is_ok_and(|encoded| match &encoded.sent {
            Sent::Nothing => false,
            Sent::Before { stamp, .. } => !self.held.contains(stamp),
            Sent::Over(_) => self.hurried && !self.last.contains(key),
        });
        (!waits).then_some(outcome)
    }

    /// The first of these pictures that must be sent to the terminal before it is drawn.
    #[must_use]
    pub fn to_send(&self, placed: &[Placed]) -> Option<Arc<Encoded>> {
        let ready = placed.iter().filter_map(|place| self.ready.get(&place.key)?.as_ref().ok());
        let mut unsent = ready.filter(|encoded| match &encoded.sent {
            Sent::Before { stamp, .. } => !self.held.contains(stamp),
            _ => false,
        });
        unsent.next().cloned()
    }

    /// Notes that a picture was sent.
    pub fn sent(&mut self, stamp: u64) {
        self.held.insert(stamp);
    }

    /// Notes that the terminal has forgotten all pictures.
    pub fn forgotten(&mut self) {
        self.held.clear();
    }

    /// Says whether keys come one after the other.
    pub const fn hurry(&mut self, hurried: bool) {
        self.hurried = hurried;
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
        self.last = placed.iter().filter(|p| p.encoded.is_some()).map(|p| p.key.clone()).collect();
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
            self.held.remove(&stamp);
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

#[cfg(test)]
mod tests {
    use ratatui::buffer::Buffer;

    use super::*;
    use crate::workbench::theme::Depth;

    const KITTY: Graphics =
        Graphics { protocol: graphics::Protocol::Kitty, cell: (10, 20), ..Graphics::blocks(Depth::True) };

    fn placed(number: usize) -> Placed {
        Placed {
            area: Rect::new(0, 0, 4, 2),
            key: PictureKey { source: format!("/{number}.png"), columns: 4, rows: 2 },
            alternative: String::new(),
            bad: false,
            encoded: None,
        }
    }

    fn loaded(number: usize, bytes: usize) -> Loaded {
        let data = "x".repeat(bytes);
        let sent = Sent::Before { id: 1, stamp: number as u64, data };
        let cells = Buffer::empty(Rect::new(0, 0, 4, 2));
        Loaded { graphics: KITTY, key: placed(number).key, outcome: Ok(Arc::new(Encoded { cells, sent })) }
    }

    #[test]
    fn a_missing_picture_is_asked_for_once() {
        let mut pictures = Pictures::default();
        assert_eq!(pictures.shown(&[placed(0)]), None, "none are shown");
        pictures.show_by(Some(KITTY));
        let wanted = pictures.shown(&[placed(0), placed(1), placed(0)]).unwrap();
        assert_eq!(wanted.keys, [placed(0).key, placed(1).key]);
        assert_eq!(pictures.shown(&[placed(0), placed(1)]), None);
        // The loader forgets an earlier list over a later one; so does whoever asked.
        assert!(pictures.shown(&[placed(2)]).is_some() && pictures.shown(&[placed(0)]).is_some());
        pictures.take(loaded(0, 1));
        assert_eq!(pictures.shown(&[placed(0)]), None);
        // One that was made for an earlier terminal is not kept.
        pictures.show_by(Some(Graphics::blocks(Depth::True)));
        assert_eq!(pictures.take_dropped(), [0]);
        pictures.take(loaded(1, 1));
        assert!(pictures.get(&placed(1).key).is_none());
    }

    #[test]
    fn while_keys_come_only_what_is_on_the_terminal_is_shown() {
        let mut pictures = Pictures::default();
        pictures.show_by(Some(KITTY));
        for number in 0..2 {
            let cells = Buffer::empty(Rect::new(0, 0, 4, 2));
            let over = Ok(Arc::new(Encoded { cells, sent: Sent::Over(String::new()) }));
            pictures.take(Loaded { outcome: over, ..loaded(number, 1) });
        }
        let encoded = pictures.get(&placed(0).key).and_then(|o| o.clone().ok());
        pictures.shown(&[Placed { encoded, ..placed(0) }]);
        pictures.hurry(true);
        assert!(pictures.get(&placed(0).key).is_some() && pictures.get(&placed(1).key).is_none());
        pictures.hurry(false);
        assert!(pictures.get(&placed(1).key).is_some());
    }

    #[test]
    fn kittys_letters_wait_for_their_picture() {
        let mut pictures = Pictures::default();
        pictures.show_by(Some(KITTY));
        assert_eq!(pictures.to_send(&[placed(0)]), None);
        pictures.take(loaded(0, 1));
        assert!(pictures.get(&placed(0).key).is_none() && pictures.to_send(&[placed(0)]).is_some());
        pictures.sent(0);
        assert!(pictures.get(&placed(0).key).is_some() && pictures.to_send(&[placed(0)]).is_none());
        pictures.forgotten();
        assert!(pictures.get(&placed(0).key).is_none());
    }

    #[test]
    fn what_was_not_shown_for_longest_is_dropped_first() {
        let mut pictures = Pictures::default();
        pictures.show_by(Some(KITTY));
        for number in 0..MOST {
            pictures.take(loaded(number, 10));
        }
        pictures.shown(&[placed(0)]);
        assert!(pictures.take_dropped().is_empty());
        pictures.take(loaded(MOST, 10));
        pictures.shown(&[placed(0)]);
        assert_eq!(pictures.take_dropped(), [1]);
        pictures.take(loaded(MOST + 1, MOST_BYTES));
        pictures.shown(&[placed(MOST + 1), placed(0)]);
        assert!([0, MOST + 1].iter().all(|number| pictures.ready.contains_key(&placed(*number).key)));
        assert_eq!(pictures.order.len(), 2, "these are on the screen");
    }
}
