//! The user sees notes of the engine and the state of a session without opening the log.

use super::fixture;
use super::keys::press;
use super::snapshots::screen;
use crate::session::protocol::{Begin, Event, Live, Message};
use crate::workbench::app::{App, Pane};
use crate::workbench::panes::models::state::PoolDistances;

const NOTE: &str = "running on the CPU: no GPU can be used (no driver)";

fn say(app: &mut App, at_ms: u64, level: &str, text: &str) {
    let live = Live::Log { level: level.to_owned(), text: text.to_owned(), at_ms };
    app.receive(Message::Live { session: None, live });
}

/// A session that runs on the CPU for lack of a GPU, from its first event on.
fn on_the_cpu() -> App {
    let mut app = fixture::fresh();
    app.open_session("zoo");
    let mut records = fixture::records(fixture::events(3));
    if let Event::Created { device_note, begin, .. } = &mut records[0].event {
        NOTE.clone_into(device_note);
        *begin = Some(Box::new(Begin { overlap: 7, ..Begin::default() }));
    }
    for record in records {
        app.receive(Message::Event { session: "zoo".to_owned(), record });
    }
    app
}

#[test]
fn notes_are_seen_once_and_stay_readable() {
    let mut app = fixture::fresh();
    app.notice = None;
    say(&mut app, 1, "info", "session `zoo` runs on cpu");
    assert_eq!((app.log.unread(app.session()), app.notice.is_none()), (0, true));
    say(&mut app, 2, "note", NOTE);
    assert!(app.notice.as_ref().is_some_and(|n| n.text == NOTE && !n.bad));
    // A new line does not replace the notice that is shown.
    say(&mut app, 3, "error", "g1 #2: no worker takes the job");
    assert!(app.notice.as_ref().is_some_and(|n| n.text == NOTE));
    press(&mut app, "j");
    let hints = screen(&app, 80, 24).lines().last().unwrap_or_default().to_owned();
    assert!(hints.contains("L new in the log: 2") && hints.contains("? help"), "{hints}");
    press(&mut app, "L");
    let log = screen(&app, 80, 24);
    for line in ["runs on cpu", "no GPU can be used", "no worker takes the job"] {
        assert!(log.contains(line), "{log}");
    }
    press(&mut app, "q");
    app.overlay = None;
    assert!(!screen(&app, 80, 24).contains("new in the log"));
}

#[test]
fn what_a_session_found_when_it_began_is_told_to_who_comes_later() {
    let mut app = on_the_cpu();
    assert_eq!(app.log.unread(app.session()), 2);
    // The engine that runs the session sends the same note.
    say(&mut app, 9, "note", NOTE);
    assert_eq!(app.log.unread(app.session()), 2);
    app.pane = Pane::Evolve;
    app.notice = None;
    let text = screen(&app, 120, 40);
    assert!(text.contains("cpu bf16   no GPU: see L"), "{text}");
    press(&mut app, "L");
    let log = screen(&app, 120, 40);
    assert!(log.contains(NOTE) && log.contains("7 of the held-out questions"), "{log}");
}

#[test]
fn what_was_said_of_another_session_or_before_does_not_greet() {
    let killed = "g3 #2: the worker was killed (signal 9); trying again with a fresh worker";
    let said = |app: &mut App, session: Option<&str>, at_ms: u64, text: &str| {
        let live = Live::Log { level: "warn".to_owned(), text: text.to_owned(), at_ms };
        app.receive(Message::Live { session: session.map(str::to_owned), live });
    };
    let mut app = fixture::fresh();
    app.since_ms = 1000;
    app.notice = None;
    // The engine resends earlier log lines to a new connection.
    said(&mut app, Some("other"), 500, killed);
    assert!(app.notice.is_none());
    let mut app = {
        let mut shown = fixture::evolving();
        shown.since_ms = app.since_ms;
        shown.notice = None;
        said(&mut shown, Some("other"), 500, killed);
        said(&mut shown, Some("other"), 1500, killed);
        said(&mut shown, Some("zoo"), 600, "g1 #4: the worker was killed");
        shown
    };
    assert!(app.notice.is_none());
    // The line is in the log with its session's name. Only the shown session's line counts as unread.
    assert_eq!(app.log.unread(app.session()), 1);
    press(&mut app, "L");
    let log = screen(&app, 120, 40);
    assert!(log.contains("other: g3 #2") && log.contains("g1 #4"), "{log}");
    press(&mut app, "q");
    said(&mut app, Some("zoo"), 1600, "g9 #1: the worker was killed");
    assert!(app.notice.as_ref().is_some_and(|n| n.text.contains("g9 #1")));
}

#[test]
fn a_long_sentence_is_read_to_its_end() {
    let mut app = fixture::fresh();
    let why = "zoo.toml: [space] weight.max is 0.1, below weight.min (0.5): give a range with min below max, \
               such as { min = -0.3, max = 1.8 }, for each of the parameters that are searched";
    app.complain(why);
    for (width, height) in [(60, 18), (80, 24), (200, 60)] {
        let text = screen(&app, width, height);
        let words: Vec<&str> = text.split_whitespace().collect();
        let said: Vec<&str> = why.split_whitespace().collect();
        assert!(words.ends_with(&said), "{text}");
    }
    for (width, height) in [(1, 1), (3, 2), (10, 3)] {
        screen(&app, width, height);
    }
}

#[test]
fn a_device_that_tells_no_memory_is_shown_without() {
    let mut app = fixture::evolving();
    app.pane = Pane::Evolve;
    assert!(screen(&app, 120, 40).contains("181 MB"));
    let rate = Live::Rate {
        candidates_per_hour: 6120.0,
        tokens_per_second: 8400.0,
        eta_s: None,
        memory_bytes: 0,
        device: "cuda:0".to_owned(),
    };
    app.receive(Message::Live { session: Some("zoo".to_owned()), live: rate });
    let text = screen(&app, 120, 40);
    let line = text.lines().nth(2).unwrap_or_default();
    assert!(line.contains("tokens/s") && !line.contains(" MB") && !line.contains("left"), "{line}");
}

#[test]
fn stages_stand_in_the_chart() {
    let mut app = fixture::evolving();
    app.pane = Pane::Evolve;
    let run = app.run.as_mut().unwrap();
    let winner = run.state.best;
    run.state.stages = vec!["weights".to_owned(), "paths".to_owned()];
    run.state.begun = vec![crate::session::state::Begun {
        first: 80,
        generation: 5,
        evaluations: 64,
        winner,
        recipe: None,
    }];
    for (width, height) in [(80, 24), (120, 40), (200, 60)] {
        let text = screen(&app, width, height);
        assert!(text.contains("stage 2/2 paths"), "{text}");
        // The name is to the right of a vertical line through the chart.
        let border =
            text.lines().find_map(|l| Some(l.split("│ paths").next()?.to_owned()).filter(|b| b != l));
        let column = border.map_or(0, |b| b.chars().count());
        // To the right of the axis and of the first stage's generations.
        assert!(column > 10, "{text}");
    }
    assert!(screen(&app, 60, 18).contains("stage 2/2"));
}

#[test]
fn where_nothing_streams_the_best_ones_answers_are_shown_while_it_runs() {
    let mut app = fixture::fresh();
    app.open_session("zoo");
    for record in fixture::records(fixture::events(9)) {
        app.receive(Message::Event { session: "zoo".to_owned(), record });
    }
    app.receive(Message::Boundary { session: "zoo".to_owned(), next: 1 });
    assert!(screen(&app, 120, 40).contains("Answers appear here"));
    fixture::serve(&mut app);
    let text = screen(&app, 120, 40);
    let best = app.run.as_ref().unwrap().state.best_entry().unwrap().candidate.label.clone();
    assert!(text.contains(&format!("{best} ")) && text.contains("expected"), "{text}");
    // A streamed answer replaces the stored one, and the last one stays between two candidates.
    let mut live = |live| app.receive(Message::Live { session: Some("zoo".to_owned()), live });
    live(Live::Watching { questions: (0..3).map(fixture::watched).collect() });
    for candidate in [138, 139, 140] {
        let text = format!("candidate {candidate} says");
        live(Live::Token { candidate, question: 1, text });
        live(Live::Progress { candidate: candidate + 1, done: 0, of: 100 });
    }
    assert!(screen(&app, 120, 40).contains("candidate 140 says"));
}

#[test]
fn what_is_expected_is_never_cut() {
    let mut app = fixture::evolving();
    app.pane = Pane::Recipe;
    press(&mut app, "+");
    fixture::serve(&mut app);
    let gold = "1234567890.25";
    for answers in [&mut app.preview.now, &mut app.preview.before].into_iter().flatten() {
        for answer in &mut answers.answers {
            gold.clone_into(&mut answer.gold);
            answer.number = Some("98765432100".to_owned());
        }
    }
    for (width, height) in [(60, 18), (64, 20), (80, 24), (100, 30), (120, 40), (200, 60)] {
        let text = screen(&app, width, height);
        assert!(text.contains(gold), "{width}x{height}:\n{text}");
    }
    // Beside a wide recipe the samples have little room.
    let sources: Vec<String> = (0..5).map(|i| format!("/m/source-{i}")).collect();
    app.editor.set_pool("zoo:base", &sources, fixture::LAYERS);
    app.editor.set_method(crate::recipe::Method::DareTies);
    for (width, height) in [(80, 24), (100, 30), (120, 40), (160, 50)] {
        let text = screen(&app, width, height);
        assert!(text.contains(gold), "{width}x{height}:\n{text}");
    }
}

#[test]
fn in_ascii_each_line_of_the_chart_has_its_own_mark() {
    let mut app = fixture::evolving();
    app.pane = Pane::Evolve;
    app.theme.ascii = true;
    let text = screen(&app, 120, 40);
    let frame =
        |c: char| matches!(c, '│' | '─' | '╭' | '╮' | '╰' | '╯') || ('\u{2800}'..='\u{28ff}').contains(&c);
    assert!(!text.contains(frame), "{text}");
    for label in ["* best 0.", "o mean 0.", "+ held-out 0."] {
        assert!(text.contains(label), "{label}:\n{text}");
    }
    // The rows of the chart, left of the reference points.
    let chart: String = text.lines().skip(4).take(14).flat_map(|l| l.chars().take(60)).collect();
    for mark in ['*', 'o', '+', '.'] {
        assert!(chart.matches(mark).count() > 2, "{mark}:\n{text}");
    }
}

#[test]
fn numbers_that_are_not_finite_stand_below_the_distances() {
    let mut app = fixture::fresh();
    app.pane = Pane::Models;
    let PoolDistances::Known(_, found) = &mut app.models.distances else {
        panic!("{:?}", app.models.distances)
    };
    found.not_finite = vec![0, 3, 0];
    found.base_not_finite = 2;
    for (width, height) in [(80, 40), (120, 40), (200, 60)] {
        let text = screen(&app, width, height);
        for line in ["math-add: 3 numbers are not finite", "base: 2 numbers are not finite"] {
            assert!(text.contains(line), "{text}");
        }
    }
}
