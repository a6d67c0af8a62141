//! Reading, writing and checking recipes.

use proptest::prelude::*;

use super::{LayerGroup, MaskStream, Method, PerGroup, Recipe, Source};

const EXAMPLE: &str = r#"# Three pieces of one tree.
method = "dare_ties" # drop, elect, sum
base = "zoo:base"
seed = 7

# speaks Japanese
[[source]]
model = "zoo:ja"
weight = { embed = 0.5, layers = [
    0.25, # reads
    1,    # writes
], head = 0 }
density = 0.5 # half

# counts
[[source]]
weight = 1 # whole
model = "zoo:math-add"
"#;

fn read(text: &str) -> Result<Recipe, String> {
    Recipe::from_toml(text, "r.toml").map_err(|e| e.to_string())
}

fn refused(text: &str, needles: &[&str]) {
    let message = read(text).expect_err(text);
    for needle in needles {
        assert!(message.contains(needle), "{message:?} should say {needle:?}");
    }
    assert!(!message.contains('\n'), "one line: {message:?}");
}

#[test]
fn reads_the_example() {
    let recipe = read(EXAMPLE).unwrap();
    assert_eq!((recipe.method, recipe.seed, recipe.mask), (Method::DareTies, 7, MaskStream::Counter));
    let ja = &recipe.sources[0];
    assert_eq!(ja.weight.get(LayerGroup::Block(1)), Some(1.0));
    assert_eq!(ja.density, PerGroup::All(0.5));
    assert_eq!(recipe.sources[1].density, PerGroup::All(1.0));
    recipe.check(2).unwrap();
    let message = recipe.check(5).unwrap_err().to_string();
    assert!(message.contains("source[0].weight.layers") && message.contains("5 layers"), "{message}");
}

#[test]
fn inline_sources_are_the_same() {
    let inline = "method = \"linear\"\nbase = \"b\"\nsource = [{ model = \"a\", weight = 1 }, { model = \"c\", weight = 2 }]\n";
    let mut recipe = read(inline).unwrap();
    assert_eq!(recipe.sources.len(), 2);
    recipe.sources[1].weight = PerGroup::All(0.5);
    assert_eq!(recipe.write_back(inline), inline.replace("weight = 2", "weight = 0.5"));
}

#[test]
fn mistakes_are_named_with_file_line_and_key() {
    let with = |line: &str| EXAMPLE.replace("seed = 7", line);
    refused(&with("sed = 7"), &["r.toml:4", "unknown key sed", "did you mean seed?"]);
    refused(&with("frobnicate = 7"), &["r.toml:4", "known are method"]);
    refused(&with("seed = -1"), &["r.toml:4", "seed"]);
    refused(&with("lambda = inf"), &["r.toml:4", "lambda", "finite"]);
    refused(&with("mask = \"mt\""), &["r.toml:4", "mask"]);
    refused(&with("normalize = 1"), &["normalize", "true or false"]);
    refused(&with("seed = "), &["r.toml:4", "not TOML"]);
    refused(
        &EXAMPLE.replace("density = 0.5", "densty = 0.5"),
        &["r.toml:13", "source[0].densty", "did you mean density?"],
    );
    refused(
        &EXAMPLE.replace("density = 0.5", "density = 1.5"),
        &["r.toml:13", "source[0].density", "1.5", "at most 1"],
    );
    refused(&EXAMPLE.replace("density = 0.5", "density = 0"), &["source[0].density"]);
    refused(&EXAMPLE.replace("0.25,", "nan,"), &["r.toml:10", "source[0].weight.layers[0]"]);
    refused(&EXAMPLE.replace("embed = 0.5", "embd = 0.5"), &["source[0].weight.embd", "did you mean embed?"]);
    refused(&EXAMPLE.replace(", head = 0", ""), &["source[0].weight.head", "missing"]);
    refused(&EXAMPLE.replace("weight = 1 # whole", ""), &["source[1].weight", "missing"]);
    refused(&EXAMPLE.replace("zoo:math-add", "zoo:ja"), &["r.toml:18", "source[1].model", "zoo:ja again"]);
    refused(&EXAMPLE.replace("dare_ties", "dare_tie"), &["r.toml:2", "did you mean dare_ties?"]);
    refused("method = \"ties\"\nbase = \"b\"\n", &["source", "at least one"]);
    refused("base = \"b\"\n", &["method", "missing"]);
    refused("method = \"ties\"\n", &["base", "missing"]);
    refused("method = \"ties\"\nbase = \"b\"\nsource = 3\n", &["r.toml:3", "[[source]]"]);
}

#[test]
fn writing_back_keeps_comments() {
    let mut recipe = read(EXAMPLE).unwrap();
    assert_eq!(recipe.write_back(EXAMPLE), EXAMPLE);
    recipe.sources[0].weight.set(LayerGroup::Block(0), 2, 0.75);
    recipe.sources[0].density = PerGroup::All(0.8);
    recipe.lambda = 0.9;
    let expected = EXAMPLE
        .replace("0.25,", "0.75,")
        .replace("density = 0.5 #", "density = 0.8 #")
        .replace("seed = 7\n", "seed = 7\nlambda = 0.9\n");
    assert_eq!(recipe.write_back(EXAMPLE), expected);
    assert_eq!(recipe.write_back("not [ toml"), recipe.to_toml());
}

#[test]
fn sources_take_their_comments_along() {
    let mut recipe = read(EXAMPLE).unwrap();
    recipe.sources.swap(0, 1);
    recipe.sources.push(Source {
        model: "zoo:math-mul".into(),
        weight: PerGroup::All(0.5),
        density: PerGroup::All(1.0),
    });
    let text = recipe.write_back(EXAMPLE);
    assert_eq!(read(&text).unwrap(), recipe);
    let at = |needle: &str| text.find(needle).unwrap_or_else(|| panic!("{needle} lost:\n{text}"));
    assert!(at("# counts") < at("zoo:math-add") && at("zoo:math-add") < at("# speaks Japanese"));
    assert!(at("# speaks Japanese") < at("zoo:math-mul"));
}

fn value() -> impl Strategy<Value = f64> + Clone {
    prop_oneof![
        -2.0..2.0,
        Just(0.0),
        Just(1.0),
        Just(-0.0),
        any::<f64>().prop_filter("finite", |v| v.is_finite())
    ]
}

fn per_group(one: impl Strategy<Value = f64> + Clone) -> impl Strategy<Value = PerGroup> {
    let each = (one.clone(), proptest::collection::vec(one.clone(), 0..4), one.clone());
    prop_oneof![
        one.prop_map(PerGroup::All),
        each.prop_map(|(embed, layers, head)| PerGroup::Each { embed, layers, head })
    ]
}

prop_compose! {
    fn any_recipe()(
        method in prop::sample::select(Method::ALL.to_vec()),
        sources in proptest::collection::vec((per_group(value()), per_group(0.001..=1.0)), 1..4),
        lambda in value(),
        normalize in any::<Option<bool>>(),
        seed in any::<u64>(),
        mergekit in any::<bool>(),
    ) -> Recipe {
        Recipe {
            method,
            base: "org/base \"quoted\"\\".into(),
            sources: sources.into_iter().enumerate()
                .map(|(i, (weight, density))| Source { model: format!("s{i}"), weight, density })
                .collect(),
            lambda,
            normalize,
            mask: if mergekit { MaskStream::Mergekit } else { MaskStream::Counter },
            seed,
        }
    }
}

proptest! {
    #[test]
    fn toml_round_trip(recipe in any_recipe(), other in any_recipe()) {
        prop_assert_eq!(&read(&recipe.to_toml()).unwrap(), &recipe);
        prop_assert_eq!(&read(&recipe.write_back(&other.to_toml())).unwrap(), &recipe);
        prop_assert_eq!(&read(&recipe.write_back(EXAMPLE)).unwrap(), &recipe);
    }

    #[test]
    fn any_text_is_a_recipe_or_an_error(text in ".{0,200}") {
        let _ = read(&text);
    }
}

#[test]
fn the_recipes_to_start_from_are_in_order() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/recipes");
    let mut count = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let recipe = Recipe::open(&file.unwrap().path()).unwrap();
        recipe.check(if recipe.base.starts_with("zoo:") { 5 } else { 32 }).unwrap();
        count += 1;
    }
    assert!(count >= 4);
}
