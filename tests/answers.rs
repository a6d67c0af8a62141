//! `yosegi score` and `yosegi compare` on files and on the bundled models.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::path::Path;
use std::process::{Command, Output};

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use serde_json::Value;

fn yosegi(folder: &Path, args: &[&str]) -> Output {
    let home = folder.join("home");
    Command::new(env!("CARGO_BIN_EXE_yosegi"))
        .args(args)
        .env("YOSEGI_HOME", home)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

const A: &str = r#"{"id":"x1","gold":"1,234","text":"合計は1,234円です。"}
{"id":"x2","gold":18,"text":"答えは18個です。"}

{"id":"x3","gold":"18","text":"So the answer is 18."}
{"id":"x4","gold":["5","6"],"text":"わかりません。\u001b[Km"}
"#;

#[test]
fn answers_from_elsewhere_are_scored() {
    let here = folder(&[("a.jsonl", A)]);
    let args = ["score", "--task", "zoo", "--answers", "a.jsonl"];
    let found = json(&yosegi(here.path(), &[&args[..], &["--json"]].concat()));
    assert_eq!(found["n"], 4);
    assert_eq!((found["acc"].as_f64(), found["acc_ja"].as_f64()), (Some(0.5), Some(0.25)));
    let answers = found["answers"].as_array().unwrap();
    let of = |i: usize, key: &str| answers[i][key].clone();
    assert_eq!(
        (of(0, "number"), of(0, "correct"), of(0, "lenient_correct")),
        ("234".into(), false.into(), true.into())
    );
    let text = answers[0]["text"].as_str().unwrap();
    let span: Vec<usize> =
        of(0, "span").as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as usize).collect();
    assert_eq!(&text[span[0]..span[1]], "234");
    assert_eq!(
        (of(1, "correct"), of(1, "language"), of(2, "language")),
        (true.into(), "ja".into(), "en".into())
    );
    assert!(of(1, "p_ja").as_f64().unwrap() > 0.9 && of(2, "p_ja").as_f64().unwrap() < 0.1);
    assert_eq!(of(3, "number"), Value::Null);

    let table = yosegi(here.path(), &args);
    let text = String::from_utf8(table.stdout).unwrap();
    assert_eq!(text.lines().count(), 5, "{text}");
    assert!(!text.contains('\u{1b}'));
    assert!(String::from_utf8(table.stderr).unwrap().contains("4 answers: right and Japanese 25.0%"));
}

#[test]
fn a_table_for_other_programs() {
    let here = folder(&[("a.jsonl", A)]);
    let args = ["score", "--task", "zoo", "--answers", "a.jsonl", "--json", "--export"];
    for file in ["out.csv", "out.parquet"] {
        json(&yosegi(here.path(), &[&args[..], &[file]].concat()));
    }
    let mut csv = csv::Reader::from_path(here.path().join("out.csv")).unwrap();
    let header: Vec<String> = csv.headers().unwrap().iter().map(str::to_owned).collect();
    let rows: Vec<csv::StringRecord> = csv.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 4);
    let file = std::fs::File::open(here.path().join("out.parquet")).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    let records: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
    assert_eq!(records.len(), 4);
    for (row, record) in rows.iter().zip(&records) {
        for ((name, field), (column, text)) in record.get_column_iter().zip(header.iter().zip(row)) {
            assert_eq!(name, column);
            match field {
                Field::Null => assert_eq!(text, ""),
                Field::Str(value) => assert_eq!(value, text),
                Field::Bool(value) => assert_eq!(value.to_string(), text),
                Field::Long(value) => assert_eq!(value.to_string(), text),
                Field::Double(value) => assert_eq!(value.to_string(), text),
                other => panic!("{name}: {other:?}"),
            }
        }
    }
    let column = |name: &str| header.iter().position(|h| h == name).unwrap();
    assert_eq!(&rows[0][column("extraction")], "234");
    assert_eq!((&rows[0][column("correct")], &rows[0][column("lenient_correct")]), ("false", "true"));
    assert_eq!(&rows[2][column("text")], "So the answer is 18.");

    let wrong = yosegi(here.path(), &[&args[..], &["out.xlsx"]].concat());
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8(wrong.stderr).unwrap().contains("must end in .csv or .parquet"));
}

#[test]
fn what_eval_prints_is_read_back_and_compared() {
    let here = folder(&[]);
    let eval = |model: &str, file: &str| {
        let table = format!("{file}.csv");
        let args = ["eval", model, "--task", "zoo", "--limit", "40", "--json", "--export", &table];
        let output = yosegi(here.path(), &args);
        let document = json(&output);
        std::fs::write(here.path().join(file), output.stdout).unwrap();
        document
    };
    let (base, ja) = (eval("zoo:base", "base.json"), eval("zoo:ja", "ja.json"));
    let table = csv::Reader::from_path(here.path().join("ja.json.csv")).unwrap().into_records();
    let rows: Vec<csv::StringRecord> = table.map(Result::unwrap).collect();
    assert_eq!(rows.len(), 40);
    for (row, answer) in rows.iter().zip(ja["answers"].as_array().unwrap()) {
        assert_eq!((&row[1], &row[4]), (answer["id"].as_str().unwrap(), answer["text"].as_str().unwrap()));
        assert_eq!(row[14], answer["tokens"].to_string());
        assert!(row[15].parse::<f64>().unwrap() > 0.0, "{row:?}");
    }
    let again = json(&yosegi(here.path(), &["score", "--task", "zoo", "--answers", "base.json", "--json"]));
    assert_eq!((&again["acc"], &again["acc_ja"]), (&base["acc"], &base["acc_ja"]));

    let compare = |a: &str, b: &str, more: &[&str]| {
        yosegi(here.path(), &[&["compare", a, b, "--task", "zoo", "--limit", "40"], more].concat())
    };
    let files = json(&compare("ja.json", "base.json", &["--json"]));
    let models = json(&compare("zoo:ja", "zoo:base", &["--json"]));
    for key in ["n", "gained", "lost", "both", "neither", "p", "test", "right_a", "right_b"] {
        assert_eq!(files[key], models[key], "{key}");
    }
    assert_eq!((&files["right_a"], &files["right_b"]), (&ja["acc_ja"], &base["acc_ja"]));
    let count = |key: &str| files[key].as_array().unwrap().len();
    assert_eq!(count("gained") + count("lost") + count("both") + count("neither"), 40);
    assert!(count("gained") > 0);

    let text = String::from_utf8(compare("ja.json", "base.json", &["--verbose"]).stdout).unwrap();
    let first = files["gained"][0].as_str().unwrap();
    assert!(
        text.contains(&format!("\ngained {first}\n")) && text.contains("\nA: ") && text.contains("McNemar"),
        "{text}"
    );
}

#[test]
fn mistakes_have_their_sentence() {
    let here = folder(&[
        ("empty.jsonl", "\n"),
        ("broken.jsonl", "{\"id\":\n"),
        ("list.jsonl", "[1]\n"),
        ("text.jsonl", "{\"id\":\"1\",\"gold\":\"1\"}\n"),
        ("gold.jsonl", "{\"id\":\"1\",\"gold\":{},\"text\":\"1\"}\n"),
        ("id.jsonl", "{\"id\":\"nowhere\",\"text\":\"1\"}\n"),
        (
            "twice.jsonl",
            "{\"id\":\"1\",\"gold\":1,\"text\":\"1\"}\n{\"id\":\"1\",\"gold\":1,\"text\":\"2\"}\n",
        ),
        ("other.jsonl", "{\"id\":\"other\",\"gold\":1,\"text\":\"1\"}\n"),
        ("a.jsonl", A),
    ]);
    let says = |args: &[&str]| {
        let output = yosegi(here.path(), args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    for (file, words) in [
        ("none.jsonl", "none.jsonl can't be read ("),
        ("empty.jsonl", "empty.jsonl holds no answers: give one JSON object a line"),
        ("broken.jsonl", "broken.jsonl, line 1: this is not JSON ("),
        ("list.jsonl", "list.jsonl, line 1: this is not a JSON object"),
        ("text.jsonl", "text.jsonl, line 1: there is no \"text\" that is a string"),
        ("gold.jsonl", "line 1: \"gold\" is neither text, nor a number, nor a list"),
        (
            "id.jsonl",
            "the id \"nowhere\" has no \"gold\", and the task zoo has no such question: give its gold",
        ),
        ("twice.jsonl", "answers 1 and 2 both have the id \"1\": give each its own"),
    ] {
        let error = says(&["score", "--task", "zoo", "--answers", file]);
        assert!(error.contains(words), "expected {words:?} in {error:?}");
    }
    assert!(says(&["score", "--task", "zo", "--answers", "a.jsonl"]).contains("did you mean \"zoo\"?"));
    let apart = says(&["compare", "a.jsonl", "other.jsonl", "--task", "zoo"]);
    assert!(apart.contains("have no question in common"), "{apart}");
}
