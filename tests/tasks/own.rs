//! Task files, suites and data of one's own, and the sentence for each mistake.

use super::*;

/// The task file that README shows, on a data file of one's own.
#[test]
fn ten_lines_make_a_task() {
    let bench = Bench::new();
    let readme = "name = \"capitals\"\n\
        prompt = \"Q: {{ question }}\\nA:\"\n\
        stop = [\"\\n\"]\n\
        max_new_tokens = 20\n\
        metrics = [\"exact_match\"]\n\
        columns = { question = \"country\", answer = \"capital\" }\n\
        [train]\n\
        data = \"train.jsonl\"\n\
        [test]\n\
        data = \"test.jsonl\"\n";
    assert_eq!(readme.lines().count(), 10);
    bench.write(
        "train.jsonl",
        "{\"country\":\"日本\",\"capital\":\"東京\"}\n{\"country\":\"France\",\"capital\":\"Paris\"}\n",
    );
    bench.write("test.jsonl", "{\"country\":\"Italy\",\"capital\":\"Rome\"}\n");
    let task = bench.load(readme, &[Split::Train, Split::Test]).unwrap();
    assert_eq!((task.train.len(), task.test.len()), (2, 1));
    assert_eq!(task.prompt(&task.train[1]).unwrap(), "Q: France\nA:");
    assert!(task.score(&task.test[0], " Rome").correct && !task.score(&task.test[0], "Paris").correct);

    let path = bench.0.path().join("task.toml");
    let run = Command::new(env!("CARGO_BIN_EXE_yosegi"))
        .args(["eval", "zoo:base", "--json", "--task", path.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let json: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(json["n"], 1);
    assert!(json["results"]["capitals"]["exact_match,none"].is_number(), "{json}");
    assert_eq!(json["n-samples"]["capitals"]["effective"], 1);
}

#[test]
fn a_suite_of_ones_own_is_a_table_with_a_mean() {
    let bench = Bench::new();
    let choice = "name = 'colour'\nkind = 'choice'\nprompt = '{{ q }}'\nchoices = 'c'\ngold = 'a'\n\
        [test]\ndata = 'c.jsonl'\n";
    bench.write("colour.toml", choice);
    bench.write("c.jsonl", "{\"q\":\"空は\",\"c\":[\"青\",\"赤\"],\"a\":0}\n{\"q\":\"血は\",\"c\":[\"青\",\"赤\"],\"a\":\"赤\"}\n");
    bench.write("mine.toml", "name = 'mine'\ntasks = ['colour.toml', 'mgsm_de']\n");
    let path = bench.0.path().join("mine.toml");
    let run = |flag: &[&str]| {
        let run = Command::new(env!("CARGO_BIN_EXE_yosegi"))
            .env("YOSEGI_DATA", "/nowhere")
            .env("HF_HUB_CACHE", "/nowhere")
            .args(["eval", "zoo:base", "--suite", path.to_str().unwrap()])
            .args(flag)
            .output()
            .unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8(run.stdout).unwrap()
    };
    let table = run(&[]);
    assert!(
        table.contains("of 1 of the 2 tasks of mine") && table.contains("its data are not here"),
        "{table}"
    );
    let markdown = run(&["--markdown"]);
    assert!(markdown.starts_with("| Model |") && markdown.lines().count() == 3, "{markdown}");
    let json: serde_json::Value = serde_json::from_str(&run(&["--json"])).unwrap();
    assert_eq!(json["tasks"][0]["answers"][0]["log_likelihoods"].as_array().unwrap().len(), 2);
    assert!(json["tasks"][1]["left_out"].as_str().unwrap().contains("mgsm_de.tsv"));
    assert!(
        (json["mean"].as_f64().unwrap() - json["results"]["colour"]["acc,none"].as_f64().unwrap()).abs()
            < 1e-9
    );
}

#[test]
fn parquet_and_csv_and_the_hubs_layouts() {
    let bench = Bench::new();
    let parquet = std::fs::read(golden_folder().join("rows.parquet")).unwrap();
    let root = "hub/datasets--org--set";
    bench.write(&format!("{root}/refs/main"), "abc");
    for (file, bytes) in [
        ("ja/test-00000-of-00002.parquet", parquet.clone()),
        ("ja/test-00001-of-00002.parquet", parquet.clone()),
        ("en/test-00000-of-00001.parquet", parquet.clone()),
        ("README.md", b"x".to_vec()),
    ] {
        bench.write(&format!("{root}/snapshots/abc/{file}"), bytes);
    }
    let task = |data: &str, more: &str| {
        format!(
            "name = 't'\nprompt = '{{{{ question }}}}'\nmax_new_tokens = 9\nscorer = 'exact_match'\n\
             gold = 'answers.text'\n[test]\ndata = '{data}'\n{more}"
        )
    };
    let load = |toml: &str| bench.load(toml, &[Split::Test]);
    let both = load(&task("hf:org/set", "config = 'ja'\nsplit = 'test'\n")).unwrap();
    assert_eq!(both.test.len(), 6, "two shards of three rows");
    assert_eq!(both.test[0].golds, ["一", "壱"]);
    assert_eq!(both.test[1].question, "二は? 🍎");
    assert_eq!((both.test[2].row["n"].as_i64(), both.test[2].row["x"].as_f64()), (Some(3), Some(0.5)));
    for (data, more, words) in [
        ("hf:org/set", "", "several data files"),
        ("hf:org/set", "split = 'dev'\n", "no data file for \"dev\""),
        ("hf:org/set:none.parquet", "", "can't be read"),
    ] {
        let error = load(&task(data, more)).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
    bench.write("broken.parquet", &parquet[..parquet.len() / 2]);
    let error = load(&task("broken.parquet", "")).unwrap_err();
    assert!(error.contains("this Parquet file can't be read") && !error.contains('\n'), "{error}");

    bench.write("q.csv", "id,question,answer\n7,\"一, 二は?\",\"He said \"\"3\"\"\"\n");
    let csv = "name = 't'\nprompt = 'x{{ question }}'\nmax_new_tokens = 9\nscorer = 'exact_match'\n\
        columns = { question = 'question' }\n[test]\ndata = 'q.csv'\n";
    let csv = load(csv).unwrap();
    assert_eq!((csv.test[0].id.as_str(), csv.test[0].gold.as_str()), ("7", "He said \"3\""));
}

#[test]
fn every_new_mistake_has_its_sentence() {
    let bench = Bench::new();
    bench.write(
        "a.jsonl",
        "{\"q\":\"一\",\"c\":[\"x\",\"y\"],\"l\":0}\n{\"q\":\"二\",\"c\":[\"x\",\"y\"],\"l\":1}\n",
    );
    bench.write("b.jsonl", "{\"q\":\"三\",\"c\":[\"x\",\"y\"],\"l\":1}\n");
    bench.write("far.jsonl", "{\"q\":\"三\",\"c\":[\"x\",\"y\"],\"l\":2}\n");
    bench.write("leak.jsonl", "{\"q\":\"一 \",\"c\":[\"x\",\"y\"],\"l\":1}\n");
    bench.write("latin.jsonl", b"{\"q\":\"\xff\"}\n");
    let good = "name = 't'\nkind = 'choice'\nprompt = '{{ q }}'\nchoices = 'c'\ngold = 'l'\n\
        [train]\ndata = 'a.jsonl'\n[test]\ndata = 'b.jsonl'\n";
    assert!(bench.load(good, &[Split::Train, Split::Test]).is_ok());
    let with = |from: &str, to: &str| good.replace(from, to);
    for (toml, words) in [
        (with("choices = 'c'\n", ""), "task.toml: choices is missing"),
        (with("gold = 'l'\n", ""), "task.toml: gold is missing"),
        (with("'c'", "'d'"), "the choices does not work"),
        (with("'c'", "['x']"), "choices has fewer than two entries"),
        (with("'c'", "3"), "line 4: expected an expression or a list of templates"),
        (with("'l'", "'m'"), "it may use the data's columns, here c, l, q"),
        (with("kind = 'choice'", "kind = 'chioce'"), "line 2: unknown variant `chioce`"),
        (
            with("[train]", "metrics = ['f1']\n[train]"),
            "metrics names f1, which is none for this kind of task",
        ),
        (with("[train]", "metrics = ['acu']\n[train]"), "line 6: unknown variant `acu`"),
        (with("[train]", "weight = 0\n[train]"), "weight must be a positive number"),
        (with("[train]", "[shots]\ncount = 3\n[train]"), "3 examples are asked for and a.jsonl has 2"),
        (
            with("[train]", "[shots]\ncuont = 3\n[train]"),
            "line 7: unknown key \"cuont\", did you mean \"count\"?",
        ),
        (with("b.jsonl", "far.jsonl"), "far.jsonl, line 1: the right answer 2 is none of the 2 choices"),
        (with("b.jsonl", "leak.jsonl"), "1 question(s) stand in both train and test"),
        (with("b.jsonl", "latin.jsonl"), "latin.jsonl, line 1: this is not UTF-8"),
        (with("'b.jsonl'", "[]"), "data is missing"),
        (with("'b.jsonl'", "'b.jsonl'\nskip = 1"), "b.jsonl holds no questions"),
        ("name = 't'\nprompt = 'x'\nmax_new_tokens = 1\n".to_owned(), "train and test are both missing"),
        (with("kind = 'choice'", "kind = 'generate'"), "max_new_tokens is missing"),
        (with("kind = 'choice'", "kind = 'generate'\nmax_new_tokens = 1"), "choices needs kind"),
        (with("[train]", "extract = { regex = '(' }\n[train]"), "extract is no regular expression"),
        (with("[train]", "language = 'xx-yy'\n[train]"), "language \"xx-yy\" is not known"),
    ] {
        let error = bench.error(&toml);
        assert!(error.contains(words), "expected {words:?} in {error:?}");
    }
    let missing = bench.load(&with("[test]\ndata = 'b.jsonl'\n", ""), &[Split::Test]).unwrap_err();
    assert!(missing.contains("has no [test] questions"), "{missing}");
    let extract = "name = 't'\nprompt = '{{ q }}'\nmax_new_tokens = 9\nscorer = 'exact_match'\ngold = 'c'\n\
        extract = { regex = 'answer: (\\w+)' }\n[test]\ndata = 'b.jsonl'\n";
    let task = bench.load(extract, &[Split::Test]).unwrap();
    let verdict = task.score(&task.test[0], "answer: z, answer: y.");
    assert!(verdict.correct);
    assert_eq!((verdict.number.as_deref(), verdict.detail.span), (Some("y"), Some((19, 20))));
    assert_eq!(task.length, Length::Tokens(9));
}
