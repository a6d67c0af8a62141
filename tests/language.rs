//! The language that a task asks for: none where its file names none, and named wherever figures
//! stand.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use yosegi::task::{Places, Question, Task};

fn yosegi(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_yosegi"));
    command.args(args).current_dir(folder).env("YOSEGI_HOME", folder.join("home")).env("YOSEGI_LANG", "en");
    command.stdin(std::process::Stdio::null()).output().unwrap()
}

fn text(output: &Output) -> String {
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{error}");
    format!("{out}{error}")
}

const TASK: &str = "name = 'sums'\nprompt = '{{ question }}='\nmax_new_tokens = 4\n\
    [train]\ndata = 'train.jsonl'\n[test]\ndata = 'test.jsonl'\n";

/// A folder with the task in the language `named`, and a session of it.
fn folder(named: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let row = |a: u32| format!("{{\"question\":\"{a}+2\",\"answer\":\"{}\"}}\n", a + 2);
    write("train.jsonl", &(1..5).map(row).collect::<String>());
    write("test.jsonl", &(5..8).map(row).collect::<String>());
    write("task.toml", &TASK.replace("[train]", &format!("{named}\n[train]")));
    let answers = "{\"id\":\"1\",\"gold\":\"3\",\"text\":\"The answer is 3 as anybody can see.\"}\n\
        {\"id\":\"2\",\"gold\":\"4\",\"text\":\"答えは4個です。\"}\n";
    write("a.jsonl", answers);
    write("b.jsonl", &answers.replace("4個", "5個"));
    let config = "name = 's'\n[pool]\nbase = 'zoo:base'\nsources = ['zoo:ja', 'zoo:math-add']\n\
        [task]\nuse = 'task.toml'\n[space]\nmethod = 'task_arithmetic'\ngroups = 'global'\nweight = { min = 0.0, max = 1.0 }\n[search]\npopulation = 4\n[budget]\nevaluations = 4\n";
    write("s.toml", config);
    folder
}

#[test]
fn without_a_language_none_is_asked_for() {
    let folder = folder("");
    let say = |args: &[&str]| text(&yosegi(folder.path(), args));
    let json =
        |args: &[&str]| -> Value { serde_json::from_slice(&yosegi(folder.path(), args).stdout).unwrap() };
    let score = ["score", "--task", "task.toml", "--answers", "a.jsonl"];
    let found = json(&[&score[..], &["--json"]].concat());
    assert_eq!((found["acc"].as_f64(), found["acc_ja"].as_f64()), (Some(1.0), Some(1.0)));
    assert!(found["answers"][0]["right_language"].as_bool().unwrap());
    assert!(say(&score).contains("2 answers: right 100.0%; acc 100.0"));
    let compare = ["compare", "a.jsonl", "b.jsonl", "--task", "task.toml"];
    let said = say(&compare);
    assert!(
        said.contains("what counts: right\n") && said.contains("lost 1 (only A right), both 1"),
        "{said}"
    );
    assert!(json(&[&compare[..], &["--json"]].concat())["language"].is_null());

    say(&["evolve", "s.toml", "--headless"]);
    let report = say(&["report", "s"]);
    assert!(report.contains("train, held out: right, in per cent\n"), "{report}");
    assert!(!report.to_lowercase().contains("japanese") && !report.contains("any lang"), "{report}");
    assert_eq!(json(&["report", "s", "--json"])["languages"], serde_json::json!(["none"]));
    say(&["report", "s", "--html", "s.html"]);
    let page = std::fs::read_to_string(folder.path().join("s.html")).unwrap();
    assert!(page.contains("training, held out: right, in per cent."), "{page}");
    assert!(!page.contains("Japanese"), "{page}");
}

#[test]
fn a_task_of_another_language_names_it() {
    let folder = folder("language = 'en'");
    let say = |args: &[&str]| text(&yosegi(folder.path(), args));
    let said = say(&["score", "--task", "task.toml", "--answers", "a.jsonl"]);
    assert!(said.contains("right and English 50.0%, right in any language 100.0%, English 50.0%"), "{said}");
    let said = say(&["compare", "a.jsonl", "b.jsonl", "--task", "task.toml"]);
    assert!(said.contains("what counts: right and English\n"), "{said}");
    say(&["evolve", "s.toml", "--headless"]);
    let report = say(&["report", "s"]);
    assert!(report.contains("any lang  english\n"), "{report}");
    assert!(
        report.contains(
            "right and English, in per cent; any lang: right in any language, and english: answers in English"
        ),
        "{report}"
    );
    say(&["report", "s", "--html", "s.html"]);
    let page = std::fs::read_to_string(folder.path().join("s.html")).unwrap();
    assert!(page.contains("<th>any language</th><th>English</th>") && !page.contains("Japanese"), "{page}");
}

/// Sessions of the time when a task without a language meant Japanese are judged as they began.
#[test]
fn earlier_sessions_keep_their_meaning() {
    for (named, asked, earlier) in [
        ("", None, Some("ja")),
        ("language = 'none'", None, None),
        ("language = 'de'", Some("de"), Some("de")),
        ("metrics = ['acc']", None, None),
    ] {
        let folder = folder(named);
        let file = folder.path().join("task.toml");
        let task = Task::load_from(file.to_str().unwrap(), &Places::from_env()).unwrap();
        assert_eq!(task.language.as_deref(), asked, "{named}");
        let english = "The answer is 3, as anybody can see for themselves.";
        let question = Question { gold: "3".into(), ..Question::default() };
        assert_eq!(task.score(&question, english).in_language, asked.is_none(), "{named}");
        let task = task.as_in_earlier_sessions();
        assert_eq!(task.language.as_deref(), earlier, "{named}");
        assert_eq!(task.score(&question, english).in_language, earlier.is_none(), "{named}");
    }
}

/// Every document of a French task says `acc_in_language`, `in_language` and `p_language`.
#[test]
fn shares_of_a_french_task_are_named_for_the_tasks_language() {
    let folder = folder("language = 'fr'");
    let config = std::fs::read_to_string(folder.path().join("s.toml")).unwrap();
    let config = config
        .replace("use = 'task.toml'", "use = 'task.toml'\nfitness = 'acc_in_language + 0.1 * in_language'");
    std::fs::write(folder.path().join("s.toml"), config).unwrap();
    let run = |args: &[&str]| text(&yosegi(folder.path(), args));
    let json =
        |args: &[&str]| -> Value { serde_json::from_slice(&yosegi(folder.path(), args).stdout).unwrap() };
    let no_japanese = |text: &str| {
        for name in ["acc_ja", "\"japanese\"", "p_ja"] {
            assert!(!text.contains(name), "{name} in {text}");
        }
    };
    let answers = "{\"id\":\"1\",\"gold\":\"3\",\"text\":\"La réponse est 3, comme tout le monde peut le voir.\"}\n\
        {\"id\":\"2\",\"gold\":\"4\",\"text\":\"答えは4個です。\"}\n";
    std::fs::write(folder.path().join("a.jsonl"), answers).unwrap();
    let score = ["score", "--task", "task.toml", "--answers", "a.jsonl", "--export", "a.csv"];
    let found = json(&[&score[..], &["--json"]].concat());
    let of = |name: &str| found[name].as_f64();
    assert_eq!((of("acc"), of("acc_in_language"), of("in_language")), (Some(1.0), Some(0.5), Some(0.5)));
    assert!(found["answers"][0]["p_language"].as_f64().unwrap() > 0.9);
    assert!(run(&score).contains("p(fr)"));
    no_japanese(&found.to_string());
    let table = std::fs::read_to_string(folder.path().join("a.csv")).unwrap();
    assert!(table.contains("p_ja,p_language") && table.lines().nth(1).unwrap().contains(",fr,,"), "{table}");

    let found = json(&["eval", "zoo:base", "--task", "task.toml", "--json"]);
    assert!(found["acc_in_language"].is_number() && found["in_language"].is_number(), "{found}");
    let block = found["results"].as_object().unwrap().values().next().unwrap();
    assert!(block["acc_in_language,none"].is_number(), "{block}");
    assert!(found["answers"][0]["p_language"].is_number() && found["answers"][0]["in_language"].is_boolean());
    no_japanese(&found.to_string());

    let events =
        String::from_utf8(yosegi(folder.path(), &["evolve", "s.toml", "--headless", "--json"]).stdout)
            .unwrap();
    assert!(events.contains("\"acc_in_language\":") && events.contains("\"in_language\":"), "{events}");
    let report = json(&["report", "s", "--json"]);
    assert!(report["comparison"][0]["train"]["acc_in_language"].is_number(), "{report}");
    for document in [events, report.to_string()] {
        no_japanese(&document);
    }
}
