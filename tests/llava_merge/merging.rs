//! Language models are merged: every bit against mergekit, in memory and on disk.

use std::collections::BTreeMap;
use std::fs;

use yosegi::checkpoint::{Checkpoint, Fit, Weights};
use yosegi::merge::{Merged, Pool, write_checkpoint};
use yosegi::recipe::{BaseNeed, MaskStream, Method, Param, Recipe, Scope, Source};

use super::{gather, golden, model, open, stored};

fn fnv(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// What transformers stores of a VLM after mergekit's values were put into it: a hash of each tensor, for each recipe.
#[derive(serde::Deserialize)]
struct Exact {
    seed: u64,
    recipes: BTreeMap<String, BTreeMap<String, String>>,
}

fn exact() -> Exact {
    serde_json::from_slice(&fs::read(golden().join("exact.json")).unwrap()).unwrap()
}

/// A recipe of the fixtures, with the models' names turned into their folders.
fn recipe(name: &str, seed: u64) -> Recipe {
    let mut recipe = Recipe::open(&golden().join("recipes").join(format!("{name}.yml"))).unwrap();
    assert_eq!(recipe.mask, MaskStream::Mergekit);
    recipe.seed = seed;
    recipe.rename_models(&|name| Some(model(name)));
    recipe
}

#[test]
fn every_bit_of_a_merge_equals_mergekits_merge_of_the_language_models() {
    let exact = exact();
    assert!(exact.recipes.len() >= 17);
    let mut failures = Vec::new();
    for (name, expected) in &exact.recipes {
        let recipe = recipe(name, exact.seed);
        let pool = gather(&recipe).unwrap();
        let giver = pool.vision_giver().unwrap();
        let mut merged = Merged::new(&pool);
        // In memory, twice: the second time nothing is left to do.
        let first = pool.merge_into(&recipe, &mut merged).unwrap();
        let again = pool.merge_into(&recipe, &mut merged).unwrap();
        assert!(first.bytes > 0 && again.bytes == 0, "{name}");
        assert_eq!(merged.config().vocab_size, 44);
        assert_eq!(merged.config().vision.as_deref(), giver.vision_config());
        for tensor in merged.names() {
            let stored = giver.stored_text_name(tensor);
            if expected[&stored] != fnv(merged.tensor(tensor).unwrap().data) {
                failures.push(format!("{name}, in memory: {tensor}"));
            }
        }
        // On disk: exactly the tensors that transformers would store.
        let out = tempfile::tempdir().unwrap();
        let out = out.path().join("merged");
        write_checkpoint(&recipe, &pool, &out).unwrap();
        let written = stored(&out.join("model.safetensors"));
        assert_eq!(written.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{name}");
        for (tensor, (_, data)) in &written {
            if expected[tensor] != fnv(data) {
                failures.push(format!("{name}, on disk: {tensor}"));
            }
        }
        // It opens again as what it is, with the small files of the VLM.
        let reopened = Checkpoint::open(out.to_str().unwrap()).unwrap();
        let outer = &reopened.vision_config().unwrap().raw;
        let theirs = &giver.vision_config().unwrap().raw;
        assert_eq!(
            (&outer["vision_config"], &outer["model_type"]),
            (&theirs["vision_config"], &theirs["model_type"])
        );
        assert_eq!(outer["text_config"]["vocab_size"], 44);
        assert_eq!(reopened.tokenizer_json().unwrap(), giver.tokenizer_json().unwrap());
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
}

/// Whatever the method: a merge with a VLM is the merge of its language model, without the rows that not all models
/// have; these follow unchanged.
#[test]
fn every_method_merges_the_language_model_alone() {
    let vlm = open("vlm");
    let cut = |name: &str| {
        let view = vlm.tensor(name).unwrap();
        let rows = if view.shape[0] == 44 { 40 } else { view.shape[0] };
        let shape: Vec<usize> = [rows].into_iter().chain(view.shape[1..].iter().copied()).collect();
        let bytes = shape.iter().product::<usize>() * view.dtype.size();
        (name.to_owned(), shape, view.dtype, view.data[..bytes].to_vec())
    };
    let tensors: Vec<_> = vlm.names().into_iter().map(cut).collect();
    let mut config = vlm.config().raw.clone();
    config["vocab_size"] = 40.into();
    let alone = Checkpoint::from_memory("alone", &config, &tensors, BTreeMap::new()).unwrap();
    let mut tried = 0;
    // Passthrough takes one model as it is.
    for method in Method::ALL.into_iter().filter(|method| *method != Method::Passthrough) {
        let spec = method.spec();
        let made = |second: &Checkpoint| {
            let base = (spec.base != BaseNeed::Unused).then(|| open("base"));
            let mut recipe = Recipe::new(method, base.as_ref().map(Checkpoint::reference));
            let ja = open("ja");
            let sources = if spec.sources.1 == Some(1) { vec![second] } else { vec![&ja, second] };
            for name in sources.iter().map(|model| model.reference()) {
                let mut source = Source::new(name);
                for spec in method.parameters().iter().filter(|p| p.scope == Scope::PerModel) {
                    let default = spec.default.filter(|_| spec.param != Param::Density);
                    source = source.with(spec.param, default.unwrap_or(0.6));
                }
                recipe.sources.push(source);
            }
            for spec in method.parameters().iter().filter(|p| p.scope == Scope::Global) {
                recipe.parameters.set(spec.param, spec.default.unwrap_or(0.4));
            }
            let pool =
                Pool::for_recipe(&recipe, base, sources.into_iter().cloned().collect(), None, false).unwrap();
            let mut merged = Merged::new(&pool);
            pool.merge_into(&recipe, &mut merged).map(|_| merged)
        };
        let (whole, part) = (made(&vlm), made(&alone));
        assert_eq!(whole.is_ok(), part.is_ok(), "{}", spec.name);
        let (Ok(whole), Ok(part)) = (whole, part) else { continue };
        tried += 1;
        for name in part.names() {
            let (whole, part) = (whole.tensor(name).unwrap(), part.tensor(name).unwrap());
            let (merged, rest) = whole.data.split_at(part.data.len());
            assert!(merged == part.data, "{}: {name}", spec.name);
            let own = vlm.tensor(name).unwrap();
            let expected = &own.data[own.data.len() - rest.len() * own.dtype.size() / whole.dtype.size()..];
            assert!(whole.dtype != own.dtype || rest == expected, "{}: {name}", spec.name);
        }
    }
    assert!(tried >= 14, "{tried}");
}

#[test]
fn other_tokens_in_the_shared_rows_are_refused_by_name() {
    let recipe =
        Recipe::uniform(&model("base"), &[model("other"), model("vlm")], Method::TaskArithmetic, 0.5);
    let why = gather(&recipe).err().unwrap().to_string();
    for needle in ["other", "row 38", "w39", "vlm", "union"] {
        assert!(why.contains(needle), "{needle}: {why}");
    }
    // Without a VLM, another number of tokens is refused as ever.
    let (base, ja) = (open("base"), open("ja"));
    assert!(matches!(open("vlm").fit(&base), Fit::Caution(why) if why.contains("44 against 40")));
    assert_eq!(ja.fit(&base), Fit::Fits);
    assert!(matches!(open("other").fit(&base), Fit::Caution(why) if why.contains("other ones")));
    assert!(matches!(open("other").fit(&open("vlm")), Fit::Caution(why) if why.contains("other tokens")));
    assert!(matches!(open("qvlm").fit(&base), Fit::No(_)));
}
