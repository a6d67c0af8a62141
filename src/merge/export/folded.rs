//! Writes a folded path as a checkpoint. Models and steps come in, a folder goes out; like other exports, it makes a
//! few tensors at a time.

use std::path::Path;

use rayon::prelude::*;

use crate::checkpoint::Checkpoint;

use super::plan::{ExportPlan, order};
use super::shards::{TensorHeader, layout};
use super::stream::{self, Maker};
use super::{Frame, Options, Written, llava, write};
use crate::merge::MergeError;
use crate::merge::fold_scales::{Folding, Piece};
use crate::progress::Observer;

impl ExportPlan {
    /// Plans the export of a folded path, without writing anything.
    #[must_use]
    pub fn of_path(folding: &Folding<'_>, models: &[&Checkpoint], options: &Options) -> Self {
        let dtype = folding.dtype();
        let header = |p: &Piece<'_>| TensorHeader { name: p.name.clone(), dtype, shape: p.shape.clone() };
        let giver = path_vision_giver(models.iter().copied());
        let tensors = llava::headers(folding.pieces().iter().map(header).collect(), giver, false);
        let shards = layout(tensors, options.shard_size);
        let memory = stream::memory(&shards);
        Self { shards, config: llava::config(folding.config().clone(), giver), memory }
    }
}

/// Folds a path and writes the result to the folder `out`: its tensors, its config, a model card, the recipe in TOML,
/// and the small files of the first of `models`, or of the one that gives the vision part. `models` are all models on
/// the path. `out` must be empty or absent,
/// and never holds a half-written checkpoint. An interrupted export continues where it stopped.
pub fn export_folded(
    folding: &Folding<'_>,
    models: &[&Checkpoint],
    (card, recipe): (String, String),
    out: &Path,
    options: &Options,
    observer: &Observer<'_>,
) -> Result<Written, MergeError> {
    let first = models.first().ok_or(MergeError::Empty)?;
    let donor = path_vision_giver(models.iter().copied()).unwrap_or(first);
    let outline = ExportPlan::of_path(folding, models, options);
    let order = order(&recipe, models.iter().copied(), &outline.shards);
    let frame = Frame { config: outline.config, card, recipe, merges_vision: false };
    let mut maker = InOrder { folding, models, next: 0 };
    write((out, observer), &outline.shards, &order, &frame, donor, &mut maker)
}

/// The model that gives a path its vision part: the first, which gives embeddings and head, if it is a LLaVA model, else
/// the first with the same number of tokens.
#[must_use]
pub fn path_vision_giver<'a>(models: impl Iterator<Item = &'a Checkpoint>) -> Option<&'a Checkpoint> {
    let mut models = models.peekable();
    let vocabulary = models.peek()?.config().vocab_size;
    models.find(|m| m.vision_config().is_some() && m.config().vocab_size == vocabulary)
}

/// The tensors of a folded path, in order from input to output.
struct InOrder<'a> {
    folding: &'a Folding<'a>,
    models: &'a [&'a Checkpoint],
    next: usize,
}

impl Maker for InOrder<'_> {
    fn make(&mut self, tensors: &[TensorHeader], out: Vec<&mut [u8]>) -> Result<(), MergeError> {
        let dtype = self.folding.dtype();
        let pieces = &self.folding.pieces()[self.next..self.next + tensors.len()];
        self.next += tensors.len();
        pieces.par_iter().zip(out).try_for_each(|(piece, out)| piece.fill(dtype, out))?;
        self.models.iter().try_for_each(|model| model.all_intact())?;
        for view in pieces.iter().filter_map(Piece::read) {
            self.models.iter().for_each(|model| model.release(&view));
        }
        Ok(())
    }

    fn skip(&mut self, tensors: &[TensorHeader]) -> Result<(), MergeError> {
        self.next += tensors.len();
        Ok(())
    }
}
