//! Tasks beyond number questions: log-likelihoods against lm-evaluation-harness, the built-in tasks
//! on their data, and task files of one's own.
//!
//! Fixtures: `tests/golden/lm_eval/make.py` and what it wrote. Tests on published data need the
//! environment variable `YOSEGI_TEST_DATA` and say so where it is not set.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;

use serde::Deserialize;
use yosegi::checkpoint::Checkpoint;
use yosegi::lm::{Continuation, Decoder, Device, Likelihood, Tokenizer, likelihoods};
use yosegi::task::{BUILTIN, Kind, Length, Metric, Places, Question, SUITES, Split, Suite, Task, Verdict};

fn golden_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/lm_eval")
}

/// The published data, or `None` with a word.
fn published() -> Option<PathBuf> {
    let data = std::env::var_os("YOSEGI_TEST_DATA").map(PathBuf::from);
    if data.is_none() {
        println!("YOSEGI_TEST_DATA is not set: nothing tested on published data");
    }
    data
}

fn nowhere() -> PathBuf {
    PathBuf::from("/nowhere")
}

#[derive(Deserialize)]
struct Golden {
    acc: f64,
    acc_norm: f64,
    rows: Vec<GoldenRow>,
}

#[derive(Deserialize)]
struct GoldenRow {
    id: String,
    log_likelihoods: Vec<f64>,
    greedy: Vec<bool>,
}

/// A folder for task files and their data.
struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    fn places(&self) -> Places {
        Places { data: self.0.path().join("data"), hub: self.0.path().join("hub") }
    }

    fn load(&self, toml: &str, splits: &[Split]) -> Result<Task, String> {
        let path = self.write("task.toml", toml);
        Task::load_splits(path.to_str().unwrap(), splits, &self.places()).map_err(|e| e.to_string())
    }

    fn error(&self, toml: &str) -> String {
        let error = self.load(toml, &[Split::Train, Split::Test]).unwrap_err();
        assert!(!error.contains('\n'), "one sentence: {error}");
        error.replace(&format!("{}/", self.0.path().display()), "")
    }
}

/// The harness's task of `make.py`, over these files.
fn commonsense(test: &str, train: &str, skip: usize) -> String {
    let choices: Vec<String> = (0..5).map(|i| format!("'{{{{ choice{i} }}}}'")).collect();
    format!(
        "name = 'x'\nkind = 'choice'\ndescription = \"[問題]に対する[答え]を[選択肢]の中から選んでください。\\n\\n\"\n\
         prompt = \"[問題]:{{{{ question }}}}\\n[選択肢]:[{{{{ choice0 }}}}, {{{{ choice1 }}}}, {{{{ choice2 }}}}, \
         {{{{ choice3 }}}}, {{{{ choice4 }}}}]\\n[答え]:\"\n\
         choices = [{}]\ngold = 'label'\nmetrics = ['acc', 'acc_norm']\ncolumns = {{ id = 'q_id' }}\n\
         [shots]\ncount = 3\nseed = 1234\n[train]\ndata = '{train}'\nlimit = {skip}\n\
         [test]\ndata = '{test}'\nskip = {skip}\nlimit = 200\n",
        choices.join(", ")
    )
}

struct Model {
    decoder: Decoder,
    tokenizer: Tokenizer,
}

impl Model {
    fn new(device: &Device) -> Self {
        let checkpoint = Checkpoint::open(golden_folder().join("model").to_str().unwrap()).unwrap();
        let tokenizer = Tokenizer::from_json(&checkpoint.tokenizer_json().unwrap()).unwrap();
        Self { decoder: Decoder::load(checkpoint.config(), &checkpoint, device).unwrap(), tokenizer }
    }

    fn pairs(&self, task: &Task) -> Vec<Vec<Continuation>> {
        let pairs = |q: &Question| {
            let prompt = task.prompt(q).unwrap();
            q.choices.iter().map(|c| self.tokenizer.joined(&prompt, c, 0).unwrap()).collect()
        };
        task.test.iter().map(pairs).collect()
    }

    fn run(&self, groups: &[Vec<Continuation>], threads: usize) -> Vec<Vec<Likelihood>> {
        likelihoods(&self.decoder, groups, threads, &|_| {}, &AtomicBool::new(false)).unwrap()
    }
}

/// Compares a task's likelihoods, accuracy and metrics with the harness's.
fn agrees(model: &Model, task: &Task, golden: &Golden) {
    assert_eq!(task.test.len(), golden.rows.len());
    let found = model.run(&model.pairs(task), 0);
    let mut verdicts: Vec<Verdict> = Vec::new();
    let mut farthest = 0f64;
    for ((question, found), row) in task.test.iter().zip(&found).zip(&golden.rows) {
        assert_eq!(question.id, row.id);
        for ((likelihood, expected), greedy) in found.iter().zip(&row.log_likelihoods).zip(&row.greedy) {
            farthest = farthest.max((likelihood.sum - expected).abs());
            assert_eq!(likelihood.greedy, *greedy, "{}", row.id);
        }
        let sums: Vec<f64> = found.iter().map(|l| l.sum).collect();
        verdicts.push(task.choose(question, &sums));
    }
    println!("{}: {} rows, log-likelihoods at most {farthest:.1e} apart", task.name, found.len());
    assert!(farthest < 1e-3, "{farthest}");
    let judged: Vec<_> = task.test.iter().zip(&verdicts).collect();
    let means = task.means(&judged);
    assert!((means.correct - golden.acc).abs() < 1e-9, "{} for {}", means.correct, golden.acc);
    if let Some(acc_norm) = means.metrics.get("acc_norm") {
        assert!((acc_norm - golden.acc_norm).abs() < 1e-9, "{acc_norm} for {}", golden.acc_norm);
    }
}

fn golden() -> HashMap<String, Golden> {
    serde_json::from_slice(&std::fs::read(golden_folder().join("golden.json")).unwrap()).unwrap()
}

#[test]
fn choices_are_as_likely_as_in_lm_evaluation_harness() {
    let bench = Bench::new();
    bench.write("own.jsonl", std::fs::read(golden_folder().join("own.jsonl")).unwrap());
    let task = bench.load(&commonsense("own.jsonl", "own.jsonl", 6), &[Split::Test]).unwrap();
    for device in [Device::Cpu, Device::reference()] {
        agrees(&Model::new(&device), &task, &golden()["own"]);
    }
}

#[test]
fn published_choices_and_sentences_are_as_likely_as_in_lm_evaluation_harness() {
    let Some(data) = published() else { return };
    let (bench, golden, model) = (Bench::new(), golden(), Model::new(&Device::Cpu));
    let file =
        |split: &str| data.join(format!("jglue/jcommonsenseqa-{split}-v1.3.json")).display().to_string();
    let toml = commonsense(&file("valid"), &file("train"), 0);
    agrees(&model, &bench.load(&toml, &[Split::Test]).unwrap(), &golden["jcommonsenseqa"]);

    let places = Places { data, hub: nowhere() };
    let mut task = Task::load_splits("xwinograd_ja", &[Split::Test], &places).unwrap();
    assert_eq!((task.kind, task.test.len()), (Kind::Sentence, 959));
    task.test.truncate(200);
    agrees(&model, &task, &golden["xwinograd_ja"]);
}

#[test]
fn likelihoods_do_not_depend_on_company() {
    let model = Model::new(&Device::Cpu);
    let pair = |context: &str, continuation: &str| model.tokenizer.joined(context, continuation, 0).unwrap();
    let groups: Vec<Vec<Continuation>> = vec![
        vec![pair("りんごが3個あります。全部で", "3個です。"), pair("りんごが3個あります。全部で", "5個")],
        vec![pair("", "ひとつの文。"), pair("", "もうひとつの文です。"), pair("", "x")],
        vec![pair("りんごが 3 ", "a"), pair("別の文脈", "b"), pair("りんご", "c")],
        vec![pair(&"りんご。".repeat(80), "長い"), pair(&"りんご。".repeat(80), "短")],
    ];
    let together = model.run(&groups, 1);
    assert_eq!(together, model.run(&groups, 3));
    for (group, all) in groups.iter().zip(&together) {
        for (pair, likelihood) in group.iter().zip(all) {
            let alone = model.run(&[vec![pair.clone()]], 1);
            assert_eq!(alone[0][0], *likelihood);
            // The logits of the whole sequence say the same.
            let tokens: Vec<u32> = pair.context.iter().chain(&pair.tokens).copied().collect();
            let rows = model.decoder.logits(&tokens).unwrap();
            let mut sum = 0.0;
            for (i, token) in pair.tokens.iter().enumerate() {
                let row = &rows[pair.context.len() - 1 + i];
                let most = f64::from(row.iter().copied().fold(f32::MIN, f32::max));
                let total: f64 = row.iter().map(|v| (f64::from(*v) - most).exp()).sum();
                sum += f64::from(row[*token as usize]) - most - total.ln();
            }
            assert!((sum - likelihood.sum).abs() < 1e-9);
            assert_eq!(likelihood.tokens, pair.tokens.len());
        }
    }
    let long = Continuation { context: vec![3; 5000], tokens: vec![4, 5] };
    let cut = Continuation { context: vec![3; 3071], tokens: vec![4, 5] };
    assert_eq!(model.run(&[vec![long]], 1), model.run(&[vec![cut]], 1), "the beginning is cut off");
    for (bad, word) in [
        (Continuation { context: vec![], tokens: vec![1] }, "no tokens"),
        (Continuation { context: vec![1], tokens: vec![9999] }, "token 9999"),
        (Continuation { context: vec![1], tokens: vec![1; 4000] }, "shorten"),
    ] {
        let quiet = AtomicBool::new(false);
        let error = likelihoods(&model.decoder, &[vec![bad]], 1, &|_| {}, &quiet).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn spaces_at_a_contexts_end_belong_to_what_follows() {
    let model = Model::new(&Device::Cpu);
    let spaced = model.tokenizer.joined("3 + 2 = ", "5", 0).unwrap();
    let bare = model.tokenizer.joined("3 + 2 =", " 5", 0).unwrap();
    assert_eq!(spaced, bare);
    let apart = model.tokenizer.apart("3 + 2 = ", "5", 1).unwrap();
    assert_eq!(model.tokenizer.apart("", "5", 1).unwrap().context, [1]);
    assert_eq!(apart.tokens, model.tokenizer.ids("5", false).unwrap());
    assert_eq!(model.tokenizer.joined("", "5", 0).unwrap().context, [0]);
    assert!(model.tokenizer.joined("x", "", 0).is_err());
}

#[test]
fn each_mgsm_language_runs() {
    let Some(data) = published() else { return };
    let places = Places { data, hub: nowhere() };
    let answers = [
        ("bn", "সুতরাং উত্তর হল 18 ডলার।"),
        ("de", "Die Antwort lautet also 18 Dollar, denn 9 mal 2 ist 18."),
        ("en", "She sells nine eggs, so the answer is 18."),
        ("es", "Por lo tanto, la respuesta es 18 dólares cada día: 18"),
        ("fr", "Elle gagne donc chaque jour au marché 18 dollars : 18"),
        ("ja", "したがって、答えは18ドルです。"),
        ("ru", "Поэтому ответ на эту задачу: 18"),
        (
            "sw",
            "Kwa hiyo, Janet anapata dola nyingi kila siku katika soko la wakulima kwa kuuza mayai yake. Jibu ni 18.",
        ),
        ("te", "కాబట్టి సమాధానం 18 డాలర్లు"),
        ("th", "ดังนั้นคำตอบคือ 18 ดอลลาร์"),
        ("zh", "因此她每天在市场上赚的钱是 18"),
    ];
    for (code, answer) in answers {
        let task = Task::load_splits(&format!("mgsm_{code}"), &[Split::Test], &places).unwrap();
        assert_eq!((task.test.len(), task.language.as_deref()), (250, Some(code)));
        assert!(task.prompt(&task.test[0]).unwrap().contains(&task.test[0].question));
        let right = task.score(&task.test[0], answer);
        assert!(right.correct && right.language == code, "{code}: {right:?}");
        // The small model is seldom sure of Swahili.
        assert!(right.in_language || code == "sw", "{code}: {right:?}");
        let other = if code == "en" {
            "したがって、答えは18ドルです。"
        } else {
            "So the answer must be 18."
        };
        let wrong = task.score(&task.test[0], other);
        assert!(wrong.correct && !wrong.in_language, "{code}: {wrong:?}");
    }
    let english = Task::load_splits("mgsm_en", &[Split::Train, Split::Test], &places).unwrap();
    assert_eq!(english.train.len(), 1069);
    let gsm8k = Task::load_splits("gsm8k", &[Split::Train, Split::Test], &places).unwrap();
    assert_eq!((gsm8k.train.len(), gsm8k.test.len()), (7473, 1319));
    assert_eq!(gsm8k.examples(&gsm8k.test[0]).count(), 5);
    assert!(gsm8k.prompt(&gsm8k.test[0]).unwrap().matches("####").count() == 5);
    assert_eq!(gsm8k.score(&gsm8k.test[0], "16-3-4=9, 9*2=18\n#### 18").detail.span, Some((22, 24)));
}

/// Rows of the published shapes of the data that can't be had here.
fn small_data(bench: &Bench) {
    let review = |i: usize| {
        let label = if [0, 3, 6, 9, 12].contains(&i) { "negative" } else { "positive" };
        format!("{{\"review_id\":\"R{i}\",\"sentence\":\"品物{i}は届きました。\",\"label\":\"{label}\"}}\n")
    };
    bench.write("data/marc_ja/train-v1.0.json", (0..9).map(review).collect::<String>());
    bench.write("data/marc_ja/valid-v1.0.json", (9..15).map(review).collect::<String>());
    let quiz = |i: usize| {
        serde_json::json!({
            "qid": format!("Q{i}"), "question": format!("{i}番目の月は?"),
            "answers": { "text": [format!("{i}月"), format!("第{i}の月")], "answer_start": [0, 0] },
            "ctxs": {
                "title": ["a", "b", "c", "d", "e", "f"],
                "text": [format!("{i}月のこと"), "二", "三", "四", "五", "六つめ"],
                "has_answer": [true, false, false, false, false, false],
            },
        })
        .to_string()
            + "\n"
    };
    bench.write("data/jaqket_v2/train.jsonl", (1..4).map(quiz).collect::<String>());
    bench.write("data/jaqket_v2/validation.jsonl", (4..7).map(quiz).collect::<String>());
    let news = |i: usize| {
        serde_json::json!({ "id": i, "title": "題", "text": format!("記事{i}の本文。"), "summary": format!("要約{i}") })
            .to_string()
            + "\n"
    };
    bench.write("data/xlsum_ja/train.jsonl", (1..4).map(news).collect::<String>());
    bench.write("data/xlsum_ja/test.jsonl", (4..7).map(news).collect::<String>());
    let solved: Vec<String> = (0..8)
        .map(|i| format!("問題：りんご{i}個は？\tステップごとの答え：りんごは{i}個です。答えは{i}です。\n"))
        .collect();
    bench.write("data/mgsm/mgsm_ja_train.tsv", solved.concat());
    bench.write("data/mgsm/mgsm_ja.tsv", "みかん3個は？\t3\nみかん1,002個は？\t1,002\n");
}

#[test]
fn tasks_without_published_data_here_read_small_files_of_the_same_shape() {
    let bench = Bench::new();
    small_data(&bench);
    let load = |name: &str, splits: &[Split]| Task::load_splits(name, splits, &bench.places()).unwrap();
    let both = [Split::Train, Split::Test];
    for version in ["0.2", "0.3"] {
        let marc = load(&format!("marc_ja-1.1-{version}"), &both);
        assert_eq!((marc.train.len(), marc.test.len(), marc.kind), (9, 6, Kind::Choice));
        assert_eq!(marc.test[0].gold_choice, Some(1));
        assert_eq!(marc.metrics[0], Metric::BalancedAcc);
        assert_eq!(marc.examples(&marc.test[0]).count(), 3);
        let jaqket = load(&format!("jaqket_v2-0.2-{version}"), &both);
        let prompt = jaqket.prompt(&jaqket.test[0]).unwrap();
        assert!(prompt.contains("4月のこと\n二\n三\n四\n五\n質問") && !prompt.contains("六つめ"), "{prompt}");
        assert_eq!(jaqket.test[0].golds, ["4月", "第4の月"]);
        let verdict = jaqket.score(&jaqket.test[0], "第4の月");
        assert!(verdict.correct && verdict.detail.metrics["f1"] > 0.99);
        let tokens = |text: &str| Ok::<_, ()>(text.chars().count());
        assert_eq!(jaqket.most_tokens(&jaqket.test[0], tokens), Ok(4));
    }
    for version in ["0.0", "0.3"] {
        let xlsum = load(&format!("xlsum_ja-1.0-{version}"), &both);
        assert_eq!(xlsum.most_tokens(&xlsum.test[0], |t| Ok::<_, ()>(t.chars().count())), Ok(13));
        assert!(xlsum.score(&xlsum.test[0], "要約4").detail.metrics["rouge2"] > 0.99);
        let mgsm = load(&format!("mgsm-1.0-{version}"), &[Split::Test]);
        let prompt = mgsm.prompt(&mgsm.test[0]).unwrap();
        assert_eq!(prompt.matches("です。答えは").count(), 5);
        assert_eq!(prompt.matches("問題：").count(), if version == "0.0" { 6 } else { 0 });
        for (answer, correct) in [
            ("答えは1,002です。", true),
            ("1002.", true),
            ("1002.5", false),
            ("-1002", false),
            ("１００２", false),
        ] {
            assert_eq!(mgsm.score(&mgsm.test[1], answer).correct, correct, "{answer}");
        }
    }
    assert_eq!(load("marc_ja-1.1-0.3", &[Split::Test]).test[0].choices, ["ポジティブ", "ネガティブ"]);
}

#[test]
fn the_japanese_suites_tasks_run_on_published_data() {
    let Some(data) = published() else { return };
    let places = Places { data, hub: nowhere() };
    for suite in ["ja8", "ja8-0.2"] {
        for name in Suite::load(suite).unwrap().tasks {
            match Task::load_splits(&name, &[Split::Test], &places) {
                Ok(task) => {
                    let prompt = task.prompt(&task.test[0]).unwrap();
                    println!("{name}: {} questions, prompt of {} characters", task.test.len(), prompt.len());
                    assert!(task.test.len() >= 900, "{name}");
                }
                Err(error) => assert!(error.to_string().contains("put it at"), "{name}: {error}"),
            }
        }
    }
    // Three of each relation would be one of each: stratified examples are.
    let jnli = Task::load_splits("jnli-1.3-0.3", &[Split::Test], &places).unwrap();
    for question in jnli.test.iter().take(50) {
        let mut answers: Vec<&str> = jnli.examples(question).map(|e| e.answer.as_str()).collect();
        answers.sort_unstable();
        assert_eq!(answers, ["中立", "含意", "矛盾"]);
    }
    let squad = Task::load_splits("jsquad-1.1-0.2", &[Split::Test], &places).unwrap();
    assert_eq!(squad.examples(&squad.test[0]).count(), 2);
    assert!(squad.test[0].golds.len() > 1 && squad.prompt(&squad.test[0]).unwrap().ends_with("\n回答:"));
}

#[test]
fn built_in_tasks_load_or_say_what_to_put_where() {
    let places = Places { data: nowhere(), hub: nowhere() };
    for name in BUILTIN {
        match Task::load_splits(name, &[Split::Test], &places) {
            Ok(task) => assert_eq!(task.name, "zoo"),
            Err(error) => {
                let error = error.to_string();
                assert!(error.contains("put it at /nowhere/") && !error.contains('\n'), "{error}");
            }
        }
    }
    for name in SUITES {
        let suite = Suite::load(name).unwrap();
        assert!(suite.tasks.len() >= 8 && suite.tasks.iter().all(|t| BUILTIN.contains(&t.as_str())));
    }
    let error = Suite::load("ja9").unwrap_err().to_string();
    assert!(error.contains("no built-in suite \"ja9\"") && error.contains("did you mean \"ja8\""), "{error}");
    let error = Task::load_splits("mgsm_de", &[Split::Train], &places).unwrap_err().to_string();
    assert_eq!(
        error,
        "<mgsm_de.toml> has no [train] questions: add a [train] section that says where they come from"
    );
}

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
