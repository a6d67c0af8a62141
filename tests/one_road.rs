//! Every command takes every form of recipe, and gives the same answers: continued from the recipe or
//! from the checkpoint that it makes, scored alone, beside another, or over a session's models.

#![allow(clippy::unwrap_used)] // a broken fixture should stop it

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::AtomicBool;

use serde_json::Value;
use yosegi::evaluate::{Ask, EvalRequest, EvalSetup, Evaluator, Target, TaskSpec};
use yosegi::recipe::RecipeFile;
use yosegi::task::Split;

const BASE: &str = "zoo:base";

/// A merge of two models in the forms that model cards have: name, notation, text.
const FORMS: [(&str, &str, &str); 18] = [
    (
        "models",
        "yaml",
        "merge_method: slerp\nbase_model: zoo:base\nmodels: [{model: zoo:base}, {model: zoo:ja}]\nparameters: {t: 0.5}\n",
    ),
    (
        "slices",
        "yaml",
        "slices:\n  - sources: [{model: zoo:base, layer_range: [0, 5]}, {model: zoo:ja, layer_range: [0, 5]}]\n\
         merge_method: slerp\nbase_model: zoo:base\nparameters:\n  t:\n    - {filter: self_attn, value: [0, 0.5, 1]}\n    - value: 0.5\n",
    ),
    (
        "stacked",
        "yaml",
        "slices:\n  - sources: [{model: zoo:base, layer_range: [0, 4]}]\n  - sources: [{model: zoo:ja, layer_range: [2, 5]}]\n\
         merge_method: passthrough\n",
    ),
    (
        "pruned",
        "yaml",
        "slices:\n  - sources: [{model: zoo:base, layer_range: [0, 2]}]\n  - sources: [{model: zoo:ja, layer_range: [3, 5]}]\n\
         merge_method: passthrough\n",
    ),
    (
        "module",
        "yaml",
        "merge_method: linear\nmodules: {default: {models: [{model: zoo:base}, {model: zoo:ja}]}}\nparameters: {weight: 0.5}\n",
    ),
    (
        "no base",
        "yaml",
        "merge_method: linear\nmodels: [{model: zoo:math-add}, {model: zoo:ja}]\nparameters: {weight: 0.5}\n",
    ),
    (
        "tokenizer of the base",
        "yaml",
        "merge_method: linear\nbase_model: zoo:base\nmodels: [{model: zoo:base}, {model: zoo:ja}]\nparameters: {weight: 0.5}\n\
         tokenizer_source: base\n",
    ),
    (
        "union",
        "yaml",
        "merge_method: linear\nmodels: [{model: zoo:base}, {model: zoo:ja}]\nparameters: {weight: 0.5}\n\
         tokenizer: {source: union, tokens: {<new>: {source: {kind: model_token, model: zoo:ja, token_id: 5}}}, pad_to_multiple_of: 8}\n",
    ),
    (
        "tokenizer of another",
        "yaml",
        "merge_method: linear\nmodels: [{model: zoo:base}, {model: zoo:ja}]\nparameters: {weight: 0.5}\n\
         tokenizer_source: zoo:math-mul\n",
    ),
    (
        "chat template",
        "yaml",
        "merge_method: linear\nmodels: [{model: zoo:base}, {model: zoo:ja}]\nparameters: {weight: 0.5}\nchat_template: chatml\n",
    ),
    (
        "several",
        "yaml",
        "name: first\nmerge_method: linear\nmodels: [{model: zoo:base}, {model: zoo:ja}]\nparameters: {weight: 0.5}\n---\n\
         merge_method: task_arithmetic\nbase_model: zoo:base\nmodels: [{model: first}, {model: zoo:math-add}]\nparameters: {weight: 0.6}\n",
    ),
    (
        "several in toml",
        "toml",
        "[[recipe]]\nname = \"first\"\nmethod = \"ties\"\nbase = \"zoo:base\"\ndensity = 0.5\n\
         source = [{ model = \"zoo:ja\", weight = 0.7 }, { model = \"zoo:math-add\", weight = 0.7 }]\n\
         [[recipe]]\nname = \"second\"\nmethod = \"linear\"\nsource = [{ model = \"first\", weight = 1.0 }, { model = \"zoo:ja\", weight = 0.2 }]\n\
         [[recipe]]\nmethod = \"linear\"\nsource = [{ model = \"second\", weight = 1.0 }, { model = \"first\", weight = 1.0 }]\n",
    ),
    (
        "adapter",
        "yaml",
        "merge_method: task_arithmetic\nbase_model: zoo:base\nmodels: [{model: zoo:base+./adapter}, {model: zoo:ja}]\nparameters: {weight: 0.5}\n",
    ),
    (
        "adapter on a result",
        "yaml",
        "name: first\nmerge_method: linear\nmodels: [{model: zoo:base}, {model: zoo:ja}]\nparameters: {weight: 0.5}\n---\n\
         merge_method: linear\nmodels: [{model: first+./adapter}, {model: zoo:math-add}]\nparameters: {weight: 0.5}\n",
    ),
    (
        "aligned",
        "toml",
        "method = \"task_arithmetic\"\nbase = \"zoo:base\"\nalign = \"weights\"\nsource = [{ model = \"zoo:ja\", weight = 0.5 }]\n",
    ),
    (
        "folder",
        "yaml",
        "merge_method: linear\nmodels: [{model: ./ja}, {model: zoo:base}]\nparameters: {weight: 0.5}\n",
    ),
    (
        "several layers deep",
        "toml",
        "method = \"passthrough\"\nbase = \"zoo:base\"\nsource = [{ model = \"zoo:ja\" }]\n",
    ),
    (
        "unknown keys",
        "yaml",
        "merge_method: linear\nmodels: [{model: zoo:base, note: x}, {model: zoo:ja}]\nparameters: {weight: 0.5}\nauthor: me\n",
    ),
];

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.run(&["zoo", "--out", "zoo"]);
        fs::rename(place.path("zoo/ja"), place.path("ja")).unwrap();
        adapter(&place.path("adapter"));
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, number: usize, notation: &str, text: &str) -> String {
        let name = format!("r{number}.{notation}");
        fs::write(self.path(&name), text).unwrap();
        name
    }

    fn try_run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_yosegi"));
        command.env("YOSEGI_HOME", self.path("home")).env("HF_HUB_OFFLINE", "1");
        command.current_dir(self.0.path()).stdin(Stdio::null()).args(args).output().unwrap()
    }

    fn run(&self, args: &[&str]) -> String {
        let out = self.try_run(args);
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.run(args)).unwrap()
    }

    /// What a model or recipe continues the same prompt with.
    fn continued(&self, model: &str, more: &[&str]) -> Value {
        let prompt =
            ["--prompt", "Q: りんごが3個あります。", "--max-tokens", "12", "--json", "--device", "cpu"];
        self.json(&[&["generate", model][..], &prompt, more].concat())["tokens"].clone()
    }

    /// What it answers to the first questions.
    fn answers(&self, model: &str, more: &[&str]) -> Vec<String> {
        let asked = ["--task", "zoo", "--limit", "3", "--json", "--device", "cpu"];
        texts(&self.json(&[&["eval", model][..], &asked, more].concat())["answers"])
    }
}

fn texts(answers: &Value) -> Vec<String> {
    answers.as_array().unwrap().iter().map(|a| a["text"].as_str().unwrap().to_owned()).collect()
}

/// A `LoRA` adapter for the zoo: noise of rank 2 on the first block's queries.
fn adapter(folder: &Path) {
    fs::create_dir(folder).unwrap();
    let config = r#"{"peft_type":"LORA","r":2,"lora_alpha":4,"target_modules":["q_proj"]}"#;
    fs::write(folder.join("adapter_config.json"), config).unwrap();
    let shape = |name: &str| {
        let model = yosegi::checkpoint::Checkpoint::open(BASE).unwrap();
        model.extent(name).unwrap().1.to_vec()
    };
    let [rows, columns] = shape("model.layers.0.self_attn.q_proj.weight")[..] else { panic!("no matrix") };
    let key = |part: &str| format!("base_model.model.model.layers.0.self_attn.q_proj.lora_{part}.weight");
    let (a, b) = (2 * columns * 4, rows * 2 * 4);
    let header = serde_json::json!({
        key("A"): {"dtype": "F32", "shape": [2, columns], "data_offsets": [0, a]},
        key("B"): {"dtype": "F32", "shape": [rows, 2], "data_offsets": [a, a + b]},
    })
    .to_string();
    let mut state = 9_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 8) as f32 / 8_388_608.0 - 1.0) * 0.2
    };
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend((0..(a + b) / 4).flat_map(|_| noise().to_le_bytes()));
    fs::write(folder.join("adapter_model.safetensors"), bytes).unwrap();
}

#[test]
fn every_command_takes_every_form_and_agrees() {
    let place = Place::new();
    for (number, (form, notation, text)) in FORMS.iter().enumerate() {
        let file = place.put(number, notation, text);
        let more: &[&str] = if *form == "unknown keys" { &["--lenient"] } else { &[] };
        let out = format!("out{number}");
        place.run(&[&["recipe", "check", &file][..], more].concat());
        place.run(&[&["merge", &file, "--dry-run"][..], more].concat());
        place.run(&[&["merge", &file, "--out", &out][..], more].concat());
        assert_eq!(place.continued(&file, more), place.continued(&out, &[]), "{form}");
        let wanted = place.answers(&out, &[]);
        assert_eq!(place.answers(&file, more), wanted, "{form}");
        let compare = ["--task", "zoo", "--limit", "3", "--json", "--device", "cpu"];
        let told = place.json(&[&["compare", &out, &file][..], &compare, more].concat());
        assert_eq!((&told["right_a"], &told["gained"]), (&told["right_b"], &serde_json::json!([])), "{form}");
        if !more.is_empty() {
            let refused = |args: &[&str]| {
                let out = place.try_run(args);
                let said = String::from_utf8_lossy(&out.stderr).into_owned();
                assert!(out.status.code() == Some(2) && said.contains("unknown key"), "{args:?}: {said}");
            };
            refused(&["generate", &file, "--prompt", "x"]);
            refused(&["eval", &file, "--task", "zoo"]);
            refused(&["compare", &out, &file, "--task", "zoo"]);
        }
    }
}

/// What a session's worker does of a recipe that is tried or put in by hand: over the session's models
/// where they are all that it needs, over others where not, one after the other in any order.
#[test]
fn a_session_takes_every_form_too() {
    let place = Place::new();
    let zoo = || vec![TaskSpec::whole("zoo")];
    let session = EvalSetup {
        base: BASE.to_owned(),
        sources: ["zoo:ja", "zoo:math-add"].map(str::to_owned).to_vec(),
        ..EvalSetup::of_tasks(zoo(), "cpu", 0)
    };
    let alone = EvalSetup::of_tasks(zoo(), "cpu", 0);
    let ask = [Ask { split: Split::Test, questions: vec![0, 1] }];
    let answers = |evaluator: &mut Evaluator, setup: &EvalSetup, target: &Target| -> Vec<String> {
        let request = EvalRequest { setup, target, ask: &ask, watch: &[], decoding: None };
        let (measured, _) = evaluator.evaluate(&request, &|_| (), &AtomicBool::new(false)).unwrap();
        measured[0].answers.iter().map(|a| a.text.clone()).collect()
    };
    let mut shared = Evaluator::default();
    let mut wanted = Vec::new();
    let here = place.path("").display().to_string();
    let targets: Vec<Target> = FORMS
        .iter()
        .enumerate()
        .map(|(number, (_, notation, text))| {
            let file = place.put(number, notation, &text.replace("./", &here));
            let recipe = RecipeFile::open(&place.path(&file), true).unwrap().into_recipe().unwrap();
            // As it goes to a worker, and into a journal.
            let sent = serde_json::to_string(&Target::Recipe(Box::new(recipe))).unwrap();
            serde_json::from_str(&sent).unwrap()
        })
        .collect();
    for target in &targets {
        wanted.push(answers(&mut Evaluator::default(), &alone, target));
    }
    assert!(wanted.windows(2).any(|w| w[0] != w[1]));
    for round in
        [targets.iter().zip(&wanted).collect::<Vec<_>>(), targets.iter().zip(&wanted).rev().collect()]
    {
        for (number, (target, wanted)) in round.into_iter().enumerate() {
            assert_eq!(&answers(&mut shared, &session, target), wanted, "{number}: {target:?}");
        }
    }
}

/// A template that the recipe asks for is the one that a task of chats goes through.
#[test]
fn the_recipes_chat_template_is_used() {
    let place = Place::new();
    let task = "name = \"chats\"\nprompt = \"{{ question }}\"\nchat = true\nmax_new_tokens = 8\nstop = [\"\\n\"]\n\
                scorer = \"number\"\n[test]\ndata = \"d.jsonl\"\n";
    fs::write(place.path("chats.toml"), task).unwrap();
    fs::write(place.path("d.jsonl"), "{\"question\":\"りんごが3個\",\"answer\":\"3\"}\n").unwrap();
    let merge =
        "merge_method: linear\nmodels: [{model: zoo:base}, {model: zoo:ja}]\nparameters: {weight: 0.5}\n";
    let file = place.put(0, "yaml", &format!("{merge}chat_template: chatml\n"));
    let none = place.put(1, "yaml", merge);
    let args = ["--task", "chats.toml", "--json", "--device", "cpu"];
    place.run(&["merge", &file, "--out", "out"]);
    let of = |model: &str| texts(&place.json(&[&["eval", model][..], &args].concat())["answers"]);
    assert_eq!(of(&file), of("out"));
    let refused = place.try_run(&[&["eval", &none][..], &args].concat());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("chat template"));
    // A path has its base's.
    let path = "method = \"passthrough\"\nbase = \"zoo:base\"\nchat_template = \"alpaca\"\n\
                path = [{ model = \"zoo:base\", layer = 0 }, { model = \"zoo:ja\", layer = 4, scale = 0.9 }]\n";
    let path = place.put(2, "toml", path);
    of(&path);
    place.run(&["merge", &path, "--out", "folded"]);
    let written = fs::read_to_string(place.path("folded/chat_template.jinja")).unwrap();
    assert!(written.contains("### Response"), "{written}");
}

/// What a merge makes of finite models is finite, or told with its tensor, by every command alike.
#[test]
fn a_merge_that_overflows_is_told_everywhere() {
    let place = Place::new();
    let merge = |weight: &str| {
        format!(
            "method = \"task_arithmetic\"\nbase = \"zoo:base\"\nsource = [{{ model = \"zoo:ja\", weight = {weight} }}]\n"
        )
    };
    let narrow = "method = \"linear\"\nout_dtype = \"float16\"\nnormalize = false\n\
                  source = [{ model = \"zoo:ja\", weight = 1e7 }, { model = \"zoo:base\", weight = 1.0 }]\n";
    for (number, text) in
        [merge("1e308"), merge("-1e308"), merge("1e40"), narrow.to_owned()].iter().enumerate()
    {
        let file = place.put(number, "toml", text);
        let out = format!("out{number}");
        for args in [
            vec!["merge", &file, "--out", &out],
            vec!["generate", &file, "--prompt", "x", "--device", "cpu"],
            vec!["eval", &file, "--task", "zoo", "--limit", "1", "--device", "cpu"],
            vec!["compare", "zoo:base", &file, "--task", "zoo", "--limit", "1", "--device", "cpu"],
        ] {
            let told = place.try_run(&args);
            let said = String::from_utf8_lossy(&told.stderr).into_owned();
            assert_eq!(told.status.code(), Some(2), "{args:?}: {said}");
            for word in ["model.", "values NaN or infinite", "--allow-non-finite"] {
                assert!(said.contains(word), "{args:?}: {said}");
            }
            assert!(!place.path(&out).exists(), "{args:?}");
        }
        place.run(&["merge", &file, "--out", &out, "--allow-non-finite"]);
    }
}

/// A search begins from the forms that say the same as its space, also by relative folders, and passes over
/// unknown keys where it is told to, on the command line or in the config.
#[test]
fn a_search_begins_from_any_notation() {
    let place = Place::new();
    let config = |lenient: &str, stages: bool| {
        let (open, close) = if stages { ("[[stage]]\n", "stage.") } else { ("", "") };
        format!(
            "name = \"warm\"\ndevice = \"cpu\"\n[pool]\nbase = \"./zoo/base\"\nsources = [\"./ja\", \"zoo:math-add\"]\n\
             [task]\nuse = \"zoo\"\ntrain_limit = 2\ntest_limit = 2\n{open}\
             [{close}space]\nmethod = \"task_arithmetic\"\nweight = {{ min = -0.5, max = 1.5 }}\n\
             [{close}search]\nstart = \"start.yaml\"\n{lenient}\n[{close}budget]\nevaluations = 4\n"
        )
    };
    let start = "slices: [{sources: [{model: zoo/base, layer_range: [0, 5]}, {model: ja, layer_range: [0, 5], parameters: {weight: 0.7}}]}]\n\
                 merge_method: task_arithmetic\nbase_model: zoo/base\ntokenizer_source: base\nauthor: me\n";
    fs::write(place.path("start.yaml"), start).unwrap();
    let evolve = |name: &str, lenient: &str, stages: bool, more: &[&str]| {
        fs::write(place.path("c.toml"), config(lenient, stages)).unwrap();
        place.try_run(&[&["evolve", "c.toml", "--headless", "--json", "--name", name][..], more].concat())
    };
    let strict = evolve("strict", "", false, &[]);
    let said = String::from_utf8_lossy(&strict.stderr).into_owned();
    assert!(!strict.status.success() && said.contains("search.start") && said.contains("author"), "{said}");
    for (name, key, stages, more) in [
        ("told", "lenient = true", false, &[][..]),
        ("asked", "", false, &["--lenient"][..]),
        ("staged", "", true, &["--lenient"][..]),
    ] {
        let done = evolve(name, key, stages, more);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let text = String::from_utf8(done.stdout).unwrap();
        let created: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        let start = created.to_string();
        // Six groups of the first source, then of the one that it does not name.
        let wanted = format!("\"start\":[{}]", [["0.7"; 6].join(","), ["0.0"; 6].join(",")].join(","));
        assert!(start.contains(&wanted), "{start}");
    }
}

/// In a session such a candidate fails with the sentence, at once, and the session goes on to its end.
#[test]
fn a_candidate_that_overflows_ranks_last() {
    let place = Place::new();
    let file = place.path("ja/model.safetensors");
    let mut bytes = fs::read(&file).unwrap();
    let last = bytes.len() - 2;
    // 1e38 as the last weight.
    bytes[last..].copy_from_slice(&[0x96, 0x7e]);
    fs::write(&file, bytes).unwrap();
    let config = "name = \"large\"\ndevice = \"cpu\"\n[pool]\nbase = \"zoo:base\"\nsources = [\"./ja\", \"zoo:math-add\"]\n\
                  [task]\nuse = \"zoo\"\ntrain_limit = 2\ntest_limit = 2\n\
                  [space]\nmethod = \"task_arithmetic\"\ngroups = \"global\"\nweight = { min = -2.0, max = 100000.0 }\n\
                  [search]\nalgorithm = \"random\"\npopulation = 4\n[budget]\nevaluations = 8\n";
    fs::write(place.path("c.toml"), config).unwrap();
    let out = place.try_run(&["evolve", "c.toml", "--headless", "--json"]);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{said}");
    assert!(!said.contains("trying again"), "{said}");
    let events = String::from_utf8(out.stdout).unwrap();
    let failed = events.lines().filter(|line| line.contains("values NaN or infinite")).count();
    assert!(failed > 0 && events.contains("\"event\":\"finished\""), "{events}");
}
