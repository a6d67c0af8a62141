//! Keys come in, commands and frames go out: each pane's keys, from the key press to the command for the engine.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::fixture;
use super::snapshots::screen;
use crate::recipe::Method;
use crate::session::protocol::{Command, Message, Reply, SessionRow, Split, Target};
use crate::workbench::action::row::Needs;
use crate::workbench::action::{self, Action, AppAction};
use crate::workbench::app::{App, Pane, Startup};
use crate::workbench::config::StartConfig;
use crate::workbench::effect::{Ask, Effect};
use crate::workbench::overlays::Overlay;
use crate::workbench::panes;
use crate::workbench::panes::answers::state::{AnswerColumn, QuestionFilter};

pub fn press(app: &mut App, keys: &str) {
    for c in keys.chars() {
        app.key(KeyEvent::from(KeyCode::Char(c)));
    }
}

fn code(app: &mut App, code: KeyCode) {
    app.key(KeyEvent::from(code));
}

/// Takes the commands that the keys so far have sent to the engine.
pub(super) fn sent(app: &mut App) -> Vec<Command> {
    app.settle();
    let effects = std::mem::take(&mut app.effects);
    effects.into_iter().filter_map(|e| if let Effect::Send(_, c) = e { Some(c) } else { None }).collect()
}

#[test]
fn a_held_key_asks_once_with_the_latest_value() {
    let mut app = fixture::fresh();
    app.pane = Pane::Recipe;
    press(&mut app, "++++++++");
    let commands = sent(&mut app);
    let [Command::Try { target: Target::Recipe(recipe), questions, .. }] = commands.as_slice() else {
        panic!("{commands:?}");
    };
    assert!((recipe.sources[0].weight().values()[0] - 0.7).abs() < 1e-9);
    assert_eq!(questions, &[0, 1, 2]);
    assert!(sent(&mut app).is_empty());
    // A number being typed is not sent to the engine until it is set.
    press(&mut app, "1.25");
    assert!(sent(&mut app).is_empty());
    code(&mut app, KeyCode::Enter);
    assert_eq!(sent(&mut app).len(), 1);
}

#[test]
fn answers_before_stay_beside_answers_now() {
    let mut app = fixture::fresh();
    app.pane = Pane::Recipe;
    let first = app.preview.now.clone();
    assert!(first.is_some());
    press(&mut app, "+");
    app.settle();
    app.effects.clear();
    app.sent(500, Ask::Try { revision: 1 });
    assert_eq!(app.preview.before, first);
    // A newer request supersedes this one at once, so the answers from before the edit stay.
    app.sent(501, Ask::Try { revision: 2 });
    app.receive(Message::Reply { id: 500, reply: Reply::Superseded });
    assert_eq!(app.preview.before, first);
    let late = fixture::answers("", 0..3, |_| 1);
    app.receive(Message::Reply { id: 500, reply: Reply::Answers(late) });
    assert_eq!(app.preview.now, None);
    let answers = fixture::answers("", 0..3, |_| 2);
    app.receive(Message::Reply { id: 501, reply: Reply::Answers(answers.clone()) });
    assert_eq!(app.preview.now, Some(answers));
}

#[test]
fn s_starts_the_bundled_zoo_with_the_picked_models() {
    let mut app = fixture::fresh();
    press(&mut app, "jjj ");
    press(&mut app, "s");
    let commands = sent(&mut app);
    let Some(Command::Start { config, .. }) = commands.iter().find(|c| matches!(c, Command::Start { .. }))
    else {
        panic!("{commands:?}");
    };
    assert!(!config.contains("\"zoo:math-mul\"") && config.contains("\"zoo:math-add\""));
}

/// Another session like the one on the screen, not the zoo's.
#[test]
fn s_and_e_start_from_the_session_on_the_screen() {
    let mut app = fixture::evolving();
    let own = crate::workbench::config::ZOO
        .replace("use = \"zoo\"", "use = \"mgsm_ja\"")
        .replace("evaluations = 640", "evaluations = 33");
    let run = app.run.as_mut().unwrap();
    run.state.status = crate::session::protocol::Status::Finished;
    run.state.config = own;
    run.state.name = "mine".to_owned();
    for key in ["s", "E"] {
        app.pane = Pane::Recipe;
        press(&mut app, key);
        let commands = sent(&mut app);
        let started = commands.iter().find_map(|c| match c {
            Command::Start { config, name: None } => Some(config),
            _ => None,
        });
        let Some(config) = started else { panic!("{key}: {commands:?}") };
        let config = crate::session::config::Config::parse(config, "config").unwrap();
        let task = config.task.first().name.as_str();
        assert_eq!((task, config.budget.evaluations, config.name.as_str()), ("mgsm_ja", 33, "mine"), "{key}");
    }
}

#[test]
fn the_list_of_sessions_says_what_is_the_matter() {
    use crate::session::journal::{Trouble, TroubleKind};
    let mut app = fixture::evolving();
    let row = app.run.as_ref().unwrap().state.row();
    let kinds = [TroubleKind::Damaged, TroubleKind::Newer, TroubleKind::Unreadable, TroubleKind::ReadOnly];
    let problem = |kind| Some(Trouble { kind, what: "why".to_owned() });
    app.sessions =
        kinds.into_iter().map(|kind| SessionRow { problem: problem(kind), ..row.clone() }).collect();
    app.overlay = Some(Overlay::Sessions { cursor: 0 });
    let screen = screen(&app, 100, 30);
    for word in ["damaged", "newer", "no access", "read-only"] {
        assert!(screen.contains(word), "{word}: {screen}");
    }
}

#[test]
fn the_command_line_can_ask_for_a_session() {
    let mut app = App::new(fixture::theme(), StartConfig::default(), Startup::Attach("mine".to_owned()));
    app.connected("cpu".to_owned());
    fixture::serve(&mut app);
    assert!(app.notice.as_ref().is_some_and(|n| n.text.contains("no session mine")));
    let mut app = App::new(fixture::theme(), StartConfig::default(), Startup::Start);
    app.connected("cpu".to_owned());
    fixture::serve(&mut app);
    assert_eq!(app.session(), Some("zoo"));
    assert_eq!(app.pane, Pane::Evolve);
}

#[test]
fn candidates_open_in_editor_and_answers() {
    let mut app = fixture::evolving();
    app.pane = Pane::Evolve;
    press(&mut app, "jj");
    let id = app.current_candidate().unwrap();
    assert_ne!(Some(id), app.run.as_ref().unwrap().state.best);
    press(&mut app, "e");
    assert_eq!(app.pane, Pane::Recipe);
    let Target::Recipe(recipe) = &app.run.as_ref().unwrap().state.entry(id).unwrap().candidate.target else {
        panic!();
    };
    assert_eq!(app.editor.recipe.sources[0].weight(), recipe.sources[0].weight());
    press(&mut app, "u");
    assert_eq!(app.editor.recipe, app.editor.uniform());
    app.act(Action::App(AppAction::GoEvolve));
    code(&mut app, KeyCode::Enter);
    assert_eq!(app.pane, Pane::Answers);
    assert_eq!(app.current_column(), Some(AnswerColumn::Candidate(id)));
    press(&mut app, "x");
    assert!(!app.answer_columns().contains(&AnswerColumn::Candidate(id)));
}

#[test]
fn filters_compare_with_the_pinned_column() {
    let mut app = fixture::evolving();
    app.pane = Pane::Answers;
    fixture::serve(&mut app);
    assert_eq!(app.shown_questions().len(), 40);
    // The base is pinned and the best is current: gained questions are right for the best, wrong for the base.
    assert_eq!(app.current_column(), Some(AnswerColumn::Best));
    for _ in 0..20 {
        press(&mut app, "h");
    }
    press(&mut app, "bllllllff");
    assert_eq!(app.current_column(), Some(AnswerColumn::Best));
    assert_eq!(app.answers.filter, QuestionFilter::Gained);
    let gained = app.shown_questions();
    assert!(!gained.is_empty() && gained.iter().all(|q| q % 3 == 1 && q % 7 != 5), "{gained:?}");
    press(&mut app, "f");
    assert!(app.shown_questions().iter().all(|q| q % 3 != 1 && q % 7 == 5));
    press(&mut app, "jy");
    assert!(app.effects.iter().any(|e| matches!(e, Effect::Copy(_))));
    assert!(!app.notice.as_ref().unwrap().text.contains("copied"));
}

/// The reach and the needs in each action's row are true.
#[test]
fn what_only_looks_changes_nothing_and_what_needs_a_session_waits_for_one() {
    let changes = |effect: &Effect| match effect {
        Effect::Write { .. } => true,
        Effect::Send(_, command) => matches!(
            command,
            Command::Start { .. }
                | Command::Pause { .. }
                | Command::Resume { .. }
                | Command::Stop { .. }
                | Command::Inject { .. }
                | Command::Watch { .. }
        ),
        _ => false,
    };
    for action in action::all() {
        let row = action.row();
        for pane in row.panes {
            let mut app = fixture::evolving();
            app.pane = *pane;
            app.effects.clear();
            app.act(action);
            if action.only_looks() {
                assert!(!app.effects.iter().any(changes), "{action:?}: {:?}", app.effects);
            }
            if row.needs == Needs::Session {
                let mut app = fixture::fresh();
                app.pane = *pane;
                app.overlay = None;
                app.effects.clear();
                app.answers.split = Split::Test;
                app.act(action);
                assert!(app.effects.is_empty() && app.overlay.is_none(), "{action:?}");
            }
        }
    }
}

#[test]
fn orders_go_to_the_session() {
    let mut app = fixture::evolving();
    app.pane = Pane::Evolve;
    press(&mut app, "p");
    press(&mut app, "x");
    assert!(matches!(app.overlay, Some(Overlay::Confirm(_))));
    press(&mut app, "y");
    press(&mut app, "i");
    press(&mut app, "W");
    let names: Vec<String> = sent(&mut app)
        .iter()
        .map(|c| serde_json::to_value(c).unwrap()["do"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(names, ["pause", "stop", "inject", "questions"]);
    // The questions arrive, and three of them are chosen: 0 is removed, 7 is added.
    let all = (0..12).map(fixture::watched).collect();
    app.sent(900, Ask::Questions);
    app.receive(Message::Reply { id: 900, reply: Reply::Questions(all) });
    assert!(app.notice.is_none(), "the list is open: nothing is being read any more");
    code(&mut app, KeyCode::Tab);
    press(&mut app, "7");
    code(&mut app, KeyCode::Tab);
    code(&mut app, KeyCode::Enter);
    assert_eq!(app.preview.questions, [1, 2, 7]);
    let watch = sent(&mut app);
    assert!(
        matches!(&watch[..], [Command::Watch { questions, .. }, Command::Try { .. }] if *questions == [1, 2, 7])
    );
}

#[test]
fn escape_and_a_digit_in_one_go_leave_the_list_for_the_pane() {
    let mut app = fixture::fresh();
    app.pane = Pane::Answers;
    press(&mut app, "?");
    app.key(KeyEvent::new(KeyCode::Char('3'), KeyModifiers::ALT));
    assert!(app.overlay.is_none());
    assert_eq!(app.pane, Pane::Evolve);
}

#[test]
fn help_does_what_it_lists() {
    let mut app = fixture::fresh();
    app.pane = Pane::Recipe;
    press(&mut app, "?");
    press(&mut app, "method");
    code(&mut app, KeyCode::Enter);
    assert!(matches!(app.overlay, Some(Overlay::Picker(_))));
    press(&mut app, "dare_ties");
    code(&mut app, KeyCode::Enter);
    assert_eq!(app.editor.recipe.method, Method::DareTies);
    app.key(KeyEvent::new(KeyCode::Char('p'), KeyModifiers::CONTROL));
    press(&mut app, "quit#");
    code(&mut app, KeyCode::Enter);
    assert!(!app.quit && matches!(app.overlay, Some(Overlay::Picker(_))), "nothing matches: it stays");
    code(&mut app, KeyCode::Backspace);
    code(&mut app, KeyCode::Enter);
    assert!(app.quit);
}

#[test]
fn the_cursor_is_where_one_types() {
    let mut app = fixture::fresh();
    app.pane = Pane::Recipe;
    let draw = |app: &App| {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 80, 24));
        panes::draw(app, &mut buffer).cursor
    };
    assert_eq!(draw(&app), None);
    press(&mut app, "0.5");
    assert!(draw(&app).is_some());
    code(&mut app, KeyCode::Esc);
    press(&mut app, "w");
    assert!(draw(&app).is_some());
}

#[test]
fn every_size_is_drawn() {
    let mut app = fixture::evolving();
    fixture::serve(&mut app);
    for pane in Pane::ALL {
        app.pane = pane;
        for height in (0..6).chain([9, 13, 18, 24, 61]) {
            for width in (0..12).step_by(3).chain([1, 2, 21, 40, 47, 60, 63, 79, 200]) {
                screen(&app, width, height);
            }
        }
    }
    for keys in ["?", ":", "S", "L", "x"] {
        app.overlay = None;
        press(&mut app, keys);
        for height in 0..9 {
            for width in (0..40).step_by(5) {
                screen(&app, width, height);
            }
        }
    }
}

#[test]
fn a_lost_engine_is_found_again_without_losing_events() {
    let mut app = fixture::evolving();
    let before = app.run.as_ref().unwrap().state.clone();
    app.disconnected("it was killed");
    assert!(app.notice.as_ref().is_some_and(|n| n.bad));
    app.connected("cpu".to_owned());
    let since = sent(&mut app).into_iter().find_map(|c| match c {
        Command::Subscribe { since, .. } => Some(since),
        _ => None,
    });
    assert_eq!(since, Some(before.seq));
    // An engine that sends earlier events again does no harm.
    for record in fixture::records(fixture::events(9)) {
        app.receive(Message::Event { session: "zoo".to_owned(), record });
    }
    assert_eq!(app.run.as_ref().unwrap().state, before);
}
