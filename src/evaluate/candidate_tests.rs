//! Tests that candidates merged on an emulated GPU equal candidates merged on the CPU and copied to the device.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use serde_json::{Value, json};

use super::candidate_model::CandidateModel;
use super::task_runner::TaskRunner;
use super::types::{Listener, Progress};
use crate::checkpoint::{Checkpoint, Dtype, ModelConfig, Weights, tensor_shapes};
use crate::gpu::{DeviceWrite, Driver, Format, emulated::Emulated};
use crate::lm::{Decoder, Device, Options, Tokenizer, generate};
use crate::merge::{Begun, Merged, Pool, Resident};
use crate::recipe::{LayerGroup, Method, Recipe, Values};

const LAYERS: usize = 3;
const TOKENIZER: &[u8] = include_bytes!("../../tests/golden/transformers/tied-gqa/tokenizer.json");

fn config(tied: bool) -> Value {
    json!({"model_type": "llama", "hidden_size": 48, "intermediate_size": 88, "num_hidden_layers": LAYERS,
        "num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 16, "vocab_size": 320,
        "eos_token_id": 1, "bos_token_id": 0, "max_position_embeddings": 128, "attention_bias": true,
        "tie_word_embeddings": tied})
}

/// A model of noise: a part that all models share and a part of its own. Norms are near one; `wide` tensors are f32.
fn model(name: &str, tied: bool, seed: u32, wide: &str) -> Checkpoint {
    let config = config(tied);
    let read = ModelConfig::from_json(name, config.to_string().as_bytes()).unwrap();
    let noise = |state: &mut u32| {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (*state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    let (mut common, mut own) = (7, seed);
    let fill = |(tensor, shape): (String, Vec<usize>)| {
        let n: usize = shape.iter().product();
        let middle = if tensor.contains("norm") { 1.0 } else { 0.0 };
        let drift = if seed == 0 { 0.0 } else { 0.15 };
        let value = |_| middle + 0.3 * noise(&mut common) + drift * noise(&mut own);
        let values: Vec<f32> = (0..n).map(value).collect();
        if tensor.contains(wide) && !wide.is_empty() {
            return (tensor, shape, Dtype::F32, values.iter().flat_map(|v| v.to_le_bytes()).collect());
        }
        let narrow = values.iter().flat_map(|v| half::bf16::from_f32(*v).to_le_bytes()).collect();
        (tensor, shape, Dtype::BF16, narrow)
    };
    let tensors: Vec<_> = tensor_shapes(&read).into_iter().map(fill).collect();
    let files = BTreeMap::from([("tokenizer.json".to_owned(), TOKENIZER.to_vec())]);
    Checkpoint::from_memory(name, &config, &tensors, files).unwrap()
}

fn pool(tied: bool, wide: &str) -> Pool {
    let sources = vec![model("a", tied, 1, ""), model("b", tied, 2, wide)];
    Pool::new(model("base", tied, 0, ""), sources).unwrap()
}

fn recipe(method: Method, weight: f64, density: f64) -> Recipe {
    let mut recipe = Recipe::uniform("base", &["a", "b"].map(str::to_owned), method, weight);
    if !matches!(method, Method::Linear | Method::TaskArithmetic | Method::Slerp) {
        recipe.sources.iter_mut().for_each(|s| *s.density_mut() = Values::All(density));
    }
    recipe
}

const ON_CARD: [Method; 5] =
    [Method::Linear, Method::TaskArithmetic, Method::Ties, Method::DareLinear, Method::DareTies];

fn bits(decoder: &Decoder) -> Vec<u32> {
    let tokens: Vec<u32> = (0..20).map(|i| (i * i * 7 + 3 * i) % 320).collect();
    decoder.logits(&tokens).unwrap().iter().flatten().map(|x| x.to_bits()).collect()
}

fn greedy(decoder: &Decoder) -> Vec<Vec<u32>> {
    let tokenizer = Tokenizer::from_json(TOKENIZER).unwrap();
    let prompts: Vec<Vec<u32>> =
        (2..6).map(|i| (0..4 + i).map(|j| (31 * i + 17 * j) % 320).collect()).collect();
    let options = Options { max_new_tokens: 8, eos: vec![1], ..Options::default() };
    let never = AtomicBool::new(false);
    let (answers, _) =
        generate(decoder, &tokenizer, &prompts, &options, &|_| false, &|_| {}, &never).unwrap();
    answers.into_iter().map(|a| a.tokens).collect()
}

/// A decoder whose weights were merged on the CPU and copied to the device.
fn twin(pool: &Pool, recipe: &Recipe) -> Decoder {
    let mut merged = Merged::new(pool);
    pool.merge_into(recipe, &mut merged).unwrap();
    let device = Device::Emulated(Emulated::new(Format::BF16, false));
    Decoder::load(merged.config(), &merged, &device).unwrap()
}

/// A candidate over a pool on an emulated GPU, and the notes that it reported.
struct Bench {
    candidate: CandidateModel,
    card: Emulated,
    notes: Mutex<Vec<String>>,
}

impl Bench {
    fn new(pool: Pool, room: usize) -> Self {
        let card = Emulated::with_room(Format::BF16, false, room);
        Self { candidate: CandidateModel::new(pool), card, notes: Mutex::default() }
    }

    fn prepare(&mut self, recipe: &Recipe) -> &mut TaskRunner {
        let progress = |news: Progress| {
            if let Progress::Note(text) = news {
                self.notes.lock().unwrap().push(text);
            }
        };
        let listener = Listener { tell: &progress, cancel: &AtomicBool::new(false) };
        self.candidate.prepare(recipe, &Device::Emulated(self.card.clone()), &listener).unwrap()
    }

    /// Prepares a recipe and checks that its decoder equals the CPU's merge.
    fn check(&mut self, recipe: &Recipe) {
        let found = bits(&self.prepare(recipe).decoder);
        assert!(found == bits(&twin(&self.candidate.pool, recipe)), "{:?}", recipe.method);
    }

    fn merges(&self) -> usize {
        self.card.counts().launches.get("merge").copied().unwrap_or(0)
    }
}

#[test]
fn every_weight_is_that_of_the_cpu_to_the_bit() {
    let pool = pool(false, "");
    let card = Emulated::new(Format::BF16, true);
    let mut resident = Resident::new(card.clone(), &pool, false);
    for method in ON_CARD {
        for density in [0.37, 1e-9, 1.0] {
            let mut recipe = recipe(method, 0.45, density);
            recipe.sources[1].weight_mut().set(LayerGroup::Block(1), LAYERS, -0.8);
            let mut merged = Merged::new(&pool);
            pool.merge_into(&recipe, &mut merged).unwrap();
            let Begun::Candidate(mut candidate) = resident.begin(&pool, &recipe, false).unwrap() else {
                panic!("{method:?} is refused")
            };
            for (name, shape) in tensor_shapes(&candidate.config.clone()) {
                let mut found = vec![0; 2 * shape.iter().product::<usize>()];
                let place = card.alloc("place", found.len()).unwrap();
                let made = resident.make(&pool, &mut candidate, &name, card.address(&place)).unwrap();
                assert!(matches!(made, DeviceWrite::Queued), "{method:?} {density} {name}");
                card.download(&place, 0, &mut found).unwrap();
                assert!(found == merged.tensor(&name).unwrap().data, "{method:?} {density} {name}");
            }
            assert_eq!((candidate.unlike, candidate.crowded), (0, 0));
            resident.finish(*candidate).unwrap();
        }
    }
}

#[test]
fn a_new_candidate_sends_nothing_and_merges_what_changed() {
    for (tied, tensors) in [(true, 41), (false, 42)] {
        let mut bench = Bench::new(pool(tied, ""), usize::MAX);
        let first = recipe(Method::DareTies, 0.5, 0.6);
        bench.check(&first);
        let tokens = greedy(&bench.prepare(&first).decoder);
        assert_eq!(tokens, greedy(&twin(&bench.candidate.pool, &first)));
        assert_eq!(bench.merges(), tensors, "the same recipe again merges nothing");
        for method in ON_CARD {
            bench.prepare(&recipe(method, 0.5, 0.6));
            let before = bench.card.counts().sent;
            let mut next = recipe(method, 0.31, 0.7);
            bench.prepare(&next);
            assert_eq!(bench.card.counts().sent, before, "a second {method:?} candidate");
            let merges = bench.merges();
            next.sources[0].weight_mut().set(LayerGroup::Block(1), LAYERS, 0.9);
            bench.prepare(&next);
            // Seven matrices, the attention's four biases, two norms.
            assert_eq!(bench.merges() - merges, 7 + 4 + 2, "one block of {method:?}");
            assert_eq!(bench.card.counts().sent, before);
            assert_eq!(greedy(&bench.prepare(&next).decoder), greedy(&twin(&bench.candidate.pool, &next)));
            bench.check(&next);
        }
        assert_eq!(*bench.notes.lock().unwrap(), Vec::<String>::new());
    }
}

#[test]
fn what_the_card_cannot_do_is_done_on_the_cpu_and_said_once() {
    let mut bench = Bench::new(pool(false, ""), usize::MAX);
    bench.check(&recipe(Method::Ties, 0.5, 0.5));
    for weight in [0.5, 0.2] {
        bench.check(&recipe(Method::Breadcrumbs, weight, 0.5));
        bench.check(&recipe(Method::Ties, weight, 0.5));
    }
    let notes = std::mem::take(&mut *bench.notes.lock().unwrap());
    assert!(notes.len() == 1 && notes[0].contains("breadcrumbs"), "{notes:?}");

    // A source with f32 norms: the CPU merges those.
    let mut bench = Bench::new(pool(true, "layernorm"), usize::MAX);
    bench.check(&recipe(Method::Ties, 0.5, 0.5));
    bench.check(&recipe(Method::Ties, 0.4, 0.5));
    let notes = std::mem::take(&mut *bench.notes.lock().unwrap());
    assert!(notes.len() == 1 && notes[0].contains("6 of 41"), "{notes:?}");
    assert_eq!(bench.merges(), 2 * 35);
}

#[test]
fn sources_that_do_not_fit_are_merged_on_the_cpu() {
    let all = Bench::new(pool(false, ""), usize::MAX);
    let bytes = |pool: &Pool| {
        tensor_shapes(pool.config()).iter().map(|(_, s)| 2 * s.iter().product::<usize>()).sum::<usize>()
    };
    let model = bytes(&all.candidate.pool);
    // The decoder and two of the three models.
    let mut bench = Bench::new(pool(false, ""), 3 * model + 100_000);
    for weight in [0.5, 0.3] {
        bench.check(&recipe(Method::DareLinear, weight, 0.5));
    }
    let notes = std::mem::take(&mut *bench.notes.lock().unwrap());
    assert!(notes.len() == 1 && notes[0].contains("memory"), "{notes:?}");
    let merges = bench.merges();
    assert!(merges > 10 && merges < 2 * 42, "{merges}");
}

#[test]
fn another_shape_is_another_decoder() {
    let mut bench = Bench::new(pool(true, ""), usize::MAX);
    bench.check(&recipe(Method::Linear, 0.5, 0.5));
    bench.candidate.make_room();
    bench.check(&recipe(Method::Linear, 0.2, 0.5));
    bench.candidate.clear();
    bench.check(&recipe(Method::Linear, 0.2, 0.5));
    let asked = bench.card.counts().asked["weights"];
    bench.check(&recipe(Method::Linear, 0.7, 0.5));
    assert_eq!(bench.card.counts().asked["weights"], asked);
}

#[test]
fn rows_that_a_llava_model_alone_has_are_sent_once_and_stay() {
    let models = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/llava_merge/models");
    let open = |name: &str| Checkpoint::open(&format!("{models}/{name}")).unwrap().called(name);
    let pool = Pool::new(open("base"), vec![open("ja"), open("vlm")]).unwrap();
    let mut bench = Bench::new(pool, usize::MAX);
    let recipe = |method: Method, weight: f64| {
        let mut recipe = Recipe::uniform("base", &["ja", "vlm"].map(str::to_owned), method, weight);
        if method == Method::Ties {
            recipe.sources.iter_mut().for_each(|s| *s.density_mut() = Values::All(0.5));
        }
        recipe
    };
    let bits = |decoder: &Decoder| -> Vec<u32> {
        let tokens: Vec<u32> = (0..30).map(|i| (i * 7 + 40) % 44).collect();
        decoder.logits(&tokens).unwrap().iter().flatten().map(|x| x.to_bits()).collect()
    };
    let mut sent = Vec::new();
    for (method, weight) in [(Method::Ties, 0.5), (Method::Ties, 0.8), (Method::TaskArithmetic, 0.3)] {
        let (next, before) = (recipe(method, weight), bench.card.counts().sent);
        bench.prepare(&next);
        sent.push(bench.card.counts().sent - before);
        let found = bits(&bench.prepare(&next).decoder);
        assert_eq!(found.len(), 30 * 44);
        assert!(found == bits(&twin(&bench.candidate.pool, &next)), "{method:?} {weight}");
    }
    // The embeddings and the head are merged on the card from the second candidate on: the rows that all three models
    // have are sent for it.
    assert_eq!(sent[1..], [3 * 2 * 40 * 16 * 2, 0], "{sent:?}");
    assert_eq!(*bench.notes.lock().unwrap(), Vec::<String>::new());
}
