//! Models of text and LLaVA models together: what is opened, what is merged, what is written. The models, recipes and
//! expected values are in `golden/llava_merge`, with the script that made them with transformers 5.24 and mergekit
//! 0.1.5.

#![allow(clippy::unwrap_used)] // a broken fixture should stop it

mod commands;
mod merging;
mod opening;
mod settings;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use yosegi::checkpoint::{Checkpoint, TensorView};
use yosegi::merge::{MergeError, Pool};
use yosegi::recipe::Recipe;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/llava_merge")
}

fn model(name: &str) -> String {
    golden().join("models").join(name).display().to_string()
}

fn open(name: &str) -> Checkpoint {
    Checkpoint::open(&model(name)).unwrap()
}

/// The tensors of a safetensors file, by their names in it.
fn stored(path: &Path) -> BTreeMap<String, (Vec<usize>, Vec<u8>)> {
    let bytes = fs::read(path).unwrap();
    let read = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
        (name, (view.shape().to_vec(), view.data().to_vec()))
    };
    read.tensors().into_iter().map(tensor).collect()
}

/// A copy of a model with one change to its config and to its tensors, as a folder.
fn changed(
    name: &str,
    config: impl Fn(&mut serde_json::Value),
    tensors: impl Fn(&mut BTreeMap<String, (Vec<usize>, Vec<u8>)>),
) -> (tempfile::TempDir, Result<Checkpoint, String>) {
    let from = golden().join("models").join(name);
    let folder = tempfile::tempdir().unwrap();
    let mut value = serde_json::from_slice(&fs::read(from.join("config.json")).unwrap()).unwrap();
    config(&mut value);
    fs::write(folder.path().join("config.json"), value.to_string()).unwrap();
    let mut all = stored(&from.join("model.safetensors"));
    tensors(&mut all);
    let dtype = if name.starts_with('q') { safetensors::Dtype::F32 } else { safetensors::Dtype::BF16 };
    let views = all.iter().map(|(name, (shape, data))| {
        (name.as_str(), safetensors::tensor::TensorView::new(dtype, shape.clone(), data).unwrap())
    });
    fs::write(folder.path().join("model.safetensors"), safetensors::serialize(views, None).unwrap()).unwrap();
    let opened = Checkpoint::open_as("odd", folder.path(), &yosegi::progress::Observer::none())
        .map_err(|e| e.to_string());
    (folder, opened)
}

fn gather(recipe: &Recipe) -> Result<Pool, MergeError> {
    Pool::gather(recipe, |name| Ok(Checkpoint::open(name)?))
}

fn floats(view: TensorView<'_>) -> Vec<f32> {
    let mut out = vec![0.0; view.len()];
    view.read_f32(0, &mut out);
    out
}
