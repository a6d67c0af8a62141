//! The pictures that a decoder has before it: rows of features, and the ids that stand for them in prompts. Features
//! come in, rows and ids go out. The task runner keeps one.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::{Digest, Seen};
use crate::lm::{ImageFeatures, ImageRows};

/// The pictures before a decoder.
#[derive(Default)]
pub struct Sight {
    /// Fingerprint of the vision part that saw them.
    vision: String,
    features: Vec<(Digest, Arc<ImageFeatures>)>,
    /// The ids of each picture's rows.
    ids: HashMap<Digest, Range<u32>>,
}

impl Sight {
    /// Whether these features come from another vision part than those before: then prompts made before are not valid.
    pub fn is_of_another(&self, seen: &Seen) -> bool {
        self.vision != seen.vision
    }

    /// Adds pictures; returns all rows if there are new ones. The ids of earlier rows stay, unless the vision part is
    /// another one. `vocab` is the size of the decoder's vocabulary, `image_token` the token that stands for a picture in
    /// a text.
    pub fn add(&mut self, seen: Seen, vocab: usize, image_token: u32) -> Option<ImageRows> {
        if self.is_of_another(&seen) {
            *self = Self { vision: seen.vision, ..Self::default() };
        }
        let new = |(digest, _): &(Digest, Arc<ImageFeatures>)| !self.ids.contains_key(digest);
        let new: Vec<_> = seen.features.into_iter().filter(new).collect();
        if new.is_empty() {
            return None;
        }
        self.features.extend(new);
        let mut rows = ImageRows::new(vocab, image_token);
        let row_ids = |(digest, features): &(Digest, Arc<ImageFeatures>)| {
            (Arc::clone(digest), rows.push(Arc::clone(features)))
        };
        self.ids = self.features.iter().map(row_ids).collect();
        Some(rows)
    }

    /// The ids that stand for these pictures; `None` if one is not there.
    pub fn ids(&self, pictures: &[Digest]) -> Option<Vec<Range<u32>>> {
        pictures.iter().map(|digest| self.ids.get(digest).cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(vision: &str, digests: &[&str]) -> Seen {
        let features = |digest: &&str| (Digest::from(*digest), Arc::new(ImageFeatures::new(2, vec![0.0; 4])));
        Seen { vision: vision.to_owned(), features: digests.iter().map(features).collect(), computed: 0 }
    }

    #[test]
    fn earlier_rows_keep_their_ids_until_another_vision_part_sees() {
        let mut sight = Sight::default();
        let ids = |sight: &Sight, digest: &str| sight.ids(&[Digest::from(digest)]).map(|ids| ids[0].clone());
        assert!(sight.add(seen("a", &["x", "y"]), 10, 3).is_some());
        assert_eq!(
            (ids(&sight, "x"), ids(&sight, "y"), ids(&sight, "z")),
            (Some(10..12), Some(12..14), None)
        );
        assert!(sight.add(seen("a", &["y", "x"]), 10, 3).is_none());
        assert!(sight.add(seen("a", &["z", "x"]), 10, 3).is_some());
        assert_eq!((ids(&sight, "x"), ids(&sight, "z")), (Some(10..12), Some(14..16)));
        assert!(sight.is_of_another(&seen("b", &[])) && sight.add(seen("b", &["z"]), 10, 3).is_some());
        assert_eq!((ids(&sight, "x"), ids(&sight, "z")), (None, Some(10..12)));
    }
}
