//! Models of text and LLaVA models in one pool: which of them gives the vision part, and the rows of the vocabulary that
//! it alone has.

use crate::checkpoint::{Checkpoint, TensorView};

use super::planned::{PlannedInput, PlannedTensor, Rest};
use super::pool::Pool;
use super::vocabulary::{has_vocabulary, whole};

impl Pool {
    /// The model that gives tower and projector to a merge: the base if it is a LLaVA model, else the first of the
    /// sources that is one; `None` if all are models of text.
    #[must_use]
    pub fn vision_giver(&self) -> Option<&Checkpoint> {
        self.giver.map(|giver| &self.models[giver])
    }

    /// The model whose tokenizer and other small files a merge has: the one that gives the vision part, else the base.
    #[must_use]
    pub fn file_giver(&self) -> &Checkpoint {
        self.vision_giver().unwrap_or(self.base())
    }

    /// As [`Self::file_giver`], without the others.
    #[must_use]
    pub fn into_file_giver(mut self) -> Checkpoint {
        self.models.swap_remove(self.giver.unwrap_or(0))
    }

    /// The rows that follow the merged ones of a planned tensor with this name and shape.
    pub(super) fn planned_rest(&self, name: &str, merged: &[usize]) -> Option<Rest> {
        let giver = self.giver.filter(|_| self.shared.is_some() && has_vocabulary(name))?;
        let rows = self.models[giver].config().vocab_size.checked_sub(*merged.first()?)?;
        let input = PlannedInput { model: giver, tensor: name.to_owned() };
        (rows > 0).then_some(Rest { input, rows })
    }

    /// The rows of a tensor of the vocabulary that only the giver has, and the giver.
    pub(super) fn rest_of(&self, name: &str) -> Option<(&Checkpoint, TensorView<'_>)> {
        let shape = self.shared.as_ref().filter(|_| has_vocabulary(name))?;
        let giver = self.vision_giver()?;
        let found = whole(giver, name)?;
        let merged = shape[0] * shape[1] * found.dtype.size();
        (found.data.len() > merged).then(|| (giver, TensorView { data: &found.data[merged..], ..found }))
    }

    /// The rows that follow the merged ones of a planned tensor; its shape is that of the whole tensor.
    pub(crate) fn rest(&self, planned: &PlannedTensor) -> Option<TensorView<'_>> {
        let rest = planned.rest.as_ref()?;
        self.rest_of(&rest.input.tensor).map(|(_, view)| view)
    }
}
