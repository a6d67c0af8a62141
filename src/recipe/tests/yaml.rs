//! Tests of mergekit's YAML: each construct of its own examples, mistakes with their lines, several documents.

use std::fmt::Write;

use super::super::{
    Filter, LayerGroup, MaskStream, Method, Param, Precision, Recipe, RecipeFile, TokenName, TokenOrigin,
    TokenizerSource, Values,
};

fn recipe_file(text: &str) -> Result<RecipeFile, String> {
    RecipeFile::from_yaml(text, "m.yml", false).map_err(|e| e.to_string())
}

fn one(text: &str) -> Recipe {
    let recipe = recipe_file(text).and_then(|b| b.into_recipe().map_err(|e| e.to_string()));
    recipe.unwrap_or_else(|e| panic!("{e}\n{text}"))
}

fn refused(text: &str, needles: &[&str]) {
    let message = recipe_file(text).expect_err(text);
    for needle in needles {
        assert!(message.contains(needle), "{message:?} should say {needle:?}");
    }
    assert!(!message.contains('\n'), "{message:?}");
}

const TIES: &str = "\
models:
  - model: org/one
    parameters:
      density: [1, 0.6, 0.2]  # falls with the depth
      weight: 1.0
  - model: org/two@main+org/adapter
    parameters:
      density: 0.5
      weight:
        - filter: mlp
          value: [0.5, 1]
        - value: 1e-1
merge_method: ties
base_model: {model: {path: org/base, revision: v1}}
parameters:
  normalize: true
  int8_mask: 1
dtype: torch.float16
";

#[test]
fn models_with_gradients_and_filters() {
    let recipe = one(TIES);
    assert_eq!(
        (recipe.method, recipe.mask, recipe.dtype),
        (Method::Ties, MaskStream::Mergekit, Some(Precision::Float16))
    );
    assert_eq!(recipe.base.as_deref(), Some("org/base@v1"));
    assert_eq!(recipe.sources[0].density(), &Values::Gradient(vec![1.0, 0.6, 0.2]));
    let filters = [(Some("mlp"), Values::Gradient(vec![0.5, 1.0])), (None, Values::All(0.1))];
    let filters = filters.map(|(f, value)| Filter { filter: f.map(str::to_owned), value });
    assert_eq!(recipe.sources[1].weight(), &Values::Filters(filters.into()));
    assert_eq!(recipe.sources[1].model, "org/two@main+org/adapter");
    assert!(recipe.normalizes());
}

#[test]
fn slices_and_the_base_among_the_models() {
    let slerp = one(
        "slices:\n- sources:\n  - {model: a, layer_range: [0, 4]}\n  - {model: b, layer_range: [0, 4]}\nmerge_method: slerp\nbase_model: a\nparameters:\n  t:\n  - {filter: self_attn, value: [0, 0.5, 1]}\n  - value: 0.5\n",
    );
    assert_eq!((slerp.slices[0].sources.len(), slerp.slices[0].len()), (2, 4));
    let stacked = one(
        "slices:\n  - sources:\n    - model: a\n      layer_range: [0, 3]\n  - sources:\n    - model: b\n      layer_range: [1, 5]\n      parameters: {scale: [{filter: o_proj, value: 0.0}, {value: 1.0}]}\nmerge_method: passthrough\n",
    );
    let outline = stacked.outline(|_| 5).unwrap();
    assert_eq!((outline.layers(), outline.slice(LayerGroup::Block(4))), (7, (1, 1)));
    let place = outline.place("model.layers.4.self_attn.o_proj.weight", LayerGroup::Block(4));
    let scale = |name: &str| stacked.source_value(Param::Scale, 0, name, &place).unwrap();
    assert_eq!((scale("model.layers.2.self_attn.o_proj.weight"), scale("x")), (0.0, 1.0));
    assert!((place.t - 1.0 / 3.0).abs() < 1e-12);

    let listed = one("models: [{model: a}, {model: b}]\nmerge_method: arcee_fusion\nbase_model: a\n");
    assert_eq!(listed.models(), ["b"]);
    let linear = "models: [{model: a, parameters: {weight: 1}}]\nmerge_method: linear\nbase_model: b\nparameters: {weight: 0.5}\n";
    assert_eq!(one(linear).models(), ["a", "b"], "linear counts a base that is not listed");
}

#[test]
#[allow(clippy::float_cmp, reason = "the values are taken over, not computed")]
fn values_follow_source_slice_module_and_global() {
    let recipe = one(
        "modules:\n  text_decoder:\n    slices:\n    - sources:\n      - {model: a, layer_range: [0, 2], parameters: {weight: [{filter: mlp, value: 4}]}}\n      - {model: b, layer_range: [0, 2]}\n      parameters: {weight: [{filter: attn, value: 3}]}\n    parameters: {weight: [{filter: norm, value: 2}]}\nmerge_method: linear\nparameters: {weight: [1, 9], normalize: [true, false, false]}\n",
    );
    let outline = recipe.outline(|_| 2).unwrap();
    let place = outline.place("t", LayerGroup::Block(0));
    let weight = |source, name| recipe.source_value(Param::Weight, source, name, &place).unwrap();
    assert_eq!(["mlp", "attn", "norm", "other"].map(|n| weight(0, n)), [4.0, 3.0, 2.0, 1.0]);
    assert_eq!(["mlp", "attn"].map(|n| weight(1, n)), [1.0, 3.0]);
    let last = outline.place("t", LayerGroup::Block(1));
    let flags = [place, last].map(|p| recipe.shared_value(Param::Normalize, &p).unwrap());
    assert_eq!(flags, [1.0, 0.0], "a yes or no is stepped");
    assert!((recipe.source_value(Param::Weight, 1, "x", &last).unwrap() - 9.0).abs() < 1e-12);
}

#[test]
fn vocabulary_settings() {
    let recipe = one(
        "models: [{model: a, parameters: {weight: 1}}]\nmerge_method: linear\ntokenizer:\n  source: union\n  pad_to_multiple_of: 64\n  tokens:\n    <|im_start|>: {source: {kind: model_token, model: a, token_id: 5}, force: true}\n    <b>: {source: {kind: zero}}\n    <c>: {source: a}\nchat_template: chatml\n",
    );
    let spec = recipe.tokenizer.clone().unwrap();
    assert_eq!((spec.source, spec.pad_to_multiple_of), (TokenizerSource::Union, Some(64)));
    let origin = TokenOrigin::ModelToken { model: "a".into(), token: TokenName::Id(5) };
    assert_eq!(spec.tokens[0].1.source, Some(origin));
    assert_eq!(spec.tokens[2].1.source, Some(TokenOrigin::Model("a".into())));
    for text in [recipe.to_toml(), recipe.to_yaml().unwrap()] {
        let back =
            if text.contains("merge_method") { one(&text) } else { Recipe::from_toml(&text, "").unwrap() };
        assert_eq!(back, recipe, "{text}");
    }
    let base =
        one("models: [{model: a, parameters: {weight: 1}}]\nmerge_method: linear\ntokenizer_source: base\n");
    assert_eq!(base.tokenizer.unwrap().source, TokenizerSource::Base);
}

#[test]
fn several_documents_in_order_of_use() {
    let text = "name: last\nmerge_method: slerp\nbase_model: first\nmodels: [{model: x}]\nparameters: {t: 0.5}\n---\nname: first\nmerge_method: linear\nmodels: [{model: a, parameters: {weight: 1}}]\n";
    let both = recipe_file(text).unwrap();
    assert_eq!((both.merge_order().unwrap(), both.uses(0)), (vec![1, 0], vec![1]));
    assert_eq!(recipe_file(&both.to_yaml().unwrap()).unwrap().recipes, both.recipes);
    assert_eq!(RecipeFile::from_toml(&both.to_toml(), "", false).unwrap().recipes, both.recipes);
    refused(&text.replace("model: a,", "model: last,"), &["m.yml", "wait for each other", "last"]);
    refused(&text.replace("name: first\n", "name: last\n"), &["two recipes named last"]);
    // The last recipe includes the recipes that it depends on.
    let whole = both.clone().into_recipe().unwrap();
    assert_eq!(whole.before, [both.recipes[1].clone()]);
    let again = recipe_file(&whole.to_yaml().unwrap()).unwrap().into_recipe().unwrap();
    assert_eq!(again, whole);
    assert_eq!(RecipeFile::from_toml(&whole.to_toml(), "", false).unwrap().into_recipe().unwrap(), whole);
}

const CHAIN: &str = "\
name: soup
merge_method: linear
models: [{model: org/a}, {model: org/b}]
parameters: {weight: 0.5}
---
name: mixed
merge_method: slerp
base_model: soup+org/adapter
models: [{model: org/c}]
parameters: {t: 0.5}
---
merge_method: ties
base_model: org/base
models:
  - {model: mixed, parameters: {weight: 0.5, density: 0.6}}
tokenizer:
  source: union
  tokens:
    <s>: {source: {kind: model_token, model: mixed, token: </s>}}
";

#[test]
fn a_recipe_is_named_by_others() {
    let chain = recipe_file(CHAIN).unwrap();
    assert_eq!(
        (chain.merge_order().unwrap(), chain.result(), chain.unused()),
        (vec![0, 1, 2], Some(2), vec![2])
    );
    assert_eq!(
        (chain.dependencies(2), chain.dependencies(1), chain.dependencies(0)),
        (vec![0, 1, 2], vec![0, 1], vec![0])
    );
    assert_eq!((chain.named("mixed+x"), chain.named("org/soup"), chain.named("none")), (Some(1), None, None));
    // If all recipes are named, the result is the one that no other recipe uses; if there are two such recipes, there
    // is no result.
    let named =
        recipe_file(&CHAIN.replace("---\nmerge_method: ties", "---\nname: end\nmerge_method: ties")).unwrap();
    assert_eq!(named.result(), Some(2));
    let apart = named.to_yaml().unwrap().replace("mixed\n", "org/m\n").replace("name: org/m", "name: mixed");
    assert_eq!(recipe_file(&apart).unwrap().result(), None, "{apart}");
    // A model that is the source of a token is used too.
    let token = CHAIN.replace("{model: mixed, parameters", "{model: org/m, parameters");
    assert_eq!(recipe_file(&token).unwrap().uses(2), [1]);
    refused(&CHAIN.replace("model: org/c", "model: mixed"), &["wait for each other", "mixed"]);
    for odd in ["a/b", "..", "a+b", "a b"] {
        refused(&CHAIN.replace("name: soup", &format!("name: {odd}")), &["a recipe named", "letters"]);
    }
    refused(&CHAIN.replace("soup+org/adapter", "soup@v2"), &["revision of soup"]);
}

#[test]
fn one_module_of_the_one_name() {
    let text =
        |modules: &str| format!("merge_method: linear\nparameters: {{weight: 1}}\nmodules:\n{modules}");
    let module = |name: &str| format!("  {name}: {{models: [{{model: a}}, {{model: b}}]}}\n");
    assert_eq!(one(&text(&module("default"))).module.unwrap().name, "default");
    let two = module("text_decoder") + &module("vision_tower");
    refused(&text(&two), &["m.yml:4", "text_decoder, vision_tower", "have one, default"]);
}

#[test]
fn mistakes_are_named_with_their_line() {
    let with = |from: &str, to: &str| {
        assert!(TIES.contains(from), "{from}");
        TIES.replace(from, to)
    };
    refused(&with("merge_method: ties", "merge_methd: ties"), &["m.yml:13", "did you mean merge_method?"]);
    refused(&with("merge_method: ties", "merge_method: tise"), &["m.yml:13", "did you mean ties?"]);
    refused(
        &with("      weight: 1.0", "      wieght: 1.0"),
        &["m.yml:5", "models[0].parameters.wieght", "did you mean weight?"],
    );
    refused(
        &with("      weight: 1.0", "      gamma: 1.0"),
        &["m.yml:5", "is no parameter of ties", "density"],
    );
    refused(&with("      weight: 1.0", "      lambda: 1.0"), &["m.yml:5", "one value for all models"]);
    refused(&with("density: 0.5", "density: 1.5"), &["m.yml:8", "models[1].parameters.density", "at most 1"]);
    refused(&with("density: 0.5", "density: half"), &["m.yml:8", "finite number"]);
    refused(&with("- filter: mlp", "- filtre: mlp"), &["m.yml:10", "did you mean filter?"]);
    refused(&with("models:", "slices: []\nmodels:"), &["exactly one"]);
    refused(&with("dtype: torch.float16", "dtype: float61"), &["m.yml:18", "did you mean float16?"]);
    refused(
        &with("dtype: torch.float16", "tokenizer_source: union\ntokenizer: {source: base}"),
        &["tokenizer_source"],
    );
    refused(&with("models:", "models: ["), &["m.yml", "not YAML"]);
    refused(
        &with("      density: 0.5\n", "      density: 0.5\n      density: 0.5\n"),
        &["density is given twice"],
    );
    refused(&with("merge_method: ties", "merge_method: ties\nbase_modle: x"), &["did you mean base_model?"]);
    refused("", &["merge_method", "no recipe"]);
    refused("merge_method: linear\nmodels: [{model: a}]\n", &["models[0].weight", "missing"]);
    let lenient = RecipeFile::from_yaml(
        &with("      weight: 1.0", "      weight: 1.0\n      nonsense: 3"),
        "m.yml",
        true,
    );
    let warnings = lenient.unwrap().warnings;
    assert!(warnings.len() == 1 && warnings[0].contains("m.yml:6"), "{warnings:?}");
}

#[test]
fn what_yaml_cannot_say_stays_in_a_comment() {
    let layers = Values::Each { embed: 0.5, layers: vec![0.25, 1.0, 0.5], head: 0.0 };
    let mut recipe = Recipe::uniform("b", &["a".into()], Method::Linear, 1.0);
    *recipe.sources[0].weight_mut() = layers;
    recipe.seed = 7;
    let text = recipe.to_yaml().unwrap();
    assert!(text.starts_with("# yosegi: {") && !text.contains("base_model"), "{text}");
    assert_eq!(one(&text), recipe);
    // Without the comment the text means what mergekit reads: filters, and mergekit's mask stream.
    let bare = one(text.split_once('\n').unwrap().1);
    assert!(matches!(bare.sources[0].weight(), Values::Filters(_)) && bare.mask == MaskStream::Mergekit);
    let outline = bare.outline(|_| 3).unwrap();
    for (name, group, want) in [
        ("model.embed_tokens.weight", LayerGroup::Embedding, 0.5),
        ("model.layers.0.input_layernorm.weight", LayerGroup::Block(0), 0.25),
        ("model.layers.1.mlp.up_proj.weight", LayerGroup::Block(1), 1.0),
        ("model.norm.weight", LayerGroup::Head, 0.0),
        ("lm_head.weight", LayerGroup::Head, 0.0),
    ] {
        let place = outline.place(name, group);
        let value = bare.source_value(Param::Weight, 0, name, &place).unwrap();
        assert!((value - want).abs() < 1e-12, "{name}: {value}");
    }
}

/// Tests both notations of the recipes to start from, and of all recipes that were merged with mergekit.
#[test]
fn every_config_survives_the_way_to_yaml_and_back() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tried = 0;
    for folder in ["configs/recipes", "tests/golden/mergekit/recipes"] {
        for file in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = file.unwrap().path();
            let read = RecipeFile::open(&path, false).unwrap_or_else(|e| panic!("{e}"));
            let toml = read.to_toml();
            let yaml = recipe_file(&toml_file(&toml).to_yaml().unwrap()).unwrap();
            assert_eq!(yaml.recipes, read.recipes, "{}", path.display());
            assert_eq!(yaml.to_toml(), toml, "{}", path.display());
            tried += 1;
        }
    }
    assert!(tried > 150, "{tried}");
    let chain = recipe_file(CHAIN).unwrap();
    assert_eq!(recipe_file(&toml_file(&chain.to_toml()).to_yaml().unwrap()).unwrap().recipes, chain.recipes);
}

fn toml_file(text: &str) -> RecipeFile {
    RecipeFile::from_toml(text, "m.toml", false).unwrap()
}

/// Aliases multiply: a text of a few lines can expand to more than fits in memory.
#[test]
fn what_aliases_stand_for_is_bounded() {
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for i in 1..12 {
        let all = vec![format!("*a{}", i - 1); 10].join(",");
        writeln!(bomb, "a{i}: &a{i} [{all}]").unwrap();
    }
    let long = format!("a: &a {}\nb: [{}]\n", "y".repeat(1 << 20), vec!["*a"; 1000].join(","));
    let keys = format!("a: &a {{{}: 1}}\nb: [{}]\n", "k".repeat(1 << 19), vec!["*a"; 1000].join(","));
    for text in [&bomb, &long, &keys] {
        let error = RecipeFile::from_yaml(text, "bomb.yaml", true).unwrap_err().to_string();
        assert!(error.contains("bomb.yaml:") && error.contains("aliases stand for"), "{error}");
    }
    for deep in
        ["[".repeat(100_000), "- ".repeat(10_000), "{a: ".repeat(50_000), format!("a: {}", "[".repeat(300))]
    {
        let error = RecipeFile::from_yaml(&deep, "deep.yaml", true).unwrap_err().to_string();
        assert!(error.contains("deep.yaml"), "{error}");
    }
}
