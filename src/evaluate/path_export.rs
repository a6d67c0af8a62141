//! Turns a path into an ordinary checkpoint by folding the path's scales into the weights. A recipe with a path and its
//! models come in; a folder, or a model in memory, goes out. Before a folder is written, the folded model's logits are
//! compared with the path's, and the export fails if they differ too much. `yosegi merge` and the model sources call
//! it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use super::memory_plan::{Header, of_tensors, room_for};
use super::path_models::PathModels;
use crate::checkpoint::{Checkpoint, Dtype, ModelConfig, Weights, check_out};
use crate::error::{BadInput, Interrupted};
use crate::lm::{Decoder, Device, PathStep, Tokenizer};
use crate::merge::{
    ExportPlan, FoldStep, Folded, Folding, Options, Written, export_folded, path_vision_giver,
};
use crate::progress::Observer;
use crate::recipe::{Precision, Recipe};
use crate::text::{fenced, visible_line};

/// The texts on which path and folded model are compared.
const PROMPTS: [&str; 4] = [
    "Question: Tom has 3 apples. He buys 12 more and eats 5. How many apples does he have now?\nAnswer: ",
    "質問: 花子さんは鉛筆を12本持っています。太郎さんに5本あげました。残りは何本ですか。\n答え: ",
    "The capital of France is",
    "def add(a, b):\n    return",
];

/// The default bound on the difference of two logits, relative to the greatest.
pub const BOUND: f64 = 0.05;

/// How far a folded path is from the path itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogitDifference {
    /// Greatest difference of two logits, relative to the greatest logit.
    pub logits: f64,
    /// Positions whose likeliest token is the same.
    pub same: usize,
    /// All positions.
    pub of: usize,
}

/// Folds the recipe's path and writes it to `out`. The comparison needs memory for the whole model; an infinite `bound`
/// skips it.
///
/// # Errors
/// A folder that cannot be written, models that no path can run through, logits that differ by more than `bound`, or
/// an interruption by the observer.
pub fn export(
    recipe: &Recipe,
    path: &PathModels,
    out: &Path,
    bound: f64,
    device: &Device,
    options: &Options,
    observer: &Observer<'_>,
) -> anyhow::Result<(Written, Option<LogitDifference>)> {
    check_out(out)?;
    let steps = path.steps(recipe)?;
    let folding = folding(recipe, path, &steps)?;
    let apart = if bound.is_infinite() {
        None
    } else {
        Some(compare(path, &steps, &folding.make()?, device, observer)?)
    };
    if observer.stopped() {
        return Err(Interrupted("interrupted; nothing is written yet".to_owned()).into());
    }
    if let Some(apart) = apart
        && (apart.logits.is_nan() || apart.logits > bound)
    {
        return Err(BadInput::error(format!(
            "path: folded into a stock checkpoint its logits are off by {:.2e} of the greatest, over the bound \
             of {bound}: take scales nearer to 1 or powers of two, write float32 (out_dtype), or raise --fold-bound",
            apart.logits
        )));
    }
    let models: Vec<&Checkpoint> = path.checkpoints.iter().collect();
    let giver = path_vision_giver(models.iter().copied()).map(Checkpoint::reference);
    let texts = (card(recipe, out, apart, giver, options), options.recipe_file(recipe).to_toml());
    Ok((export_folded(&folding, &models, texts, out, options, observer)?, apart))
}

/// A recipe's path as an ordinary model in memory, without a comparison with the path.
///
/// # Errors
/// Models that no path can run through, or a tensor type that cannot be written.
pub fn in_memory(recipe: &Recipe, mut path: PathModels) -> anyhow::Result<Checkpoint> {
    let steps = path.steps(recipe)?;
    let (config, tensors) = {
        let folding = folding(recipe, &path, &steps)?;
        let bytes = |(_, shape, dtype): &Header| (shape.iter().product::<usize>() * dtype.size()) as u64;
        // Tensors that change are made first and then copied.
        let bytes = 2 * folding.headers().iter().map(bytes).sum::<u64>();
        room_for(recipe.name.as_deref().unwrap_or("a folded path"), bytes)?;
        let folded = folding.make()?;
        let held = |name: &String| {
            folded.tensor(name).map(|v| (name.clone(), v.shape.to_vec(), v.dtype, v.data.to_vec()))
        };
        (folded.config().clone(), folded.names().iter().filter_map(held).collect())
    };
    let files = path.file_giver();
    path.checkpoints.swap_remove(files).replaced(&config, tensors, BTreeMap::new()).map_err(BadInput::error)
}

/// As [`in_memory`], without any values.
///
/// # Errors
/// As [`in_memory`].
pub fn outlined(recipe: &Recipe, mut path: PathModels) -> anyhow::Result<Checkpoint> {
    let steps = path.steps(recipe)?;
    let (config, headers) = {
        let folding = folding(recipe, &path, &steps)?;
        (folding.config().clone(), folding.headers())
    };
    let files = path.file_giver();
    of_tensors(path.checkpoints.swap_remove(files), &config, headers)
}

/// What [`export`] would write.
///
/// # Errors
/// As [`in_memory`].
pub fn outline(recipe: &Recipe, path: &PathModels, options: &Options) -> anyhow::Result<ExportPlan> {
    let steps = path.steps(recipe)?;
    let models: Vec<&Checkpoint> = path.checkpoints.iter().collect();
    Ok(ExportPlan::of_path(&folding(recipe, path, &steps)?, &models, options))
}

fn folding<'a>(recipe: &Recipe, path: &'a PathModels, steps: &[PathStep]) -> anyhow::Result<Folding<'a>> {
    let models: Vec<&Checkpoint> = path.checkpoints.iter().collect();
    let step = |s: &PathStep| FoldStep { model: s.model, layer: s.layer, scale: s.scale };
    let steps: Vec<FoldStep> = steps.iter().map(step).collect();
    Ok(Folding::new(&models, &steps, dtype(recipe, models[0])?)?)
}

/// Runs the path and its folded form on a few prompts, one after the other.
///
/// # Errors
/// A device without room, or a tokenizer that cannot be read.
pub fn compare(
    path: &PathModels,
    steps: &[PathStep],
    folded: &Folded<'_>,
    device: &Device,
    observer: &Observer<'_>,
) -> anyhow::Result<LogitDifference> {
    let first = &path.checkpoints[0];
    let prompts = prompts(first)?;
    let logits = |decoder: Decoder| -> anyhow::Result<Vec<Vec<f32>>> {
        let mut rows = Vec::new();
        for prompt in &prompts {
            rows.extend(decoder.logits(prompt)?);
        }
        Ok(rows)
    };
    let on_path = logits(path.decoder(steps, device, observer)?)?;
    let config = ModelConfig::from_json("the folded path", folded.config().to_string().as_bytes())?;
    let on_stock = logits(Decoder::load(&config, folded, device)?)?;

    let size = on_path.iter().flatten().fold(0.0_f32, |m, v| m.max(v.abs()));
    let pairs = on_path.iter().flatten().zip(on_stock.iter().flatten());
    // A NaN must not count as agreement.
    let worst =
        pairs.fold(0.0_f32, |m, (a, b)| if (a - b).is_nan() { f32::NAN } else { m.max((a - b).abs()) });
    let likeliest = |row: &[f32]| row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map(|(i, _)| i);
    let same = on_path.iter().zip(&on_stock).filter(|(a, b)| likeliest(a) == likeliest(b)).count();
    Ok(LogitDifference { logits: f64::from(worst / size), same, of: on_path.len() })
}

/// Token ids for the comparison: the tokenized prompts, or a few fixed ids if the model has no tokenizer.
fn prompts(model: &Checkpoint) -> anyhow::Result<Vec<Vec<u32>>> {
    let config = model.config();
    let most = config.max_position_embeddings.saturating_sub(1).clamp(1, 128);
    if model.tokenizer_json().is_err() {
        let ids = (0..most.min(32)).map(|i| (i * 7919 % config.vocab_size) as u32);
        return Ok(vec![ids.collect()]);
    }
    let tokenizer = Tokenizer::of(model)?;
    let mut out = Vec::new();
    for text in PROMPTS {
        let mut ids = tokenizer.encode(text)?;
        ids.truncate(most);
        if !ids.is_empty() {
            out.push(ids);
        }
    }
    Ok(out)
}

/// The tensor type to write: the recipe's, else the first model's.
fn dtype(recipe: &Recipe, first: &Checkpoint) -> anyhow::Result<Dtype> {
    match recipe.out_dtype.or(recipe.dtype) {
        Some(Precision::BFloat16) => Ok(Dtype::BF16),
        Some(Precision::Float16) => Ok(Dtype::F16),
        Some(Precision::Float32) => Ok(Dtype::F32),
        Some(Precision::Float64) => Err(BadInput::error(
            "recipe: a folded path is written as bfloat16, float16 or float32, not float64; change out_dtype",
        )),
        None => Ok(first.tensor("model.embed_tokens.weight").map_or(Dtype::BF16, |view| view.dtype)),
    }
}

/// The text of the model card: the path, how far the checkpoint's logits are from the path's, and the model that gives
/// the vision part.
fn card(
    recipe: &Recipe,
    out: &Path,
    apart: Option<LogitDifference>,
    giver: Option<&str>,
    options: &Options,
) -> String {
    let name = visible_line(&out.file_name().map_or_else(|| "path".into(), |n| n.to_string_lossy()));
    let task = if giver.is_some() { "image-text-to-text" } else { "text-generation" };
    let mut text = format!("---\nlibrary_name: transformers\npipeline_tag: {task}\n");
    text.push_str("tags:\n- merge\n- yosegi\n---\n\n");
    // Writing to a `String` cannot fail.
    let _ = write!(
        text,
        "# {name}\n\nA path of {} steps through layers of other models, its scales folded into the weights, made \
         with Yosegi. Embeddings, final norm, head, tokenizer and config are those of `{}`.\n\n",
        recipe.path.len(),
        visible_line(recipe.donor()).replace('`', "'"),
    );
    if let Some(giver) = giver {
        let giver = visible_line(giver).replace('`', "'");
        let _ = write!(
            text,
            "It reads pictures with tower, projector, tokenizer and processor of `{giver}`.\n\n"
        );
    }
    if let Some(apart) = apart {
        let _ = write!(
            text,
            "Against the path itself, on a few prompts: logits within {:.1e} of the greatest, the same likeliest \
             token at {} of {} positions.\n\n",
            apart.logits, apart.same, apart.of
        );
    }
    let _ = write!(
        text,
        "The recipe (`recipe.toml`):\n\n{}",
        fenced("toml", &options.recipe_file(recipe).to_toml())
    );
    text
}
