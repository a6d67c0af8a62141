//! Task files of one's own, the built-in ones, and the sentence for each mistake.

use super::*;

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
    let start = "there is no built-in task \"zo\" and no such file: did you mean \"zoo\"? Built in are zoo, zoo-vision, mgsm_ja, ";
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
