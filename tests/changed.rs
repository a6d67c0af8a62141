//! Models, task and answers that change under a session: it goes on with what it began with, or not at all, and
//! whatever is refused leaves the session as it was.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod processes;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Output, Stdio};
use std::time::{Duration, Instant};

use processes::children;
use tempfile::TempDir;
use yosegi::session::journal::Reader;
use yosegi::session::protocol::{Command, Event, Live, Message, Reply, Split, Status};
use yosegi::session::state::SessionState;
use yosegi::session::{Client, Home};

const TASK: &str = "name = \"capitals\"\nlanguage = \"none\"\nprompt = \"Q: {{ question }}\\nA:\"\nstop = [\"\\n\"]\n\
                    max_new_tokens = 3\nmetrics = [\"exact_match\"]\n\
                    [shots]\ncount = 1\ndata = \"shots.jsonl\"\nseparator = \"\\n\"\ndraw = \"first\"\n\
                    [train]\ndata = \"train.jsonl\"\n[test]\ndata = \"test.jsonl\"\n";

/// A folder with models, a task and sessions over them.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { dir: tempfile::tempdir().unwrap() };
        let out = place.run(&["zoo", "--out", "zoo"]);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let row = |q: &str, a: &str| format!("{{\"question\": \"{q}\", \"answer\": \"{a}\"}}\n");
        place.write("task.toml", TASK);
        place.write("train.jsonl", &[row("one", "1"), row("two", "2")].concat());
        place.write("test.jsonl", &row("three", "3"));
        place.write("shots.jsonl", &row("four", "4"));
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn home(&self) -> Home {
        Home::at(self.path("home"))
    }

    fn process(&self) -> Process {
        let mut command = Process::new(env!("CARGO_BIN_EXE_yosegi"));
        command.env("YOSEGI_HOME", self.path("home")).current_dir(self.dir.path()).stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.process().args(args).output().unwrap()
    }

    /// A config over the models and the task in this folder.
    fn config(&self, evaluations: u64, search: &str) -> String {
        let at = |name: &str| self.path(name).to_str().unwrap().to_owned();
        format!(
            "name = \"s\"\ndevice = \"cpu\"\n[pool]\nbase = \"{}\"\nsources = [\"{}\", \"zoo:math-add\"]\n[task]\nuse = \"{}\"\n\
             fitness = \"acc\"\n[space]\nmethod = \"task_arithmetic\"\ngroups = \"global\"\n\
             weight = {{ min = -0.3, max = 1.8 }}\n[search]\npopulation = 4\n{search}\n[budget]\nevaluations = {evaluations}\n",
            at("zoo/base"),
            at("zoo/ja"),
            at("task.toml")
        )
    }

    /// Runs a session of 4 evaluations to its end.
    fn finished(&self, name: &str, search: &str) {
        self.write("config.toml", &self.config(4, search));
        let out = self.run(&["evolve", "config.toml", "--headless", "--name", name]);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }

    fn state(&self, name: &str) -> SessionState {
        Reader::open(&self.home(), name).unwrap().state().unwrap()
    }

    fn extend(&self, name: &str, budget: u64) -> Output {
        self.run(&["evolve", "--extend", name, "--budget", &budget.to_string(), "--headless"])
    }

    /// The session can't go on, the sentence holds these words, and the session is what it was.
    fn refused(&self, name: &str, words: &[&str]) {
        let before = self.state(name);
        let out = self.extend(name, before.evaluations + 4);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(2), "{said}");
        for word in words {
            assert!(said.contains(word), "no `{word}` in: {said}");
        }
        assert_eq!(self.state(name), before, "a refusal changes nothing");
        let listed = String::from_utf8_lossy(&self.run(&["sessions"]).stdout).into_owned();
        assert!(listed.contains("finished") && !listed.contains("killed"), "{listed}");
    }
}

/// Changes a file for as long as `inside` runs.
fn changed(path: &Path, change: impl FnOnce(Vec<u8>) -> Vec<u8>, inside: impl FnOnce()) {
    let was = fs::read(path).unwrap();
    fs::write(path, change(was.clone())).unwrap();
    inside();
    fs::write(path, was).unwrap();
}

fn replaced(from: &'static str, to: &'static str) -> impl FnOnce(Vec<u8>) -> Vec<u8> {
    move |bytes| {
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains(from), "{text}");
        text.replacen(from, to, 1).into_bytes()
    }
}

#[test]
fn whatever_changed_is_named_and_the_session_stays_as_it_was() {
    let place = Place::new();
    place.finished("s", "");
    let since = "since session `s` began";
    changed(&place.path("train.jsonl"), replaced("\"2\"", "\"9\""), || {
        place.refused("s", &["train.jsonl (training questions", "has changed", since, "put it back"]);
    });
    changed(&place.path("test.jsonl"), replaced("three", "tree"), || {
        place.refused("s", &["test.jsonl (held-out questions", since]);
    });
    changed(&place.path("shots.jsonl"), replaced("\"4\"", "\"5\""), || {
        place.refused("s", &["shots.jsonl (examples", since]);
    });
    changed(&place.path("task.toml"), replaced("max_new_tokens = 3", "max_new_tokens = 4"), || {
        place.refused("s", &["task.toml has changed", since]);
    });
    // A weight of a model: length and time of writing as they were.
    let weights = place.path("zoo/ja/model.safetensors");
    let written = fs::metadata(&weights).unwrap().modified().unwrap();
    let bit: fn(Vec<u8>) -> Vec<u8> = |mut bytes| {
        *bytes.last_mut().unwrap() ^= 1;
        bytes
    };
    changed(&weights, bit, || {
        fs::File::options().write(true).open(&weights).unwrap().set_modified(written).unwrap();
        place.refused("s", &["zoo/ja/model.safetensors has changed", since]);
    });
    let spaces = |bytes: Vec<u8>| [bytes.as_slice(), b" "].concat();
    changed(&place.path("zoo/base/tokenizer.json"), spaces, || {
        place.refused("s", &["zoo/base/tokenizer.json has changed", since]);
    });
    // What was not there before decides too.
    place.write("zoo/ja/chat_template.jinja", "{{ messages }}");
    place.refused("s", &["zoo/ja/chat_template.jinja has come new", since]);
    fs::remove_file(place.path("zoo/ja/chat_template.jinja")).unwrap();
    // A whole folder replaced by another model's, and one that is gone.
    fs::rename(place.path("zoo/ja"), place.path("aside")).unwrap();
    fs::rename(place.path("zoo/math-mul"), place.path("zoo/ja")).unwrap();
    place.refused("s", &["zoo/ja/model.safetensors has changed", since]);
    fs::rename(place.path("zoo/ja"), place.path("zoo/math-mul")).unwrap();
    place.refused("s", &["zoo/ja"]);
    fs::rename(place.path("aside"), place.path("zoo/ja")).unwrap();
    fs::rename(place.path("task.toml"), place.path("aside.toml")).unwrap();
    place.refused("s", &["task.toml"]);
    fs::rename(place.path("aside.toml"), place.path("task.toml")).unwrap();

    // The winner of other weights than those that were measured: with a word.
    changed(&weights, bit, || {
        let out = place.run(&["merge", "--session", "s", "--out", "winner"]);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(
            out.status.success() && said.contains("zoo/ja/model.safetensors has changed since"),
            "{said}"
        );
    });

    // All as it was, if written anew, with a comment and a model card.
    changed(&place.path("task.toml"), replaced("name =", "# a comment\nname ="), || {
        place.write("zoo/ja/README.md", "another");
        let out = place.extend("s", 8);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    });
    assert_eq!((place.state("s").status, place.state("s").evaluations), (Status::Finished, 8));
}

/// The start of a search is in the journal: its recipe may go.
#[test]
fn a_recipe_that_a_search_began_at_may_change_and_go() {
    let place = Place::new();
    let ja = place.path("zoo/ja");
    let recipe = format!(
        "method = \"task_arithmetic\"\nbase = \"{}\"\n[[source]]\nmodel = \"{}\"\nweight = 0.7\n[[source]]\nmodel = \"zoo:math-add\"\nweight = 0.2\n",
        place.path("zoo/base").display(),
        ja.display()
    );
    place.write("begin.toml", &recipe);
    let start = format!("start = \"{}\"", place.path("begin.toml").display());
    place.finished("whole", &start);
    place.finished("s", &start);
    assert!(place.extend("whole", 8).status.success());
    place.write("begin.toml", &recipe.replace("0.7", "0.1"));
    assert!(place.extend("s", 6).status.success());
    fs::remove_file(place.path("begin.toml")).unwrap();
    assert!(place.extend("s", 8).status.success());
    let genomes = |name: &str| {
        let state = place.state(name);
        let searched = state.entries.into_iter().filter(|e| e.generation.is_some());
        searched.map(|e| e.candidate.genome).collect::<Vec<_>>()
    };
    assert_eq!(genomes("s"), genomes("whole"));
}

/// Journals of earlier versions hold no fingerprints, but the questions.
#[test]
fn a_journal_without_fingerprints_goes_on_with_a_word() {
    let place = Place::new();
    place.finished("s", "");
    let journal = place.home().session("s").unwrap().join("journal.db");
    let forget = || rusqlite::Connection::open(&journal).unwrap().execute_batch("DROP TABLE files").unwrap();
    forget();
    changed(&place.path("train.jsonl"), replaced("\"2\"", "\"9\""), || {
        place.refused("s", &["the right answer to question 2", "train data has changed"]);
    });
    let out = place.extend("s", 8);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success() && said.contains("took no fingerprints"), "{said}");
    // From then on a change is noticed.
    let out = place.extend("s", 12);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success() && !said.contains("took no fingerprints"), "{said}");
    changed(&place.path("task.toml"), replaced("max_new_tokens = 3", "max_new_tokens = 2"), || {
        place.refused("s", &["task.toml has changed"]);
    });
}

/// The home's engine, ended with the test.
struct Served(Child, Home);

impl Served {
    fn new(place: &Place) -> Self {
        let engine = place.process().arg("engine").spawn().unwrap();
        let (served, begin) = (Self(engine, place.home()), Instant::now());
        while Client::connect(&served.1).is_err() {
            assert!(begin.elapsed() < Duration::from_secs(20), "the engine does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        served
    }

    fn client(&self) -> Client {
        Client::connect(&self.1).ok().unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn started(client: &mut Client, config: String) -> String {
    match client.call(Command::Start { config, name: None }).unwrap() {
        Reply::Started { session } => session,
        other => panic!("{other:?}"),
    }
}

/// Follows a session until a message says what is waited for.
fn until<T>(client: &mut Client, session: &str, found: impl Fn(&Message) -> Option<T>) -> T {
    client.call(Command::Subscribe { session: session.into(), since: 1 }).unwrap();
    loop {
        let message = client.recv_timeout(Duration::from_mins(1)).unwrap().expect("something comes");
        if let Some(found) = found(&message) {
            return found;
        }
    }
}

/// An engine that lives on keeps models and tasks at hand; a new session must not get old ones.
#[test]
fn a_session_begins_with_the_files_as_they_are() {
    let place = Place::new();
    let engine = Served::new(&place);
    let mut client = engine.client();
    let over = |message: &Message| match message {
        Message::Event { record, .. } => matches!(record.event, Event::Finished { .. }).then_some(()),
        _ => None,
    };
    let first = started(&mut client, place.config(4, ""));
    until(&mut client, &first, over);
    let text = fs::read_to_string(place.path("train.jsonl")).unwrap();
    place.write("train.jsonl", &text.replace("\"2\"", "\"9\""));
    let second = started(&mut client, place.config(4, ""));
    until(&mut client, &second, over);
    let gold = |name: &str| {
        Reader::open(&place.home(), name).unwrap().question(Split::Train, 1).unwrap().unwrap().gold
    };
    assert_eq!((gold(&first), gold(&second)), ("2".to_owned(), "9".to_owned()));
    // The first can't go on in the very engine that ran it.
    match client.call(Command::Extend { session: first.clone(), budget: 8 }).unwrap() {
        Reply::Error(why) => assert!(why.contains("train.jsonl"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(place.state(&first).status, Status::Finished);
}

/// A worker that takes the place of one that died opens the files anew: other ones end the run, not its candidates.
#[test]
fn a_model_that_changes_while_its_worker_dies_halts_the_run() {
    let place = Place::new();
    let engine = Served::new(&place);
    let mut client = engine.client();
    let session = started(&mut client, place.config(100_000, ""));
    let generation = |message: &Message| match message {
        Message::Event { record, .. } => {
            matches!(record.event, Event::GenerationFinished { .. }).then_some(())
        }
        _ => None,
    };
    until(&mut client, &session, generation);
    let weights = place.path("zoo/ja/model.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    // As downloads and exports write: a new file under the name, while the old one stays mapped.
    fs::write(place.path("new"), bytes).unwrap();
    fs::rename(place.path("new"), &weights).unwrap();
    let worker = children(engine.0.id()).into_iter().next().expect("a worker");
    // SAFETY: kill touches no memory; the process is a child of this test's own.
    assert_eq!(unsafe { libc::kill(libc::pid_t::try_from(worker).unwrap(), libc::SIGKILL) }, 0);
    let why = until(&mut client, &session, |message| match message {
        Message::Live { live: Live::Halted { reason, .. }, .. } => Some(reason.clone()),
        _ => None,
    });
    assert!(why.contains("zoo/ja/model.safetensors has changed while the session ran"), "{why}");
    let failed = |e: &yosegi::session::state::Entry| {
        matches!(e.outcome, Some(yosegi::session::protocol::Outcome::Failed(_)))
    };
    assert!(!place.state(&session).entries.iter().any(failed));
}
