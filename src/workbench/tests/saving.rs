//! Prompts that write a file: the name's ending gives the format, no file is overwritten without a question, and a name
//! that failed can be corrected.

use std::path::Path;

use crossterm::event::KeyCode;

use super::fixture;
use super::keys::press;
use crate::recipe::{Recipe, Step};
use crate::workbench::app::{App, Pane};
use crate::workbench::effect::{Effect, Reading};
use crate::workbench::files::write;
use crate::workbench::overlays::{Overlay, Prompt, Purpose};

/// Writes the files that the workbench requests, as its event loop does.
fn act(app: &mut App) {
    for effect in std::mem::take(&mut app.effects) {
        if let Effect::Write { output, path, content, over } = effect {
            let outcome = write::write(&path, &content, &over);
            app.written(output, path, outcome);
        }
    }
}

/// Replaces the text in the prompt by a name, and presses Enter.
fn submit(app: &mut App, path: &Path) {
    assert!(matches!(app.overlay, Some(Overlay::Prompt(_))), "{:?}", app.overlay);
    app.key(crossterm::event::KeyEvent::new(KeyCode::Char('u'), crossterm::event::KeyModifiers::CONTROL));
    app.paste(path.to_str().unwrap());
    app.key(KeyCode::Enter.into());
    act(app);
}

fn stands(app: &App, purpose: Purpose, path: &Path) {
    let text = path.to_str().unwrap().to_owned();
    assert_eq!(app.overlay, Some(Overlay::Prompt(Prompt::new(purpose, text))));
}

fn painting() -> App {
    let mut app = fixture::fresh();
    app.pane = Pane::Recipe;
    press(&mut app, "++");
    app
}

#[test]
fn the_ending_names_the_notation() {
    let folder = tempfile::tempdir().unwrap();
    let mut app = painting();
    for name in ["r.toml", "r.yaml", "r.YML", "r"] {
        let path = folder.path().join(name);
        press(&mut app, "w");
        submit(&mut app, &path);
        assert_eq!(app.overlay, None, "{name}: {:?}", app.notice);
        let read = Recipe::open(&path).unwrap();
        assert_eq!(read.sources, app.editor.recipe.sources, "{name}");
    }
    let yaml = std::fs::read_to_string(folder.path().join("r.yaml")).unwrap();
    assert!(yaml.contains("merge_method: task_arithmetic"), "{yaml}");
    // Another ending is not a recipe's: a notice says so, and the name stays in the prompt to be corrected.
    let json = folder.path().join("r.json");
    press(&mut app, "w");
    submit(&mut app, &json);
    assert!(!json.exists() && app.notice.as_ref().is_some_and(|n| n.bad && n.text.contains(".yaml")));
    stands(&app, Purpose::Save, &json);
}

#[test]
fn what_mergekit_cannot_say_is_not_written_as_its_yaml() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("path.yaml");
    let mut app = painting();
    let step = |layer| Step { model: "zoo:ja".to_owned(), layer, scale: 1.0 };
    let mut recipe = app.editor.recipe.clone();
    recipe.path = vec![step(0), step(1)];
    app.read("p.toml".into(), Reading::Edit, Ok((Box::new(recipe), String::new())));
    press(&mut app, "w");
    submit(&mut app, &path);
    assert!(!path.exists());
    assert!(app.notice.as_ref().is_some_and(|n| n.bad && n.text.contains("TOML")), "{:?}", app.notice);
    stands(&app, Purpose::Save, &path);
}

#[test]
fn a_file_there_is_asked_about() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("theirs.toml");
    let read = || std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, "precious").unwrap();
    let mut app = painting();
    press(&mut app, "w");
    submit(&mut app, &path);
    assert!(matches!(app.overlay, Some(Overlay::Confirm(_))));
    // After no, another name can be typed. Esc also means no.
    press(&mut app, "n");
    stands(&app, Purpose::Save, &path);
    submit(&mut app, &path);
    app.key(KeyCode::Esc.into());
    stands(&app, Purpose::Save, &path);
    assert_eq!(read(), "precious");
    submit(&mut app, &path);
    press(&mut app, "y");
    act(&mut app);
    assert_eq!(app.overlay, None);
    assert_eq!(Recipe::open(&path).unwrap().sources, app.editor.recipe.sources);
    // From now on the file belongs to this recipe, until another program changes it.
    press(&mut app, "+w");
    app.key(KeyCode::Enter.into());
    act(&mut app);
    assert_eq!(app.overlay, None);
    assert_eq!(Recipe::open(&path).unwrap().sources, app.editor.recipe.sources);
    std::fs::write(&path, "theirs again").unwrap();
    press(&mut app, "w");
    app.key(KeyCode::Enter.into());
    act(&mut app);
    let Some(Overlay::Confirm(confirm)) = &app.overlay else { panic!("{:?}", app.overlay) };
    assert!(confirm.question.contains("changed by another program"), "{}", confirm.question);
    assert_eq!(read(), "theirs again");
}

#[test]
fn a_name_that_came_to_nothing_stays_in_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("none/r.toml");
    let mut app = painting();
    press(&mut app, "w");
    submit(&mut app, &nowhere);
    assert!(app.notice.as_ref().is_some_and(|n| n.bad));
    stands(&app, Purpose::Save, &nowhere);
    // After Esc the failed name is offered again, once.
    app.key(KeyCode::Esc.into());
    app.typed.insert(Purpose::Save, nowhere.display().to_string());
    press(&mut app, "w");
    stands(&app, Purpose::Save, &nowhere);
    app.key(KeyCode::Esc.into());
    press(&mut app, "w");
    stands(&app, Purpose::Save, Path::new("recipe.toml"));
    app.key(KeyCode::Esc.into());
    // The same holds for a recipe that can't be read, to edit or to compare with, and for a model.
    for (why, purpose) in [(Reading::Edit, Purpose::Open), (Reading::Compare, Purpose::Compare)] {
        app.read(nowhere.clone(), why, Err("there is no such file".to_owned()));
        stands(&app, purpose, &nowhere);
        app.key(KeyCode::Esc.into());
    }
    app.not_added("/models/nine", "there is no such folder".to_owned());
    stands(&app, Purpose::AddModel, Path::new("/models/nine"));
}

#[test]
fn answers_are_written_like_recipes() {
    let folder = tempfile::tempdir().unwrap();
    let (csv, odd) = (folder.path().join("a.csv"), folder.path().join("a.xlsx"));
    let mut app = fixture::evolving();
    app.pane = Pane::Answers;
    fixture::serve(&mut app);
    app.export(odd.to_str().unwrap(), false);
    assert!(app.notice.as_ref().is_some_and(|n| n.bad && n.text.contains(".jsonl")));
    stands(&app, Purpose::Export, &odd);
    submit(&mut app, &csv);
    let before = std::fs::read_to_string(&csv).unwrap();
    std::fs::write(&csv, "precious").unwrap();
    app.export(csv.to_str().unwrap(), false);
    act(&mut app);
    assert!(matches!(app.overlay, Some(Overlay::Confirm(_))));
    press(&mut app, "y");
    act(&mut app);
    assert_eq!(std::fs::read_to_string(&csv).unwrap(), before);
}
