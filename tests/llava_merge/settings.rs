//! What a recipe says beside the tensors: vision parts, rotary base, window, vocabulary.

use std::fs;

use yosegi::checkpoint::Checkpoint;
use yosegi::evaluate::{PathModels, path_export};
use yosegi::lm::Device;
use yosegi::merge::{Merged, Options, Pool, distances, write_checkpoint};
use yosegi::recipe::{
    Method, Param, Recipe, Rope, Source, TokenizerSource, TokenizerSpec, VisionRule, Window,
};

use super::{changed, floats, gather, model, open};

/// Tensors of the fixtures' float32 VLM whose vision part was changed.
fn another_qvlm() -> (tempfile::TempDir, Checkpoint) {
    let (folder, opened) = changed(
        "qvlm",
        |_| (),
        |all| {
            for (_, data) in
                all.iter_mut().filter(|(name, _)| !name.contains("language_model")).map(|(_, t)| t)
            {
                for four in data.as_chunks_mut::<4>().0 {
                    *four = (1.5 * f32::from_le_bytes(*four) - 0.01).to_le_bytes();
                }
            }
        },
    );
    (folder, opened.unwrap().called("another"))
}

#[test]
fn vision_parts_are_merged_where_all_models_have_one_and_the_recipe_says_so() {
    let (_folder, another) = another_qvlm();
    let one = open("qvlm").called("one");
    let mut recipe = Recipe::new(Method::Linear, None);
    recipe.sources = [("one", 0.25), ("another", 0.75)]
        .map(|(name, weight)| Source::new(name).with(Param::Weight, weight))
        .to_vec();
    let pool = |recipe: &Recipe| {
        Pool::for_recipe(recipe, None, vec![one.clone(), another.clone()], None, true).unwrap()
    };
    // By default the first one's stays.
    let kept = pool(&recipe);
    let mut merged = Merged::new(&kept);
    assert!(!kept.merge_into(&recipe, &mut merged).unwrap().vision);
    assert_eq!((merged.vision_stamp(), merged.vision_tensors().len()), (0, 0));
    let seeing = kept.seeing(&merged).unwrap();
    for name in one.vision_names() {
        assert_eq!(seeing.vision_tensor(name).unwrap().data, one.vision_tensor(name).unwrap().data);
    }
    // Merged by the same method and values.
    recipe.vision = VisionRule::Merge;
    assert!(kept.merge_into(&recipe, &mut merged).unwrap().vision);
    let stamp = merged.vision_stamp();
    assert_ne!(stamp, 0);
    let seeing = kept.seeing(&merged).unwrap();
    let out = tempfile::tempdir().unwrap();
    let out = out.path().join("merged");
    write_checkpoint(&recipe, &kept, &out).unwrap();
    let written = Checkpoint::open(out.to_str().unwrap()).unwrap();
    assert_eq!(seeing.vision_names(), one.vision_names());
    for name in one.vision_names() {
        let [a, b] = [&one, &another].map(|model| floats(model.vision_tensor(name).unwrap()));
        let made = floats(merged.vision_tensor(name).unwrap());
        let apart = made.iter().zip(a.iter().zip(&b)).map(|(m, (a, b))| (m - 0.25 * a - 0.75 * b).abs());
        assert!(apart.fold(0.0, f32::max) < 1e-6, "{name}");
        assert_eq!(floats(seeing.vision_tensor(name).unwrap()), made);
        assert_eq!(floats(written.vision_tensor(name).unwrap()), made);
    }
    assert!(!kept.merge_into(&recipe, &mut merged).unwrap().vision);
    recipe.sources[0] = Source::new("one").with(Param::Weight, 0.5);
    assert!(kept.merge_into(&recipe, &mut merged).unwrap().vision);
    assert_ne!(merged.vision_stamp(), stamp);
    // A model of text has no vision part.
    let mut blind = Recipe::uniform(&model("qbase"), &[model("qvlm")], Method::TaskArithmetic, 0.5);
    blind.vision = VisionRule::Merge;
    let pool = gather(&blind).unwrap();
    let why = pool.merge_into(&blind, &mut Merged::new(&pool)).unwrap_err().to_string();
    assert!(why.contains("vision") && why.contains("qbase") && why.contains("leave it out"), "{why}");
}

#[test]
fn the_recipe_says_whose_rotary_base_and_window_a_merge_gets() {
    let mut recipe =
        Recipe::uniform(&model("base"), &[model("ja"), model("vlm")], Method::TaskArithmetic, 0.5);
    let config = |recipe: &Recipe| -> Result<(f64, Option<usize>), String> {
        let pool = gather(recipe).map_err(|e| e.to_string())?;
        let out = tempfile::tempdir().unwrap();
        let out = out.path().join("merged");
        write_checkpoint(recipe, &pool, &out).map_err(|e| e.to_string())?;
        let written = Checkpoint::open(out.to_str().unwrap()).unwrap();
        assert_eq!(written.vision_config().unwrap().image_token, 40);
        Ok((written.config().rope.theta, written.config().sliding_window))
    };
    let told = |recipe: &Recipe| gather(recipe).unwrap().settings_taken(recipe);
    assert_eq!(config(&recipe), Ok((10_000.0, None)));
    let [only] = told(&recipe).try_into().unwrap();
    for needle in ["rotary base", "base (10000)", "1000000 in", "vlm", "[config] rope"] {
        assert!(only.contains(needle), "{needle}: {only}");
    }
    recipe.config.rope = Some(Rope::Of(model("vlm")));
    recipe.config.window = Some(Window::Tokens(32));
    assert_eq!(config(&recipe), Ok((1_000_000.0, Some(32))));
    assert_eq!(told(&recipe), Vec::<String>::new());
    recipe.config.rope = Some(Rope::Base(5e5));
    recipe.config.window = Some(Window::None);
    assert_eq!(config(&recipe), Ok((5e5, None)));
    recipe.config.rope = Some(Rope::Of("elsewhere".into()));
    assert!(config(&recipe).unwrap_err().contains("config.rope is elsewhere"));
}

#[test]
fn a_union_of_vocabularies_keeps_the_token_for_pictures() {
    let mut recipe =
        Recipe::uniform(&model("base"), &[model("other"), model("vlm")], Method::TaskArithmetic, 0.5);
    let spec = |source| TokenizerSpec { source, tokens: Vec::new(), pad_to_multiple_of: None };
    recipe.tokenizer = Some(spec(TokenizerSource::Union));
    let pool = gather(&recipe).unwrap();
    let out = tempfile::tempdir().unwrap();
    let out = out.path().join("merged");
    write_checkpoint(&recipe, &pool, &out).unwrap();
    let written = Checkpoint::open(out.to_str().unwrap()).unwrap();
    let vision = written.vision_config().unwrap();
    let tokens: serde_json::Value = serde_json::from_slice(&written.tokenizer_json().unwrap()).unwrap();
    let added = tokens["added_tokens"].as_array().unwrap();
    let row = added
        .iter()
        .find(|t| t["content"] == "<image>")
        .map_or(&tokens["model"]["vocab"]["<image>"], |t| &t["id"]);
    assert_eq!((row.as_u64(), vision.raw["image_token_index"].as_u64()), (Some(40), Some(40)));
    // The base's vocabulary has no such token.
    recipe.tokenizer = Some(spec(TokenizerSource::Base));
    let why = gather(&recipe).err().unwrap().to_string();
    assert!(why.contains("<image>") && why.contains("union"), "{why}");
}

#[test]
fn distances_compare_the_rows_that_all_models_have() {
    let (base, sources) = (open("base"), [open("ja"), open("vlm")]);
    let found = distances(&base, &sources, &yosegi::progress::Observer::none()).unwrap();
    assert_eq!(found.left_out, 0);
    assert!(found.norms.iter().all(|norms| norms.iter().all(|n| *n > 0.0 && *n < 1.0)), "{:?}", found.norms);
    // Sizes of the vocabulary differ on the other side too.
    let [ja, vlm] = sources;
    assert_eq!(distances(&vlm, &[ja, base], &yosegi::progress::Observer::none()).unwrap().left_out, 0);
}

#[test]
fn a_path_over_a_llava_model_is_written_as_one() {
    let text = format!(
        "method = \"passthrough\"\nbase = {0:?}\npath = [{{ model = {0:?}, layer = 0 }}, {{ model = {1:?}, layer = 1, scale = 1.25 }}, {{ model = {0:?}, layer = 1 }}]\n",
        model("qvlm"),
        model("qbase")
    );
    let recipe = Recipe::from_toml(&text, "p.toml").unwrap();
    let open = |name: &str| Ok(Checkpoint::open(name)?);
    let models = PathModels::open(&PathModels::names(&recipe, &[]), open).unwrap();
    let out = tempfile::tempdir().unwrap();
    let out = out.path().join("path");
    path_export::export(
        &recipe,
        &models,
        &out,
        f64::INFINITY,
        &Device::Cpu,
        &Options::default(),
        &yosegi::progress::Observer::none(),
    )
    .unwrap();
    let (written, giver) = (Checkpoint::open(out.to_str().unwrap()).unwrap(), super::open("qvlm"));
    assert_eq!((written.config().num_hidden_layers, written.config().vocab_size), (3, 44));
    for name in giver.vision_names() {
        assert_eq!(written.vision_tensor(name).unwrap().data, giver.vision_tensor(name).unwrap().data);
    }
    assert_eq!(written.vision_names(), giver.vision_names());
    let card = fs::read_to_string(out.join("README.md")).unwrap();
    assert!(card.contains("image-text-to-text") && card.contains("reads pictures"), "{card}");
}
