//! Tests of merging: an incremental merge equals a full one, order and threads do not matter, models that do not fit
//! are named.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::kernels::group::Group;
use super::run::{Hints, RandomSource, merge};
use super::{MergeError, Merged, Pool, write_checkpoint};
use crate::checkpoint::{Checkpoint, Dtype, Weights, tensor_shapes};
use crate::recipe::{LayerGroup, MaskStream, Method, Param, Recipe, Values};

pub(super) fn config() -> Value {
    json!({"model_type": "llama", "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 3,
           "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 60, "tie_word_embeddings": true,
           "architectures": ["LlamaForCausalLM"]})
}

/// A random checkpoint: noise of size 0.1, plus its own noise of size `drift`.
pub(super) fn model(reference: &str, config: &Value, dtype: Dtype, seed: u32, drift: f32) -> Checkpoint {
    let blank = Checkpoint::from_memory("blank", config, &[], BTreeMap::new());
    let shapes = match &blank {
        Err(_) => {
            let read = crate::checkpoint::ModelConfig::from_json("blank", config.to_string().as_bytes());
            tensor_shapes(&read.unwrap())
        }
        Ok(_) => unreachable!("a model without tensors opened"),
    };
    let noise = |state: &mut u32| {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (*state >> 8) as f32 / 16_777_216.0 - 0.5
    };
    let (mut common, mut own) = (1, seed);
    let tensors: Vec<_> = shapes
        .into_iter()
        .map(|(name, shape)| {
            let n: usize = shape.iter().product();
            let values = (0..n).map(|_| 0.1 * noise(&mut common) + drift * noise(&mut own));
            let bytes = values.flat_map(|v| encode(dtype, v)).collect();
            (name, shape, dtype, bytes)
        })
        .collect();
    let files = BTreeMap::from([("tokenizer.json".to_owned(), b"{}".to_vec())]);
    Checkpoint::from_memory(reference, config, &tensors, files).unwrap()
}

fn encode(dtype: Dtype, value: f32) -> Vec<u8> {
    match dtype {
        Dtype::F32 => value.to_le_bytes().to_vec(),
        Dtype::F16 => half::f16::from_f32(value).to_le_bytes().to_vec(),
        Dtype::BF16 => half::bf16::from_f32(value).to_le_bytes().to_vec(),
    }
}

pub(super) fn pool_of(dtype: Dtype) -> Pool {
    let source = |name, seed| model(name, &config(), dtype, seed, 0.02);
    Pool::new(model("base", &config(), dtype, 5, 0.0), vec![source("a", 7), source("b", 8), source("c", 9)])
        .unwrap()
}

/// A recipe that the method accepts, with as many sources as it merges, up to three.
pub(super) fn recipe(method: Method) -> Recipe {
    let names = ["a", "b", "c"].map(str::to_owned);
    let count = method.spec().sources.1.unwrap_or(3).min(3);
    let mut recipe = Recipe::uniform("base", &names[..count], method, 0.4);
    for (i, source) in recipe.sources.iter_mut().enumerate() {
        *source.density_mut() = Values::All(0.3 + 0.2 * i as f64);
    }
    if method.uses(Param::T) {
        recipe.parameters.set(Param::T, if method == Method::Slerp { 0.3 } else { 0.01 });
    }
    recipe
}

/// Whether the method's random numbers are one stream under mergekit's mask.
fn draws(method: Method) -> bool {
    use Method::{DareLinear, DareTies, Della, DellaLinear};
    matches!(method, DareLinear | DareTies | Della | DellaLinear)
}

pub(super) fn bytes_of(merged: &Merged) -> Vec<u8> {
    merged.names().flat_map(|n| merged.tensor(n).unwrap().data.to_vec()).collect()
}

pub(super) fn whole(pool: &Pool, recipe: &Recipe) -> Vec<u8> {
    let mut merged = Merged::new(pool);
    let stats = pool.merge_into(recipe, &mut merged).unwrap();
    assert!(stats.groups.iter().all(|g| *g));
    bytes_of(&merged)
}

#[test]
fn one_group_at_a_time_equals_all_at_once() {
    let pool = pool_of(Dtype::BF16);
    for method in Method::ALL {
        for mask in [MaskStream::Counter, MaskStream::Mergekit] {
            let mut recipe = Recipe { mask, ..recipe(method) };
            let mut merged = Merged::new(&pool);
            pool.merge_into(&recipe, &mut merged).unwrap();
            let same = pool.merge_into(&recipe, &mut merged).unwrap();
            assert_eq!((same.groups, same.bytes), (vec![false; 5], 0));
            for group in [LayerGroup::Block(1), LayerGroup::Embedding, LayerGroup::Head] {
                let values = if method.uses(Param::Weight) {
                    recipe.sources[0].weight_mut()
                } else if method.uses(Param::T) {
                    recipe.parameters.entry(Param::T, 0.0)
                } else if method.uses(Param::Scale) {
                    recipe.parameters.entry(Param::Scale, 1.0)
                } else {
                    continue;
                };
                values.set(group, 3, 0.9);
                let stats = pool.merge_into(&recipe, &mut merged).unwrap();
                let one_stream = draws(method) && mask == MaskStream::Mergekit;
                let expected: Vec<bool> = LayerGroup::all(3).map(|g| one_stream || g == group).collect();
                assert_eq!(stats.groups, expected, "{method:?} {mask:?} {group}");
                assert_eq!(bytes_of(&merged), whole(&pool, &recipe), "{method:?} {mask:?} {group}");
            }
        }
    }
}

#[test]
fn a_density_without_meaning_changes_nothing() {
    let pool = pool_of(Dtype::BF16);
    let mut recipe = recipe(Method::TaskArithmetic);
    let mut merged = Merged::new(&pool);
    pool.merge_into(&recipe, &mut merged).unwrap();
    *recipe.sources[0].density_mut() = Values::All(0.9);
    recipe.seed = 4;
    assert!(!pool.merge_into(&recipe, &mut merged).unwrap().groups.contains(&true));
}

#[test]
fn threads_do_not_matter() {
    let pool = pool_of(Dtype::BF16);
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let four = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
    for method in Method::ALL {
        let recipe = recipe(method);
        let single = one.install(|| whole(&pool, &recipe));
        assert_eq!(single, four.install(|| whole(&pool, &recipe)), "{method:?}");
    }
}

/// A pool's cached facts make a merge faster and change no value.
#[test]
fn a_cache_changes_no_value() {
    for dtype in [Dtype::F32, Dtype::F16, Dtype::BF16] {
        let (pool, recipe) = (pool_of(dtype), recipe(Method::Ties));
        let plan = pool.plan(&recipe).unwrap();
        let mut plain = Vec::new();
        for planned in &plan.tensors {
            let inputs = planned.inputs.iter().map(|input| pool.view(input)).collect();
            let group = Group { inputs, base: planned.base, shape: &planned.shape, work: planned.work };
            let mut out = vec![0; planned.stored.size() * planned.len()];
            let hints = Hints { cache: None, large: false };
            merge(plan.method, planned, &group, hints, RandomSource::Counter(0), &mut out).unwrap();
            plain.extend(out);
        }
        assert!(whole(&pool, &recipe) == plain, "{dtype:?}");
    }
}

#[test]
fn masks_follow_the_seed_and_nothing_else() {
    let pool = pool_of(Dtype::BF16);
    let first = recipe(Method::DareTies);
    let other = Recipe { seed: 1, ..first.clone() };
    assert_ne!(whole(&pool, &first), whole(&pool, &other));
    let mut out = Merged::new(&pool);
    pool.merge_into(&other, &mut out).unwrap();
    pool.merge_into(&first, &mut out).unwrap();
    assert_eq!(bytes_of(&out), whole(&pool, &first));
}

#[test]
fn half_and_single_precision_agree_roughly() {
    // arcee_fusion takes a value or not, depending on the order of very small numbers.
    for method in Method::ALL.into_iter().filter(|m| *m != Method::ArceeFusion) {
        let results: Vec<Vec<f32>> = [Dtype::BF16, Dtype::F16, Dtype::F32]
            .into_iter()
            .map(|dtype| {
                let pool = pool_of(dtype);
                let mut merged = Merged::new(&pool);
                pool.merge_into(&recipe(method), &mut merged).unwrap();
                let view = merged.tensor("model.layers.1.mlp.up_proj.weight").unwrap();
                let mut out = vec![0.0; view.len()];
                view.read_f32(0, &mut out);
                out
            })
            .collect();
        for other in &results[..2] {
            let off = other.iter().zip(&results[2]).filter(|(a, b)| (**a - **b).abs() > 2e-3).count();
            // Rounding moves a few elements across a threshold or an election.
            assert!(off * 20 < other.len(), "{method:?}: {off} of {}", other.len());
        }
    }
}

#[test]
fn misfits_are_named() {
    let base = || model("base", &config(), Dtype::BF16, 5, 0.0);
    let with = |key: &str, value: Value| {
        let mut config = config();
        config[key] = value;
        model("odd", &config, Dtype::BF16, 7, 0.02)
    };
    let refused = |odd: Checkpoint, needle: &str| {
        let Err(error) = Pool::new(base(), vec![odd]) else { panic!("{needle}: accepted") };
        let message = error.to_string();
        assert!(message.contains("odd") && message.contains(needle), "{message}");
    };
    refused(with("vocab_size", json!(64)), "vocabulary of 64 against 60");
    refused(with("num_hidden_layers", json!(2)), "2 layers against 3");
    refused(with("intermediate_size", json!(96)), "model.layers.0.mlp.gate_proj.weight");
    refused(with("attention_bias", json!(true)), "q_proj.bias");

    let mut tensors: Vec<_> = base()
        .names()
        .iter()
        .map(|n| {
            let v = base().tensor(n).map(|v| (v.shape.to_vec(), v.data.to_vec())).unwrap();
            ((*n).to_owned(), v.0, Dtype::BF16, v.1)
        })
        .collect();
    tensors[3].3[14..16].copy_from_slice(&0x7f80_u16.to_le_bytes());
    let odd = Checkpoint::from_memory("odd", &config(), &tensors, BTreeMap::new()).unwrap();
    let name = tensors[3].0.clone();
    let error = Pool::new(base(), vec![odd]).err().unwrap();
    assert!(matches!(&error, MergeError::NotFinite { tensor, first: 7, count: 1, .. } if *tensor == name));
}

/// A tensor that the architecture does not have is ignored, as in mergekit; a missing tensor of the architecture is
/// named.
#[test]
fn extra_tensors_are_passed_over_and_missing_ones_named() {
    let model = |name| model(name, &config(), Dtype::BF16, 7, 0.02);
    let tensors = |from: &Checkpoint| -> Vec<(String, Vec<usize>, Dtype, Vec<u8>)> {
        let one = |name: &&str| {
            let view = from.tensor(name).unwrap();
            ((*name).to_owned(), view.shape.to_vec(), view.dtype, view.data.to_vec())
        };
        from.names().iter().map(one).collect()
    };
    let open = |tensors: &[_]| Checkpoint::from_memory("a", &config(), tensors, BTreeMap::new());
    let mut more = tensors(&model("a"));
    // Even a non-finite tensor, because it is not read.
    let nan = 0x7fc0_u16.to_le_bytes().to_vec();
    more.push(("model.layers.0.self_attn.rotary_emb.inv_freq".to_owned(), vec![1], Dtype::BF16, nan));
    let recipe = Recipe::uniform("base", &["a".into()], Method::Ties, 0.4);
    let merged = |source| {
        let base = super::tests::model("base", &config(), Dtype::BF16, 5, 0.0);
        whole(&Pool::new(base, vec![source]).unwrap(), &recipe)
    };
    assert_eq!(merged(open(&more).unwrap()), merged(model("a")));
    let mut fewer = tensors(&model("a"));
    let (name, ..) = fewer.remove(3);
    let error = open(&fewer).err().unwrap().to_string();
    assert!(error.contains(&name) && error.contains("is missing"), "{error}");
}

#[test]
fn recipes_that_do_not_match_the_pool_are_refused() {
    let pool = pool_of(Dtype::BF16);
    let mut merged = Merged::new(&pool);
    let mut says = |recipe: &Recipe, needle: &str| {
        let message = pool.merge_into(recipe, &mut merged).unwrap_err().to_string();
        assert!(message.contains(needle), "{message}");
    };
    says(&Recipe { base: Some("x".into()), ..recipe(Method::Ties) }, "base is x");
    let mut other = recipe(Method::Ties);
    other.sources[2].model = "z".into();
    says(&other, "source[2].model is z");
    let mut zero = recipe(Method::Linear);
    zero.sources.iter_mut().for_each(|s| s.weight_mut().set(LayerGroup::Block(2), 3, 0.0));
    says(&zero, "layer group 2 sum to 0");
    let mut wide = recipe(Method::Ties);
    *wide.sources[0].density_mut() = Values::All(1.5);
    says(&wide, "source[0].density");
    let module = |name: &str| {
        let module =
            crate::recipe::Module { name: name.to_owned(), parameters: crate::recipe::Parameters::new() };
        Recipe { module: Some(module), ..recipe(Method::Ties) }
    };
    says(&module("text_decoder"), "a llama model has one, default");
    pool.merge_into(&module("default"), &mut merged).unwrap();
}

#[test]
fn an_untied_head_in_one_source_unties_the_merge() {
    let mut untied = config();
    untied["tie_word_embeddings"] = json!(false);
    let source = model("a", &untied, Dtype::BF16, 7, 0.02);
    let pool = Pool::new(model("base", &config(), Dtype::BF16, 5, 0.0), vec![source]).unwrap();
    assert!(!pool.config().tie_word_embeddings);
    let mut merged = Merged::new(&pool);
    pool.merge_into(&Recipe::uniform("base", &["a".into()], Method::TaskArithmetic, 0.5), &mut merged)
        .unwrap();
    assert!(merged.tensor("lm_head.weight").is_some());
}

#[test]
fn written_checkpoints_open_again() {
    let pool = pool_of(Dtype::BF16);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("deep/merge");
    let recipe = recipe(Method::DareTies);
    write_checkpoint(&recipe, &pool, &out).unwrap();
    let written = Checkpoint::open(out.to_str().unwrap()).unwrap();
    let mut merged = Merged::new(&pool);
    pool.merge_into(&recipe, &mut merged).unwrap();
    for name in merged.names() {
        assert_eq!(written.tensor(name).unwrap().data, merged.tensor(name).unwrap().data, "{name}");
    }
    assert_eq!(&*written.tokenizer_json().unwrap(), b"{}");
    let card = String::from_utf8(written.file("README.md").unwrap().into_owned()).unwrap();
    assert!(card.contains("dare_ties") && card.contains("model = \"b\""), "{card}");
    assert!(written.summary().about.starts_with("A merge of"), "{}", written.summary().about);

    let again = write_checkpoint(&recipe, &pool, &out).unwrap_err().to_string();
    assert!(again.contains("not empty"), "{again}");
    assert_eq!(std::fs::read_dir(folder.path().join("deep")).unwrap().count(), 1);
}
