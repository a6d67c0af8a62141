//! The vision part of a LLaVA checkpoint: which tensors it has, and under which names they are stored. In: the tensors
//! of the weight files. Out: the language model's tensors under the names of a plain decoder, and the vision part's
//! under canonical ones. `open` divides a checkpoint's tensors here; `tensors` reads the vision part.

pub(super) mod names;
pub(super) mod part;
pub(super) mod shapes;
mod tensors;
