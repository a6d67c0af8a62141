//! `yosegi generate`: a model or a recipe and prompts come in, the continued texts go out. The command line calls it.

mod prompts;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use serde_json::json;

use self::prompts::Prompt;
use super::output::headway::tell;
use super::output::say;
use super::output::say::note;
use super::recipe::RecipeArgs;
use super::{Generate, fetch};
use crate::checkpoint::Checkpoint;
use crate::error::BadInput;
use crate::evaluate::{ModelSources, WatchedWeights, meter_of_model};
use crate::limits::TOKENS;
use crate::lm::{self, Decoder, Decoding, ImageRows, Options, Reader, VisionModel};
use crate::merge::Merged;
use crate::progress::Observer;
use crate::recipe::RecipeFile;

/// Runs the command.
pub fn run(arguments: &Generate) -> anyhow::Result<()> {
    let prompts = match (&arguments.prompt, &arguments.prompts) {
        (Some(prompt), _) => vec![Prompt::given(prompt, &arguments.image)?],
        (None, Some(path)) => prompts::read(path)?,
        (None, None) => {
            return Err(BadInput::error("no prompt was given: use --prompt TEXT or --prompts FILE.jsonl"));
        }
    };
    if arguments.max_tokens > TOKENS {
        return Err(BadInput::error(format!(
            "--max-tokens is {}: give {TOKENS} or less",
            arguments.max_tokens
        )));
    }
    let decoding = arguments.decoding.over(Decoding::default())?;
    let device = arguments.device.open()?;
    let (mut decoder, files) = load(&arguments.model, &arguments.recipe, &device)?;
    let reader = Reader::of(&files)?;
    let ids = encode(&prompts, &reader, &files, &mut decoder, &device)?;
    let eos = reader.ends.clone();
    let options = Options { max_new_tokens: arguments.max_tokens, eos, decoding, ..Options::default() };
    let quiet = AtomicBool::new(false);
    let (answers, _) =
        lm::generate(&decoder, &reader.tokenizer, &ids, &options, &|_| false, &|_| {}, &quiet)?;
    if let Some(text) = decoder.news() {
        say::note(&text);
    }

    for (prompt, answer) in prompts.iter().zip(answers) {
        if arguments.json {
            say::json(&json!({ "prompt": prompt.text, "text": answer.text, "tokens": answer.tokens }))?;
        } else {
            say::out(&answer.text)?;
        }
    }
    Ok(())
}

/// Token ids of the prompts. The rows of all pictures, each computed once, are put before the decoder.
fn encode(
    prompts: &[Prompt],
    reader: &Reader,
    files: &Checkpoint,
    decoder: &mut Decoder,
    device: &lm::Device,
) -> anyhow::Result<Vec<Vec<u32>>> {
    if prompts.iter().all(|prompt| prompt.pictures.is_empty()) {
        return Ok(prompts.iter().map(|prompt| reader.prompt(&prompt.text)).collect::<Result<_, _>>()?);
    }
    let vision = VisionModel::load(files, device).map_err(BadInput::error)?;
    let mut rows = ImageRows::new(decoder.vocab(), files.vision_config().map_or(0, |v| v.image_token));
    let mut known: HashMap<String, Range<u32>> = HashMap::new();
    let mut images = Vec::with_capacity(prompts.len());
    for prompt in prompts {
        let mut own = Vec::with_capacity(prompt.pictures.len());
        for picture in &prompt.pictures {
            let ids = match known.entry(picture.digest().map_err(BadInput::error)?) {
                Entry::Occupied(seen) => seen.get().clone(),
                Entry::Vacant(new) => {
                    let features = vision.features(&picture.read().map_err(BadInput::error)?)?;
                    new.insert(rows.push(Arc::new(features))).clone()
                }
            };
            own.push(ids);
        }
        images.push(own);
    }
    decoder.set_images(Arc::new(rows))?;
    let encode = |(prompt, images): (&Prompt, Vec<Range<u32>>)| match images.as_slice() {
        [] => reader.prompt(&prompt.text),
        images => reader.image_prompt(&prompt.text, false, images),
    };
    Ok(prompts.iter().zip(images).map(encode).collect::<Result<_, _>>()?)
}

/// A model, or the merge of a recipe, with the checkpoint that gives its tokenizer and its vision part.
fn load(model: &str, how: &RecipeArgs, device: &lm::Device) -> anyhow::Result<(Decoder, Checkpoint)> {
    let path = Path::new(model);
    // Ctrl-C ends the process at once.
    let observer = Observer::telling(&tell);
    if RecipeFile::is_file(path) {
        let recipe = super::recipe::whole(path, how.lenient)?;
        let sources = ModelSources {
            made: &[],
            device,
            fetch: &fetch::open,
            note: &note,
            allow_non_finite: how.allow_non_finite,
        };
        if !recipe.path.is_empty() {
            let path = sources.path_models(&recipe, &[])?;
            let decoder = path.decoder(&path.steps(&recipe)?, device, &observer)?;
            return Ok((decoder, path.checkpoints[path.file_giver()].clone()));
        }
        let pool = sources.pool(&recipe, false)?;
        let mut merged = Merged::new(&pool);
        pool.merge_into(&recipe, &mut merged)?;
        let decoder = Decoder::load(merged.config(), &merged, device)?;
        return Ok((decoder, pool.into_file_giver()));
    }
    let checkpoint = fetch::open(model)?;
    let meter = meter_of_model(&checkpoint, &observer);
    let weights = WatchedWeights::new(&checkpoint, &meter);
    let decoder = Decoder::load(checkpoint.config(), &weights, device).context(model.to_owned())?;
    Ok((decoder, checkpoint))
}
