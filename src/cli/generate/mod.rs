//! `yosegi generate`: a model or a recipe and prompts come in, the continued texts go out. The command line calls it.

mod opened;
mod prompts;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::json;

use self::opened::Opened;
use self::prompts::Prompt;
use super::Generate;
use super::output::headway::counted;
use super::output::{memory, say};
use crate::checkpoint::Checkpoint;
use crate::error::BadInput;
use crate::evaluate::Workload;
use crate::limits::TOKENS;
use crate::lm::{self, Decoder, Decoding, GenerationEvent, ImageRows, Options, Reader, VisionModel};

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
    let opened = Opened::open(&arguments.model, &arguments.recipe, &device, arguments.device.dry_run)?;
    let reader = Reader::of(opened.files())?;
    let shown: Vec<(&str, usize)> = prompts.iter().map(|p| (p.text.as_str(), p.pictures.len())).collect();
    let vision = opened.files().vision_config();
    let work = Workload::of_prompts(&reader, vision, &shown, (arguments.max_tokens, decoding.num_beams));
    if arguments.device.dry_run {
        let plan = opened.to_load()?.plan(&device, &work)?;
        return memory::print(&[plan], arguments.json);
    }
    opened.to_load()?.check(&device, &work)?;
    let (mut decoder, files) = opened.decoder(&device)?;
    let ids = encode(&prompts, &reader, &files, &mut decoder, &device)?;
    let eos = reader.ends.clone();
    let options = Options { max_new_tokens: arguments.max_tokens, eos, decoding, ..Options::default() };
    let quiet = AtomicBool::new(false);
    let (done, of) = (AtomicU64::new(0), ids.len() as u64);
    let on = |news: GenerationEvent| {
        if matches!(news, GenerationEvent::Done { .. }) && of > 1 {
            counted("prompts", done.fetch_add(1, Ordering::Relaxed) + 1, of);
        }
    };
    let (answers, _) = lm::generate(&decoder, &reader.tokenizer, &ids, &options, &|_| false, &on, &quiet)?;
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
