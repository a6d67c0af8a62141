//! The commands around a session: what they print, what they write, and how they refuse.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output};

fn yosegi(home: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_yosegi"));
    command.args(arguments).current_dir(home).env("YOSEGI_HOME", home.join("home"));
    command.env("HF_HOME", home.join("hf")).env_remove("YOSEGI_MECAB_DICT").env("YOSEGI_LANG", "en");
    command.stdin(std::process::Stdio::null()).output().expect("the program runs")
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// One sentence on stderr, and the exit code for bad input.
fn refused(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{text}");
    text
}

#[test]
fn the_version_says_what_was_built() {
    let folder = tempfile::tempdir().unwrap();
    let text = stdout(&yosegi(folder.path(), &["--version"]));
    assert!(text.starts_with(&format!("yosegi {} (", env!("CARGO_PKG_VERSION"))), "{text}");
    let feature = if cfg!(feature = "workbench") { "features: workbench" } else { "no features" };
    assert!(text.contains(feature), "{text}");
}

#[test]
fn shells_and_man_know_the_commands() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = stdout(&yosegi(folder.path(), &["completions", shell]));
        assert!(script.contains("evolve") && script.contains("doctor"), "{shell}: {script}");
    }
    let page = stdout(&yosegi(folder.path(), &["man"]));
    assert!(page.contains(".TH yosegi 1") && page.contains("evolve"), "{page}");
    assert!(!page.contains("worker"), "hidden commands stay hidden");
    stdout(&yosegi(folder.path(), &["man", "--out", "pages"]));
    for name in ["yosegi.1", "yosegi-evolve.1", "yosegi-recipe-convert.1"] {
        assert!(folder.path().join("pages").join(name).is_file(), "{name}");
    }
}

#[test]
fn the_doctor_looks_and_touches_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let text = stdout(&yosegi(folder.path(), &["doctor", "--json"]));
    let findings: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    for about in [
        "version",
        "cpu",
        "gpu",
        "memory",
        "home",
        "engine",
        "logout",
        "models",
        "terminal",
        "dictionary",
        "language id",
    ] {
        assert!(findings.iter().any(|f| f["about"] == about), "{about} is missing: {text}");
    }
    for finding in &findings {
        let good = finding["verdict"] == "good";
        assert_eq!(good, finding["todo"].is_null(), "{finding}");
    }
    let text = stdout(&yosegi(folder.path(), &["doctor"]));
    assert!(text.contains("lid.176") && text.contains("7 bundled"), "{text}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is made");
    // A home that can't be written is a gap with its way out.
    let text = Command::new(env!("CARGO_BIN_EXE_yosegi"))
        .args(["doctor", "--json"])
        .env("YOSEGI_HOME", "/proc/none")
        .output()
        .unwrap();
    let findings: Vec<serde_json::Value> = serde_json::from_str(&stdout(&text)).unwrap();
    let home = findings.iter().find(|f| f["about"] == "home's disk").unwrap();
    assert!(home["found"].as_str().unwrap().starts_with("proc"), "{home}");
}

#[cfg(feature = "workbench")]
#[test]
fn replays_and_pictures_refuse_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let says = |arguments: &[&str]| refused(&yosegi(at, arguments));
    assert!(says(&["replay"]).contains("needs a terminal"));
    assert!(says(&["replay", "--speed", "0"]).contains("--speed 0 is not a speed"));
    assert!(says(&["replay", "--speed=-1"]).contains("-1"));
    assert!(says(&["replay", "none"]).contains("no session `none`"));
    assert!(says(&["replay", "none.jsonl"]).contains("none.jsonl cannot be read"));
    std::fs::write(at.join("bad.jsonl"), "{\"model\":1}\n").unwrap();
    assert!(says(&["replay", "bad.jsonl"]).contains("line 1"));
    std::fs::write(at.join("empty.jsonl"), "").unwrap();
    assert!(says(&["replay", "empty.jsonl"]).contains("no beginning"));
    assert!(says(&["report", "none", "--html", "x.html"]).contains("no session `none`"));
    assert!(says(&["screenshot", "--pane", "evolve", "--size", "5x5"]).contains("columns (20 to 500)"));
    assert!(says(&["screenshot", "--png", "--session", "none"]).contains("none"));
    assert!(!at.join("x.html").exists());
}

#[cfg(feature = "workbench")]
#[test]
fn a_pane_is_drawn_at_any_size() {
    let folder = tempfile::tempdir().unwrap();
    for (size, width) in [("60x18", "568"), ("200x60", "1828")] {
        stdout(&yosegi(folder.path(), &["screenshot", "--pane", "evolve", "--size", size, "--out", "."]));
        let svg = std::fs::read_to_string(folder.path().join("evolve.svg")).unwrap();
        assert!(svg.contains(&format!("width=\"{width}\"")), "{}", &svg[..300]);
    }
    // As PNG too, or, where there is no font at all, a sentence that says so.
    let drawn = yosegi(folder.path(), &["screenshot", "--pane", "answers", "--png", "--out", "png"]);
    let said = String::from_utf8_lossy(&drawn.stderr);
    match std::fs::read(folder.path().join("png/answers.png")) {
        Ok(png) => {
            assert!(drawn.status.success() && png.starts_with(b"\x89PNG\r\n\x1a\n") && png.len() > 20_000);
        }
        Err(_) => assert!(said.contains("no font was found on this machine"), "{said}"),
    }
    stdout(&yosegi(folder.path(), &["screenshot", "--out", "all"]));
    assert_eq!(std::fs::read_dir(folder.path().join("all")).unwrap().count(), 7);
}

/// A session of a few candidates, run to its end.
fn evolve(home: &Path, name: &str, space: &str, search: &str) {
    let config = format!(
        "name = \"{name}\"\nseed = 1\n[pool]\nbase = \"zoo:base\"\nsources = [\"zoo:ja\", \"zoo:math-add\"]\n\
         [task]\nuse = \"zoo\"\ntrain_limit = 4\ntest_limit = 2\n{space}\n[search]\n{search}\n\
         [budget]\nevaluations = 6\n"
    );
    std::fs::write(home.join(format!("{name}.toml")), config).unwrap();
    stdout(&yosegi(home, &["evolve", &format!("{name}.toml"), "--headless"]));
}

#[cfg(feature = "workbench")]
#[test]
fn every_kind_of_session_has_its_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let spaces = [
        ("whole", "[space]\nmethod = \"ties\"", "population = 3"),
        ("halves", "[space]\nmethod = \"task_arithmetic\"\ngroups = \"halves\"", "population = 3"),
        (
            "filters",
            "[space]\nmethod = \"task_arithmetic\"\ngroups = { filters = [\"mlp\", \"*\"] }",
            "population = 3",
        ),
        (
            "path",
            "[space.path]\nmodels = [\"zoo:base\", \"zoo:ja\"]\nrepeats = 1",
            "algorithm = \"cat-cma-es\"\npopulation = 3",
        ),
    ];
    for (name, space, search) in spaces {
        evolve(home, name, space, search);
        let output = yosegi(home, &["screenshot", "--session", name, "--out", name]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        stdout(&output);
        assert!(!said.contains("no sample answers"), "{name}: {said}");
        for pane in ["models", "recipe", "evolve", "answers", "help", "japanese"] {
            let picture = std::fs::read_to_string(home.join(name).join(format!("{pane}.svg"))).unwrap();
            assert!(picture.starts_with("<svg"), "{name}: {pane}");
        }
        // What was recorded is drawn again without the session.
        let recorded = format!("{name}/session.jsonl");
        let again = ["screenshot", "--session", &recorded, "--pane", "recipe", "--out", "again"];
        stdout(&yosegi(home, &again));
        let read = |path: &Path| std::fs::read_to_string(path.join("recipe.svg")).unwrap();
        assert_eq!(read(&home.join(name)), read(&home.join("again")), "{name}");
    }
    // The engine that answered for the pictures.
    let client = yosegi::session::Client::connect(&yosegi::session::Home::at(home.join("home")));
    client.unwrap().send(yosegi::session::protocol::Command::Shutdown).unwrap();
}

#[test]
fn a_session_that_is_not_there_is_named_with_the_nearest() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    evolve(home, "nanban", "[space]\nmethod = \"task_arithmetic\"", "population = 3");
    let commands: [&[&str]; 7] = [
        &["attach", "nanbam"],
        &["stop", "nanbam"],
        &["report", "nanbam"],
        &["merge", "--session", "nanbam", "--out", "merged"],
        &["evolve", "--extend", "nanbam", "--budget", "9"],
        #[cfg(feature = "workbench")]
        &["replay", "nanbam"],
        #[cfg(feature = "workbench")]
        &["screenshot", "--session", "nanbam", "--out", "pictures"],
        #[cfg(not(feature = "workbench"))]
        &["attach", "nanbam"],
        #[cfg(not(feature = "workbench"))]
        &["attach", "nanbam"],
    ];
    for command in commands {
        let why = refused(&yosegi(home, command));
        assert!(why.contains("no session `nanbam`") && why.contains("`nanban`"), "{command:?}: {why}");
        assert_eq!(why.trim_end().lines().count(), 1, "{command:?}: {why}");
    }
    assert!(!home.join("pictures").exists() && !home.join("merged").exists());
}

/// Runs with a reader that is gone before anything is printed.
fn without_a_reader(home: &Path, arguments: &[&str], both: bool) -> Output {
    let mut pipe = [0; 2];
    // SAFETY: makes two file descriptors, of which this test owns both.
    assert_eq!(unsafe { libc::pipe2(pipe.as_mut_ptr(), libc::O_CLOEXEC) }, 0);
    // SAFETY: the reading end, closed once.
    unsafe { libc::close(pipe[0]) };
    // SAFETY: the writing end, owned from here on.
    let end = unsafe { <std::fs::File as std::os::fd::FromRawFd>::from_raw_fd(pipe[1]) };
    let mut command = Command::new(env!("CARGO_BIN_EXE_yosegi"));
    command.args(arguments).current_dir(home).env("YOSEGI_HOME", home.join("home"));
    command.env("HF_HOME", home.join("hf")).env("YOSEGI_LANG", "en").stdin(std::process::Stdio::null());
    if both {
        command.stderr(end.try_clone().unwrap());
    } else {
        command.stderr(std::process::Stdio::piped());
    }
    command.stdout(end).spawn().unwrap().wait_with_output().unwrap()
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    std::fs::write(
        home.join("r.yaml"),
        "merge_method: linear\nmodels:\n  - model: zoo:ja\n    parameters: {weight: 1.0}\n",
    )
    .unwrap();
    evolve(home, "nanban", "[space]\nmethod = \"task_arithmetic\"", "population = 3");
    let commands: [&[&str]; 17] = [
        &["--help"],
        &["models"],
        &["models", "--json"],
        &["inspect", "zoo:ja"],
        &["inspect", "zoo:ja", "--json"],
        &["recipe", "methods"],
        &["recipe", "methods", "--json"],
        &["recipe", "check", "r.yaml"],
        &["recipe", "convert", "r.yaml", "-"],
        &["sessions"],
        &["report", "nanban"],
        &["report", "nanban", "--json"],
        &["doctor"],
        &["completions", "bash"],
        &["man"],
        &["generate", "zoo:ja", "--prompt", "1", "--max-tokens", "2"],
        &["attach", "nanban"],
    ];
    for command in commands {
        for both in [false, true] {
            let output = without_a_reader(home, command, both);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{command:?}: {:?} {said}", output.status);
            assert!(
                !said.contains("panicked") && !said.to_lowercase().contains("pipe"),
                "{command:?}: {said}"
            );
        }
    }
    // An error's code stays what it is.
    assert_eq!(without_a_reader(home, &["report", "none"], true).status.code(), Some(2));
}

#[test]
fn what_writes_files_or_runs_goes_on_without_a_reader() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    evolve(home, "first", "[space]\nmethod = \"task_arithmetic\"", "population = 3");
    for both in [false, true] {
        let name = if both { "both" } else { "out" };
        let run = ["evolve", "first.toml", "--headless", "--json", "--name", name];
        let output = without_a_reader(home, &run, both);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        if !both {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(said.matches("nobody reads the output any more").count(), 1, "{said}");
        }
        let sessions = stdout(&yosegi(home, &["sessions"]));
        let line = sessions.lines().find(|l| l.starts_with(name)).unwrap_or_default();
        assert!(line.contains("finished") && line.contains("6/6"), "{sessions}");
        let out = format!("merged-{name}");
        assert!(
            without_a_reader(home, &["merge", "--session", "first", "--out", &out], both).status.success()
        );
        assert!(home.join(out).join("config.json").is_file());
    }
}

#[test]
fn a_locale_without_utf8_has_its_tables_in_ascii() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    evolve(
        home,
        "a-rather-long-name-of-a-session",
        "[space]\nmethod = \"task_arithmetic\"",
        "population = 3",
    );
    let config = std::fs::read_to_string(home.join("a-rather-long-name-of-a-session.toml")).unwrap();
    let config = config.replace("evaluations = 6", "evaluations = 3").replace("zoo:math-add", "zoo:math-mul");
    std::fs::write(home.join("b.toml"), config).unwrap();
    let run = |arguments: &[&str], locale: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_yosegi"));
        command.args(arguments).current_dir(home).env("YOSEGI_HOME", home.join("home"));
        for name in ["LC_ALL", "LC_CTYPE", "LANG", "YOSEGI_LANG"] {
            command.env_remove(name);
        }
        let output = command.envs(locale.iter().copied()).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8(text).unwrap()
    };
    let name = "a-rather-long-name-of-a-session";
    for (n, locale) in
        [("LC_ALL", "C"), ("LC_CTYPE", "POSIX"), ("LANG", "ja_JP.eucJP")].into_iter().enumerate()
    {
        let session = format!("run-{n}");
        for arguments in
            [&["sessions"][..], &["report", name], &["evolve", "b.toml", "--headless", "--name", &session]]
        {
            let text = run(arguments, &[locale]);
            assert!(text.is_ascii() && !text.is_empty(), "{arguments:?}: {text}");
        }
    }
    let text =
        run(&["evolve", "b.toml", "--headless", "--name", "wide"], &[("LC_ALL", "C.UTF-8"), ("LANG", "C")]);
    assert!(text.contains('±') && text.contains('σ'), "{text}");
}

#[test]
fn a_log_counts_questions_as_often_as_asked() {
    let folder = tempfile::tempdir().unwrap();
    let lines = |every: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_yosegi"));
        command.args(["eval", "zoo:ja", "--task", "zoo", "--device", "cpu"]).env("YOSEGI_PROGRESS", every);
        let told = command.current_dir(folder.path()).env("YOSEGI_HOME", folder.path()).output().unwrap();
        stdout(&told);
        let said = String::from_utf8_lossy(&told.stderr).into_owned();
        let counts = said.lines().filter_map(|line| line.strip_suffix(" questions")?.split_once(" of "));
        counts.map(|(done, of)| (done.parse().unwrap(), of.parse().unwrap())).collect::<Vec<(u64, u64)>>()
    };
    let told = lines("0.000001");
    assert!(!told.is_empty() && told.iter().all(|(done, of)| done < of), "{told:?}");
    assert_eq!(lines("0"), []);
}
