//! Every pane and every overlay at four sizes and in four depths of colour: drawn whole, inside its
//! frame, in no more colours than the terminal has, with the way out in sight.

use vt100::{Color, Screen};
use yosegi::workbench::messages;

use super::place::{PATIENCE, Place, Terminal};

/// Rows and columns.
const SIZES: [(u16, u16); 4] = [(18, 60), (24, 80), (40, 120), (60, 200)];

/// What a terminal says that it can, and which colours it may be sent.
type Depth = (&'static [(&'static str, &'static str)], fn(Color) -> bool);

const DEPTHS: [Depth; 4] = [
    (&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")], |_| true),
    (&[("TERM", "xterm-256color")], |c| !matches!(c, Color::Rgb(..))),
    (&[("TERM", "xterm")], |c| matches!(c, Color::Default | Color::Idx(0..16))),
    (&[("TERM", "xterm-256color"), ("NO_COLOR", "1")], |c| c == Color::Default),
];

fn lines(screen: &Screen) -> Vec<String> {
    screen.rows(0, screen.size().1.get()).collect()
}

/// Whether the pane's tab is the marked one.
fn is_on(screen: &Screen, pane: usize) -> bool {
    let Some(at) = lines(screen)[0].find(&format!("{pane} ")) else { return false };
    screen.cell(0, at as u16).is_some_and(vt100::Cell::inverse)
}

/// What must hold of every frame.
fn assert_whole(screen: &Screen, allowed: fn(Color) -> bool, place: &str) {
    let (rows, cols) = (screen.size().0.get(), screen.size().1.get());
    let text = screen.contents();
    for (y, line) in lines(screen).iter().enumerate() {
        // A line that begins with a frame ends with one: a wide letter in between would push it out.
        if let Some(first) = line.chars().next().filter(|c| "│╭╰".contains(*c)) {
            let last = screen.cell(y as u16, cols - 1).map_or("", vt100::Cell::contents);
            assert!(
                "│╮╯".contains(last) && !last.is_empty(),
                "{place}: line {y} begins with {first}:\n{text}"
            );
        }
    }
    for y in 0..rows {
        for x in 0..cols {
            let cell = screen.cell(y, x).expect("inside");
            for colour in [cell.fgcolor(), cell.bgcolor()] {
                assert!(allowed(colour), "{place}: {colour:?} at {x}, {y}:\n{text}");
            }
        }
    }
}

fn hints(screen: &Screen) -> String {
    lines(screen).last().cloned().unwrap_or_default()
}

#[test]
fn every_pane_and_overlay_of_a_fresh_workbench() {
    let place = Place::new();
    for (set, allowed) in DEPTHS {
        let mut terminal = Terminal::open_with(place.path(), &[], SIZES[0], set);
        terminal.shows("zoo:math-mul");
        for size in SIZES {
            terminal.resize(size);
            for pane in 1..=4 {
                // With Alt, since in Recipe a digit alone begins a number.
                terminal.press(&format!("\x1b{pane}"));
                let at = format!("pane {pane} at {size:?} in {set:?}");
                terminal.cells(&at, |s| {
                    is_on(s, pane) && hints(s).contains("? help") && hints(s).contains("q quit")
                });
                terminal.cells(&at, |s| {
                    assert_whole(s, allowed, &at);
                    true
                });
            }
            terminal.press("\x1b2");
            terminal.cells("the grid is there", |s| s.contents().contains("embed"));
            for (key, title) in [
                ("?", messages::help_title(messages::recipe())),
                (":", messages::palette_title().to_owned()),
                ("m", messages::method_title().to_owned()),
                ("r", messages::presets_title().to_owned()),
                ("w", messages::prompt_save().to_owned()),
                ("o", messages::prompt_open().to_owned()),
                ("S", messages::sessions_title().to_owned()),
                ("L", messages::log_title().to_owned()),
                ("y", messages::yaml_title().to_owned()),
                ("d", messages::compare_title().to_owned()),
                ("W", messages::questions_title().to_owned()),
                // These two lie over Models.
                ("\x1b1a", messages::prompt_add().to_owned()),
                ("?\r", messages::tour_step(1, 5)),
            ] {
                terminal.press(key);
                let at = format!("{key} at {size:?} in {set:?}");
                terminal
                    .cells(&at, |s| s.contents().contains(&format!(" {title} ")) && hints(s).contains("Esc"));
                terminal.cells(&at, |s| {
                    assert_whole(s, allowed, &at);
                    true
                });
                terminal.press("\x1b");
                terminal.cells("closed", |s| hints(s).contains("? help"));
            }
        }
        terminal.press("q");
        assert_eq!(terminal.ends(PATIENCE), 0);
    }
}

#[test]
fn every_pane_of_a_session_played_again() {
    let place = Place::new();
    for (set, allowed) in DEPTHS {
        let mut terminal = Terminal::open_with(place.path(), &["replay", "--speed", "100000"], (24, 80), set);
        terminal.shows("replay ended");
        for size in SIZES {
            terminal.resize(size);
            for (pane, part) in [(1, "zoo:base"), (2, "embed"), (3, "g"), (4, "train-0000")] {
                terminal.press(&pane.to_string());
                let at = format!("pane {pane} at {size:?} in {set:?}");
                terminal.cells(&at, |s| {
                    is_on(s, pane) && s.contents().contains(part) && hints(s).contains("q quit")
                });
                terminal.cells(&at, |s| {
                    assert_whole(s, allowed, &at);
                    true
                });
            }
        }
        // A candidate's recipe, and a whole answer.
        for (keys, part) in [("3r", "Esc closes)"), ("\x1b4\r", "expected")] {
            for size in SIZES {
                terminal.resize(size);
                terminal.press(keys);
                let at = format!("{keys:?} at {size:?} in {set:?}");
                let drawn = |s: &Screen| hints(s).contains("q quit") || hints(s).contains("Esc");
                terminal.cells(&at, |s| s.contents().contains(part) && drawn(s));
                terminal.cells(&at, |s| {
                    assert_whole(s, allowed, &at);
                    true
                });
                terminal.press("\x1b");
                terminal.cells("closed", |s| hints(s).contains("? help"));
            }
        }
        // Colours where there are some: the grid is a heat map.
        terminal.press("2");
        let coloured = |s: &Screen| {
            (0..s.size().0.get()).any(|y| s.cell(y, 12).is_some_and(|c| c.bgcolor() != Color::Default))
        };
        terminal.cells("drawn", |s| is_on(s, 2));
        if !set.contains(&("NO_COLOR", "1")) {
            terminal.cells("coloured", coloured);
        }
        terminal.press("q");
        assert_eq!(terminal.ends(PATIENCE), 0);
    }
}
