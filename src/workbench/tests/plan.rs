//! The plan of the next session: when it is shown, what its keys do, how it looks.

use crossterm::event::{KeyCode, KeyEvent};

use super::fixture;
use super::keys::{press, sent};
use super::snapshots::screen;
use crate::session::protocol::{Command, Message, Reply};
use crate::workbench::app::{App, Pane};
use crate::workbench::effect::Ask;
use crate::workbench::messages::{self, Language};
use crate::workbench::overlays::Overlay;

/// The workbench with a config over models that are not bundled.
fn large() -> App {
    let mut app = fixture::fresh();
    let text = crate::workbench::config::ZOO.replace("\"zoo:math-mul\"", "\"/models/math\"");
    (app.config.text, app.config.title) = (text, "night.toml".to_owned());
    app.models.pool = app.config.pool();
    app.pane = Pane::Evolve;
    app
}

fn named(commands: &[Command]) -> Vec<String> {
    let name = |c: &Command| serde_json::to_value(c).unwrap()["do"].as_str().unwrap_or_default().to_owned();
    commands.iter().map(name).filter(|name| !matches!(name.as_str(), "try" | "distances")).collect()
}

#[test]
fn a_large_session_shows_its_plan_before_it_starts() {
    let mut app = large();
    sent(&mut app);
    press(&mut app, "s");
    assert_eq!(named(&sent(&mut app)), ["plan"]);
    assert!(screen(&app, 80, 24).contains(messages::plan_waits()));
    // Nothing is timed before the plan is there.
    press(&mut app, "m");
    assert!(named(&sent(&mut app)).is_empty());
    app.sent(700, Ask::Plan);
    app.receive(Message::Reply { id: 700, reply: Reply::Plan(Box::new(fixture::plan(false))) });
    press(&mut app, "m");
    let commands = sent(&mut app);
    assert!(matches!(&commands[..], [Command::Plan { measure: true, .. }]), "{commands:?}");
    app.sent(701, Ask::Plan);
    app.receive(Message::Reply { id: 701, reply: Reply::Error("no room".to_owned()) });
    let text = screen(&app, 80, 24);
    assert!(text.contains("no room") && text.contains("198 genes"), "the plan stays: {text}");
    app.key(KeyEvent::from(KeyCode::Enter));
    let commands = sent(&mut app);
    let Some(Command::Start { config, .. }) = commands.iter().find(|c| matches!(c, Command::Start { .. }))
    else {
        panic!("{commands:?}");
    };
    assert!(config.contains("/models/math") && app.overlay.is_none());
}

#[test]
fn escape_starts_nothing_and_the_zoo_needs_no_plan() {
    let mut app = large();
    sent(&mut app);
    press(&mut app, "s");
    app.key(KeyEvent::from(KeyCode::Esc));
    assert_eq!(named(&sent(&mut app)), ["plan", "drop_plan"]);
    let mut app = fixture::fresh();
    sent(&mut app);
    press(&mut app, "s");
    assert_eq!(named(&sent(&mut app)), ["start"]);
    // On request its plan is shown too.
    press(&mut app, "P");
    assert_eq!(named(&sent(&mut app)), ["plan"]);
    assert!(matches!(app.overlay, Some(Overlay::Plan(_))));
}

#[test]
fn a_plan_in_both_languages() {
    for (language, suffix) in [(Language::English, ""), (Language::Japanese, "_ja")] {
        messages::speak(language);
        let mut app = large();
        fixture::serve(&mut app);
        press(&mut app, "s");
        fixture::serve(&mut app);
        press(&mut app, "m");
        fixture::serve(&mut app);
        app.notice = None;
        insta::with_settings!({ snapshot_path => "../../../tests/snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(format!("plan{suffix}_80x24"), screen(&app, 80, 24));
        });
        messages::speak(Language::English);
    }
}
