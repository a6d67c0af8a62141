//! The stored vision part of an open checkpoint, and how a checkpoint's tensors are divided. In: all stored tensors.
//! Out: those of the language model and those of the vision part, checked against the config.

use std::collections::BTreeMap;

use super::names::{Place, StoredNames, place};
use super::shapes::vision_shapes;
use crate::checkpoint::stored::Held;
use crate::checkpoint::untrusted::printable;
use crate::checkpoint::{CheckpointError, ModelConfig};

/// The tensors of a vision part by their names here, and the stored names of the whole checkpoint.
#[derive(Clone)]
pub(in crate::checkpoint) struct VisionPart {
    pub(in crate::checkpoint) tensors: BTreeMap<String, Held>,
    pub(in crate::checkpoint) names: StoredNames,
}

/// Divides a LLaVA checkpoint's tensors; those of the language model stay in `tensors`. `file` names the weights in
/// errors.
pub(in crate::checkpoint) fn divide(
    file: &str,
    tensors: &mut BTreeMap<String, Held>,
) -> Result<VisionPart, CheckpointError> {
    let names = StoredNames::of(tensors.keys().map(String::as_str));
    let (mut text, mut vision) = (BTreeMap::new(), BTreeMap::new());
    for (stored, held) in std::mem::take(tensors) {
        let (twin, name) = match place(&stored) {
            Place::Text(name) => (text.insert(name.clone(), held), name),
            Place::Vision(name) => (vision.insert(name.clone(), held), name),
        };
        if twin.is_some() {
            let problem = format!("is stored twice, under two names of {}", printable(&name));
            return Err(CheckpointError::Tensor {
                file: file.to_owned(),
                tensor: printable(&stored),
                problem,
            });
        }
    }
    *tensors = text;
    Ok(VisionPart { tensors: vision, names })
}

impl VisionPart {
    /// Checks that every tensor of the vision part exists with the right shape. `foreign` are stored tensors of types
    /// that are not read; `file` names the weights in errors.
    pub(in crate::checkpoint) fn check(
        &self,
        config: &ModelConfig,
        foreign: &BTreeMap<String, String>,
        file: &str,
    ) -> Result<(), CheckpointError> {
        let Some(vision) = &config.vision else { return Ok(()) };
        for expected in vision_shapes(vision, config.hidden_size) {
            let (name, shape) = (&expected.name, &expected.shape);
            let found = self.tensors.get(name).map(|held| &held.entry().shape);
            let problem = match found {
                Some(found) if found == shape => continue,
                Some(found) => format!("has shape {found:?}, but config.json makes it {shape:?}"),
                None if !expected.needed => continue,
                None => {
                    let stored =
                        |(stored, _): &(&String, &String)| place(stored) == Place::Vision(name.clone());
                    match foreign.iter().find(stored) {
                        Some((_, dtype)) => format!("is stored as {dtype}; F32, F16 and BF16 are read"),
                        None => "is missing".to_owned(),
                    }
                }
            };
            let tensor = printable(self.names.vision(name));
            return Err(CheckpointError::Tensor { file: file.to_owned(), tensor, problem });
        }
        Ok(())
    }
}
