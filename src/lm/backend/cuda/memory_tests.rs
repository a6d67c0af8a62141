//! Tests of memory that runs out on an emulated card, and of reused buffers: answers stay the same.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use super::Cuda;
use super::tests::{load, open};
use crate::gpu::{Format, emulated::Emulated};
use crate::lm::engine::Engine;
use crate::lm::model::Model;
use crate::lm::{
    Continuation, Decoder, Decoding, Device, Generated, GenerationEvent, Likelihood, LmError, Options,
    Tokenizer, decoding::batch_size, generate, likelihoods,
};

const NEW: usize = 8;

/// Prompts of different lengths with a common beginning.
fn prompts() -> Vec<Vec<u32>> {
    let (_, golden) = open("tied-gqa");
    let tail = |i: usize| &golden.prompts[i][..4 + 5 * i % 11];
    (0..9).map(|i| [&golden.prompts[9][..6], tail(i)].concat()).collect()
}

/// A decoder on its own card with the given number of bytes.
fn decoder(room: usize) -> (Decoder, Emulated) {
    let (checkpoint, _) = open("tied-gqa");
    let card = Emulated::with_room(Format::F32, false, room);
    (load(&checkpoint, &Device::Emulated(card.clone())), card)
}

/// The model of a decoder that [`decoder`] made.
fn model(decoder: &Decoder) -> &Model<Cuda<Emulated>> {
    match &decoder.engine {
        Engine::Emulated(model) => model,
        _ => panic!("the decoder runs on an emulated card"),
    }
}

/// The answers, and the streamed text of each.
type Said = (Vec<Generated>, Vec<String>);

fn say(decoder: &Decoder, prompts: &[Vec<u32>], decoding: Decoding, batch: usize) -> Result<Said, LmError> {
    let (checkpoint, _) = open("tied-gqa");
    let tokenizer = Tokenizer::from_json(&checkpoint.tokenizer_json().unwrap()).unwrap();
    let options = Options { max_new_tokens: NEW, eos: vec![1], batch, decoding, ..Options::default() };
    let streamed = Mutex::new(vec![String::new(); prompts.len()]);
    let on = |event: GenerationEvent| {
        if let GenerationEvent::Text { index, text } = event {
            streamed.lock().unwrap()[index].push_str(&text);
        }
    };
    let never = AtomicBool::new(false);
    let (answers, _) = generate(decoder, &tokenizer, prompts, &options, &|i| i % 2 == 0, &on, &never)?;
    Ok((answers, streamed.into_inner().unwrap()))
}

fn ways() -> [Decoding; 3] {
    let plain = Decoding::default();
    [
        plain,
        Decoding { temperature: 0.9, top_p: 0.95, seed: 4, ..plain },
        Decoding { num_beams: 3, repetition_penalty: 1.2, ..plain },
    ]
}

#[test]
fn wherever_memory_runs_out_the_answers_are_the_same() {
    let prompts = prompts();
    for (way, decoding) in ways().into_iter().enumerate() {
        let (calm, card) = decoder(usize::MAX);
        let before: usize = card.counts().asked.values().sum();
        let wanted = say(&calm, &prompts, decoding, 6).unwrap();
        let requests = card.counts().asked.values().sum::<usize>() - before;
        assert!(calm.news().is_none() && requests > 12, "{requests}");
        // Refuses allocations all through the run, one per run.
        for after in (way..requests).step_by(if way == 0 { 3 } else { 9 }) {
            let (decoder, card) = decoder(usize::MAX);
            card.refuse(after);
            let found = say(&decoder, &prompts, decoding, 6).unwrap();
            assert!(!card.unrefused(), "request {after} of {requests} never came");
            assert_eq!(found, wanted, "request {after}, {decoding:?}");
        }
    }
}

#[test]
fn a_halved_batch_is_said_once_and_kept() {
    let prompts = prompts();
    let (decoder, card) = decoder(usize::MAX);
    let slots =
        |decoder: &Decoder, capacity: usize| batch_size::slots(model(decoder), 1, 8, 1, capacity).unwrap();
    let capacity = prompts.iter().map(Vec::len).max().unwrap() + NEW;
    assert_eq!(slots(&decoder, capacity), 8);
    // The prefix runs first: its cache is allocated before the batch's.
    let asked = |card: &Emulated| card.counts().asked.get("the key and value cache").copied().unwrap_or(0);
    let (calm, other) = self::decoder(usize::MAX);
    let before: usize = other.counts().asked.values().sum();
    say(&calm, &prompts, Decoding::default(), 8).unwrap();
    // A late refusal, while sequences are in flight.
    let late = other.counts().asked.values().sum::<usize>() - before - 2;
    for again in 0..3 {
        if again == 1 {
            let before = asked(&card);
            say(&decoder, &prompts, Decoding::default(), 8).unwrap();
            assert_eq!(asked(&card), before, "what was kept serves again");
            continue;
        }
        // In the second run, longer prompts need new buffers.
        let longer: Vec<Vec<u32>> = prompts.iter().map(|p| [&p[..], &vec![7; 4 * again]].concat()).collect();
        card.refuse(if again == 0 { late } else { 3 });
        say(&decoder, &longer, Decoding::default(), 8).unwrap();
        assert!(!card.unrefused());
        let news = decoder.news();
        assert_eq!(news.is_some(), again == 0, "{news:?}");
        if let Some(news) = news {
            assert!(news.contains("with 8 sequences at once: 4 at once"), "{news}");
            assert_eq!(slots(&decoder, capacity), 4);
        }
    }
}

#[test]
fn a_card_that_is_too_small_for_one_says_what_it_needs() {
    let prompts = prompts();
    let (calm, card) = decoder(usize::MAX);
    let weights = card.used();
    let wanted = say(&calm, &prompts, Decoding::default(), 8).unwrap();
    let whole = card.used() - weights;
    let (mut halved, mut refused) = (0, 0);
    // From plenty of memory down to none.
    for part in (0..40).rev().step_by(3) {
        let (decoder, _) = decoder(weights + whole * part / 32);
        match say(&decoder, &prompts, Decoding::default(), 8) {
            Ok(found) => {
                assert_eq!(found, wanted);
                halved += usize::from(decoder.news().is_some());
            }
            Err(error) => {
                let said = error.to_string();
                assert!(matches!(error, LmError::Room { sequences: 1, .. }), "{said}");
                assert!(said.contains("GiB") || said.contains("MiB"), "{said}");
                refused += 1;
            }
        }
    }
    assert!(refused > 0, "nothing is too little");
    assert!(halved > 0, "the sizing never errs");
}

#[test]
fn likelihoods_outlive_a_halving() {
    let (_, golden) = open("tied-gqa");
    let pair = |i: usize, j: usize| Continuation {
        context: [&golden.prompts[9][..5], &golden.prompts[i][..6]].concat(),
        tokens: golden.prompts[j][..3 + j % 4].to_vec(),
    };
    let groups: Vec<Vec<Continuation>> =
        (0..6).map(|i| (0..2 + i % 3).map(|j| pair(i, 10 + j)).collect()).collect();
    let of = |decoder: &Decoder| -> Vec<Vec<Likelihood>> {
        let done = Mutex::new(vec![0; groups.len()]);
        let on = |index: usize| done.lock().unwrap()[index] += 1;
        let found = likelihoods(decoder, &groups, 0, &on, &AtomicBool::new(false)).unwrap();
        assert!(done.into_inner().unwrap().iter().all(|n| *n == 1));
        found
    };
    let (calm, card) = decoder(usize::MAX);
    let before: usize = card.counts().asked.values().sum();
    let wanted = of(&calm);
    let requests = card.counts().asked.values().sum::<usize>() - before;
    // All choices run together: one pass for the beginning of each question, one for the rest.
    let passes = card.counts().launches["embed"];
    assert!(passes <= 1 + groups.len() + 1, "{passes} passes");
    for after in (0..requests).step_by(2) {
        let (decoder, card) = decoder(usize::MAX);
        card.refuse(after);
        assert_eq!(of(&decoder), wanted, "request {after}");
        assert!(!card.unrefused());
    }
}

#[test]
fn kept_buffers_serve_again_and_count_as_free() {
    let prompts = prompts();
    let (decoder, card) = decoder(usize::MAX);
    let caches = |card: &Emulated| card.counts().asked["the key and value cache"];
    say(&decoder, &prompts, Decoding::default(), 8).unwrap();
    let first = caches(&card);
    assert_eq!(first, 2, "one for the common beginning, one for the batch");
    for _ in 0..2 {
        say(&decoder, &prompts, Decoding::default(), 8).unwrap();
    }
    assert_eq!(caches(&card), first);

    // With room for little more than one batch: a longer batch after a shorter one is as large as it would have been
    // alone.
    let weights = self::decoder(usize::MAX).1.used();
    let size = |decoder: &Decoder, capacity: usize| {
        let slots = batch_size::slots(model(decoder), 1, 64, 1, capacity).unwrap();
        (slots, model(decoder).workspace(slots, capacity).unwrap())
    };
    let room = weights + (1 << 20);
    let (alone, _) = self::decoder(room);
    let wanted = size(&alone, 120).0;
    let (after, _) = self::decoder(room);
    let (shorter, workspace) = size(&after, 60);
    assert!(wanted < shorter && shorter < 64, "{wanted} {shorter}");
    model(&after).put_back(workspace);
    assert_eq!(size(&after, 120).0, wanted);
}
