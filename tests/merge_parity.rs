//! What mergekit 0.1.5 (with stable sorts) makes of more than a hundred recipes.
//! The fixtures and the script that made them are in `golden/mergekit`.
//!
//! Every bit of the task-arithmetic family, of linear and of passthrough is the same. Of the other
//! methods 99.9% of the values are within one unit in the last place of bfloat16; those stored as f32
//! within 2⁻²⁰ of the tensor's largest value. They hang on sums over whole tensors (norms, cosines),
//! which torch adds in an order of its own, and on the sine and exponential of its own library: in
//! f32 the last bits differ, in bfloat16 that may turn one rounding in thousands. `arcee_fusion`
//! takes a value over or not: one at the threshold may fall on the other side.

#![allow(clippy::unwrap_used)] // a broken fixture should stop it

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use serde::Deserialize;
use yosegi::checkpoint::{Checkpoint, Dtype, TensorView, Weights};
use yosegi::merge::{MergeError, Merged, Pool};
use yosegi::recipe::{MaskStream, Method, Recipe};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/mergekit")
}

fn model(name: &str) -> String {
    golden().join("models").join(name).display().to_string()
}

/// The two notations of every recipe: ours, and the YAML that mergekit was given.
const NOTATIONS: [&str; 2] = ["toml", "yml"];

/// All recipes in one notation, with the models' names turned into their folders.
fn recipes(notation: &str) -> BTreeMap<String, Recipe> {
    let read = |file: PathBuf| {
        let mut recipe = Recipe::open(&file).unwrap();
        assert_eq!(recipe.mask, MaskStream::Mergekit, "{}", file.display());
        let place = |name: &mut String| *name = model(name);
        recipe.base.iter_mut().for_each(place);
        recipe.sources.iter_mut().for_each(|s| place(&mut s.model));
        for slice in &mut recipe.slices {
            slice.base.iter_mut().for_each(place);
            slice.sources.iter_mut().for_each(|s| place(&mut s.model));
        }
        (file.file_stem().unwrap().to_str().unwrap().to_owned(), recipe)
    };
    let files = fs::read_dir(golden().join("recipes")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|file| file.extension().is_some_and(|e| e == notation)).map(read).collect()
}

fn pool(recipe: &Recipe) -> Pool {
    let open = |name: &str| Checkpoint::open(name).unwrap();
    let base = recipe.base.as_deref().map(open);
    Pool::of(base, recipe.models().into_iter().map(open).collect()).unwrap()
}

/// What is kept of a merge of which every bit counts.
#[derive(Deserialize)]
struct Exact {
    seed: u64,
    dtype: String,
    layers: usize,
    values: usize,
    names: String,
    /// A hash for each tensor, in the order of their names.
    tensors: String,
}

fn fnv(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

fn same_bits(merged: &Merged, exact: &Exact) -> Result<(), String> {
    let mut names: Vec<&str> = merged.names().collect();
    names.sort_unstable();
    assert_eq!(fnv(names.join("\n").as_bytes()), exact.names, "{names:?}");
    assert_eq!(merged.config().num_hidden_layers, exact.layers);
    let views: Vec<TensorView<'_>> = names.iter().map(|name| merged.tensor(name).unwrap()).collect();
    assert_eq!(views.iter().map(TensorView::len).sum::<usize>(), exact.values);
    let dtype = match exact.dtype.as_str() {
        "bfloat16" => Dtype::BF16,
        "float16" => Dtype::F16,
        _ => Dtype::F32,
    };
    assert!(views.iter().all(|view| view.dtype == dtype), "not all {}", exact.dtype);
    let expected = exact.tensors.split(' ');
    assert_eq!(expected.clone().count(), views.len());
    let pairs = names.iter().zip(&views).zip(expected);
    let off: Vec<_> =
        pairs.filter(|((_, v), hash)| fnv(v.data) != *hash).map(|((name, _), _)| *name).collect();
    if off.is_empty() { Ok(()) } else { Err(format!("{} tensors differ, {} first", off.len(), off[0])) }
}

#[test]
fn every_bit_of_the_family_equals_mergekit() {
    let text = fs::read(golden().join("exact.json")).unwrap();
    let exact: BTreeMap<String, Exact> = serde_json::from_slice(&text).unwrap();
    assert!(exact.len() >= 60);
    let mut failures = Vec::new();
    // One `Merged` for all: what it remembers of the last recipe must not show.
    let mut merged = None;
    for notation in NOTATIONS {
        let mut recipes = recipes(notation);
        recipes.retain(|name, _| exact.contains_key(name));
        assert_eq!(recipes.len(), exact.len());
        for (name, mut recipe) in recipes {
            // A YAML recipe has no seed: mergekit was given it on its command line.
            if notation == "yml" {
                recipe.seed = exact[&name].seed;
            }
            assert_eq!(recipe.seed, exact[&name].seed);
            let pool = pool(&recipe);
            let merged = merged.get_or_insert_with(|| Merged::new(&pool));
            pool.merge_into(&recipe, merged).unwrap();
            if let Err(why) = same_bits(merged, &exact[&name]) {
                failures.push(format!("{name}.{notation}: {why}"));
            }
        }
    }
    assert!(failures.is_empty(), "{} recipes differ:\n{}", failures.len(), failures.join("\n"));
}

/// Values further from mergekit's than they may be, of all.
fn far(ours: TensorView<'_>, theirs: &safetensors::tensor::TensorView<'_>) -> (usize, usize) {
    assert_eq!((ours.shape, ours.dtype.name()), (theirs.shape(), format!("{:?}", theirs.dtype()).as_str()));
    let theirs = TensorView { data: theirs.data(), ..ours };
    let read = |view: TensorView<'_>| {
        let mut out = vec![0.0; view.len()];
        view.read_f32(0, &mut out);
        out
    };
    let (ours, theirs_read) = (read(ours), read(theirs));
    let largest = theirs_read.iter().fold(0.0_f32, |largest, v| largest.max(v.abs()));
    let apart = ours.iter().zip(&theirs_read).filter(|(a, b)| {
        let bound = match theirs.dtype {
            // One unit in the last of 8 bits.
            Dtype::BF16 => f32::from_bits(b.abs().max(a.abs()).to_bits() & 0x7f80_0000) / 128.0,
            _ => largest / f32::from(1_u16 << 10) / f32::from(1_u16 << 10),
        };
        (*a - *b).abs() > bound
    });
    (apart.count(), ours.len())
}

#[test]
fn all_other_methods_are_as_near_as_rounding_lets_them() {
    let mut failures = Vec::new();
    let mut tried = 0;
    let both = NOTATIONS.into_iter().flat_map(recipes);
    for (name, recipe) in both {
        let Ok(bytes) = fs::read(golden().join("expected").join(format!("{name}.safetensors"))) else {
            continue;
        };
        tried += 1;
        let expected = SafeTensors::deserialize(&bytes).unwrap();
        let pool = pool(&recipe);
        let mut merged = Merged::new(&pool);
        pool.merge_into(&recipe, &mut merged).unwrap();
        let mut names: Vec<&str> = merged.names().collect();
        let mut wanted = expected.names();
        names.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(names, wanted, "{name}");
        let pairs = names.iter().map(|n| far(merged.tensor(n).unwrap(), &expected.tensor(n).unwrap()));
        let (apart, all) = pairs.fold((0, 0), |sum, (apart, all)| (sum.0 + apart, sum.1 + all));
        if apart * 1000 > all {
            failures.push(format!("{name}: {apart} of {all} values"));
        }
    }
    assert!(tried >= 60, "{tried}");
    assert!(failures.is_empty(), "{} recipes differ:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_method_has_fixtures_in_both_types() {
    let recipes = recipes("toml");
    for method in Method::ALL {
        let count = recipes.values().filter(|r| r.method == method).count();
        let least = if method == Method::Karcher || method == Method::Ram { 3 } else { 2 };
        assert!(count >= least, "{} has {count} fixtures", method.name());
    }
}

#[test]
fn models_that_do_not_fit_are_named() {
    let recipe = |base: &str, source: &str| {
        Recipe::uniform(&model(base), &[model(source)], Method::TaskArithmetic, 0.5)
    };
    let refused = |recipe: &Recipe| {
        let pool = pool(recipe);
        pool.merge_into(recipe, &mut Merged::new(&pool)).unwrap_err()
    };
    let error = refused(&recipe("base", "ua"));
    assert!(error.to_string().contains("11") && error.to_string().contains('4'), "{error}");
    let mut sliced = recipe("base", "ua");
    sliced.slices = vec![yosegi::recipe::Slice {
        sources: [("base", (1, 3)), ("ua", (0, 2))]
            .map(|(name, layers)| yosegi::recipe::SliceSource {
                model: model(name),
                layers,
                parameters: yosegi::recipe::Parameters::new().with(yosegi::recipe::Param::Weight, 1.0),
            })
            .into(),
        ..Default::default()
    }];
    sliced.sources.clear();
    let error = refused(&sliced);
    assert!(matches!(error, MergeError::Vocabulary { .. }), "{error}");
    assert!(error.to_string().contains("40") && error.to_string().contains("512"), "{error}");
}
