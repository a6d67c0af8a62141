//! Merges of models with different vocabularies against mergekit 0.1.5, token by token. The
//! fixtures and the script that made them are in `golden/tokenizer`.

#![allow(clippy::unwrap_used)] // a broken fixture should stop it

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use serde_json::Value;
use yosegi::checkpoint::{Checkpoint, Dtype, TensorView, Weights};
use yosegi::merge::{ExportPlan, MergeError, Options, Pool, write_checkpoint};
use yosegi::recipe::{
    Method, Param, Recipe, Source, TokenName, TokenOrigin, TokenSpec, TokenizerSource, TokenizerSpec,
};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tokenizer")
}

fn model(name: &str) -> String {
    golden().join("models").join(name).display().to_string()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// The recipe of a fixture, as it was given to mergekit.
fn recipe(of: &Value) -> Recipe {
    let method = Method::ALL.into_iter().find(|m| m.name() == text(&of["merge_method"])).unwrap();
    let base = of.get("base_model").map(|b| model(text(b)));
    let mut recipe = Recipe::new(method, base.as_deref());
    for (name, weight) in of["models"].as_array().unwrap().iter().zip([0.5, 0.75, 0.25]) {
        recipe.sources.push(Source::new(&model(text(name))).with(Param::Weight, weight));
    }
    recipe.chat_template = of.get("chat_template").map(|t| text(t).to_owned());
    let spec = &of["tokenizer"];
    let source = match text(&spec["source"]) {
        "union" => TokenizerSource::Union,
        "base" => TokenizerSource::Base,
        name => TokenizerSource::Model(model(name)),
    };
    let origin = |source: &Value| match source {
        Value::String(name) => TokenOrigin::Model(model(name)),
        rule if rule["kind"] == "zero" => TokenOrigin::Zero,
        rule => TokenOrigin::ModelToken {
            model: model(text(&rule["model"])),
            token: match rule.get("token") {
                Some(token) => TokenName::Text(text(token).to_owned()),
                None => TokenName::Id(u32::try_from(rule["token_id"].as_u64().unwrap()).unwrap()),
            },
        },
    };
    let rule = |(token, rule): (&String, &Value)| {
        let force = rule["force"].as_bool().unwrap_or(false);
        (token.clone(), TokenSpec { source: Some(origin(&rule["source"])), force })
    };
    recipe.tokenizer = Some(TokenizerSpec {
        source,
        tokens: spec["tokens"].as_object().into_iter().flatten().map(rule).collect(),
        pad_to_multiple_of: spec["pad_to_multiple_of"].as_u64().map(|n| usize::try_from(n).unwrap()),
    });
    recipe
}

fn tokens(model: &Checkpoint) -> BTreeMap<String, usize> {
    let json: Value = serde_json::from_slice(&model.tokenizer_json().unwrap()).unwrap();
    let id = |v: &Value| usize::try_from(v.as_u64().unwrap()).unwrap();
    let mut out: BTreeMap<String, usize> =
        json["model"]["vocab"].as_object().unwrap().iter().map(|(t, v)| (t.clone(), id(v))).collect();
    for added in json["added_tokens"].as_array().unwrap() {
        out.insert(text(&added["content"]).to_owned(), id(&added["id"]));
    }
    out
}

fn row(view: TensorView<'_>, row: usize) -> Vec<f32> {
    let columns = view.shape[1];
    let mut out = vec![0.0; columns];
    view.read_f32(row * columns, &mut out);
    out
}

fn open(recipe: &Recipe) -> Result<Pool, MergeError> {
    Pool::gather(recipe, |model| Ok(Checkpoint::open(model)?))
}

/// Writes a fixture's merge and compares tokens, rows, special tokens and template.
fn compare(name: &str) {
    let expected: Value =
        serde_json::from_slice(&fs::read(golden().join(format!("expected/{name}.json"))).unwrap()).unwrap();
    let bytes = fs::read(golden().join(format!("expected/{name}.safetensors"))).unwrap();
    let theirs = SafeTensors::deserialize(&bytes).unwrap();
    let recipe = recipe(&expected["recipe"]);
    let parent = tempfile::tempdir().unwrap();
    let out = parent.path().join("out");
    write_checkpoint(&recipe, &open(&recipe).unwrap(), &out).unwrap();
    let ours = Checkpoint::open(out.to_str().unwrap()).unwrap();

    let place = tokens(&ours);
    let listed: Vec<&str> = expected["tokens"].as_array().unwrap().iter().map(text).collect();
    let mut names = listed.clone();
    names.sort_unstable();
    assert_eq!(place.keys().map(String::as_str).collect::<Vec<_>>(), names, "{name}");
    assert_eq!(ours.config().vocab_size as u64, expected["vocab_size"].as_u64().unwrap(), "{name}");
    let mut names = theirs.names();
    names.sort_unstable();
    assert_eq!(ours.names(), names, "{name}");
    for tensor in ours.names() {
        let (mine, other) = (ours.tensor(tensor).unwrap(), theirs.tensor(tensor).unwrap());
        assert_eq!(mine.shape, other.shape(), "{name}: {tensor}");
        let dtype = Dtype::from_name(&format!("{:?}", other.dtype())).unwrap();
        assert_eq!(mine.dtype, dtype, "{name}: {tensor}");
        let other = TensorView { dtype, shape: other.shape(), data: other.data() };
        if !tensor.contains("embed_tokens") && !tensor.contains("lm_head") {
            assert_eq!(mine.data, other.data, "{name}: {tensor}");
            continue;
        }
        for (id, token) in listed.iter().enumerate() {
            assert_eq!(row(mine, place[*token]), row(other, id), "{name}: {tensor}, token {token:?}");
        }
        // The mean of all tokens, which are summed in another order.
        for id in listed.len()..mine.shape[0] {
            for (a, b) in row(mine, id).iter().zip(row(other, id)) {
                assert!((a - b).abs() <= 0.01 * b.abs().max(0.05), "{name}: {tensor}, row {id}: {a} {b}");
            }
        }
    }

    let config: Value = serde_json::from_slice(&ours.file("tokenizer_config.json").unwrap()).unwrap();
    assert_eq!(config["bos_token"], expected["bos"], "{name}");
    assert_eq!(config["eos_token"], expected["eos"], "{name}");
    assert_eq!(ours.config().bos_token_id.unwrap() as usize, place[text(&expected["bos"])], "{name}");
    assert_eq!(ours.config().eos_token_ids[0] as usize, place[text(&expected["eos"])], "{name}");
    let template = ours.file("chat_template.jinja").map(|t| String::from_utf8(t.into_owned()).unwrap());
    if expected["recipe"]["chat_template"] != "chatml" {
        assert_eq!(template.as_deref(), expected["chat_template"].as_str(), "{name}");
    }
    let tokenizer = tokenizers::Tokenizer::from_bytes(ours.tokenizer_json().unwrap()).unwrap();
    for (sentence, encoded) in expected["encoded"].as_object().unwrap() {
        let got = tokenizer.encode(sentence.as_str(), true).unwrap();
        let encoded: Vec<&str> = encoded.as_array().unwrap().iter().map(text).collect();
        assert_eq!(got.get_tokens(), encoded, "{name}: {sentence}");
    }
}

#[test]
fn every_merge_of_vocabularies_equals_mergekit() {
    for name in ["union", "union_base", "of_base", "of_a", "tied", "rules"] {
        compare(name);
    }
}

#[test]
fn named_chat_templates_render_as_mergekits() {
    let cases: Vec<Value> = serde_json::from_slice(&fs::read(golden().join("chat.json")).unwrap()).unwrap();
    let mut recipe = recipe(&serde_json::json!({
        "merge_method": "linear", "models": ["base", "b"], "tokenizer": {"source": "union"}}));
    for case in cases {
        recipe.chat_template = Some(text(&case["template"]).to_owned());
        let pool = open(&recipe).unwrap();
        let template = pool.base().file("chat_template.jinja").unwrap();
        let template = String::from_utf8(template.into_owned()).unwrap();
        let mut jinja = minijinja::Environment::new();
        jinja.add_template("chat", &template).unwrap();
        let said = jinja.get_template("chat").unwrap().render(minijinja::value::Serde(serde_json::json!({
            "messages": case["messages"], "add_generation_prompt": case["prompt"],
            "bos_token": "<s>", "eos_token": "</s>",
        })));
        assert_eq!(said.unwrap(), text(&case["text"]), "{case}");
    }
}

#[test]
fn what_a_recipe_cannot_mean_is_said_in_words() {
    let refused = |change: &dyn Fn(&mut Recipe), needles: &[&str]| {
        let mut recipe = recipe(&serde_json::json!({
            "merge_method": "linear", "models": ["base", "a"], "tokenizer": {"source": "union"}}));
        change(&mut recipe);
        let planned = open(&recipe).and_then(|pool| ExportPlan::of(&recipe, &pool, &Options::default()));
        let message = planned.expect_err("refused").to_string();
        for needle in needles {
            assert!(message.contains(needle), "{message:?} should say {needle:?}");
        }
        assert!(!message.contains('\n'));
    };
    let rule = |origin: &'static str| {
        move |recipe: &mut Recipe| {
            let spec = TokenSpec { source: Some(origin_of(origin)), force: true };
            recipe.tokenizer.as_mut().unwrap().tokens.push(("cat".to_owned(), spec));
        }
    };
    refused(&rule("nobody"), &["\"cat\"", "nobody", "does not take part"]);
    refused(&rule("token"), &["\"cat\"", "\"giraffe\"", "does not have"]);
    refused(&rule("id"), &["\"cat\"", "4000"]);
    refused(
        &|r| r.tokenizer.as_mut().unwrap().source = TokenizerSource::Model("x".into()),
        &["x is not a model"],
    );
    refused(&|r| r.chat_template = Some("chatlm".into()), &["chatlm", "did you mean chatml?"]);
    refused(&|r| r.tokenizer = None, &["vocabulary of", "tokenizer"]);
}

fn origin_of(kind: &str) -> TokenOrigin {
    match kind {
        "token" => TokenOrigin::ModelToken { model: model("a"), token: TokenName::Text("giraffe".into()) },
        "id" => TokenOrigin::ModelToken { model: model("a"), token: TokenName::Id(4000) },
        nobody => TokenOrigin::Model(nobody.to_owned()),
    }
}
