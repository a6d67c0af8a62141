//! Different notations of the same recipe, and texts that are too long.

use super::super::{RecipeFile, Rope, VisionRule, Window};
use super::{read, refused};

/// Recipes in other notations become the same recipe of whole models.
#[test]
fn other_words_for_whole_models() {
    let yaml = |text: &str| RecipeFile::from_yaml(text, "m.yml", false).unwrap().into_recipe().unwrap();
    let plain = yaml(
        "merge_method: ties\nbase_model: b\nparameters: {density: 0.5, normalize: false}\n\
         models: [{model: a, parameters: {weight: 0.7}}, {model: c, parameters: {weight: [0, 1]}}]\n",
    );
    let slices = "merge_method: ties\nparameters: {density: 0.1, normalize: false}\nslices:\n  - base_model: b\n    \
                  parameters: {density: 0.5}\n    sources: [{model: b, layer_range: [0, 4]}, {model: a, layer_range: [0, 4], \
                  parameters: {weight: 0.7}}, {model: c, layer_range: [0, 4], parameters: {weight: [0, 1]}}]\n";
    assert_eq!(yaml(slices).as_whole_models(4), plain);
    assert_eq!(yaml(slices).as_whole_models(5), yaml(slices), "not all of five");
    let module = "merge_method: ties\nbase_model: b\ntokenizer_source: base\nparameters: {density: 0.1, normalize: false}\n\
                  modules: {default: {parameters: {density: 0.5}, models: [{model: a, parameters: {weight: 0.7}}, \
                  {model: c, parameters: {weight: [0, 1]}}]}}\n";
    assert_eq!(yaml(module).as_whole_models(4), plain);
    assert_eq!(plain.as_whole_models(4), plain);
}

fn texts(many: usize, text: impl Fn(usize) -> String) -> String {
    (0..many).map(text).collect::<Vec<_>>().concat()
}

/// A text of a hundred thousand parts is read or refused immediately; comparing all pairs of parts would take minutes.
#[test]
fn long_texts_are_refused_by_their_number() {
    let n = 100_000;
    let sources: String = texts(n, |i| format!("[[source]]\nmodel = \"m{i}\"\nweight = 1\n"));
    refused(&format!("method = \"linear\"\n{sources}"), &["r.toml", "source gives 100000 entries", "4096"]);
    refused(&format!("method = \"linear\"\n{}", sources.replace("m1\"", "m0\"")), &["100000 entries"]);
    let fewer: String = texts(2000, |i| format!("[[source]]\nmodel = \"m{i}\"\nweight = 1\n"));
    refused(&format!("method = \"linear\"\n{fewer}"), &["source gives 2000 models", "1024"]);
    let steps: String = texts(n, |i| format!("[[path]]\nmodel = \"m\"\nlayer = 0\n# {i}\n"));
    refused(&format!("method = \"passthrough\"\nbase = \"m\"\n{steps}"), &["path gives 100000 entries"]);
    let slices: String =
        texts(n, |i| format!("[[slice]]\nsource = [{{ model = \"m{i}\", layers = [0, 1] }}]\n"));
    refused(&format!("method = \"passthrough\"\n{slices}"), &["slice gives 100000 entries"]);
    let filters = vec!["{ filter = \"mlp\", value = 1.0 }"; n].join(", ");
    let one =
        |weight: &str| format!("method = \"linear\"\nsource = [{{ model = \"m\", weight = {weight} }}]\n");
    refused(&one(&format!("[{filters}]")), &["has 100000 filters"]);
    // A gradient may have any number of points.
    assert!(read(&one(&format!("[{}]", vec!["0.5"; n].join(", ")))).is_ok());
    let many: String = texts(n, |i| {
        format!(
            "[[recipe]]\nname = \"r{i}\"\nmethod = \"linear\"\nsource = [{{ model = \"m\", weight = 1 }}]\n"
        )
    });
    let error = RecipeFile::from_toml(&many, "r.toml", false).unwrap_err().to_string();
    assert!(error.contains("holds 100000 recipes"), "{error}");
    refused(
        "method = \"passthrough\"\n[[slice]]\nsource = [{ model = \"m\", layers = [0, 9223372036854775807] }]\n",
        &["no model has over 4096"],
    );

    let yaml = |text: &str| RecipeFile::from_yaml(text, "m.yml", false).unwrap_err().to_string();
    let models: String = texts(n, |i| format!("  - {{model: m{i}, parameters: {{weight: 1}}}}\n"));
    let error = yaml(&format!("merge_method: linear\nmodels:\n{models}"));
    assert!(error.contains("models gives 100000 entries"), "{error}");
    let tokens: String = texts(n, |i| format!("    t{i}: {{source: a}}\n"));
    let text = format!(
        "merge_method: linear\nmodels: [{{model: a, parameters: {{weight: 1}}}}]\ntokenizer:\n  source: union\n  tokens:\n{tokens}"
    );
    assert_eq!(
        RecipeFile::from_yaml(&text, "m.yml", false).unwrap().recipes[0]
            .tokenizer
            .as_ref()
            .unwrap()
            .tokens
            .len(),
        n
    );
    let documents =
        "---\nmerge_method: linear\nname: a\nmodels: [{model: a, parameters: {weight: 1}}]\n".repeat(n / 10);
    assert!(yaml(&documents).contains("10000 recipes"), "{}", yaml(&documents));
}

/// What stands beside the tensors goes through both notations, and is checked with its key.
#[test]
fn config_and_vision_are_read_written_and_checked() {
    let text = |more: &str, config: &str| {
        format!(
            "method = \"task_arithmetic\"\nbase = \"b\"\n{more}\n[config]\n{config}\n[[source]]\nmodel = \"a\"\nweight = 0.5\n"
        )
    };
    for (config, expected) in [
        ("rope = \"a\"\nwindow = \"b\"", (Some(Rope::Of("a".into())), Some(Window::Of("b".into())))),
        ("rope = 10000.0\nwindow = 4096", (Some(Rope::Base(10_000.0)), Some(Window::Tokens(4096)))),
        ("rope = 10000", (Some(Rope::Base(10_000.0)), None)),
        ("window = \"none\"", (None, Some(Window::None))),
        ("", (None, None)),
    ] {
        for vision in [VisionRule::Keep, VisionRule::Merge] {
            let more = if vision.is_keep() { "" } else { "vision = \"merge\"" };
            let recipe = read(&text(more, config)).unwrap();
            assert_eq!((recipe.config.rope.clone(), recipe.config.window.clone()), expected);
            assert_eq!(recipe.vision, vision);
            assert_eq!(read(&recipe.to_toml()).unwrap(), recipe);
            let yaml = recipe.to_yaml().unwrap();
            assert_eq!(RecipeFile::from_yaml(&yaml, "r.yml", false).unwrap().into_recipe().unwrap(), recipe);
            let json = serde_json::to_string(&recipe).unwrap();
            assert_eq!(serde_json::from_str::<super::Recipe>(&json).unwrap(), recipe);
            let original = text(more, config);
            assert_eq!(read(&recipe.write_back(&original)).unwrap(), recipe);
        }
    }
    let mut renamed = read(&text("", "rope = \"a\"\nwindow = \"b\"")).unwrap();
    renamed.rename_models(&|name| Some(format!("x/{name}")));
    assert_eq!(renamed.config.models().map(|(_, model)| model).collect::<Vec<_>>(), ["x/a", "x/b"]);
    refused(&text("", "rope = \"c\""), &["r.toml:5", "config.rope is c", "takes no part"]);
    refused(&text("", "rope = 0"), &["config.rope is 0", "above 0"]);
    refused(&text("", "window = 0"), &["config.window is 0", "none"]);
    refused(&text("", "window = 1.5"), &["config.window", "number of tokens"]);
    refused(&text("", "ropes = 1"), &["config.ropes", "did you mean rope?"]);
    refused(&text("vision = \"drop\"", ""), &["r.toml:3", "vision", "keep", "merge"]);
    refused(
        "method = \"passthrough\"\nbase = \"b\"\npath = [{ model = \"a\", layer = 0 }]\n[config]\nwindow = 5\n",
        &["config", "path"],
    );
    refused(
        "method = \"passthrough\"\nvision = \"merge\"\n[[slice]]\nsource = [{ model = \"a\", layers = [0, 2] }]\n",
        &["vision", "whole models"],
    );
}
