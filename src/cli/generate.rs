//! `yosegi generate`: a model or a merge continues prompts, greedily.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::Generate;
use crate::checkpoint::Checkpoint;
use crate::lm::{self, Decoder, Options, Tokenizer};
use crate::merge::{Merged, Pool};
use crate::recipe::Recipe;

/// Runs the command.
pub fn run(arguments: &Generate) -> anyhow::Result<()> {
    let prompts = match (&arguments.prompt, &arguments.prompts) {
        (Some(prompt), _) => vec![prompt.clone()],
        (None, Some(path)) => read_prompts(path)?,
        (None, None) => bail!("no prompt was given: use --prompt TEXT or --prompts FILE.jsonl"),
    };
    let device = lm::pick(&arguments.device)?;
    let (decoder, tokenizer, eos) = load(&arguments.model, &device)?;
    let ids = prompts.iter().map(|p| tokenizer.encode(p)).collect::<Result<Vec<_>, _>>()?;
    let options = Options { max_new_tokens: arguments.max_tokens, eos, ..Options::default() };
    let quiet = AtomicBool::new(false);
    let (answers, _) = lm::generate(&decoder, &tokenizer, &ids, &options, &|_| false, &|_| {}, &quiet)?;

    let mut out = std::io::stdout().lock();
    for (prompt, answer) in prompts.iter().zip(answers) {
        if arguments.json {
            let line = json!({ "prompt": prompt, "text": answer.text, "tokens": answer.tokens });
            writeln!(out, "{line}")?;
        } else {
            // The model's own words do not get to drive the terminal.
            let shown: String = answer.text.chars().map(visible).collect();
            writeln!(out, "{shown}")?;
        }
    }
    Ok(())
}

/// A character to print: line breaks and tabs as they are, other control characters as their
/// pictures (␛ for escape).
fn visible(c: char) -> char {
    match c {
        '\n' | '\t' => c,
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{FFFD}'),
        c if c.is_control() => '\u{FFFD}',
        c => c,
    }
}

/// A model, or the merge of a recipe, with its tokenizer and the tokens that end an answer.
fn load(model: &str, device: &lm::Device) -> anyhow::Result<(Decoder, Tokenizer, Vec<u32>)> {
    let path = Path::new(model);
    if path.extension().is_some_and(|e| e == "toml") {
        let recipe = Recipe::open(path)?;
        let sources: Vec<String> = recipe.sources.iter().map(|s| s.model.clone()).collect();
        let pool = Pool::open(&recipe.base, &sources)?;
        let mut merged = Merged::new(&pool);
        pool.merge_into(&recipe, &mut merged)?;
        let decoder = Decoder::load(pool.config(), &merged, device)?;
        let tokenizer = Tokenizer::from_json(&pool.base().tokenizer_json()?)?;
        return Ok((decoder, tokenizer, pool.config().eos_token_ids.clone()));
    }
    let checkpoint = Checkpoint::open(model)?;
    let decoder = Decoder::load(checkpoint.config(), &checkpoint, device).context(model.to_owned())?;
    let tokenizer = Tokenizer::from_json(&checkpoint.tokenizer_json()?).context(model.to_owned())?;
    Ok((decoder, tokenizer, checkpoint.config().eos_token_ids.clone()))
}

/// The `prompt` of each line of a JSONL file; empty lines are passed over.
fn read_prompts(path: &Path) -> anyhow::Result<Vec<String>> {
    let name = path.display();
    let file = std::fs::File::open(path).with_context(|| format!("cannot read {name}"))?;
    let mut prompts = Vec::new();
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let place = || format!("{name}, line {}", number + 1);
        let line = line.with_context(place)?;
        if line.trim().is_empty() {
            continue;
        }
        let value: Value = serde_json::from_str(&line).with_context(place)?;
        match value.get("prompt").and_then(Value::as_str) {
            Some(prompt) => prompts.push(prompt.to_owned()),
            None => bail!("{}: there is no text under \"prompt\"", place()),
        }
    }
    if prompts.is_empty() {
        bail!("{name} holds no prompts: give one {{\"prompt\": …}} a line");
    }
    Ok(prompts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_become_visible() {
        assert_eq!("\x1b[31m3個\n\u{9b}".chars().map(visible).collect::<String>(), "␛[31m3個\n\u{FFFD}");
    }

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
