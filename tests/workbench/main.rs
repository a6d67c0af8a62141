//! The real binary in a real pseudo-terminal: what a person sees and types, from the first
//! screen to the way back after the line was lost.
#![cfg(feature = "workbench")]

mod place;

use std::thread;
use std::time::Duration;

use place::{PATIENCE, Place, Terminal};
use yosegi::session::protocol::{Command, Reply, Status};

/// Evaluations done, as the status line of Evolve says.
fn evaluations(screen: &str) -> Option<u32> {
    let rest = screen.split("evaluations ").nth(1)?;
    rest.split('/').next()?.trim().parse().ok()
}

#[test]
fn models_a_hand_made_recipe_and_a_run_that_outlives_the_terminal() {
    let place = Place::new();
    let config = place.config(4000);
    let config = config.to_str().expect("a plain path");

    // The first screen: the zoo is there, and a line says what to do.
    let mut terminal = Terminal::open(place.path(), &[], (40, 120));
    for model in ["zoo:base", "zoo:ja", "zoo:math-add", "zoo:math-mul"] {
        terminal.shows(model);
    }
    terminal.shows("Press s to evolve the bundled zoo");

    // An edited cell: the sample answers are given anew, those before beside them.
    terminal.press("\t");
    terminal.shows("now ");
    terminal.until("answered", |s| !s.contains("answering") && s.contains("answer "));
    terminal.press("1.25\r");
    let screen = terminal.shows("before ");
    assert!(screen.contains("1.25"), "{screen}");
    terminal.press("u");
    terminal.until("undone", |s| !s.contains("1.25"));
    terminal.press("q");
    assert_eq!(terminal.ends(PATIENCE), 0);

    // A run from a config on the command line; a generation ends.
    let mut terminal = Terminal::open(place.path(), &["evolve", config], (40, 120));
    terminal.shows("running");
    let screen = terminal.until("a generation finished", |s| s.contains("Generation 3"));
    let before = evaluations(&screen).expect("evaluations are shown");
    terminal.press("q");
    assert_eq!(terminal.ends(PATIENCE), 0);
    terminal.shows("The run goes on. yosegi attach zoo brings it back.");

    // Back, and further on; paused, stopped.
    let mut terminal = Terminal::open(place.path(), &["attach", "zoo"], (24, 80));
    terminal.until("further on", |s| evaluations(s).is_some_and(|n| n > before));
    terminal.press("p");
    terminal.shows("paused");
    terminal.press("4");
    terminal.shows("training questions");
    terminal.press("3x");
    terminal.shows("Sure?");
    terminal.press("y");
    terminal.shows("stopped");
    terminal.press("q");
    assert_eq!(terminal.ends(PATIENCE), 0);
}

#[test]
fn a_lost_line_ends_the_workbench_and_not_the_run() {
    let place = Place::new();
    let config = place.config(100_000);
    let mut terminal =
        Terminal::open(place.path(), &["evolve", config.to_str().expect("a plain path")], (40, 120));
    terminal.shows("Generation");
    let pid = place.client().pid;
    // Moments that a person does not choose: odd milliseconds, in any pane.
    for (keys, wait) in [("", 7), ("2+++", 43), ("4", 151), ("?", 311)] {
        terminal.press(keys);
        thread::sleep(Duration::from_millis(wait));
        terminal.hang_up();
        terminal.ends(PATIENCE);
        terminal = Terminal::open(place.path(), &["attach", "zoo"], (40, 120));
        terminal.shows("zoo running");
    }
    let mut client = place.client();
    assert_eq!(client.pid, pid, "the engine is still the same");
    let Ok(Reply::Sessions(rows)) = client.call(Command::Sessions) else { panic!("no list of sessions") };
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].status, Status::Running);
    // Signals give the terminal back.
    let id = terminal.child.process_id().expect("it runs");
    std::process::Command::new("kill").arg(id.to_string()).status().expect("kill is there");
    assert_eq!(terminal.ends(PATIENCE), 143);
    // What it wrote last may still be on its way.
    let given_back = || {
        let parser = terminal.parser.lock().expect("no panic there");
        !parser.screen().alternate_screen() && !parser.screen().hide_cursor()
    };
    terminal.until("back on the normal screen, with its cursor", |_| given_back());
}
