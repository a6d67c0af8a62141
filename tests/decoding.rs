//! Ways of decoding against transformers, and that an answer depends on nothing but its prompt, the
//! options and the seed.
//!
//! Golden: `tests/golden/decoding/make.py` and what it wrote, on the models of
//! `tests/golden/transformers`.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use proptest::prelude::*;
use serde::Deserialize;
use yosegi::checkpoint::Checkpoint;
use yosegi::lm::{
    Decoder, Decoding, Device, Finish, Generated, GenerationEvent, LmError, Options, Sampling, Tokenizer,
    generate,
};

#[derive(Deserialize)]
struct Golden {
    models: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    name: String,
    cases: Vec<Case>,
    draws: Vec<Draw>,
}

#[derive(Deserialize)]
struct Case {
    options: Given,
    eos: Vec<u32>,
    answers: Vec<Answer>,
}

#[derive(Deserialize)]
struct Given {
    #[serde(flatten)]
    decoding: Decoding,
    #[serde(default)]
    max_new_tokens: usize,
}

#[derive(Deserialize)]
struct Answer {
    prompt: usize,
    tokens: Vec<u32>,
}

#[derive(Deserialize)]
struct Draw {
    options: Given,
    prompt: usize,
    tokens: Vec<u32>,
    probabilities: Vec<f64>,
}

#[derive(Deserialize)]
struct Prompts {
    prompts: Vec<Vec<u32>>,
}

fn golden_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

struct Fixture {
    decoder: Decoder,
    tokenizer: Tokenizer,
    prompts: Vec<Vec<u32>>,
}

impl Fixture {
    fn open(name: &str, device: &Device) -> Self {
        let folder = golden_folder().join("transformers").join(name);
        let checkpoint = Checkpoint::open(folder.to_str().unwrap()).unwrap();
        let prompts: Prompts =
            serde_json::from_slice(&std::fs::read(folder.join("golden.json")).unwrap()).unwrap();
        Self {
            decoder: Decoder::load(checkpoint.config(), &checkpoint, device).unwrap(),
            tokenizer: Tokenizer::from_json(&std::fs::read(folder.join("tokenizer.json")).unwrap()).unwrap(),
            prompts: prompts.prompts,
        }
    }

    fn run(&self, prompts: &[Vec<u32>], options: &Options) -> Vec<Generated> {
        let quiet = AtomicBool::new(false);
        generate(&self.decoder, &self.tokenizer, prompts, options, &|_| false, &|_| {}, &quiet).unwrap().0
    }

    fn refused(&self, options: &Options) -> LmError {
        let quiet = AtomicBool::new(false);
        let prompts = &self.prompts[..2];
        generate(&self.decoder, &self.tokenizer, prompts, options, &|_| false, &|_| {}, &quiet).unwrap_err()
    }
}

fn golden() -> Golden {
    serde_json::from_slice(&std::fs::read(golden_folder().join("decoding/golden.json")).unwrap()).unwrap()
}

#[test]
fn penalties_and_beams_answer_as_transformers_does() {
    let mut by_kind = BTreeMap::new();
    for model in golden().models {
        let fixture = Fixture::open(&model.name, &Device::Cpu);
        for case in &model.cases {
            let prompts: Vec<_> = case.answers.iter().map(|a| fixture.prompts[a.prompt].clone()).collect();
            for (threads, batch) in [(1, 64), (2, 1)] {
                let options = Options {
                    max_new_tokens: case.options.max_new_tokens,
                    eos: case.eos.clone(),
                    decoding: case.options.decoding,
                    threads,
                    batch,
                    ..Options::default()
                };
                for (found, expected) in fixture.run(&prompts, &options).iter().zip(&case.answers) {
                    let at = (&model.name, &case.options.decoding, &case.eos, expected.prompt);
                    assert_eq!(found.tokens, expected.tokens, "{at:?}");
                    let ended = expected.tokens.last().is_some_and(|t| case.eos.contains(t));
                    assert_eq!(found.finish, if ended { Finish::Eos } else { Finish::Length }, "{at:?}");
                    *by_kind.entry(case.options.decoding.num_beams).or_insert(0) += 1;
                }
            }
        }
    }
    assert!(by_kind.len() >= 5 && by_kind.values().all(|n| *n >= 8), "{by_kind:?}");
}

#[test]
fn the_reference_twin_searches_the_same() {
    let golden = golden();
    let model = &golden.models[0];
    let fixture = Fixture::open(&model.name, &Device::reference());
    for case in model.cases.iter().filter(|c| c.options.decoding.num_beams > 1) {
        let options = Options {
            max_new_tokens: case.options.max_new_tokens,
            eos: case.eos.clone(),
            decoding: case.options.decoding,
            ..Options::default()
        };
        let prompts: Vec<_> = case.answers.iter().map(|a| fixture.prompts[a.prompt].clone()).collect();
        for (found, expected) in fixture.run(&prompts, &options).iter().zip(&case.answers) {
            assert_eq!(found.tokens, expected.tokens, "{:?}", case.options.decoding);
        }
    }
}

#[test]
fn draws_are_from_what_transformers_leaves() {
    for model in golden().models {
        let fixture = Fixture::open(&model.name, &Device::Cpu);
        for draw in &model.draws {
            let prompt = &fixture.prompts[draw.prompt];
            let mut scores = fixture.decoder.logits(prompt).unwrap().pop().unwrap();
            let decoding = draw.options.decoding;
            // The rule itself is held to transformers by the tests above: here it only prepares.
            let mut seen = prompt.clone();
            seen.sort_unstable();
            seen.dedup();
            for token in seen {
                let score = &mut scores[token as usize];
                let penalty = decoding.repetition_penalty;
                *score = if *score < 0.0 { *score * penalty } else { *score / penalty };
            }
            let found: BTreeMap<u32, f64> = Sampling::of(&decoding).candidates(&scores).into_iter().collect();
            let total: f64 = found.values().sum();
            let at = (&model.name, decoding, draw.prompt);
            let kept: Vec<u32> = found.keys().copied().collect();
            assert_eq!(kept, draw.tokens, "{at:?}");
            for (weight, expected) in found.values().zip(&draw.probabilities) {
                assert!((weight / total - expected).abs() <= 1e-4 * expected.max(1e-3), "{at:?}");
            }
        }
    }
}

/// A way of decoding that can be used.
fn ways() -> impl Strategy<Value = Decoding> {
    let greedy = prop_oneof![Just(1.0_f32), Just(1.3), Just(0.9)]
        .prop_map(|repetition_penalty| Decoding { repetition_penalty, ..Decoding::default() });
    let drawn = (0.3_f32..2.0, prop_oneof![Just(0_usize), 1..80_usize], 0.2_f64..1.0, any::<u64>()).prop_map(
        |(temperature, top_k, top_p, seed)| Decoding {
            temperature,
            top_k,
            top_p,
            seed,
            ..Decoding::default()
        },
    );
    let beams = (2..6_usize, -1.0_f64..2.0).prop_map(|(num_beams, length_penalty)| Decoding {
        num_beams,
        length_penalty,
        repetition_penalty: 1.2,
        ..Decoding::default()
    });
    prop_oneof![greedy, drawn, beams]
}

/// Models of different kinds: a window, capped scores, norms on heads, a partial rotation.
const COMPANY: [&str; 5] = ["tied-gqa", "sliding", "qwen3", "gemma2", "phi3"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// A sequence's tokens do not depend on batch size, order, padding, threads or neighbours.
    #[test]
    fn an_answer_depends_on_its_prompt_alone(
        name in prop::sample::select(COMPANY.as_slice()),
        decoding in ways(),
        order in prop::sample::subsequence((0..50_usize).collect::<Vec<_>>(), 1..14).prop_shuffle(),
        stranger in prop::collection::vec(2..320_u32, 1..120),
        (threads, batch) in (1..4_usize, 1..20_usize),
        place in any::<prop::sample::Index>(),
    ) {
        let fixture = Fixture::open(name, &Device::Cpu);
        let mut options = Options {
            max_new_tokens: 20,
            eos: (1..24).collect(),
            decoding,
            threads: 1,
            batch: 1,
            ..Options::default()
        };
        let alone: Vec<Generated> = order
            .iter()
            .flat_map(|i| fixture.run(std::slice::from_ref(&fixture.prompts[*i]), &options))
            .collect();
        let mut prompts: Vec<Vec<u32>> = order.iter().map(|i| fixture.prompts[*i].clone()).collect();
        // A neighbour of another length, with another beginning.
        let at = place.index(prompts.len() + 1);
        prompts.insert(at, stranger);
        (options.threads, options.batch) = (threads, batch);
        let mut together = fixture.run(&prompts, &options);
        together.remove(at);
        prop_assert_eq!(together, alone);
    }
}

#[test]
fn a_seed_gives_the_same_and_another_gives_another() {
    let fixture = Fixture::open("tied-gqa", &Device::Cpu);
    let with = |seed| {
        let decoding = Decoding { temperature: 1.0, seed, ..Decoding::default() };
        let options = Options { max_new_tokens: 16, decoding, ..Options::default() };
        fixture.run(&fixture.prompts[..8], &options)
    };
    assert_eq!(with(1), with(1));
    assert!(with(1).iter().zip(with(2)).all(|(a, b)| a.tokens != b.tokens));
}

/// What is streamed is the answer: token by token where it is drawn, at the end where beams compete.
#[test]
fn streams_tell_the_answers_text() {
    let fixture = Fixture::open("qwen3", &Device::Cpu);
    for decoding in [
        Decoding { temperature: 0.9, seed: 4, ..Decoding::default() },
        Decoding { num_beams: 3, ..Decoding::default() },
    ] {
        let mut options = Options { max_new_tokens: 24, decoding, threads: 2, ..Options::default() };
        let plain = fixture.run(&fixture.prompts[..6], &options);
        let middle: Vec<char> = plain[0].text.chars().filter(|c| *c != '\u{FFFD}').collect();
        options.stop = vec![middle[middle.len() / 2..].iter().take(1).collect()];
        let texts = Mutex::new(vec![String::new(); 6]);
        let on = |event: GenerationEvent| {
            if let GenerationEvent::Text { index, text } = event {
                texts.lock().unwrap()[index].push_str(&text);
            }
        };
        let quiet = AtomicBool::new(false);
        let run = |on: &(dyn Fn(GenerationEvent) + Sync)| {
            generate(
                &fixture.decoder,
                &fixture.tokenizer,
                &fixture.prompts[..6],
                &options,
                &|_| true,
                on,
                &quiet,
            )
        };
        let (answers, _) = run(&on).unwrap();
        for (answer, text) in answers.iter().zip(texts.lock().unwrap().iter()) {
            assert_eq!(&answer.text, text);
            assert!(!answer.text.contains(&options.stop[0]));
        }
        assert!(answers.iter().any(|a| a.finish == Finish::Stop), "{decoding:?}");
    }
}

#[test]
fn a_cancelled_search_returns_what_there_is() {
    let fixture = Fixture::open("tied-gqa", &Device::Cpu);
    let decoding = Decoding { num_beams: 3, ..Decoding::default() };
    let options = Options { max_new_tokens: 30, decoding, batch: 3, threads: 1, ..Options::default() };
    let cancel = AtomicBool::new(false);
    let stop = |event: GenerationEvent| {
        if matches!(event, GenerationEvent::Done { .. }) {
            cancel.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    };
    let run = generate(
        &fixture.decoder,
        &fixture.tokenizer,
        &fixture.prompts[..5],
        &options,
        &|_| false,
        &stop,
        &cancel,
    );
    let (answers, _) = run.unwrap();
    assert_eq!(answers.len(), 5);
    assert_eq!(answers[0].finish, Finish::Length);
    assert!(answers[1..].iter().all(|a| a.finish == Finish::Cancelled));
}

#[test]
fn what_cannot_be_is_refused_in_words() {
    let fixture = Fixture::open("tied-gqa", &Device::Cpu);
    let with = |decoding| Options { decoding, max_new_tokens: 4, ..Options::default() };
    let said = fixture.refused(&with(Decoding { temperature: f32::NAN, ..Decoding::default() })).to_string();
    assert!(said.contains("temperature"), "{said}");
    let many = Options { eos: (0..40).collect(), ..with(Decoding { num_beams: 9, ..Decoding::default() }) };
    let said = fixture.refused(&many).to_string();
    assert!(said.contains("num_beams") && said.contains("320"), "{said}");
    // Nothing was asked for: nothing is said, and nobody searches.
    let none = Options { max_new_tokens: 0, ..with(Decoding { num_beams: 2, ..Decoding::default() }) };
    assert!(fixture.run(&fixture.prompts[..3], &none).iter().all(|a| a.tokens.is_empty()));
}
