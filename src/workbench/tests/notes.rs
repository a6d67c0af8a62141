//! What the engine noted, and where a session stands: seen without being looked for.

use super::fixture;
use super::keys::press;
use super::snapshots::screen;
use crate::session::protocol::{Begin, Event, Live, Message};
use crate::workbench::app::{App, Pane};

const NOTE: &str = "running on the CPU: no GPU can be used (no driver)";

fn say(app: &mut App, at_ms: u64, level: &str, text: &str) {
    let live = Live::Log { level: level.to_owned(), text: text.to_owned(), at_ms };
    app.receive(Message::Live { session: None, live });
}

/// A session that had to do with the CPU, from its first event on.
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
    assert_eq!((app.log.unread(), app.notice.is_none()), (0, true));
    say(&mut app, 2, "note", NOTE);
    assert!(app.notice.as_ref().is_some_and(|n| n.text == NOTE && !n.bad));
    // What is being said is not talked over.
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
    assert_eq!(app.log.unread(), 2);
    // The engine that runs it says the same.
    say(&mut app, 9, "note", NOTE);
    assert_eq!(app.log.unread(), 2);
    app.pane = Pane::Evolve;
    app.notice = None;
    let text = screen(&app, 120, 40);
    assert!(text.contains("cpu bf16   no GPU: see L"), "{text}");
    press(&mut app, "L");
    let log = screen(&app, 120, 40);
    assert!(log.contains(NOTE) && log.contains("7 of the held-out questions"), "{log}");
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
        // The name stands to the right of an upright line that goes down through the chart.
        let border =
            text.lines().find_map(|l| Some(l.split("│ paths").next()?.to_owned()).filter(|b| b != l));
        let column = border.map_or(0, |b| b.chars().count());
        // Past the axis and the first stage's generations.
        assert!(column > 10, "{text}");
    }
    assert!(screen(&app, 60, 18).contains("stage 2/2"));
}
