//! Features of pictures, computed once. Pictures and a vision part come in, their features go out. All candidates with
//! the same vision part share them. In a session they also lie in files beside the journal, where another worker finds
//! them; what is more than the memory may hold is mapped from there.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, bail};
use rayon::prelude::*;

use super::vision_part::{Fingerprints, VisionPart};
use super::{Digest, write_with_folder};
use crate::error::BadInput;
use crate::limits::FEATURES_HELD;
use crate::lm::{Device, ImageFeatures, VisionModel};
use crate::picture::PictureSource;

/// How many pictures are decoded at once.
const AT_ONCE: usize = 16;

/// Features of some pictures of one vision part.
pub struct Seen {
    /// The vision part's fingerprint.
    pub vision: String,
    pub features: Vec<(Digest, Arc<ImageFeatures>)>,
    /// How many of them were computed now.
    pub computed: u64,
}

/// Features of a picture, and how many of their bytes are in memory and not mapped.
struct Kept {
    features: Arc<ImageFeatures>,
    in_memory: u64,
}

/// All computed features.
#[derive(Default)]
pub struct FeatureStore {
    fingerprints: Fingerprints,
    /// By the vision part's fingerprint and the picture's digest.
    features: HashMap<(String, Digest), Kept>,
    /// The fingerprint of the last vision part that a merge has for itself.
    merged: Option<String>,
    /// Bytes of features in memory that are not mapped.
    held: u64,
    /// The folder for features of an evaluation without a session.
    own: Option<tempfile::TempDir>,
}

/// What is asked of the store.
pub struct Wanted<'a> {
    pub vision: VisionPart<'a>,
    pub device: &'a Device,
    /// Pictures with their digests.
    pub pictures: &'a [(Digest, &'a PictureSource)],
    /// The session's folder.
    pub session: Option<&'a Path>,
    pub cancel: &'a AtomicBool,
}

impl FeatureStore {
    /// Forgets all features in memory.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// The features of these pictures.
    ///
    /// # Errors
    /// A picture that can't be read, a vision part that can't be run, a file that can't be written, or `cancel`.
    pub fn features(&mut self, wanted: &Wanted<'_>) -> anyhow::Result<Seen> {
        let vision = self.fingerprints.of(wanted.vision);
        if wanted.vision.merged {
            self.drop_last_merged(&vision);
        }
        let mut asked = HashSet::new();
        let pictures: Vec<&(Digest, &PictureSource)> =
            wanted.pictures.iter().filter(|(digest, _)| asked.insert(Arc::clone(digest))).collect();
        let session = wanted.session.filter(|_| !wanted.vision.merged);
        let folder = session.map(|session| session.join("pictures").join(&vision));
        let mut missing = Vec::new();
        for (digest, source) in &pictures {
            if self.features.contains_key(&(vision.clone(), Arc::clone(digest))) {
                continue;
            }
            // What an earlier worker has written is mapped; a file that is not whole counts as none.
            let written = folder.as_deref().map(|folder| ImageFeatures::open(&file(folder, digest)));
            match written.and_then(Result::ok).flatten() {
                Some(found) => {
                    let kept = Kept { features: Arc::new(found), in_memory: 0 };
                    self.features.insert((vision.clone(), Arc::clone(digest)), kept);
                }
                None => missing.push((Arc::clone(digest), *source)),
            }
        }
        if !missing.is_empty() {
            self.compute(wanted, &vision, folder.as_deref(), &missing)?;
        }
        let features = pictures
            .iter()
            .filter_map(|(digest, _)| {
                let found = self.features.get(&(vision.clone(), Arc::clone(digest)))?;
                Some((Arc::clone(digest), Arc::clone(&found.features)))
            })
            .collect();
        Ok(Seen { vision, features, computed: missing.len() as u64 })
    }

    fn compute(
        &mut self,
        wanted: &Wanted<'_>,
        vision: &str,
        folder: Option<&Path>,
        missing: &[(Digest, &PictureSource)],
    ) -> anyhow::Result<()> {
        let model = VisionModel::load(wanted.vision.model, wanted.device).map_err(BadInput::error)?;
        for some in missing.chunks(AT_ONCE) {
            if wanted.cancel.load(Ordering::Relaxed) {
                bail!("cancelled");
            }
            let made: Vec<ImageFeatures> = some
                .par_iter()
                .map(|(_, source)| {
                    let picture = source.read().map_err(BadInput::error)?;
                    model.features(&picture).map_err(BadInput::error)
                })
                .collect::<anyhow::Result<_>>()?;
            for ((digest, _), made) in some.iter().zip(made) {
                let kept = self.keep(made, vision, digest, folder)?;
                self.held += kept.in_memory;
                self.features.insert((vision.to_owned(), Arc::clone(digest)), kept);
            }
        }
        Ok(())
    }

    /// Writes features to a file if there is a session or they do not fit into memory; those that do not fit are
    /// mapped.
    fn keep(
        &mut self,
        made: ImageFeatures,
        vision: &str,
        digest: &str,
        folder: Option<&Path>,
    ) -> anyhow::Result<Kept> {
        let in_memory = made.bytes() as u64;
        let fits = self.held + in_memory <= FEATURES_HELD;
        let folder = match folder {
            Some(folder) => folder.to_owned(),
            None if fits => return Ok(Kept { features: Arc::new(made), in_memory }),
            None => self.own_folder()?.join(vision),
        };
        let path = file(&folder, digest);
        write(&made, &path).with_context(|| {
            format!("cannot write {}: free some space there, then try again", path.display())
        })?;
        if fits {
            return Ok(Kept { features: Arc::new(made), in_memory });
        }
        let opened = ImageFeatures::open(&path).with_context(|| format!("reading {}", path.display()))?;
        Ok(Kept { features: Arc::new(opened.context("the features of a picture have gone")?), in_memory: 0 })
    }

    /// Drops the features of the last merged vision part, unless it is this one: only one candidate had it.
    fn drop_last_merged(&mut self, vision: &str) {
        let Some(last) = self.merged.replace(vision.to_owned()).filter(|last| last != vision) else { return };
        self.features.retain(|(of, _), _| *of != last);
        self.held = self.features.values().map(|kept| kept.in_memory).sum();
        if let Some(own) = &self.own {
            // What can't be removed now goes with the whole folder.
            let _ = std::fs::remove_dir_all(own.path().join(last));
        }
    }

    fn own_folder(&mut self) -> anyhow::Result<PathBuf> {
        if self.own.is_none() {
            self.own = Some(tempfile::tempdir().context("making a folder for features of pictures")?);
        }
        Ok(self.own.as_ref().map(|own| own.path().to_owned()).unwrap_or_default())
    }
}

/// The file of a picture's features.
fn file(folder: &Path, digest: &str) -> PathBuf {
    folder.join(format!("{digest}.features"))
}

/// Writes features in the form that they are opened from.
fn write(features: &ImageFeatures, path: &Path) -> std::io::Result<()> {
    let mut bytes = Vec::with_capacity(features.bytes());
    features.write(&mut bytes)?;
    write_with_folder(path, &bytes)
}
