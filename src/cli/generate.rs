//! `yosegi generate`: a model or a recipe and prompts come in, the continued texts go out. The command line calls it.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use serde_json::{Value, json};

use super::output::say;
use super::output::say::note;
use super::recipe::RecipeArgs;
use super::{Generate, fetch};
use crate::checkpoint::Checkpoint;
use crate::error::BadInput;
use crate::evaluate::ModelSources;
use crate::limits::TOKENS;
use crate::lm::{self, Decoder, Decoding, Options, Reader};
use crate::merge::Merged;
use crate::recipe::RecipeFile;

/// Runs the command.
pub fn run(arguments: &Generate) -> anyhow::Result<()> {
    let prompts = match (&arguments.prompt, &arguments.prompts) {
        (Some(prompt), _) => vec![prompt.clone()],
        (None, Some(path)) => read_prompts(path)?,
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
    let device = super::device(&arguments.device)?;
    let (decoder, reader) = load(&arguments.model, &arguments.recipe, &device)?;
    let ids = prompts.iter().map(|p| reader.prompt(p)).collect::<Result<Vec<_>, _>>()?;
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
            say::json(&json!({ "prompt": prompt, "text": answer.text, "tokens": answer.tokens }))?;
        } else {
            say::out(&answer.text)?;
        }
    }
    Ok(())
}

/// A model, or the merge of a recipe, with its tokenizer.
fn load(model: &str, how: &RecipeArgs, device: &lm::Device) -> anyhow::Result<(Decoder, Reader)> {
    let path = Path::new(model);
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
            let decoder = path.decoder(&path.steps(&recipe)?, device)?;
            return Ok((decoder, Reader::of(&path.checkpoints[0])?));
        }
        let pool = sources.pool(&recipe, false)?;
        let mut merged = Merged::new(&pool);
        pool.merge_into(&recipe, &mut merged)?;
        let decoder = Decoder::load(merged.config(), &merged, device)?;
        return Ok((decoder, Reader::of(pool.file_giver())?));
    }
    let checkpoint = Checkpoint::open(model)?;
    let decoder = Decoder::load(checkpoint.config(), &checkpoint, device).context(model.to_owned())?;
    Ok((decoder, Reader::of(&checkpoint)?))
}

/// The `prompt` of each line of a JSONL file; empty lines are skipped.
fn read_prompts(path: &Path) -> anyhow::Result<Vec<String>> {
    let name = path.display();
    let text = crate::limits::read_text(path, crate::limits::DATA_FILE)
        .map_err(|e| BadInput::error(format!("cannot read {name}: {e}")))?;
    let mut prompts = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let bad = |why: String| BadInput::error(format!("{name}, line {}: {why}", number + 1));
        if line.trim().is_empty() {
            continue;
        }
        let value: Value = serde_json::from_str(line).map_err(|e| bad(format!("not JSON: {e}")))?;
        match value.get("prompt").and_then(Value::as_str) {
            Some(prompt) => prompts.push(prompt.to_owned()),
            None => return Err(bad("there is no text under \"prompt\"".to_owned())),
        }
    }
    if prompts.is_empty() {
        return Err(BadInput::error(format!("{name} holds no prompts: give one {{\"prompt\": …}} a line")));
    }
    Ok(prompts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_name_the_bad_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p.jsonl");
        std::fs::write(&path, "{\"prompt\": \"a\"}\n\n{\"text\": 1}\n").unwrap();
        let error = format!("{:#}", read_prompts(&path).unwrap_err());
        assert!(error.contains("line 3") && error.contains("prompt"), "{error}");
        std::fs::write(&path, "{\"prompt\": \"a\"}\n\n{\"prompt\": \"b\"}\n").unwrap();
        assert_eq!(read_prompts(&path).unwrap(), ["a", "b"]);
        assert!(read_prompts(&dir.path().join("none")).is_err());
    }
}
