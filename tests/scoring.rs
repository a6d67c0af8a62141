//! Answers of all shapes are judged as the reference scorer judges them, and a task file's
//! mistakes each get their sentence.

#![allow(clippy::unwrap_used)]

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use proptest::prelude::*;
use serde::Deserialize;
use yosegi::task::{
    Detector, Fitness, Means, Places, Question, Rouge, Scorer, Segmenter, Split, Task, bootstrap_medians,
    rouge, squad,
};

#[derive(Deserialize)]
struct Row {
    gold: String,
    reference: String,
    text: String,
    number: Option<String>,
    value: serde_json::Value,
    correct: bool,
    language: String,
    p_ja: f64,
    whole: Option<f64>,
    reference_words: String,
    words: String,
    rouge: [f64; 3],
    em: f64,
    f1: f64,
}

/// Figures over all answers.
#[derive(Deserialize)]
struct Totals {
    rouge: [f64; 3],
    rouge_ja: [f64; 3],
}

fn golden() -> (Vec<Row>, Totals) {
    let packed: &[u8] = include_bytes!("golden/scoring/answers.jsonl.gz");
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed).read_to_string(&mut text).unwrap();
    let (rows, totals) = text.rsplit_once('\n').unwrap();
    let rows = rows.split('\n').map(|l| serde_json::from_str(l).unwrap()).collect();
    (rows, serde_json::from_str(totals).unwrap())
}

fn split(words: &str) -> Vec<String> {
    words.split(' ').filter(|w| !w.is_empty()).map(str::to_owned).collect()
}

fn three(found: Rouge) -> [f64; 3] {
    [found.rouge1, found.rouge2, found.rouge_l]
}

/// A task with one question a split, for its scorer.
fn task(scorer: &str) -> Task {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.tsv"), "one?\t1\n").unwrap();
    std::fs::write(dir.path().join("b.tsv"), "two?\t2\n").unwrap();
    let path = dir.path().join("t.toml");
    let text = format!(
        "name = 't'\nprompt = '{{{{ question }}}}'\nmax_new_tokens = 9\nlanguage = 'ja'\nscorer = '{scorer}'\n\
         [train]\ndata = 'a.tsv'\n[test]\ndata = 'b.tsv'\n"
    );
    std::fs::write(&path, text).unwrap();
    Task::load(path.to_str().unwrap()).unwrap()
}

fn shared(scorer: &str) -> &'static Task {
    static BOTH: OnceLock<[Task; 2]> = OnceLock::new();
    let [reference, lenient] = BOTH.get_or_init(|| [task("number"), task("number_lenient")]);
    if scorer == "number" { reference } else { lenient }
}

fn question(gold: &str) -> Question {
    Question { id: "1".into(), question: "?".into(), gold: gold.into(), ..Question::default() }
}

#[test]
fn reference_scorer_agrees_with_python() {
    let task = task("number");
    assert_eq!(task.language_by(), "lid.176");
    let (rows, _) = golden();
    assert!(rows.len() >= 2000);
    let (mut wrong, mut farthest) = (Vec::new(), 0f64);
    for row in &rows {
        let verdict = task.score(&question(&row.gold), &row.text);
        let value = row.value.as_f64().or((row.value == "inf").then_some(f64::INFINITY));
        let same = verdict.number == row.number
            && verdict.value == value
            && verdict.correct == row.correct
            && verdict.language == row.language
            && verdict.in_language == (row.p_ja > 0.5)
            && (verdict.p_language.value() - row.p_ja).abs() <= 1e-3;
        farthest = farthest.max((verdict.p_language.value() - row.p_ja).abs());
        if !same {
            wrong.push(format!(
                "{:?}: {verdict:?}, reference {:?} {:?} {} {}",
                row.text, row.number, value, row.language, row.p_ja
            ));
        }
    }
    println!("{} answers, P(ja) at most {farthest:.1e} apart", rows.len());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

#[test]
fn the_harness_rule_agrees_with_python() {
    let task = task("mgsm");
    for row in golden().0 {
        let verdict = task.score(&question(&row.gold), &row.text);
        assert_eq!(verdict.value, row.whole, "{:?}", row.text);
        let gold: f64 = row.gold.replace(',', "").parse().unwrap();
        assert_eq!(verdict.correct, row.whole == Some(gold), "{:?}", row.text);
    }
}

/// Over the reference's own words, so that it needs no dictionary.
#[test]
fn rouge_agrees_with_python() {
    let (rows, totals) = golden();
    let detector = Detector::shared();
    let (mut all, mut strict) = (Vec::new(), Vec::new());
    for row in &rows {
        let found = three(rouge(&split(&row.reference_words), &split(&row.words)));
        for (ours, theirs) in found.iter().zip(row.rouge) {
            assert!((ours - theirs).abs() < 1e-12, "{:?}: {found:?}, reference {:?}", row.text, row.rouge);
        }
        let japanese = |text: &str| detector.detect(text).p_language >= 0.5;
        strict.push(if japanese(&row.reference) && !japanese(&row.text) { [0.0; 3] } else { found });
        all.push(found);
    }
    for (scores, reference) in [(&all, totals.rouge), (&strict, totals.rouge_ja)] {
        let of = |kind: usize| scores.iter().map(|s| s[kind]).collect::<Vec<f64>>();
        let found = bootstrap_medians(&[&of(0), &of(1), &of(2)]);
        for (ours, theirs) in found.iter().zip(reference) {
            assert!((ours - theirs).abs() < 1e-9, "{found:?}, reference {reference:?}");
        }
    }
}

#[test]
fn segmentation_agrees_with_mecab() {
    let Some(folder) = std::env::var_os("YOSEGI_MECAB_DICT") else {
        println!("skipped: YOSEGI_MECAB_DICT names no dictionary");
        return;
    };
    let segmenter = Segmenter::open(Path::new(&folder)).unwrap();
    let mut wrong = Vec::new();
    for row in golden().0 {
        for (text, words) in [(&row.text, &row.words), (&row.reference, &row.reference_words)] {
            let ours = segmenter.words(text).join(" ");
            if ours != *words {
                wrong.push(format!("{text:?}\n  {ours}\n  {words}"));
            }
        }
        let found = squad(&[&row.reference], &row.text, &segmenter);
        assert_eq!(found.exact_match > 0.5, row.em > 0.5, "{:?}", row.text);
        assert!((found.f1 - row.f1).abs() < 1e-12, "{:?}: {} {}", row.text, found.f1, row.f1);
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn reference_quirks() {
    let task = task("number");
    let cases = [
        ("1,234円", Some("234"), 234.0),
        ("-5", Some("5"), 5.0),
        ("18ドル(1ヶ月)", Some("1"), 1.0),
        ("3/4", Some("4"), 4.0),
        ("1万2000", Some("2000"), 2000.0),
        ("１８", Some("１８"), 18.0),
        ("十八", None, 0.0),
        ("わかりません", None, 0.0),
        ("", None, 0.0),
    ];
    for (text, number, value) in cases {
        let verdict = task.score(&question("7"), text);
        assert_eq!(verdict.number.as_deref(), number, "{text}");
        assert_eq!(verdict.value, number.map(|_| value), "{text}");
        assert!(!verdict.correct, "{text}");
    }
    assert!(task.score(&question("1,234"), "1234").correct);
}

#[test]
fn lenient_scorer_reads_as_a_person_would() {
    let task = task("number_lenient");
    assert_eq!(task.scorer, Scorer::NumberLenient);
    let cases = [
        ("1,234円", 1234.0),
        ("１２，３４５円", 12345.0),
        ("1,234,567", 1_234_567.0),
        ("-5", -5.0),
        ("気温は−5度", -5.0),
        ("マイナス5度", -5.0),
        ("-$5", -5.0),
        ("10-5=5", 5.0),
        ("10 - 5", 5.0),
        ("(10)-5", 5.0),
        ("- 18個", 18.0),
        ("18ドル(1ヶ月)", 18.0),
        ("18ドル（1ヶ月）です。", 18.0),
        ("3個あります。(答えは18個)", 18.0),
        ("3/4", 0.75),
        ("½", 0.5),
        ("2024/5/1", 1.0),
        ("5/0", 0.0),
        ("1万2000", 12000.0),
        ("1万2,000円", 12000.0),
        ("3億5000万円", 350_000_000.0),
        ("1.5万円", 15000.0),
        ("2千5百", 2500.0),
        ("答えは十八個です。", 18.0),
        ("答えは二〇二四年", 2024.0),
        ("千五百円", 1500.0),
        ("一万二千", 12000.0),
        ("百二十三です", 123.0),
        ("答えは18です。これが一つの方法です。", 18.0),
        ("答えは18です。もう十分に考えました。", 18.0),
        ("答えは九", 9.0),
        ("一緒に十八歩歩いて、答えは20です", 20.0),
        ("第三十二回では18", 18.0),
        ("①", 1.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("18.50ドル", 18.5),
        ("100,20", 20.0),
    ];
    for (text, value) in cases {
        assert_eq!(task.score(&question("7"), text).value, Some(value), "{text}");
    }
    for text in
        ["", "わかりません", "一緒に遊ぶ", "統一された", "万が一", "...", "-", "(", "))((", "マイナス", "/"]
    {
        assert_eq!(task.score(&question("7"), text).value, None, "{text}");
    }
    assert!(task.score(&question("0.3"), "0.30000000000000004").correct);
}

#[test]
fn both_scorers_stand_side_by_side() {
    let verdict = task("number").score(&question("1,234"), "合計は1,234円です。");
    assert!(!verdict.correct && verdict.lenient_correct);
    let verdict = task("number").score(&question("5"), "-5");
    assert!(verdict.correct && !verdict.lenient_correct);
}

#[test]
fn language_falls_back_to_letters_and_says_so() {
    let detector = Detector::from_model(b"not a model");
    assert_eq!(detector.name(), "share of kana and kanji");
    for (text, japanese) in [
        ("答えは18個です。", true),
        ("The answer is 18.", false),
        ("答案是18。", false),
        ("答えは18です。", true),
        ("So the answer is 答え", false),
        ("18", false),
        ("", false),
    ] {
        let language = detector.detect(text);
        assert_eq!(language.p_language > 0.5, japanese, "{text}");
        assert_eq!(language.code == "ja", japanese, "{text}");
    }
    let mut cut = include_bytes!("../zoo/lid/lid.176.ftz").to_vec();
    for length in [0, 3, 60, 1000, 500_000, cut.len() - 1] {
        cut.truncate(length.min(cut.len()));
        assert_eq!(Detector::from_model(&cut).name(), "share of kana and kanji");
    }
}

/// A folder with a task file and its data, for mistakes to be made in.
struct Bench {
    dir: tempfile::TempDir,
}

const GOOD: &str = "name = 'mine'\nprompt = '問題: {{ question }}\\n答え:'\nmax_new_tokens = 9\n\
    [train]\ndata = 'train.jsonl'\n[test]\ndata = 'test.jsonl'\n";

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let bench = Self { dir };
        bench.write("train.jsonl", "{\"id\":\"a\",\"question\":\"一は?\",\"answer\":\"1\"}\n\n{\"question\":\"二は?\",\"answer\":2}\n");
        bench.write("test.jsonl", "{\"question\":\"三は?\",\"answer\":\"考えると\\n#### 3\"}\n");
        bench
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn places(&self) -> Places {
        Places { data: self.dir.path().join("data"), hub: self.dir.path().join("hub") }
    }

    fn load(&self, toml: &str) -> Result<Task, String> {
        self.write("task.toml", toml);
        let path: PathBuf = self.dir.path().join("task.toml");
        Task::load_from(path.to_str().unwrap(), &self.places()).map_err(|e| e.to_string())
    }

    /// The error of a broken task file, with the folder's own path left out.
    fn error(&self, toml: &str) -> String {
        let error = self.load(toml).unwrap_err();
        assert!(!error.contains('\n'), "one sentence: {error}");
        error.replace(&format!("{}/", self.dir.path().display()), "")
    }
}

#[test]
fn a_task_of_ones_own() {
    let bench = Bench::new();
    let task = bench.load(GOOD).unwrap();
    assert_eq!(task.name, "mine");
    assert_eq!(task.questions(Split::Train).len(), 2);
    assert_eq!(task.train[0].id, "a");
    assert_eq!(task.train[1].id, "2");
    assert_eq!(task.train[1].gold, "2");
    assert_eq!(task.questions(Split::Test)[0].gold, "3");
    assert_eq!(task.prompt(&task.train[0]).unwrap(), "問題: 一は?\\n答え:");
    let limited = bench.load(&GOOD.replace("train.jsonl'", "train.jsonl'\nlimit = 1")).unwrap();
    assert_eq!(limited.train.len(), 1);
    // A trailing newline of the template stays; text of the question is not a template.
    let newline =
        bench.load(&GOOD.replace("'問題: {{ question }}\\n答え:'", "\"{{ question }}\\n\"")).unwrap();
    let odd = Question { question: "{{ x }} <&>".into(), ..question("1") };
    assert_eq!(newline.prompt(&odd).unwrap(), "{{ x }} <&>\n");
}

#[test]
fn tsv_and_columns_and_the_hub_cache() {
    let bench = Bench::new();
    bench.write("plain.tsv", "一は?\t1\n二は?\t1,002\n");
    bench.write("named.tsv", "no\tq\ta\r\nx7\t三は?\t3\r\n");
    let named = "name = 't'\nprompt = 'x'\nmax_new_tokens = 9\n[train]\ndata = 'plain.tsv'\n\
        [test]\ndata = 'named.tsv'\ncolumns = { question = 'q', answer = 'a', id = 'no' }\n";
    let task = bench.load(named).unwrap();
    assert_eq!((task.train[1].question.as_str(), task.train[1].gold.as_str()), ("二は?", "1,002"));
    assert_eq!((task.test[0].id.as_str(), task.test[0].gold.as_str()), ("x7", "3"));
    let swapped = named.replace("'plain.tsv'", "'plain.tsv'\ncolumns = { question = 1, answer = 2, id = 2 }");
    assert_eq!(bench.load(&swapped).unwrap().train[1].id, "1,002");

    bench.write("hub/datasets--org--set/refs/main", "abc\n");
    bench.write("hub/datasets--org--set/snapshots/abc/README.md", "x");
    bench.write("hub/datasets--org--set/snapshots/abc/test.json", "[{\"question\":\"四は?\",\"answer\":4}]");
    let hub = |reference: &str| GOOD.replace("train.jsonl", reference);
    assert_eq!(bench.load(&hub("hf:org/set")).unwrap().train[0].gold, "4");
    assert_eq!(bench.load(&hub("hf:org/set@abc:test.json")).unwrap().train.len(), 1);
    for (reference, words) in [
        ("hf:org/other", "hf download --repo-type dataset org/other"),
        ("hf:org/set@old", "hf download"),
        ("hf:../set", "write it as hf:org/name"),
        ("hf:org/set:../x.jsonl", "write it as hf:org/name"),
    ] {
        let error = bench.error(&hub(reference));
        assert!(error.starts_with("task.toml needs") && error.contains(words), "{error}");
    }
}

#[test]
fn every_mistake_in_a_task_file_has_its_sentence() {
    let bench = Bench::new();
    bench.write("empty.jsonl", "\n");
    bench.write("broken.jsonl", "{\"question\": \n");
    bench.write("list.jsonl", "\"x\"\n");
    bench.write("other.jsonl", "{\"questoin\":\"一は?\",\"answer\":\"1\"}\n");
    bench.write("word.jsonl", "{\"question\":\"一は?\",\"answer\":\"one \\u001b[31m\"}\n");
    bench.write("blank.jsonl", "{\"question\":\" \",\"answer\":\"1\"}\n");
    bench.write("nested.jsonl", "{\"question\":[1],\"answer\":\"1\"}\n");
    bench.write("leak.jsonl", "{\"question\":\" 一は? \",\"answer\":\"1\"}\n");
    bench.write("headed.tsv", "q\ta\n一は?\t1\n");
    bench.write("short.tsv", "一は?\n");
    let train = |file: &str| GOOD.replace("train.jsonl", file);
    let cases = [
        (
            GOOD.replace("prompt", "promt"),
            "task.toml, line 2: unknown key \"promt\", did you mean \"prompt\"?",
        ),
        (
            GOOD.replace("[test]\ndata", "[test]\ndta"),
            "task.toml, line 7: unknown key \"dta\", did you mean \"data\"?",
        ),
        (
            format!("{GOOD}columns = {{ anwser = 1 }}"),
            "line 8: unknown key \"anwser\", did you mean \"answer\"?",
        ),
        (
            GOOD.replace("max_new_tokens = 9\n", ""),
            "task.toml: max_new_tokens is missing: give the most tokens",
        ),
        (GOOD.replace("= 9", "= 'nine'"), "task.toml, line 3: expected a number"),
        (GOOD.replace("= 9", "= 0"), "max_new_tokens is 0: give the most tokens"),
        (
            GOOD.replace("= 9", "= 9\nlanguage = 'jp'"),
            "task.toml: language \"jp\" is not known: did you mean \"ja\"?",
        ),
        (GOOD.replace("= 9", "= 9\nscorer = 'numbr'"), "line 4: unknown variant `numbr`"),
        (GOOD.replace("= 9", "= 9\nstop = ['']"), "stop holds an empty string"),
        (GOOD.replace("name = ", "name "), "task.toml, line 1:"),
        (GOOD.replace("{{ question }}", "{{ qestion }}"), "task.toml: the prompt does not work"),
        (GOOD.replace("{{ question }}", "{{ question "), "task.toml: the prompt does not work"),
        (train("none.jsonl"), "none.jsonl can't be read ("),
        (train("empty.jsonl"), "empty.jsonl holds no questions: task.toml needs at least one in each split"),
        (train("broken.jsonl"), "broken.jsonl, line 1: this is not JSON ("),
        (train("list.jsonl"), "list.jsonl, line 1: this is not a JSON object"),
        (
            train("other.jsonl"),
            "no column \"question\", did you mean \"questoin\": set `columns` in task.toml",
        ),
        (train("word.jsonl"), "word.jsonl, line 1: the answer \"one \\u{1b}[31m\" is not a number"),
        (train("blank.jsonl"), "blank.jsonl, line 1: the question is empty"),
        (train("nested.jsonl"), "\"question\" is neither text nor a number"),
        (train("short.tsv"), "short.tsv, line 1: the row has 1 tab-separated fields, no field 2"),
        (
            GOOD.replace("test.jsonl", "leak.jsonl"),
            "1 question(s) stand in both train and test (the first: \" 一は? \")",
        ),
    ];
    for (toml, words) in cases {
        let error = bench.error(&toml);
        assert!(error.contains(words), "expected {words:?} in {error:?}");
    }
    let unknown = Task::load("zo").unwrap_err().to_string();
    let start = "there is no built-in task \"zo\" and no such file: did you mean \"zoo\"? Built in are zoo, mgsm_ja, ";
    assert!(unknown.starts_with(start), "{unknown}");
    assert!(
        Task::load("/nowhere/x.toml").unwrap_err().to_string().starts_with("/nowhere/x.toml can't be read")
    );
    assert!(Task::load("/").unwrap_err().to_string().starts_with("/ can't be read"));
}

#[test]
fn the_zoos_task_is_in_the_binary() {
    let nowhere = Places { data: PathBuf::from("/nowhere"), hub: PathBuf::from("/nowhere") };
    let task = Task::load_from("zoo", &nowhere).unwrap();
    assert!(task.train.len() >= 100 && task.test.len() >= 250);
    for question in task.train.iter().chain(&task.test) {
        assert!(question.gold.parse::<u32>().is_ok(), "{}", question.gold);
        let prompt = task.prompt(question).unwrap();
        assert_eq!(prompt, format!("Q: {}\nA:", question.question));
    }
    let verdict =
        task.score(&task.test[0], &format!(" のこりを数えます。答えは{}個です。", task.test[0].gold));
    assert!(verdict.correct && verdict.in_language && verdict.language == "ja");
}

#[test]
fn mgsm_says_what_to_put_where_and_reads_it() {
    let bench = Bench::new();
    let error = Task::load_from("mgsm_ja", &bench.places()).unwrap_err().to_string();
    assert!(error.contains("SakanaAI/gsm8k-ja-test_250-1319") && error.contains("hf download"), "{error}");
    let snapshot = "hub/datasets--SakanaAI--gsm8k-ja-test_250-1319/snapshots";
    bench.write(
        &format!("{snapshot}/main/test.jsonl"),
        "{\"question\":\"一は?\",\"answer\":\"それは\\n#### 1,000\"}\n",
    );
    let error = Task::load_from("mgsm_ja", &bench.places()).unwrap_err().to_string();
    assert!(error.contains("put it at") && error.contains("mgsm_ja.tsv"), "{error}");

    let real = std::env::var_os("YOSEGI_TEST_DATA").map(|root| Path::new(&root).join("mgsm/mgsm_ja.tsv"));
    let text = match &real {
        Some(path) => std::fs::read_to_string(path).unwrap(),
        None => "ジャネットのアヒルは?\t18\nいくらですか?\t70,000\n".to_owned(),
    };
    bench.write("data/mgsm_ja.tsv", &text);
    let task = Task::load_from("mgsm_ja", &bench.places()).unwrap();
    assert_eq!(task.train[0].gold, "1,000");
    assert_eq!(task.test[0].gold, "18");
    if real.is_some() {
        assert_eq!(task.test.len(), 250);
        assert_eq!(task.test.iter().filter(|q| q.gold.contains(',')).count(), 4);
    }
    let prompt = task.prompt(&task.test[0]).unwrap();
    assert!(
        prompt.starts_with("以下に、あるタスクを説明する指示があります。")
            && prompt.ends_with("\n\n### 応答:")
    );
    assert_eq!((&task.length, task.stop.len()), (&yosegi::task::Length::Tokens(1024), 4));
}

#[test]
fn fitness_expressions() {
    let means = Means { both: 0.5, correct: 0.75, in_language: 0.25, ..Means::default() };
    let close = |expression: &str, value: f64| {
        let got = Fitness::parse(expression).unwrap().eval(&means);
        assert!((got - value).abs() < 1e-12, "{expression}: {got}");
    };
    close("both + 0.05 * correct + 0.02 * japanese", 0.5425);
    close("acc_ja", 0.5);
    close("acc", 0.75);
    close("1 - 2 * -(both - .25) / 2", 1.25);
    close("2 - 1 - 1", 0.0);
    close("8 / 2 / 2", 2.0);
    close("max(both, min(correct, 0.6))", 0.6);
    assert!(Fitness::parse("both / 0").unwrap().eval(&means).is_infinite());
    for (expression, words) in [
        ("booth", "unknown name \"booth\", did you mean \"both\"?"),
        ("japan", "did you mean \"japanese\"?"),
        ("both +", "character 7: expected a number, a name or a bracket here"),
        ("both correct", "character 6: expected an operator here"),
        ("(both", "character 6: expected ')' here"),
        ("1.2.3", "character 1: this is not a number"),
        ("", "character 1: expected"),
        ("min(both)", "character 9: expected ',' here"),
    ] {
        let error = Fitness::parse(expression).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    assert!(Fitness::parse(&"(".repeat(100_000)).is_err());
    assert!(Fitness::parse(&"-".repeat(100_000)).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_answer_breaks_a_scorer(
        text in prop_oneof![any::<String>(), "[0-9０-９一十百千万億.,，/⁄()（）$¥+−-マイナス個円です。 \n]{0,24}"],
        gold in "-?[0-9]{1,6}",
    ) {
        for task in [shared("number"), shared("number_lenient")] {
            let verdict = task.score(&question(&gold), &text);
            prop_assert!((0.0..=1.0).contains(&verdict.p_language.value()));
            prop_assert_eq!(verdict.in_language, verdict.p_language.value() > 0.5);
            prop_assert_eq!(verdict.number.is_some(), verdict.value.is_some());
            prop_assert!(verdict.number.is_some() || !verdict.correct);
        }
        // A bare number is read alike by both.
        let bare = shared("number_lenient").score(&question(&gold), &gold);
        prop_assert!(bare.correct && bare.lenient_correct);
    }
}
