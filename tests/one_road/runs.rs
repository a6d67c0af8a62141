//! Sessions, chat templates and overflows, by every form of a recipe.

use super::*;

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
    let ask = [SplitQuestions { split: Split::Test, questions: vec![0, 1] }];
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
