//! Tests of reading, writing and checking recipes.

mod forms;
mod yaml;

use proptest::prelude::*;

use super::{
    BaseNeed, Filter, Kind, LayerGroup, MaskStream, Method, Param, ParamSpec, Parameters, Recipe, RecipeFile,
    Scope, Source, Values,
};

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
    assert_eq!(ja.weight().get(LayerGroup::Block(1)), Some(1.0));
    assert_eq!(ja.density(), &Values::All(0.5));
    assert_eq!(recipe.sources[1].density(), &Values::All(1.0));
    recipe.check(2).unwrap();
    let message = recipe.check(5).unwrap_err().to_string();
    assert!(message.contains("source[0].weight.layers") && message.contains("5 layers"), "{message}");
}

#[test]
fn a_base_among_the_sources_is_no_source() {
    let text = |extra: &str| {
        format!(
            "method = \"ties\"\nbase = \"b\"\nsource = [{{ model = \"b\"{extra} }}, {{ model = \"a\", weight = 0.5 }}]\n"
        )
    };
    assert_eq!(read(&text("")).unwrap().models(), ["a"]);
    assert_eq!(read(&text("")).unwrap().sources.len(), 1);
    refused(&text(", weight = 1.0"), &["r.toml:3", "source[0]", "base itself"]);
    // A linear mean keeps the base among the sources.
    let linear = text(", weight = 1.0").replace("ties", "linear");
    assert_eq!(read(&linear).unwrap().sources.len(), 2);
}

#[test]
fn inline_sources_are_the_same() {
    let inline = "method = \"linear\"\nbase = \"b\"\nsource = [{ model = \"a\", weight = 1 }, { model = \"c\", weight = 2 }]\n";
    let mut recipe = read(inline).unwrap();
    assert_eq!(recipe.sources.len(), 2);
    *recipe.sources[1].weight_mut() = Values::All(0.5);
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
    recipe.sources[0].weight_mut().set(LayerGroup::Block(0), 2, 0.75);
    *recipe.sources[0].density_mut() = Values::All(0.8);
    recipe.parameters.set(Param::Lambda, 0.9);
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
    recipe.sources.push(Source::new("zoo:math-mul").with(Param::Weight, 0.5));
    let text = recipe.write_back(EXAMPLE);
    assert_eq!(read(&text).unwrap(), recipe);
    let at = |needle: &str| text.find(needle).unwrap_or_else(|| panic!("{needle} lost:\n{text}"));
    assert!(at("# counts") < at("zoo:math-add") && at("zoo:math-add") < at("# speaks Japanese"));
    assert!(at("# speaks Japanese") < at("zoo:math-mul"));
}

/// A number that is allowed for the parameter.
fn number(spec: &ParamSpec) -> BoxedStrategy<f64> {
    let range = spec.range;
    let (low, high) = (range.low.max(-1e3), range.high.min(1e3));
    match spec.kind {
        Kind::Flag => prop_oneof![Just(0.0), Just(1.0)].boxed(),
        Kind::Count => (0..100_u32).prop_map(f64::from).boxed(),
        Kind::Number if range.low.is_finite() || range.high.is_finite() => {
            (low..=high).prop_filter("in range", move |v| range.holds(*v)).boxed()
        }
        Kind::Number => prop_oneof![
            -2.0..2.0,
            Just(0.0),
            Just(1.0),
            Just(-0.0),
            any::<f64>().prop_filter("finite", |v| v.is_finite())
        ]
        .boxed(),
    }
}

/// A value in any form, for models of two layers.
fn values(spec: &'static ParamSpec) -> BoxedStrategy<Values> {
    let one = || number(spec);
    let many = move |n| proptest::collection::vec(number(spec), n);
    let plain = move || {
        let each = (one(), many(2..3), one());
        let gradient = if spec.kind == Kind::Count {
            one().prop_map(Values::All).boxed()
        } else {
            many(1..4).prop_map(Values::Gradient).boxed()
        };
        prop_oneof![
            3 => one().prop_map(Values::All),
            1 => each.prop_map(|(embed, layers, head)| Values::Each { embed, layers, head }),
            1 => gradient,
        ]
    };
    let name = prop_oneof![Just(None), Just(Some("*".to_owned())), Just(Some("mlp.\"x\"".to_owned()))];
    let filter = (name, plain()).prop_map(|(filter, value)| Filter { filter, value });
    prop_oneof![
        4 => plain(),
        1 => proptest::collection::vec(filter, 1..3).prop_map(Values::Filters),
    ]
    .boxed()
}

/// Parameters of one place in a recipe; `all` gives only those that are required.
fn parameters(method: Method, per_model: bool, all: bool) -> BoxedStrategy<Parameters> {
    let mut out = Just(Parameters::new()).boxed();
    for spec in method.parameters() {
        if per_model && spec.scope != Scope::PerModel {
            continue;
        }
        let must = all && spec.default.is_none();
        let given = values(spec).prop_map(Some);
        let given = if must { given.boxed() } else { prop_oneof![Just(None), given].boxed() };
        out = (out, given).prop_map(move |(p, v)| v.map_or(p.clone(), |v| p.with(spec.param, v))).boxed();
    }
    out
}

/// A recipe of whole models.
fn any_recipe() -> BoxedStrategy<Recipe> {
    (prop::sample::select(Method::ALL.to_vec()), 1..4_usize)
        .prop_flat_map(|(method, wish)| {
            let (least, most) = method.spec().sources;
            let count = wish.max(least).min(most.unwrap_or(9));
            let sources = proptest::collection::vec(parameters(method, true, true), count);
            let base = match method.spec().base {
                BaseNeed::Required => Just(true).boxed(),
                _ => any::<bool>().boxed(),
            };
            (Just(method), base, sources, parameters(method, false, true), any::<u64>(), any::<bool>())
        })
        .prop_map(|(method, base, sources, parameters, seed, mergekit)| Recipe {
            sources: sources
                .into_iter()
                .enumerate()
                .map(|(i, parameters)| Source { model: format!("s{i}"), parameters })
                .collect(),
            parameters,
            mask: if mergekit { MaskStream::Mergekit } else { MaskStream::Counter },
            seed,
            ..Recipe::new(method, base.then_some("org/base \"quoted\"\\"))
        })
        .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn toml_round_trip(recipe in any_recipe(), other in any_recipe()) {
        prop_assert_eq!(&read(&recipe.to_toml()).unwrap(), &recipe);
        prop_assert_eq!(&read(&recipe.write_back(&other.to_toml())).unwrap(), &recipe);
        prop_assert_eq!(&read(&recipe.write_back(EXAMPLE)).unwrap(), &recipe);
    }

    #[test]
    fn json_round_trip(recipe in any_recipe()) {
        // Goes through a tree: in a text a float may lose its last bit.
        let json = serde_json::to_value(&recipe).unwrap();
        let back: Recipe = serde_json::from_value(json).unwrap();
        prop_assert_eq!(back.to_toml(), recipe.to_toml());
    }

    #[test]
    fn yaml_round_trip(recipe in any_recipe()) {
        let text = match recipe.to_yaml() {
            Ok(text) => text,
            Err(error) => {
                prop_assert!(error.to_string().contains("YAML cannot say"), "{}", error);
                return Ok(());
            }
        };
        let recipe_file = RecipeFile::from_yaml(&text, "r.yml", false);
        prop_assert!(recipe_file.is_ok(), "{:?}\n{}", recipe_file, text);
        let back = recipe_file.unwrap().into_recipe().unwrap();
        prop_assert_eq!(&back, &recipe, "{}", text);
    }

    #[test]
    fn any_text_is_a_recipe_or_an_error(text in ".{0,200}", yaml in "[-a-z:{}&*!\\[\\],#'\"| \n]{0,80}") {
        let _ = read(&text);
        let _ = RecipeFile::from_yaml(&text, "r.yml", true);
        let _ = RecipeFile::from_yaml(&yaml, "r.yml", true);
    }
}

#[test]
fn the_recipes_to_start_from_are_in_order() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/recipes");
    let mut count = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let recipe = Recipe::open(&file.unwrap().path()).unwrap();
        recipe.check(if recipe.donor().starts_with("zoo:") { 5 } else { 32 }).unwrap();
        count += 1;
    }
    assert!(count >= 4);
}

#[test]
fn journals_of_older_versions_are_read() {
    let old = r#"{"method":"ties","base":"b","sources":[{"model":"a","weight":0.5,"density":1.0},
        {"model":"c","weight":{"embed":0.1,"layers":[0.2],"head":0.3},"density":0.5}],
        "lambda":0.9,"normalize":null,"mask":"counter","seed":3}"#;
    let recipe: Recipe = serde_json::from_str(old).unwrap();
    assert_eq!((recipe.lambda(), recipe.normalizes(), recipe.donor()), (0.9, true, "b"));
    assert_eq!(recipe.sources[1].weight().get(LayerGroup::Head), Some(0.3));
    let flag = old.replace("null", "false");
    assert!(!serde_json::from_str::<Recipe>(&flag).unwrap().normalizes());
}

#[test]
fn the_table_is_complete_and_consistent() {
    for (i, method) in Method::ALL.into_iter().enumerate() {
        let spec = method.spec();
        assert_eq!((spec.method, method as usize), (method, i));
        assert_eq!(Method::from_name(spec.name), Some(method));
        assert_eq!(serde_json::to_value(method).unwrap(), spec.name, "serde and the table agree");
        assert!(!spec.about.is_empty() && !spec.about.ends_with('.'));
        assert!(spec.sources.1.is_none_or(|most| most >= spec.sources.0));
        for (k, p) in spec.parameters.iter().enumerate() {
            assert!(spec.parameters[..k].iter().all(|q| q.param != p.param), "{} twice", p.param.name());
            assert!(p.default.is_none_or(|d| p.problem(d).is_none()), "{}.{}", spec.name, p.param.name());
            assert_eq!(p.kind == Kind::Flag, p.param.is_flag());
            assert!(p.gene.is_none_or(|(low, high)| low < high && p.scope == Scope::PerModel && !p.ignored));
        }
    }
    for (i, param) in Param::ALL.into_iter().enumerate() {
        assert_eq!(param as usize, i);
        assert_eq!(serde_json::to_value(param).unwrap(), param.name());
        assert!(
            Method::ALL.into_iter().any(|m| m.parameter(param).is_some()),
            "{} is nobody's",
            param.name()
        );
    }
}

/// mergekit 0.1.5's own declarations are in `tests/golden/recipe/methods.json`.
#[test]
fn the_table_says_what_mergekit_declares() {
    let theirs = include_str!("../../../tests/golden/recipe/methods.json");
    let theirs: serde_json::Value = serde_json::from_str(theirs).unwrap();
    let theirs = theirs.as_array().unwrap();
    assert_eq!(theirs.len(), Method::ALL.len());
    for their in theirs {
        let name = their["name"].as_str().unwrap();
        let ours = Method::from_name(name).unwrap_or_else(|| panic!("no {name}")).spec();
        let base = match ours.base {
            BaseNeed::Required => "required",
            BaseNeed::Optional => "optional",
            BaseNeed::Unused => "ignored",
        };
        assert_eq!(their["base"], base, "{name}");
        // mergekit counts inputs either with the base or without it. A task vector method without a source would give
        // the base unchanged; that is not a merge here.
        let count = |key: &str, end: usize| their[key][end].as_u64().map(|n| n as usize);
        let with_base = usize::from(ours.base == BaseNeed::Required);
        let least = count("non_base", 0).or(count("inputs", 0)).map_or(0, |n| n.max(1));
        let least = if count("non_base", 0).is_some() { least } else { least.saturating_sub(with_base) };
        let most = count("non_base", 1).or(count("inputs", 1).map(|n| n - with_base));
        assert_eq!(ours.sources, (least.max(1), most), "{name}");
        let parameters = their["parameters"].as_array().unwrap();
        assert_eq!(parameters.len(), ours.parameters.len(), "{name}");
        for p in parameters {
            let param = Param::from_name(p["name"].as_str().unwrap()).unwrap();
            let own = ours.method.parameter(param).unwrap_or_else(|| panic!("{name} has no {p}"));
            assert_eq!(p["per_model"], own.scope == Scope::PerModel, "{name} {p}");
            assert_eq!(p["default"].as_f64(), own.default, "{name} {p}");
            assert_eq!(p["required"], own.default.is_none(), "{name} {p}");
        }
    }
}
