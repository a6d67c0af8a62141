//! The pictures of the loaded tasks: each one's digest, size and place. Sources of pictures come in, references go out;
//! bytes that a data file holds are copied beside the journal once.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use rayon::prelude::*;

use super::write_with_folder;
use crate::error::BadInput;
use crate::evaluate::score::ImageRef;
use crate::evaluate::types::SplitQuestions;
use crate::picture::{PictureError, PictureSource};
use crate::task::{Question, Split, Task};

/// A picture's bytes by their hash.
pub type Digest = Arc<str>;

/// The most pictures that one error message describes.
const TOLD: usize = 5;

/// What tells one source from another while the catalogue holds both.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    File(PathBuf),
    /// Address of the bytes.
    Bytes(usize),
}

impl Key {
    fn of(source: &PictureSource) -> Self {
        match source {
            PictureSource::File(path) => Self::File(path.clone()),
            PictureSource::Bytes { bytes, .. } => Self::Bytes(Arc::as_ptr(bytes).cast::<u8>() as usize),
        }
    }
}

/// The pictures of some questions.
#[derive(Default)]
pub struct Asked<'a> {
    /// For each question that has pictures their digests, in the order of its prompt's marks.
    pub of_questions: HashMap<(Split, usize), Vec<Digest>>,
    /// The pictures with their digests, in the order of the questions.
    pub pictures: Vec<(Digest, &'a PictureSource)>,
}

struct Known {
    /// Keeps the bytes, so that no others come to their address.
    source: PictureSource,
    digest: Digest,
    size: (u32, u32),
}

/// All known pictures.
#[derive(Default)]
pub struct Catalogue(HashMap<Key, Known>);

impl Catalogue {
    /// Forgets all pictures.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Takes in the pictures of these questions. With `whole` each is decoded once as a test, else only its head is
    /// read.
    ///
    /// # Errors
    /// Pictures that can't be used, a sentence for each of the first few.
    pub fn add<'a>(
        &mut self,
        task: &'a Task,
        questions: impl Iterator<Item = &'a Question>,
        whole: bool,
    ) -> anyhow::Result<()> {
        let new: HashMap<Key, &PictureSource> = questions
            .flat_map(|question| task.images(question))
            .map(|source| (Key::of(source), source))
            .filter(|(key, _)| !self.0.contains_key(key))
            .collect();
        let read = |source: &PictureSource| {
            let size = source.check()?;
            if whole {
                source.read()?;
            }
            Ok::<_, PictureError>(Known { source: source.clone(), digest: source.digest()?.into(), size })
        };
        let read: Vec<_> = new.into_par_iter().map(|(key, source)| (key, read(source))).collect();
        let mut bad: Vec<String> = Vec::new();
        for (key, read) in read {
            match read {
                Ok(known) => drop(self.0.insert(key, known)),
                Err(why) => bad.push(why.to_string()),
            }
        }
        bad.sort();
        bad.dedup();
        if bad.is_empty() {
            return Ok(());
        }
        let mut why = bad[..bad.len().min(TOLD)].join("; ");
        if bad.len() > TOLD {
            let _ = write!(why, "; and {} more pictures of the task {}", bad.len() - TOLD, task.name);
        }
        Err(BadInput::error(why))
    }

    /// The pictures of a task's questions.
    pub fn of_questions<'t>(&self, task: &'t Task, ask: &[SplitQuestions]) -> Asked<'t> {
        let mut asked = Asked::default();
        for (split, index) in ask.iter().flat_map(|a| a.questions.iter().map(|&index| (a.split, index))) {
            let mut digests = Vec::new();
            for source in task.images(&task.questions(split)[index]) {
                let Some(known) = self.0.get(&Key::of(source)) else { continue };
                digests.push(Arc::clone(&known.digest));
                asked.pictures.push((Arc::clone(&known.digest), source));
            }
            if !digests.is_empty() {
                asked.of_questions.insert((split, index), digests);
            }
        }
        asked
    }

    /// References to a question's pictures. A copy is named by its path in the session's folder.
    pub fn references(&self, task: &Task, question: &Question) -> Vec<ImageRef> {
        task.images(question).filter_map(|source| self.reference(source)).collect()
    }

    fn reference(&self, source: &PictureSource) -> Option<ImageRef> {
        let known = self.0.get(&Key::of(source))?;
        let path = match &known.source {
            PictureSource::File(path) => std::path::absolute(path).unwrap_or_else(|_| path.clone()),
            PictureSource::Bytes { bytes, .. } => place(&known.digest, bytes),
        };
        let (width, height) = known.size;
        Some(ImageRef { path: path.to_string_lossy().into_owned(), width, height })
    }

    /// Copies the pictures of a question that the data holds as bytes into the session's folder.
    ///
    /// # Errors
    /// A copy that can't be written.
    pub fn copy(&self, task: &Task, question: &Question, session: &Path) -> anyhow::Result<()> {
        for source in task.images(question) {
            let (Some(known), PictureSource::Bytes { bytes, .. }) = (self.0.get(&Key::of(source)), source)
            else {
                continue;
            };
            let path = session.join(place(&known.digest, bytes));
            if !path.exists() {
                write_with_folder(&path, bytes).with_context(|| {
                    format!("cannot write {}: free some space there, then resume the session", path.display())
                })?;
            }
        }
        Ok(())
    }
}

/// Where a copy lies in a session's folder.
fn place(digest: &str, bytes: &[u8]) -> PathBuf {
    let kind = match bytes {
        [0x89, b'P', b'N', b'G', ..] => "png",
        [0xff, 0xd8, ..] => "jpg",
        [b'G', b'I', b'F', ..] => "gif",
        [b'B', b'M', ..] => "bmp",
        [b'R', b'I', b'F', b'F', ..] => "webp",
        _ => "bin",
    };
    Path::new("pictures").join(format!("{digest}.{kind}"))
}
