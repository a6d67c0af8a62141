//! LLaVA models against transformers: features of pictures, and answers about them to the token.
//!
//! Fixtures: `tests/golden/llava/make.py` and what it wrote.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde::Deserialize;
use yosegi::checkpoint::Checkpoint;
use yosegi::lm::{
    Decoder, Decoding, Device, Generated, ImageFeatures, ImageRows, Options, Tokenizer, VisionModel, generate,
};
use yosegi::picture::{Picture, PictureSource};

const MODELS: [&str; 8] = [
    "clip-llama",
    "clip-mistral",
    "clip-qwen2",
    "siglip-llama",
    "siglip-mistral",
    "siglip-qwen2",
    "next-clip-mistral",
    "next-siglip-qwen2",
];
const PICTURES: [&str; 6] = ["wide.png", "square.png", "tall.webp", "long.png", "palette.gif", "turned.png"];

#[derive(Deserialize)]
struct Golden {
    /// Rows of each picture.
    tokens: Vec<usize>,
    /// Token ids; -1 stands for the first picture, -2 for the second.
    prompts: Vec<Vec<i64>>,
    greedy: Vec<Vec<u32>>,
    beams: Vec<Vec<u32>>,
    max_new_tokens: usize,
    beam_tokens: usize,
    pixels: Vec<[usize; 5]>,
    features: Vec<usize>,
    logits: Vec<usize>,
}

struct Fixture {
    name: String,
    checkpoint: Checkpoint,
    golden: Golden,
    /// Features and logits, one after another.
    values: Vec<f32>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/llava")
}

fn open(name: &str) -> Checkpoint {
    Checkpoint::open(folder().join(name).to_str().unwrap()).unwrap()
}

fn fixture(name: &str) -> Fixture {
    let golden = std::fs::read(folder().join(name).join("golden.json")).unwrap();
    let golden: Golden = serde_json::from_slice(&golden).unwrap();
    let mut bytes = Vec::new();
    let packed = std::fs::File::open(folder().join(name).join("golden.z")).unwrap();
    flate2::read::ZlibDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    let pixels: usize = golden.pixels.iter().map(|shape| shape[1..].iter().product::<usize>()).sum();
    let values = bytes.as_chunks::<4>().0[pixels..].iter().map(|four| f32::from_le_bytes(*four)).collect();
    Fixture { name: name.to_owned(), checkpoint: open(name), golden, values }
}

fn pictures() -> Vec<Picture> {
    let read = |name| PictureSource::File(folder().join("pictures").join(name)).read().unwrap();
    PICTURES.map(read).to_vec()
}

fn features(checkpoint: &Checkpoint) -> Vec<ImageFeatures> {
    let model = VisionModel::load(checkpoint, &Device::Cpu).unwrap();
    let all: Vec<ImageFeatures> = pictures().iter().map(|picture| model.features(picture).unwrap()).collect();
    for (picture, features) in pictures().iter().zip(&all) {
        assert_eq!(model.tokens(picture.width, picture.height), features.tokens());
    }
    all
}

fn values(features: &ImageFeatures) -> Vec<f32> {
    let mut out = Vec::new();
    features.read(0..features.tokens(), &mut out);
    out
}

/// The largest difference, in parts of the largest value.
fn apart(found: &[f32], want: &[f32]) -> f32 {
    assert_eq!(found.len(), want.len());
    let largest = want.iter().fold(0.0, |m: f32, x| m.max(x.abs()));
    found.iter().zip(want).fold(0.0, |m: f32, (a, b)| m.max((a - b).abs())) / largest
}

impl Fixture {
    /// The decoder with the pictures' rows, and the prompts with ids of them.
    fn decoder(&self) -> (Decoder, Vec<Vec<u32>>) {
        let config = self.checkpoint.config();
        let image_token = self.checkpoint.vision_config().unwrap().image_token;
        let mut rows = ImageRows::new(config.vocab_size, image_token);
        let ids: Vec<_> = features(&self.checkpoint).into_iter().map(|f| rows.push(Arc::new(f))).collect();
        let mut decoder = Decoder::load(config, &self.checkpoint, &Device::Cpu).unwrap();
        decoder.set_images(Arc::new(rows)).unwrap();
        let ids_of = |token: &i64| match u32::try_from(*token) {
            Ok(id) => id..id + 1,
            Err(_) => ids[(-1 - token) as usize].clone(),
        };
        let prompts = self.golden.prompts.iter().map(|prompt| prompt.iter().flat_map(ids_of).collect());
        (decoder, prompts.collect())
    }

    fn run(&self, decoder: &Decoder, prompts: &[Vec<u32>], options: &Options) -> Vec<Generated> {
        let json = std::fs::read(folder().join(&self.name).join("tokenizer.json")).unwrap();
        let tokenizer = Tokenizer::from_json(&json).unwrap();
        let quiet = AtomicBool::new(false);
        generate(decoder, &tokenizer, prompts, options, &|_| false, &|_| {}, &quiet).unwrap().0
    }

    fn options(&self) -> Options {
        let eos = self.checkpoint.config().eos_token_ids.clone();
        Options { max_new_tokens: self.golden.max_new_tokens, eos, threads: 1, ..Options::default() }
    }
}

#[test]
fn features_are_those_of_transformers() {
    for name in MODELS {
        let fixture = fixture(name);
        let found = features(&fixture.checkpoint);
        let tokens: Vec<usize> = found.iter().map(ImageFeatures::tokens).collect();
        assert_eq!(tokens, fixture.golden.tokens, "{name}");
        let mut rest = fixture.values.as_slice();
        for number in &fixture.golden.features {
            let found = values(&found[*number]);
            let (want, left) = rest.split_at(found.len());
            rest = left;
            let apart = apart(&found, want);
            assert!(apart <= 1e-4, "{name}, picture {number}: {apart}");
        }
    }
}

/// Names of transformers before 5 are those of the same tensors.
#[test]
fn earlier_names_give_the_same_features() {
    let (now, before) = (features(&open("clip-llama")), features(&open("clip-llama-4")));
    for (now, before) in now.iter().zip(&before) {
        assert_eq!(values(now), values(before));
    }
}

/// A picture's rows do not depend on what else is computed, or on how many threads do it.
#[test]
fn features_do_not_depend_on_company() {
    let model = VisionModel::load(&open("next-clip-mistral"), &Device::Cpu).unwrap();
    let alone: Vec<_> = pictures().iter().map(|p| values(&model.features(p).unwrap())).collect();
    let model = &model;
    let together: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = pictures()
            .into_iter()
            .map(|p| scope.spawn(move || values(&model.features(&p).unwrap())))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(alone, together);
}

#[test]
fn logits_are_those_of_transformers() {
    for name in MODELS {
        let fixture = fixture(name);
        let (decoder, prompts) = fixture.decoder();
        let behind: usize = fixture.golden.features.iter().map(|i| fixture.golden.tokens[*i]).sum();
        let config = fixture.checkpoint.config();
        let mut rest = &fixture.values[behind * config.hidden_size..];
        for number in &fixture.golden.logits {
            let (want, left) = rest.split_at(config.vocab_size);
            rest = left;
            let found = decoder.logits(&prompts[*number]).unwrap();
            let apart = apart(found.last().unwrap(), want);
            assert!(apart <= 1e-4, "{name}, prompt {number}: {apart}");
        }
        assert!(rest.is_empty(), "{name}");
    }
}

#[test]
fn greedy_tokens_are_those_of_transformers() {
    for name in MODELS {
        let fixture = fixture(name);
        let (decoder, prompts) = fixture.decoder();
        assert_eq!(prompts.len(), 30);
        for batch in [1, 7] {
            let answers = fixture.run(&decoder, &prompts, &Options { batch, ..fixture.options() });
            for (number, (answer, want)) in answers.iter().zip(&fixture.golden.greedy).enumerate() {
                assert_eq!(&answer.tokens, want, "{name}, prompt {number}, batch {batch}");
            }
        }
    }
}

#[test]
fn beams_are_those_of_transformers() {
    for name in MODELS {
        let fixture = fixture(name);
        let (decoder, prompts) = fixture.decoder();
        let count = fixture.golden.beams.len();
        assert_eq!(count, 10);
        let options = Options {
            max_new_tokens: fixture.golden.beam_tokens,
            decoding: Decoding { num_beams: 5, repetition_penalty: 1.5, ..Decoding::default() },
            ..fixture.options()
        };
        let answers = fixture.run(&decoder, &prompts[..count], &options);
        for (number, (answer, want)) in answers.iter().zip(&fixture.golden.beams).enumerate() {
            assert_eq!(&answer.tokens, want, "{name}, prompt {number}");
        }
    }
}
