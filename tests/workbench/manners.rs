//! How the workbench treats a terminal: whole frames, a cursor where one types, a mouse that is left
//! alone, copies over the line, and nobody else writing to it.

use std::time::Duration;

use super::place::{PATIENCE, Place, Terminal};

const BEGIN: &[u8] = b"\x1b[?2026h";
const END: &[u8] = b"\x1b[?2026l";

/// Where `part` begins in `bytes`.
pub fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|w| w == part)
}

/// What is left of `bytes` without escape sequences: what would be seen.
fn seen(bytes: &[u8]) -> String {
    let mut text = String::new();
    let mut rest = String::from_utf8_lossy(bytes).into_owned();
    while let Some(at) = rest.find('\x1b') {
        text.push_str(&rest[..at]);
        // Strings, such as questions to the terminal, have an end of their own.
        let end = match rest[at..].chars().nth(1) {
            Some('_' | 'P') => rest[at..].find("\x1b\\").map(|e| at + e + 2),
            _ => rest[at..].find(|c: char| c.is_ascii_alphabetic()).map(|e| at + e + 1),
        };
        let end = end.unwrap_or(rest.len());
        rest = rest.split_off(end);
    }
    text + &rest
}

#[test]
fn every_frame_is_one_synchronized_update() {
    let place = Place::new();
    let mut terminal = Terminal::open(place.path(), &["replay", "--speed", "50"], (24, 80));
    terminal.shows("replay x50");
    for key in ["1", "2", "4", "?", "\x1b", "3"] {
        terminal.press(key);
        std::thread::sleep(Duration::from_millis(60));
    }
    terminal.cells("Evolve", |s| s.contents().contains("Generation"));
    terminal.press("?");
    terminal.shows("What can be done");
    let bytes = terminal.raw();
    let first = find(&bytes, BEGIN).expect("a frame");
    assert_eq!(seen(&bytes[..first]), "", "something is written before the first frame");
    let mut rest = &bytes[first..];
    let mut frames = 0;
    while let Some(end) = find(rest, END) {
        let frame = &rest[BEGIN.len()..end];
        assert_eq!(find(frame, BEGIN), None, "a frame begins inside another");
        rest = &rest[end + END.len()..];
        let next = find(rest, BEGIN).unwrap_or(rest.len());
        assert_eq!(seen(&rest[..next]), "", "something is written between two frames");
        rest = &rest[next..];
        frames += 1;
    }
    assert!(frames > 8, "{frames} frames");
}

#[test]
fn the_cursor_is_where_one_types_and_nowhere_else() {
    let place = Place::new();
    let mut terminal = Terminal::open(place.path(), &[], (24, 80));
    terminal.shows("zoo:math-mul");
    terminal.cells("no cursor", vt100::Screen::hide_cursor);
    terminal.press("2");
    terminal.shows("embed");
    terminal.press("w");
    terminal.cells("a cursor", |s| !s.hide_cursor());
    // An input method draws at the cursor: it goes along by two cells a letter.
    let at = |t: &Terminal| t.parser.lock().expect("no panic there").screen().cursor_position();
    let before = at(&terminal);
    terminal.press("りんご");
    terminal.cells("typed", |s| s.contents().contains("りんご"));
    terminal.cells("moved along", |s| s.cursor_position() == (before.0, before.1 + 6));
    terminal.press("\x1b");
    terminal.cells("no cursor", vt100::Screen::hide_cursor);
    terminal.press("q");
    assert_eq!(terminal.ends(PATIENCE), 0);
}

#[test]
fn the_mouse_is_the_terminals_until_it_is_asked_for() {
    let place = Place::new();
    let mut terminal = Terminal::open(place.path(), &[], (24, 80));
    terminal.shows("zoo:math-mul");
    let mode = |t: &Terminal| t.parser.lock().expect("no panic there").screen().mouse_protocol_mode();
    assert_eq!(mode(&terminal), vt100::MouseProtocolMode::None);
    terminal.press("M");
    terminal.cells("ours", |s| s.mouse_protocol_mode() != vt100::MouseProtocolMode::None);
    // A click on the second tab, as the terminal reports it.
    terminal.press("\x1b[<0;14;1M\x1b[<0;14;1m");
    terminal.shows("embed");
    terminal.press("M");
    terminal.cells("theirs", |s| s.mouse_protocol_mode() == vt100::MouseProtocolMode::None);
}

#[test]
fn a_copy_goes_over_the_line_and_success_is_not_claimed() {
    let place = Place::new();
    let mut terminal = Terminal::open(place.path(), &["replay", "--speed", "100000"], (40, 120));
    terminal.shows("replay ended");
    terminal.press("4");
    terminal.shows("train-0000");
    terminal.press("y");
    terminal.until("copied", |_| find(&terminal.raw(), b"\x1b]52;c;").is_some());
    let bytes = terminal.raw();
    let from = find(&bytes, b"\x1b]52;c;").expect("it was found") + 7;
    let coded = &bytes[from..from + find(&bytes[from..], b"\x07").expect("an end")];
    assert!(coded.len() > 40 && coded.iter().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(b)));
    let said = terminal.screen().lines().last().unwrap_or_default().to_lowercase();
    assert!(!said.contains("copied"), "{said}");
}

#[test]
fn the_engine_and_its_worker_write_to_no_terminal() {
    let place = Place::new();
    let config = place.config(100_000);
    let terminal =
        Terminal::open(place.path(), &["evolve", config.to_str().expect("a plain path")], (24, 80));
    terminal.shows("Generation");
    let engine = place.client().pid;
    let children =
        std::fs::read_to_string(format!("/proc/{engine}/task/{engine}/children")).unwrap_or_default();
    let of_any_thread = std::fs::read_dir(format!("/proc/{engine}/task")).expect("its threads").flatten();
    let mut processes: Vec<String> = of_any_thread
        .filter_map(|t| std::fs::read_to_string(t.path().join("children")).ok())
        .chain([children, engine.to_string()])
        .flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    processes.sort();
    processes.dedup();
    assert!(processes.len() >= 2, "an engine and a worker: {processes:?}");
    for process in processes {
        for file in 0..3 {
            let open = std::fs::read_link(format!("/proc/{process}/fd/{file}")).unwrap_or_default();
            assert!(!open.starts_with("/dev/pts") && !open.starts_with("/dev/tty"), "{process}: {open:?}");
        }
    }
}

#[test]
fn ascii_alone_where_that_is_asked_for() {
    let place = Place::new();
    let set = [("TERM", "xterm"), ("YOSEGI_ASCII", "1")];
    let mut terminal = Terminal::open_with(place.path(), &["replay", "--speed", "100000"], (40, 120), &set);
    terminal.shows("replay ended");
    for (pane, part) in [("1", "zoo:base"), ("2", "embed"), ("3", "Generation"), ("4", "train-0000")] {
        terminal.press(pane);
        terminal.cells(part, |s| s.contents().contains(part) && s.contents().contains("q quit"));
        // Models write Japanese and the signs of their sums; what we draw is ASCII.
        terminal.cells("ASCII", |s| {
            s.contents().chars().all(|c| c.is_ascii() || is_japanese(c) || matches!(c, '×' | '÷'))
        });
    }
    terminal.press("?");
    terminal.shows("+- What can be done");
}

/// Letters whose width no terminal doubts.
fn is_japanese(c: char) -> bool {
    matches!(c, '\u{3000}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ff01}'..='\u{ff60}')
}
