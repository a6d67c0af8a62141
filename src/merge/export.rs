//! A merge written out as an ordinary Hugging Face checkpoint.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::checkpoint::{Checkpoint, TensorView, Weights, check_out, write_folder};
use crate::recipe::Recipe;

use super::{MergeError, Merged, Pool};

/// Small files that a merge takes over from its base as they are.
const FROM_BASE: [&str; 10] = [
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
    "LICENSE",
];

/// Merges `recipe` and writes the result to the folder `out`: config and tokenizer of the base,
/// `model.safetensors` in the recipe's type, a model card with the recipe. `out` must not exist or be
/// empty; on an error nothing is left there.
pub fn write_checkpoint(recipe: &Recipe, pool: &Pool, out: &Path) -> Result<(), MergeError> {
    check_out(out)?;
    let mut merged = Merged::new(pool);
    pool.merge_into(recipe, &mut merged)?;
    let mut config = merged.config().raw.clone();
    if let Value::Object(map) = &mut config {
        map.remove("_name_or_path");
    }
    let config = format!("{config:#}\n");
    let tensors: Vec<(&str, TensorView<'_>)> =
        merged.names().filter_map(|name| merged.tensor(name).map(|view| (name, view))).collect();
    let tensors: Vec<_> = tensors.iter().map(|(name, v)| (*name, v.dtype, v.shape, v.data)).collect();
    write_folder(out, |sink| {
        sink.file("config.json", config.as_bytes())?;
        for name in FROM_BASE {
            if let Some(bytes) = pool.base().file(name) {
                sink.file(name, &bytes)?;
            }
        }
        sink.file("README.md", card(recipe, out, pool.base()).as_bytes())?;
        sink.file("recipe.toml", recipe.to_toml().as_bytes())?;
        sink.tensors(&tensors)
    })?;
    Ok(())
}

/// The model card: what was merged, and how to make it again.
fn card(recipe: &Recipe, out: &Path, base: &Checkpoint) -> String {
    let name = out.file_name().map_or_else(|| "merge".into(), |n| n.to_string_lossy());
    let mut text = String::from("---\nlibrary_name: transformers\npipeline_tag: text-generation\n");
    text.push_str("tags:\n- merge\n- yosegi\n---\n\n");
    let _ = write!(text, "# {name}\n\nA merge of ");
    let models: Vec<String> = recipe.sources.iter().map(|s| format!("`{}`", s.model)).collect();
    let _ = write!(
        text,
        "{} on the base `{}`, by the method `{}`, made with Yosegi. Config and tokenizer are the base's ({} model, {} layers).\n\n",
        models.join(", "),
        recipe.donor(),
        recipe.method.name(),
        base.config().model_type,
        base.config().num_hidden_layers,
    );
    let _ = write!(text, "The recipe (`recipe.toml`):\n\n```toml\n{}```\n", recipe.to_toml());
    text
}
