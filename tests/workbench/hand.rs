//! Hand work: it outlives `q` and a kill, it is written where and as it was asked for, and a model with
//! numbers that are none disturbs nothing.

use std::path::PathBuf;

use super::place::{PATIENCE, Place, Terminal};

#[test]
fn hand_work_and_kept_candidates_are_there_again() {
    let place = Place::new();
    let config = place.config(100_000);
    let mut terminal = Terminal::open(place.path(), &[], (40, 120));
    terminal.shows("zoo:math-mul");
    terminal.press("2");
    terminal.shows("embed");
    terminal.press("1.25\r");
    terminal.shows("1.25");
    terminal.press("q");
    assert_eq!(terminal.ends(PATIENCE), 0);
    let mut terminal = Terminal::open(place.path(), &[], (40, 120));
    terminal.shows("zoo:math-mul");
    terminal.press("2");
    terminal.shows("1.25");
    terminal.press("q");
    assert_eq!(terminal.ends(PATIENCE), 0);

    // A session has its own; what is kept there outlives also a kill.
    let config = config.to_str().expect("a plain path");
    let mut terminal = Terminal::open(place.path(), &["evolve", config], (40, 120));
    terminal.shows("Generation 3");
    terminal.press("p");
    terminal.shows("zoo paused");
    terminal.press("jK");
    terminal.shows("is kept");
    terminal.press("2");
    terminal.shows("embed");
    terminal.press("0.75\r");
    terminal.shows(" 0.75");
    std::thread::sleep(std::time::Duration::from_millis(500));
    terminal.signal(libc::SIGKILL);
    terminal.ends(PATIENCE);
    let mut terminal = Terminal::open(place.path(), &["attach", "zoo"], (40, 120));
    terminal.until("kept", |s| s.lines().any(|l| l.contains("│*g") || l.contains("│ *g")));
    terminal.press("2");
    terminal.shows(" 0.75");
    terminal.press("q");
    assert_eq!(terminal.ends(PATIENCE), 0);
}

#[test]
fn a_recipe_is_written_as_its_name_says_and_over_nothing_unasked() {
    let place = Place::new();
    let yaml = place.path().join("mine.yaml");
    let theirs = place.path().join("theirs.toml");
    std::fs::write(&theirs, "precious").expect("a file");
    let mut terminal = Terminal::open(place.path(), &[], (24, 80));
    terminal.shows("zoo:math-mul");
    terminal.press("2");
    terminal.shows("embed");
    terminal.press("w\x15mine.yaml\r");
    terminal.shows("Written to mine.yaml");
    let text = std::fs::read_to_string(&yaml).expect("the recipe");
    assert!(text.contains("merge_method: task_arithmetic"), "{text}");
    terminal.press("w\x15theirs.toml\r");
    terminal.shows("exists already");
    terminal.press("n");
    terminal.until("asked again", |s| s.contains("Write the recipe to") && s.contains("theirs.toml"));
    assert_eq!(std::fs::read_to_string(&theirs).expect("the file"), "precious");
    // A folder that is not there: the name stays to be mended.
    terminal.press("\x15nowhere/r.toml\r");
    terminal.until("said and asked again", |s| {
        s.contains("can't be written") && s.contains("Write the recipe to") && s.contains("nowhere/r.toml")
    });
    terminal.press("\x15theirs.toml\r");
    terminal.shows("exists already");
    terminal.press("y");
    terminal.shows("Written to theirs.toml");
    assert!(std::fs::read_to_string(&theirs).expect("the file").contains("task_arithmetic"));
    terminal.press("q");
    assert_eq!(terminal.ends(PATIENCE), 0);
}

/// The zoo's `ja` with three numbers that are none.
fn broken(place: &Place) -> PathBuf {
    let out = place.path().join("zoo");
    let written = yosegi::checkpoint::write_zoo(&out).expect("the zoo");
    let ja = written.iter().find(|w| w.ends_with("ja")).expect("ja").clone();
    let path = ja.join("model.safetensors");
    let mut bytes = std::fs::read(&path).expect("weights");
    let end = bytes.len();
    for at in [2, 4, 6] {
        // NaN in bfloat16.
        bytes[end - at..end - at + 2].copy_from_slice(&[0xc0, 0x7f]);
    }
    std::fs::write(&path, bytes).expect("weights");
    ja
}

#[test]
fn a_model_with_nan_is_measured_and_stays_listed() {
    let place = Place::new();
    let model = broken(&place);
    let model = model.to_str().expect("a plain path");
    let mut terminal = Terminal::open(place.path(), &[], (40, 120));
    terminal.shows("zoo:math-mul");
    terminal.press(&format!("a{model}\r"));
    terminal.shows("is in the list");
    let pid = place.client().pid;
    terminal.press(" ");
    terminal.shows("3 numbers are not finite");
    assert!(!terminal.screen().contains("The engine is gone"));
    assert_eq!(place.client().pid, pid);
    terminal.press("q");
    assert_eq!(terminal.ends(PATIENCE), 0);
    // It is listed at the next start, and picked.
    let mut terminal = Terminal::open(place.path(), &[], (40, 120));
    terminal.shows("3 numbers are not finite");
    assert!(terminal.screen().contains("src 4"), "{}", terminal.screen());
    terminal.press("q");
    assert_eq!(terminal.ends(PATIENCE), 0);
}

#[test]
fn a_session_that_is_not_there_opens_no_workbench() {
    let place = Place::new();
    let mut terminal = Terminal::open(place.path(), &["attach", "nosuch"], (24, 80));
    assert_eq!(terminal.ends(PATIENCE), 2);
    terminal.shows("there is no session `nosuch`");
    let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
    assert!(!raw.contains("\x1b[?1049h"), "the screen was taken: {raw:?}");
}

#[test]
fn a_locale_without_utf8_is_served_in_ascii() {
    let place = Place::new();
    for set in [("LC_ALL", "C"), ("LC_CTYPE", "POSIX"), ("LANG", "en_US.ISO-8859-1")] {
        let set = [("TERM", "xterm-256color"), set];
        let mut terminal = Terminal::open_with(place.path(), &["replay", "--speed", "50"], (40, 120), &set);
        let screen = terminal.shows("replay x50");
        let frames = |c: char| matches!(c, '│' | '─' | '╭' | '╰') || ('\u{2800}'..='\u{28ff}').contains(&c);
        assert!(!screen.contains(frames) && screen.contains('|'), "{screen}");
        terminal.press("q");
        assert_eq!(terminal.ends(PATIENCE), 0);
    }
}
