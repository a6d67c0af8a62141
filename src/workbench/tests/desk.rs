//! Hand work outlives the workbench: it is stored at each change and restored at the next start. These tests close and
//! open workbenches on one home.

use std::path::Path;

use super::fixture;
use super::keys::press;
use crate::session::Home;
use crate::session::protocol::{Event, Message, Record};
use crate::workbench::app::{App, Pane, Startup};
use crate::workbench::config::{Pool, StartConfig};
use crate::workbench::effect::Effect;
use crate::workbench::files::desk::{Desk, Whose};

/// Stores what the workbench requests to be stored, as its event loop does.
fn keep(app: &mut App, home: &Home) {
    app.settle();
    for effect in std::mem::take(&mut app.effects) {
        if let Effect::Keep { whose, desk } = effect {
            desk.write(&Desk::path(home, &whose)).unwrap();
        }
    }
}

/// A workbench that starts in this home.
fn start(home: &Home, startup: Startup) -> App {
    let alone = startup == Startup::ShowRunning;
    let mut app = App::new(fixture::theme(), StartConfig::default(), startup);
    let desk = Desk::read(home, &Whose::Home).unwrap();
    let last = desk.last.clone().map(|name| Desk::read(home, &Whose::Session(name)).unwrap());
    app.take_home_desk(desk, last, alone);
    app.connected("cpu".to_owned());
    fixture::serve(&mut app);
    app
}

fn open(app: &mut App, home: &Home, records: &[Record]) {
    let Some(Event::Created { name, .. }) = records.first().map(|r| &r.event) else { panic!() };
    app.open_session(name);
    app.take_desk(name, Desk::read(home, &Whose::Session(name.clone())));
    for record in records {
        app.receive(Message::Event { session: name.clone(), record: record.clone() });
    }
    app.receive(Message::Boundary { session: name.clone(), next: 0 });
}

fn session(home: &Home, name: &str, sources: &[&str]) -> Vec<Record> {
    std::fs::create_dir_all(home.sessions().join(name)).unwrap();
    let mut records = fixture::records(fixture::events(3));
    if let Event::Created { name: called, config, .. } = &mut records[0].event {
        name.clone_into(called);
        let sources = sources.iter().map(|s| (*s).to_owned()).collect();
        *config = StartConfig::default().with_pool(&Pool { base: "zoo:base".to_owned(), sources });
    }
    records
}

fn home(folder: &Path) -> Home {
    std::fs::create_dir_all(folder.join("sessions")).unwrap();
    Home::at(folder)
}

#[test]
fn a_recipe_made_without_a_session_is_there_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let home = home(folder.path());
    let mut app = start(&home, Startup::ShowRunning);
    keep(&mut app, &home);
    assert!(!Desk::path(&home, &Whose::Home).exists(), "nothing was made");
    app.pane = Pane::Recipe;
    press(&mut app, "++");
    keep(&mut app, &home);
    let made = app.editor.recipe.clone();

    let mut again = start(&home, Startup::ShowRunning);
    assert_eq!((&again.editor.recipe, again.editor.layers), (&made, app.editor.layers));
    assert!(again.editor.is_touched() && again.editor.is_taken_up());
    // The recipe is compared with the one that editing began from, and editing continues.
    assert_eq!(again.editor.began(), app.editor.began());
    again.pane = Pane::Recipe;
    press(&mut again, "+");
    assert!(!again.editor.is_taken_up());
    press(&mut again, "u");
    assert_eq!(again.editor.recipe, made);
    // If a session is requested, the home's recipe is not restored.
    assert!(!start(&home, Startup::Attach("x".to_owned())).editor.is_touched());
}

#[test]
fn what_was_kept_and_made_in_a_session_comes_back_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let home = home(folder.path());
    let zoo = session(&home, "zoo", &fixture::SOURCES);
    let mut app = start(&home, Startup::Attach("zoo".to_owned()));
    open(&mut app, &home, &zoo);
    app.candidate = Some(41);
    press(&mut app, "K");
    app.pane = Pane::Recipe;
    press(&mut app, "+");
    keep(&mut app, &home);
    let made = app.editor.recipe.clone();

    let mut again = start(&home, Startup::Attach("zoo".to_owned()));
    open(&mut again, &home, &zoo);
    assert_eq!(again.editor.recipe, made);
    assert!(again.run.as_ref().unwrap().kept.contains(&41) && again.answers.opened.contains(&41));
    // The recipe is also restored if the session has ended and none is shown.
    assert_eq!(start(&home, Startup::ShowRunning).editor.recipe, made);
    // A candidate that is no longer kept does not come back.
    again.pane = Pane::Evolve;
    again.candidate = Some(41);
    press(&mut again, "K");
    keep(&mut again, &home);
    let mut third = start(&home, Startup::Attach("zoo".to_owned()));
    open(&mut third, &home, &zoo);
    assert!(third.run.as_ref().unwrap().kept.is_empty() && third.answers.opened.is_empty());
}

#[test]
fn each_session_has_its_own_desk_and_none_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let home = home(folder.path());
    let zoo = session(&home, "zoo", &fixture::SOURCES);
    let two = session(&home, "two", &fixture::SOURCES[..2]);
    let mut app = start(&home, Startup::ShowRunning);
    app.pane = Pane::Recipe;
    press(&mut app, "+");
    keep(&mut app, &home);
    let alone = app.editor.recipe.clone();
    // If a session with an empty desk is opened, the recipe stays and is stored on both desks.
    open(&mut app, &home, &zoo);
    keep(&mut app, &home);
    assert_eq!(app.editor.recipe, alone);
    let mut app = start(&home, Startup::Attach("two".to_owned()));
    open(&mut app, &home, &two);
    fixture::serve(&mut app);
    app.pane = Pane::Recipe;
    press(&mut app, "+++");
    keep(&mut app, &home);
    let of_two = app.editor.recipe.clone();
    assert_eq!(of_two.sources.len(), 2);

    // A session with other models and an empty desk shows its own recipe, whichever arrives first.
    let third = session(&home, "third", &fixture::SOURCES[1..]);
    for desk_first in [true, false] {
        let mut again = start(&home, Startup::ShowRunning);
        assert_eq!(again.editor.recipe, of_two, "the last one made");
        again.open_session("third");
        let events = |app: &mut App| {
            app.receive(Message::Event { session: "third".to_owned(), record: third[0].clone() });
        };
        if !desk_first {
            events(&mut again);
        }
        again.take_desk("third", Desk::read(&home, &Whose::Session("third".to_owned())));
        if desk_first {
            events(&mut again);
        }
        fixture::serve(&mut again);
        keep(&mut again, &home);
        assert!(!again.editor.is_touched());
        assert_eq!(again.editor.recipe.sources.len(), 2);
        assert_eq!(again.editor.recipe.sources[0].model, "zoo:math-add");
    }
    // The recipes on the other desks are still stored.
    assert_eq!(Desk::read(&home, &Whose::Home).unwrap().hand.map(|h| h.recipe), Some(alone));
    let stored = Desk::read(&home, &Whose::Session("two".to_owned())).unwrap();
    assert_eq!(stored.hand.map(|h| h.recipe), Some(of_two));
}

#[test]
fn models_named_by_hand_and_those_of_the_session_stay_listed() {
    let folder = tempfile::tempdir().unwrap();
    let home = home(folder.path());
    let own = session(&home, "own", &["zoo:ja", "/models/tuned"]);
    let mut app = start(&home, Startup::ShowRunning);
    press(&mut app, "a");
    press(&mut app, "/models/mine");
    app.key(crossterm::event::KeyCode::Enter.into());
    let listed = |app: &App, name: &str| app.models.all().iter().any(|m| m.reference == name);
    fixture::serve(&mut app);
    assert!(listed(&app, "/models/mine"));
    // `serve` has dropped the request to store the desk, so the test stores it.
    Desk { added: app.models.added.clone(), ..Desk::default() }
        .write(&Desk::path(&home, &Whose::Home))
        .unwrap();

    let mut again = start(&home, Startup::Attach("own".to_owned()));
    open(&mut again, &home, &own);
    fixture::serve(&mut again);
    for name in ["/models/mine", "/models/tuned"] {
        assert!(listed(&again, name), "{name}");
    }
    // The models stay listed after a rescan, to which the engine replies with only the models that it finds itself.
    press(&mut again, "1r");
    fixture::serve(&mut again);
    assert!(listed(&again, "/models/mine") && listed(&again, "/models/tuned"));
}

#[test]
fn a_damaged_file_is_put_aside_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let home = home(folder.path());
    let path = Desk::path(&home, &Whose::Home);
    for text in ["{", "{\"version\": 99}", "[]"] {
        std::fs::write(&path, text).unwrap();
        assert!(Desk::read(&home, &Whose::Home).is_err(), "{text}");
        assert!(!path.exists());
        assert_eq!(std::fs::read_to_string(path.with_extension("json.aside")).unwrap(), text);
        assert_eq!(Desk::read(&home, &Whose::Home), Ok(Desk::default()));
    }
}

#[test]
fn what_cannot_be_stored_is_said_once() {
    let mut app = fixture::fresh();
    app.not_kept(Path::new("/x/workbench.json"), "read-only file system");
    assert!(app.notice.take().is_some_and(|n| n.bad && n.text.contains("read-only")));
    app.not_kept(Path::new("/x/workbench.json"), "read-only file system");
    assert!(app.notice.is_none());
}
