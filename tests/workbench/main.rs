//! The real binary in a real pseudo-terminal: what a person sees and types, from the first
//! screen to the way back after the line was lost.
#![cfg(feature = "workbench")]

mod given_back;
mod hand;
mod lost;
mod manners;
mod pictures;
mod place;
mod storm;
mod tmux;
mod walk;
mod watched;

use place::{PATIENCE, Place, Terminal};

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
    terminal.until("answered", |s| !s.contains("answering") && s.contains("expected "));
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
fn two_workbenches_see_one_session_and_both_may_steer() {
    let place = Place::new();
    let config = place.config(100_000);
    let config = config.to_str().expect("a plain path");
    let mut first = Terminal::open(place.path(), &["evolve", config], (40, 120));
    first.shows("Generation 2");
    let mut second = Terminal::open(place.path(), &["attach", "zoo"], (24, 80));
    second.shows("Generation");
    // One pauses, the other goes on; both say so.
    second.press("p");
    second.shows("zoo paused");
    let screen = first.shows("zoo paused");
    let done = evaluations(&screen).expect("evaluations are shown");
    second.until("equal", |s| evaluations(s) == Some(done));
    first.press("p");
    second.until("further on", |s| s.contains("zoo running") && evaluations(s).is_some_and(|n| n > done));
    // One closes; the other's run does not notice.
    first.press("q");
    assert_eq!(first.ends(PATIENCE), 0);
    let done = evaluations(&second.screen()).unwrap_or(done);
    second.until("still further", |s| evaluations(s).is_some_and(|n| n > done));
    // The list has its best value.
    second.press("S");
    second.until("listed with its best value", |s| {
        s.lines().any(|l| l.contains("zoo") && l.contains("running") && l.contains("0."))
    });
    second.press("\x1b");
    // The engine is killed with it: the workbench says so and finds a new one; p takes it up again.
    let engine = place.client().pid;
    // SAFETY: a signal to the engine of this test's own home.
    assert_eq!(unsafe { libc::kill(engine.cast_signed(), libc::SIGKILL) }, 0);
    second.shows("zoo killed");
    let done = evaluations(&second.screen()).unwrap_or(done);
    second.press("p");
    second.until("taken up again", |s| s.contains("zoo running") && evaluations(s).is_some_and(|n| n > done));
    assert_ne!(place.client().pid, engine);
    second.press("q");
    assert_eq!(second.ends(PATIENCE), 0);
}
