//! Two tasks as one fitness on the real zoo: weights, bars, one list of questions, and a killed
//! session that ends where it would have ended anyway.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command as Process, Stdio};

use yosegi::session::Home;
use yosegi::session::journal::Reader;
use yosegi::session::protocol::{Event, Origin, Outcome, Split};
use yosegi::session::state::{Entry, SessionState};

const TASKS: &str = r#"
[[task]]
use = "zoo"
fitness = "acc_ja + 0.02 * japanese"
train_limit = 6
test_limit = 4
weight = 3
watch = [0]

[[task]]
use = "polite.toml"
fitness = "japanese"
at_least = "base"
"#;

/// A session of 14 evaluations in `home`, with the second task's file.
fn prepare(home: &Path, tasks: &str) {
    let write = |name: &str, text: &str| std::fs::write(home.join(name), text).unwrap();
    let row = |q: &str, a: u32| format!("{{\"question\":\"{q}\",\"answer\":{a}}}\n");
    write(
        "train.jsonl",
        &(row("りんごが3個あります。2個もらいました。何個ですか。", 5) + &row("ペンは何本ですか。", 7)),
    );
    write("test.jsonl", &row("本が4冊あります。何冊ですか。", 4));
    write(
        "polite.toml",
        "name = 'polite'\nprompt = \"Q: {{ question }}\\nA:\"\nstop = [\"\\n\"]\nmax_new_tokens = 40\nlanguage = 'ja'\n\
         [train]\ndata = 'train.jsonl'\n[test]\ndata = 'test.jsonl'\n",
    );
    let config = format!(
        "name = 'two'\nseed = 3\n[pool]\nbase = 'zoo:base'\nsources = ['zoo:ja', 'zoo:math-add']\n{tasks}\n\
         [space]\nmethod = 'task_arithmetic'\nweight = {{ min = -0.5, max = 1.5 }}\n\
         [search]\npopulation = 4\n[budget]\nevaluations = 14\n"
    );
    write("config.toml", &config);
}

fn yosegi(home: &Path, more: &[&str]) -> Process {
    let mut command = Process::new(env!("CARGO_BIN_EXE_yosegi"));
    command.env("YOSEGI_HOME", home).current_dir(home).stdin(Stdio::null());
    command.args(["evolve", "config.toml", "--headless"]).args(more);
    command
}

fn state(home: &Path) -> (Vec<Event>, SessionState) {
    let reader = Reader::open(&Home::at(home), "two").unwrap();
    let events = reader.records(1).unwrap().into_iter().map(|r| r.event).collect();
    (events, reader.state().unwrap())
}

fn run(tasks: &str) -> (tempfile::TempDir, Vec<Event>, SessionState) {
    let home = tempfile::tempdir().unwrap();
    prepare(home.path(), tasks);
    let output = yosegi(home.path(), &[]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (events, state) = state(home.path());
    (home, events, state)
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-12
}

#[test]
fn two_tasks_are_one_fitness_and_a_killed_session_ends_the_same() {
    let (home, events, whole) = run(TASKS);
    assert_eq!((whole.train_questions, whole.test_questions), (8, 5));
    assert_eq!((whole.device.as_str(), whole.dtype.as_str()), ("cpu", "f32"));
    let base = whole.entries.iter().find(|e| e.candidate.origin == Origin::Base).unwrap();
    let bar = base.train_tasks[1].score.fitness;
    let (mut held, mut missed) = (0, 0);
    for entry in &whole.entries {
        let Some(train) = entry.train() else { panic!("{:?}", entry.outcome) };
        let [zoo, polite] = entry.train_tasks.as_slice() else { panic!("{entry:?}") };
        assert_eq!((zoo.score.n, polite.score.n, train.n), (6, 2, 8));
        assert!(close(zoo.score.fitness, zoo.score.acc_in_language + 0.02 * zoo.score.in_language));
        assert!(close(train.acc, (3.0 * zoo.score.acc + polite.score.acc) / 4.0));
        if polite.score.fitness < bar {
            missed += 1;
            assert!(close(train.fitness, polite.score.fitness - bar), "{train:?}");
        } else {
            held += 1;
            assert!(close(train.fitness, (3.0 * zoo.score.fitness + polite.score.fitness) / 4.0));
        }
    }
    println!("{held} candidates hold the bar, {missed} do not");
    assert!(held > 0);
    let best = whole.best_entry().unwrap();
    assert!(best.test.is_some() && best.test_tasks.len() == 2, "{best:?}");

    // The second task's answers stand behind the first's.
    let reader = Reader::open(&Home::at(home.path()), "two").unwrap();
    let answers = reader.answers(base.candidate.id, Split::Train).unwrap();
    assert_eq!(answers.iter().map(|a| a.index).collect::<Vec<_>>(), (0..8).collect::<Vec<_>>());
    assert!(answers[6].question.starts_with("りんごが3個"), "{}", answers[6].question);

    let killed = tempfile::tempdir().unwrap();
    prepare(killed.path(), TASKS);
    let mut child = yosegi(killed.path(), &["--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let seen = lines.map_while(Result::ok).filter(|l| l.contains("\"evaluated\"")).take(5).count();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(seen, 5);
    let output = yosegi(killed.path(), &["--resume"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let table = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(table.contains("polite.toml"), "{table}");
    // But for the folder that the second task's file lies in.
    let strip = |events: &[Event], home: &Path| -> Vec<String> {
        let folder = home.canonicalize().unwrap().display().to_string();
        let own = |e: &&Event| !matches!(e, Event::Created { .. } | Event::Resumed | Event::Stopped { .. });
        events.iter().filter(own).map(|e| serde_json::to_string(e).unwrap().replace(&folder, "")).collect()
    };
    assert_eq!(strip(&state(killed.path()).0, killed.path()), strip(&events, home.path()));
}

#[test]
fn a_bar_that_nobody_reaches_ranks_by_what_is_missing() {
    let (_home, _, state) = run("[task]\nuse = 'zoo'\ntrain_limit = 6\ntest_limit = 4\nat_least = 1.5\n");
    let fitness = |e: &Entry| match &e.outcome {
        Some(Outcome::Scored(score)) => score.fitness,
        other => panic!("{other:?}"),
    };
    for entry in &state.entries {
        assert!(close(fitness(entry), entry.train_tasks[0].score.fitness - 1.5));
    }
    let most = state.entries.iter().filter(|e| e.generation.is_some()).map(fitness).fold(f64::MIN, f64::max);
    assert!(close(fitness(state.best_entry().unwrap()), most));
}

#[test]
fn mistakes_have_their_sentence() {
    let says = |from: &str, to: &str| {
        let tasks = TASKS.replacen(from, to, 1);
        assert_ne!(tasks, TASKS, "{from}");
        let home = tempfile::tempdir().unwrap();
        prepare(home.path(), &tasks);
        let output = yosegi(home.path(), &[]).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    for (from, to, words) in [
        ("weight = 3", "wieght = 3", "did you mean `weight`?"),
        ("weight = 3", "weight = -1", "`task.weight` of zoo is -1: give a number from 0 up"),
        ("\"base\"", "\"bse\"", "is \"bse\": use \"base\" or a number"),
        ("fitness = \"japanese\"", "watch = [1]", "only the first [[task]] can be watched"),
        ("fitness = \"japanese\"", "fitness = \"japanse\"", "did you mean"),
    ] {
        let error = says(from, to);
        assert!(error.contains(words), "expected {words:?} in {error:?}");
    }
}
