//! The decoder against transformers, to the token.
//!
//! Fixtures: `tests/golden/transformers/make.py` and what it wrote.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use serde::Deserialize;
use yosegi::checkpoint::{Checkpoint, FAMILIES};
use yosegi::lm::{Decoder, Device, Finish, Generated, GenerationEvent, Options, Tokenizer, generate};

const MODELS: [&str; 14] = [
    "tied-gqa",
    "untied-bias",
    "odd-head",
    "sliding",
    "llama3-rope",
    "yarn-rope",
    "dynamic-rope",
    "qwen2",
    "qwen3",
    "gemma",
    "gemma2",
    "gemma3",
    "phi3",
    "phi3-longrope",
];

#[derive(Deserialize)]
struct Golden {
    prompts: Vec<Vec<u32>>,
    greedy: Vec<Vec<u32>>,
    max_new_tokens: usize,
    /// Of the first prompts, at their last three positions.
    logits: Vec<Vec<Vec<f32>>>,
}

struct Fixture {
    name: &'static str,
    checkpoint: Checkpoint,
    tokenizer: Tokenizer,
    golden: Golden,
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/transformers").join(name)
}

fn fixtures() -> impl Iterator<Item = Fixture> {
    MODELS.into_iter().map(|name| {
        let checkpoint = Checkpoint::open(folder(name).to_str().unwrap()).unwrap();
        let tokenizer = Tokenizer::from_json(&std::fs::read(folder(name).join("tokenizer.json")).unwrap());
        let golden = std::fs::read(folder(name).join("golden.json")).unwrap();
        let golden = serde_json::from_slice(&golden).unwrap();
        Fixture { name, checkpoint, tokenizer: tokenizer.unwrap(), golden }
    })
}

impl Fixture {
    fn decoder(&self, device: &Device) -> Decoder {
        Decoder::load(self.checkpoint.config(), &self.checkpoint, device).unwrap()
    }

    fn options(&self, threads: usize, batch: usize) -> Options {
        Options {
            max_new_tokens: self.golden.max_new_tokens,
            eos: self.checkpoint.config().eos_token_ids.clone(),
            threads,
            batch,
            ..Options::default()
        }
    }

    fn run(&self, decoder: &Decoder, prompts: &[Vec<u32>], options: &Options) -> Vec<Generated> {
        let quiet = AtomicBool::new(false);
        generate(decoder, &self.tokenizer, prompts, options, &|_| false, &|_| {}, &quiet).unwrap().0
    }
}

fn devices() -> [Device; 2] {
    [Device::Cpu, Device::reference()]
}

/// A family without a fixture is not one that runs.
#[test]
fn every_family_has_a_fixture() {
    let tested: Vec<String> = fixtures().map(|f| f.checkpoint.config().model_type.clone()).collect();
    for family in FAMILIES {
        assert!(tested.iter().any(|t| t == family.model_type), "{} has no fixture", family.model_type);
    }
}

#[test]
fn logits_are_those_of_transformers() {
    for fixture in fixtures() {
        for device in devices() {
            let decoder = fixture.decoder(&device);
            for (prompt, expected) in fixture.golden.prompts.iter().zip(&fixture.golden.logits) {
                let logits = decoder.logits(prompt).unwrap();
                for (row, expected) in logits[prompt.len() - expected.len()..].iter().zip(expected) {
                    assert_eq!(row.len(), expected.len());
                    let size = expected.iter().fold(0.0, |m: f32, x| m.max(x.abs()));
                    let worst = row.iter().zip(expected).fold(0.0, |m: f32, (a, b)| m.max((a - b).abs()));
                    assert!(worst <= 1e-4 * size, "{} on {}: {worst} of {size}", fixture.name, device.name());
                }
            }
        }
    }
}

#[test]
fn greedy_tokens_are_those_of_transformers() {
    for fixture in fixtures() {
        let decoder = fixture.decoder(&Device::Cpu);
        for batch in [1, 7, 64] {
            let answers = fixture.run(&decoder, &fixture.golden.prompts, &fixture.options(1, batch));
            for (i, (answer, expected)) in answers.iter().zip(&fixture.golden.greedy).enumerate() {
                assert_eq!(&answer.tokens, expected, "{} prompt {i} batch {batch}", fixture.name);
                let eos = &fixture.checkpoint.config().eos_token_ids;
                let ended = expected.last().is_some_and(|t| eos.contains(t));
                assert_eq!(answer.finish, if ended { Finish::Eos } else { Finish::Length });
            }
        }
    }
}

#[test]
fn reference_twin_decodes_the_same_tokens() {
    for fixture in fixtures() {
        let decoder = fixture.decoder(&Device::reference());
        let answers = fixture.run(&decoder, &fixture.golden.prompts, &fixture.options(1, 9));
        for (answer, expected) in answers.iter().zip(&fixture.golden.greedy) {
            assert_eq!(&answer.tokens, expected, "{}", fixture.name);
        }
    }
}

#[test]
fn answers_do_not_depend_on_company() {
    for fixture in fixtures() {
        let decoder = fixture.decoder(&Device::Cpu);
        let prompts = &fixture.golden.prompts;
        let alone: Vec<Generated> = prompts
            .iter()
            .flat_map(|p| fixture.run(&decoder, std::slice::from_ref(p), &fixture.options(1, 1)))
            .collect();
        for (threads, batch) in [(1, 3), (2, 5), (3, 64), (0, 1)] {
            let together = fixture.run(&decoder, prompts, &fixture.options(threads, batch));
            assert_eq!(together, alone, "{} threads {threads} batch {batch}", fixture.name);
        }
        let backwards: Vec<_> = prompts.iter().rev().cloned().collect();
        let mut answers = fixture.run(&decoder, &backwards, &fixture.options(2, 4));
        answers.reverse();
        assert_eq!(answers, alone, "{} backwards", fixture.name);
        // Neighbours with nothing in common: no shared prefix.
        let mut mixed = prompts.clone();
        mixed.insert(0, vec![7]);
        let answers = fixture.run(&decoder, &mixed, &fixture.options(2, 8));
        assert_eq!(answers[1..], alone, "{} without a common prefix", fixture.name);
    }
}

#[test]
fn logits_are_the_same_to_the_bit_in_any_company() {
    for fixture in fixtures() {
        let decoder = fixture.decoder(&Device::Cpu);
        let prompt = fixture.golden.prompts.iter().max_by_key(|p| p.len()).unwrap();
        let whole = decoder.logits(prompt).unwrap();
        for n in 1..prompt.len() {
            let part = decoder.logits(&prompt[..n]).unwrap();
            assert_eq!(part[n - 1], whole[n - 1], "{} position {n}", fixture.name);
        }
    }
}

#[test]
fn streamed_text_is_the_answers_text() {
    for fixture in fixtures() {
        let decoder = fixture.decoder(&Device::Cpu);
        let n = fixture.golden.prompts.len();
        let texts = Mutex::new(vec![String::new(); n]);
        let done = Mutex::new(Vec::new());
        let on = |event: GenerationEvent| match event {
            GenerationEvent::Text { index, text } => texts.lock().unwrap()[index].push_str(&text),
            GenerationEvent::Done { index } => done.lock().unwrap().push(index),
        };
        let mut options = fixture.options(2, 5);
        let quiet = AtomicBool::new(false);
        let run = |options: &Options| {
            generate(
                &decoder,
                &fixture.tokenizer,
                &fixture.golden.prompts,
                options,
                &|i| i % 2 == 0,
                &on,
                &quiet,
            )
            .unwrap()
            .0
        };
        let answers = run(&options);
        for (i, answer) in answers.iter().enumerate() {
            let expected = if i % 2 == 0 { answer.text.as_str() } else { "" };
            assert_eq!(texts.lock().unwrap()[i], expected);
            let ended = usize::from(answer.finish == Finish::Eos);
            let said = &answer.tokens[..answer.tokens.len() - ended];
            assert_eq!(answer.text, fixture.tokenizer.decode(said));
        }
        let mut indices = std::mem::take(&mut *done.lock().unwrap());
        indices.sort_unstable();
        assert_eq!(indices, (0..n).collect::<Vec<_>>());

        // Stop at something that an answer says in its middle, over a token's border.
        let (at, stop) = (0..n)
            .step_by(2)
            .find_map(|i| {
                let text: Vec<char> = answers[i].text.chars().collect();
                let whole = |w: &&[char]| !w.contains(&'\u{FFFD}');
                let stop = text[text.len() / 3..].windows(3).find(whole)?;
                Some((i, stop.iter().collect::<String>()))
            })
            .unwrap();
        let before = answers[at].text.split(&stop).next().unwrap().to_owned();
        options.stop = vec!["never said".to_owned(), stop];
        *texts.lock().unwrap() = vec![String::new(); n];
        let stopped = run(&options);
        assert_eq!(stopped[at].finish, Finish::Stop, "{}", fixture.name);
        assert_eq!(stopped[at].text, before);
        assert!(answers[at].tokens.starts_with(&stopped[at].tokens));
        for i in (0..n).step_by(2) {
            assert_eq!(texts.lock().unwrap()[i], stopped[i].text);
        }
    }
}

#[test]
fn bad_prompts_are_refused_in_words() {
    let fixture = fixtures().next().unwrap();
    let decoder = fixture.decoder(&Device::Cpu);
    let quiet = AtomicBool::new(false);
    let refuse = |prompt: Vec<u32>| {
        let prompts = [vec![5, 6], prompt];
        let options = fixture.options(1, 2);
        let run = generate(&decoder, &fixture.tokenizer, &prompts, &options, &|_| true, &|_| {}, &quiet);
        run.unwrap_err().to_string()
    };
    let unknown = refuse(vec![3, 320]);
    assert!(unknown.contains("prompt 1") && unknown.contains("320"), "{unknown}");
    assert!(refuse(Vec::new()).contains("prompt 1"));
    assert!(refuse(vec![5; 256]).contains("max_position_embeddings"));
    assert!(decoder.logits(&[4_000_000_000]).is_err());

    // The last position ends an answer; no room asked for, none given.
    let near = fixture.run(&decoder, &[vec![9; 250]], &fixture.options(1, 1));
    assert!(near[0].tokens.len() <= 6);
    let none = Options { max_new_tokens: 0, ..fixture.options(1, 1) };
    assert!(fixture.run(&decoder, &[vec![9]], &none)[0].tokens.is_empty());
    assert!(fixture.run(&decoder, &[], &fixture.options(2, 4)).is_empty());
}

#[test]
fn a_cancelled_run_returns_what_there_is() {
    let fixture = fixtures().next().unwrap();
    let decoder = fixture.decoder(&Device::Cpu);
    let cancel = AtomicBool::new(false);
    let stop = |event: GenerationEvent| {
        if matches!(event, GenerationEvent::Text { .. }) {
            cancel.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    };
    let options = fixture.options(2, 4);
    let prompts = &fixture.golden.prompts;
    let run = generate(&decoder, &fixture.tokenizer, prompts, &options, &|_| true, &stop, &cancel);
    let (answers, _) = run.unwrap();
    assert_eq!(answers.len(), prompts.len());
    assert!(answers.iter().any(|a| a.finish == Finish::Cancelled));
    for (answer, whole) in answers.iter().zip(&fixture.golden.greedy) {
        assert!(whole.starts_with(&answer.tokens));
    }
}
