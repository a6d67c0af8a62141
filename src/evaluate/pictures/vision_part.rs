//! The part of a model that sees: tower and projector. A checkpoint comes in; a fingerprint of all that its pictures'
//! features depend on goes out.

use std::collections::HashMap;

use serde_json::Value;
use xxhash_rust::xxh3::Xxh3;

use crate::checkpoint::{Checkpoint, VisionConfig};

/// Files that say how pictures are prepared.
const PREPARATION: [&str; 2] = ["preprocessor_config.json", "processor_config.json"];

/// The vision part of a model.
#[derive(Clone, Copy)]
pub struct VisionPart<'a> {
    pub model: &'a Checkpoint,
    /// The part is of one merge alone: the next candidate has another one.
    pub merged: bool,
}

/// Fingerprints of vision parts by their checkpoint's name and stamp.
#[derive(Default)]
pub struct Fingerprints(HashMap<(String, String), String>);

impl Fingerprints {
    /// A vision part's fingerprint: equal ones give equal features.
    pub fn of(&mut self, part: VisionPart<'_>) -> String {
        if part.merged {
            return part.fingerprint();
        }
        let key = (part.model.reference().to_owned(), part.model.stamp());
        self.0.entry(key).or_insert_with(|| part.fingerprint()).clone()
    }
}

impl<'a> VisionPart<'a> {
    /// The vision part of a checkpoint, if it has one.
    pub fn of(checkpoint: &'a Checkpoint) -> Option<Self> {
        checkpoint.vision_config().map(|_| Self { model: checkpoint, merged: false })
    }
}

impl VisionPart<'_> {
    /// The token that stands for a picture in a text.
    pub fn image_token(self) -> u32 {
        self.model.vision_config().map_or(0, |config| config.image_token)
    }

    fn fingerprint(self) -> String {
        let mut hash = Xxh3::new();
        // Without the whole config.json, which also speaks of the language model.
        let config =
            self.model.vision_config().map(|config| VisionConfig { raw: Value::Null, ..config.clone() });
        hash.update(format!("{config:?}").as_bytes());
        for name in PREPARATION {
            hash.update(&self.model.file(name).unwrap_or_default());
            hash.update(&[0]);
        }
        for name in self.model.vision_names() {
            let Some(tensor) = self.model.vision_tensor(name) else { continue };
            hash.update(format!("{name} {:?} {:?}", tensor.dtype, tensor.shape).as_bytes());
            hash.update(tensor.data);
        }
        format!("{:032x}", hash.digest128())
    }
}
