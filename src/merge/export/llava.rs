//! What an export of a LLaVA model has besides the tensors of a decoder: the outer config, stored names, and the vision
//! part of the model that gives it. `plan`, `export` and `folded` call it.

use serde_json::Value;

use super::shards::TensorHeader;
use super::stream::Maker;
use crate::checkpoint::Checkpoint;
use crate::merge::MergeError;

/// The outer `config.json` of `giver` around the config of a merged language model.
pub(super) fn config(text: Value, giver: Option<&Checkpoint>) -> Value {
    let Some(vision) = giver.and_then(Checkpoint::vision_config) else { return text };
    let mut out = vision.raw.clone();
    if let Value::Object(map) = &mut out {
        map.remove("_name_or_path");
        for key in ["tie_word_embeddings", "vocab_size"] {
            if let (Some(value), true) = (text.get(key), key != "vocab_size" || map.contains_key(key)) {
                map.insert(key.to_owned(), value.clone());
            }
        }
        if let Some(dtype) = text.get("dtype").or_else(|| text.get("torch_dtype")) {
            let key = if map.contains_key("dtype") { "dtype" } else { "torch_dtype" };
            map.insert(key.to_owned(), dtype.clone());
        }
        map.insert("text_config".to_owned(), text);
    }
    out
}

/// The tensors of an export under the names that `giver` stores them by. `made` are those of the language model, then
/// those of a merged vision part; if there are none, the giver's follow.
pub(super) fn headers(
    made: Vec<TensorHeader>,
    giver: Option<&Checkpoint>,
    merges_vision: bool,
) -> Vec<TensorHeader> {
    let Some(giver) = giver else { return made };
    let seen = giver.vision_names();
    let rename = |t: TensorHeader| {
        let name = match seen.binary_search(&t.name.as_str()) {
            Ok(_) => giver.stored_vision_name(&t.name).to_owned(),
            Err(_) => giver.stored_text_name(&t.name),
        };
        TensorHeader { name, ..t }
    };
    let kept = seen.iter().filter(|_| !merges_vision).filter_map(|name| {
        let (dtype, shape) = giver.vision_extent(name)?;
        Some(TensorHeader { name: giver.stored_vision_name(name).to_owned(), dtype, shape: shape.to_vec() })
    });
    made.into_iter().map(rename).chain(kept).collect()
}

/// Makes the tensors of a language model by another maker, and copies the vision part after them.
pub(super) struct WithVision<'a> {
    text: &'a mut dyn Maker,
    /// Tensors that the other maker has still to make.
    left: usize,
    giver: Option<&'a Checkpoint>,
    /// Names of the vision part's tensors that are still to come, the next one last.
    vision: Vec<&'a str>,
}

impl<'a> WithVision<'a> {
    /// `giver` has the vision part, if one is copied; `of` is the number of all tensors.
    pub(super) fn new(text: &'a mut dyn Maker, giver: Option<&'a Checkpoint>, of: usize) -> Self {
        let mut vision = giver.map(Checkpoint::vision_names).unwrap_or_default();
        vision.reverse();
        Self { text, left: of.saturating_sub(vision.len()), giver, vision }
    }

    /// Divides a run of tensors into those of the language model and those of the vision part.
    fn divide<'t>(&mut self, tensors: &'t [TensorHeader]) -> (&'t [TensorHeader], Vec<&'a str>) {
        let (text, vision) = tensors.split_at(tensors.len().min(self.left));
        self.left -= text.len();
        (text, vision.iter().filter_map(|_| self.vision.pop()).collect())
    }
}

impl Maker for WithVision<'_> {
    fn make(&mut self, tensors: &[TensorHeader], mut out: Vec<&mut [u8]>) -> Result<(), MergeError> {
        let (text, vision) = self.divide(tensors);
        let of_vision = out.split_off(text.len());
        if !text.is_empty() {
            self.text.make(text, out)?;
        }
        let Some(giver) = self.giver else { return Ok(()) };
        for (name, out) in vision.into_iter().zip(of_vision) {
            if let Some(view) = giver.vision_tensor(name) {
                out.copy_from_slice(view.data);
                giver.release(&view);
            }
        }
        Ok(giver.all_intact()?)
    }

    fn skip(&mut self, tensors: &[TensorHeader]) -> Result<(), MergeError> {
        let (text, _) = self.divide(tensors);
        if text.is_empty() { Ok(()) } else { self.text.skip(text) }
    }
}
