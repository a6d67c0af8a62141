//! The recipe editor as a person meets it: parameters, filters, templates, comparison, mouse.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::fixture;
use super::keys::{press, sent};
use super::snapshots::screen;
use crate::recipe::{LayerGroup, Method, Param, Recipe, RecipeFile, Scope, Step, Values};
use crate::session::protocol::{Command, Message, Reply, Target};
use crate::workbench::app::{App, Pane};
use crate::workbench::editor::{Cell, Template, columns, globals};
use crate::workbench::effect::{Ask, Effect, Reading};
use crate::workbench::files::write::Content;
use crate::workbench::overlays::{Overlay, Preset};
use crate::workbench::panes;
use crate::workbench::panes::Hit;

fn code(app: &mut App, code: KeyCode) {
    app.key(KeyEvent::from(code));
}

fn painting() -> App {
    let mut app = fixture::fresh();
    app.pane = Pane::Recipe;
    app
}

#[test]
fn every_parameter_of_every_method_can_be_reached_and_the_recipe_stays_in_order() {
    let mut app = painting();
    for method in Method::ALL {
        app.editor.set_method(method);
        let (_, most) = method.spec().sources;
        let mut recipe = app.editor.recipe.clone();
        recipe.sources.truncate(most.unwrap_or(usize::MAX).min(2));
        app.editor.take(recipe, "few");
        let recipe = &app.editor.recipe;
        let shown: Vec<Param> =
            columns(recipe).iter().map(|c| c.param).chain(globals(recipe).iter().map(|s| s.param)).collect();
        for spec in method.parameters() {
            assert_eq!(shown.contains(&spec.param), !spec.ignored, "{} {}", method.name(), spec.param.name());
        }
        assert_eq!(recipe.check(fixture::LAYERS).err().map(|e| e.to_string()), None, "{}", method.name());
        // Every number survives steps in both directions, at the cell and in the strip.
        for at in 0..globals(recipe).len() {
            app.editor.strip = Some(at);
            for keys in ["+++", "------"] {
                press(&mut app, keys);
                assert!(app.editor.recipe.check(fixture::LAYERS).is_ok(), "{}", method.name());
            }
        }
        app.editor.strip = None;
        for column in 0..columns(&app.editor.recipe).len() {
            app.editor.cursor = Cell { row: 1, column };
            for keys in ["++++++++++++++++++++++++", "------------------------------------------------"] {
                press(&mut app, keys);
                assert!(app.editor.recipe.check(fixture::LAYERS).is_ok(), "{}", method.name());
            }
        }
        screen(&app, 120, 40);
        app.editor.set_pool("zoo:base", &fixture::SOURCES.map(str::to_owned), fixture::LAYERS);
    }
}

#[test]
fn the_strip_holds_what_counts_for_the_whole_merge() {
    let mut app = painting();
    app.editor.set_method(Method::Ties);
    code(&mut app, KeyCode::Up);
    assert_eq!(app.editor.global().map(|s| s.param), Some(Param::Lambda));
    press(&mut app, "1.5");
    code(&mut app, KeyCode::Enter);
    assert!((app.editor.recipe.lambda() - 1.5).abs() < 1e-12);
    code(&mut app, KeyCode::Right);
    assert!(app.editor.recipe.normalizes());
    code(&mut app, KeyCode::Enter);
    assert!(!app.editor.recipe.normalizes());
    press(&mut app, "u");
    assert!(app.editor.recipe.normalizes());
    code(&mut app, KeyCode::Down);
    assert_eq!((app.editor.strip, app.editor.cursor.row), (None, 0));
    // A number outside the range is refused with a sentence.
    code(&mut app, KeyCode::Right);
    press(&mut app, "1.5");
    code(&mut app, KeyCode::Enter);
    assert!(app.notice.as_ref().is_some_and(|n| n.bad && n.text.starts_with("density is 1.5")));
    // The parameter that slerp requires has its own column.
    app.editor.set_method(Method::Slerp);
    let t = columns(&app.editor.recipe).iter().position(|c| c.param == Param::T);
    assert_eq!(t.map(|i| columns(&app.editor.recipe)[i].source), Some(None));
    assert_eq!(Method::Slerp.parameter(Param::T).map(|s| s.scope), Some(Scope::Global));
}

#[test]
fn filters_are_shown_as_what_they_are_and_kept() {
    let text = "method = \"ties\"\nbase = \"zoo:base\"\n\n[[source]]\nmodel = \"zoo:ja\"\n\
                weight = [{ filter = \"mlp\", value = [0.0, 1.0] }, { value = 0.25 }]\ndensity = 0.5\n";
    let recipe = RecipeFile::from_toml(text, "r.toml", false).unwrap().into_recipe().unwrap();
    let mut app = painting();
    app.read("r.toml".into(), Reading::Edit, Ok((Box::new(recipe), String::new())));
    let shown = screen(&app, 120, 40);
    assert!(shown.contains("mlp") && shown.contains("the rest") && shown.contains("density"), "{shown}");
    let columns = app.editor.columns();
    assert_eq!(columns.len(), 3);
    // The gradient over the MLPs is kept: 0 at the first block, 1 at the last.
    let at = |app: &App, row, column| app.editor.value(Cell { row, column });
    assert_eq!((at(&app, 1, 0), at(&app, 5, 0), at(&app, 3, 1)), (Some(0.0), Some(1.0), Some(0.25)));
    app.editor.cursor = Cell { row: 3, column: 1 };
    press(&mut app, "0.75");
    code(&mut app, KeyCode::Enter);
    let Some(Values::Filters(list)) = app.editor.recipe.sources[0].parameters.get(Param::Weight) else {
        panic!("flattened");
    };
    assert_eq!(list.len(), 2);
    let block = LayerGroup::Block(2);
    assert_eq!(list[1].value.at(block, fixture::LAYERS), Some(0.75));
    assert_eq!(list[0].value.at(block, fixture::LAYERS), Some(0.5));
    // Written and read again, it is the same recipe.
    let again =
        RecipeFile::from_toml(&app.editor.recipe.to_toml(), "r.toml", false).unwrap().into_recipe().unwrap();
    assert_eq!(again, app.editor.recipe);
}

/// Slices, and recipes merged before the opened one, reach the engine unchanged, even if the base turns out to have
/// another depth.
#[test]
fn what_the_grid_cannot_show_is_tried_as_it_was_read() {
    let slices = "slices: [{sources: [{model: zoo:base, layer_range: [0, 3]}, {model: zoo:ja, layer_range: [1, 4]}]}]\n\
                  merge_method: slerp\nbase_model: zoo:base\nparameters: {t: 0.5}\n";
    let several = "name: first\nmerge_method: linear\nmodels: [{model: zoo:ja}, {model: zoo:math-add}]\nparameters: {weight: 0.5}\n---\n\
                   merge_method: slerp\nbase_model: zoo:base\nmodels: [{model: first}]\nparameters: {t: 0.5}\ntokenizer_source: base\n";
    for (text, free) in [(slices, true), (several, false)] {
        let recipe = RecipeFile::from_yaml(text, "r.yaml", false).unwrap().into_recipe().unwrap();
        let mut app = painting();
        app.read("r.yaml".into(), Reading::Edit, Ok((Box::new(recipe.clone()), String::new())));
        let (sources, depth) = (app.models.pool.sources.clone(), fixture::LAYERS + usize::from(free));
        app.editor.set_pool("zoo:base", &sources, depth);
        let shown = app.editor.recipe.clone();
        assert_eq!(
            (&shown.slices, &shown.before, &shown.tokenizer),
            (&recipe.slices, &recipe.before, &recipe.tokenizer)
        );
        assert_eq!(shown.models(), recipe.models());
        // The written file includes the recipes that it depends on.
        let again = RecipeFile::from_toml(&shown.to_toml(), "r.toml", false).unwrap().into_recipe().unwrap();
        assert_eq!(again, shown);
    }
}

#[test]
fn templates_make_the_patterns_that_they_name() {
    let app = painting();
    let weight = |recipe: &Recipe, source: usize, row: usize| {
        let group = LayerGroup::from_index(row, fixture::LAYERS);
        recipe.sources[source].weight().at(group, fixture::LAYERS).unwrap()
    };
    for template in Template::for_sources(3) {
        let recipe = app.editor.template(template);
        assert!(recipe.check(fixture::LAYERS).is_ok(), "{template:?}");
        let rows = LayerGroup::count(fixture::LAYERS);
        let sums = (0..rows).map(|row| (0..3).map(|i| weight(&recipe, i, row)).sum::<f64>());
        let whole = if template == Template::Base { 0.0 } else { 1.0 };
        assert!(sums.into_iter().all(|s| (s - whole).abs() < 0.01), "{template:?}");
    }
    let front = app.editor.template(Template::Front);
    assert_eq!((weight(&front, 0, 0), weight(&front, 0, 6), weight(&front, 1, 6)), (1.0, 0.0, 0.5));
    let ramp = app.editor.template(Template::Ramp);
    assert_eq!((weight(&ramp, 0, 0), weight(&ramp, 0, 3), weight(&ramp, 0, 6)), (1.0, 0.5, 0.0));
    let halves = app.editor.template(Template::Halves);
    let Some(Values::Filters(list)) = halves.sources[0].parameters.get(Param::Weight) else { panic!() };
    assert_eq!(list[0].filter.as_deref(), Some("self_attn"));
}

#[test]
fn what_changed_is_marked_with_both_numbers() {
    let mut app = painting();
    press(&mut app, "d");
    assert!(matches!(app.overlay, Some(Overlay::Picker(_))));
    code(&mut app, KeyCode::Enter);
    assert_eq!(app.editor.changes(), 0);
    app.editor.cursor = Cell { row: 2, column: 1 };
    press(&mut app, "0.9");
    code(&mut app, KeyCode::Enter);
    assert_eq!(app.editor.changes(), 1);
    assert_eq!(app.editor.changed(Cell { row: 2, column: 1 }), Some(Some(0.333)));
    assert_eq!(app.editor.changed(Cell { row: 2, column: 0 }), None);
    app.notice = None;
    let shown = screen(&app, 120, 40);
    assert!(shown.contains("0.33>0.90") && shown.contains("1 changed from uniform"), "{shown}");
    // A comparison with a file matches the sources by name.
    let mut other = app.editor.uniform();
    other.sources.swap(0, 2);
    app.read("other.toml".into(), Reading::Compare, Ok((Box::new(other), String::new())));
    assert_eq!(app.editor.changes(), 1);
    press(&mut app, "d");
    press(&mut app, "nothing");
    code(&mut app, KeyCode::Enter);
    assert!(app.editor.compared.is_none());
}

#[test]
fn the_recipe_as_mergekit_writes_it_can_be_read_and_copied() {
    let mut app = painting();
    press(&mut app, "y");
    let Some(Overlay::Reader(reader)) = &app.overlay else { panic!() };
    assert!(reader.text.contains("merge_method: task_arithmetic"), "{}", reader.text);
    let again = RecipeFile::from_yaml(&reader.text, "r.yml", false).unwrap().into_recipe().unwrap();
    assert_eq!(again.sources.len(), 3);
    screen(&app, 60, 18);
    press(&mut app, "jjjy");
    assert!(app.effects.iter().any(|e| matches!(e, Effect::Copy(text) if text.contains("merge_method"))));
    code(&mut app, KeyCode::Esc);
    assert_eq!(app.overlay, None);
}

#[test]
fn a_path_is_a_route_whose_factors_can_be_edited() {
    let step = |model: &str, layer, scale| Step { model: model.to_owned(), layer, scale };
    let mut recipe = Recipe::new(Method::Passthrough, Some("zoo:base"));
    recipe.path = vec![step("zoo:base", 0, 1.0), step("zoo:ja", 1, 1.3), step("zoo:base", 4, 0.5)];
    let mut app = painting();
    app.read("path.toml".into(), Reading::Edit, Ok((Box::new(recipe.clone()), String::new())));
    assert_eq!(app.editor.recipe, recipe);
    code(&mut app, KeyCode::Down);
    press(&mut app, "+");
    assert_eq!(app.editor.scale(1), Some(1.35));
    press(&mut app, "0.8");
    code(&mut app, KeyCode::Enter);
    assert_eq!(app.editor.scale(1), Some(0.8));
    app.notice = None;
    let shown = screen(&app, 80, 24);
    assert!(
        shown.contains("embedding") && shown.contains("norm, head") && shown.contains("x0.80"),
        "{shown}"
    );
    assert!(shown.contains("step 2: layer 1 of ja"), "{shown}");
    let commands = sent(&mut app);
    let Some(Command::Try { target: Target::Recipe(tried), .. }) =
        commands.iter().find(|c| matches!(c, Command::Try { .. }))
    else {
        panic!("{commands:?}");
    };
    assert_eq!(tried.path.len(), 3);
    press(&mut app, "uu");
    assert_eq!(app.editor.recipe, recipe);
    for (width, height) in [(10, 4), (34, 9), (60, 18), (200, 60)] {
        screen(&app, width, height);
    }
}

#[test]
fn the_mouse_chooses_drags_and_turns() {
    let mut app = painting();
    let mut buffer = Buffer::empty(Rect::new(0, 0, 120, 40));
    let hits = panes::draw(&app, &mut buffer).hits;
    let place = |wanted: Hit| hits.iter().find(|(_, h)| *h == wanted).map(|(r, _)| (r.x, r.y)).unwrap();
    let event = |kind, (column, row)| MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE };
    let cell = |row, column| Hit::Cell(Cell { row, column });
    app.mouse(event(MouseEventKind::Down(MouseButton::Left), place(cell(1, 1))), &hits);
    assert_eq!(app.editor.cursor, Cell { row: 1, column: 1 });
    app.mouse(event(MouseEventKind::Drag(MouseButton::Left), place(cell(3, 2))), &hits);
    assert_eq!(app.editor.block().cells(), 6);
    app.mouse(event(MouseEventKind::ScrollUp, place(cell(2, 2))), &hits);
    assert_eq!(app.editor.value(Cell { row: 3, column: 1 }), Some(0.35));
    // Over another cell the wheel first moves the cursor there.
    app.mouse(event(MouseEventKind::ScrollDown, place(cell(5, 0))), &hits);
    assert_eq!(app.editor.value(Cell { row: 5, column: 0 }), Some(0.3));
    assert_eq!(app.editor.value(Cell { row: 3, column: 1 }), Some(0.35));
    app.mouse(event(MouseEventKind::ScrollUp, place(Hit::Global(0))), &hits);
    assert!((app.editor.recipe.lambda() - 1.05).abs() < 1e-9);
}

#[test]
fn evolving_from_here_starts_a_session_and_puts_the_recipe_in() {
    let mut app = painting();
    app.preset(Preset::Template(Template::Ramp));
    app.editor.set_method(Method::DareTies);
    sent(&mut app);
    press(&mut app, "E");
    let commands = sent(&mut app);
    let Some(Command::Start { config, .. }) = commands.iter().find(|c| matches!(c, Command::Start { .. }))
    else {
        panic!("{commands:?}");
    };
    let config = crate::session::config::Config::parse(config, "config").unwrap();
    assert_eq!(config.space.method, Method::DareTies);
    app.sent(700, Ask::Start);
    app.receive(Message::Reply { id: 700, reply: Reply::Started { session: "zoo".to_owned() } });
    let injected = sent(&mut app).into_iter().find_map(|c| match c {
        Command::Inject { session, recipe } => Some((session, *recipe)),
        _ => None,
    });
    assert_eq!(injected, Some(("zoo".to_owned(), app.editor.recipe.clone())));
}

#[test]
fn the_best_comes_into_the_editor_and_a_kept_candidate_stays_in_sight() {
    let mut app = fixture::evolving();
    app.pane = Pane::Recipe;
    press(&mut app, "b");
    let best = app.run.as_ref().unwrap().state.best_entry().unwrap().candidate.clone();
    let Target::Recipe(recipe) = &best.target else { panic!() };
    assert_eq!(app.editor.recipe.sources[1].weight(), recipe.sources[1].weight());
    assert_eq!(app.editor.began_as, best.label);
    app.pane = Pane::Evolve;
    press(&mut app, "jjK");
    let kept = app.current_candidate().unwrap();
    assert!(app.run.as_ref().unwrap().kept.contains(&kept));
    assert!(app.answers.opened.contains(&kept));
    press(&mut app, "r");
    assert!(matches!(&app.overlay, Some(Overlay::Look(look)) if look.candidate == Some(kept)));
    for (width, height) in [(20, 5), (60, 18), (120, 40)] {
        screen(&app, width, height);
    }
    press(&mut app, "e");
    assert_eq!((app.pane, app.overlay.is_none()), (Pane::Recipe, true));
    app.pane = Pane::Evolve;
    app.candidate = Some(kept);
    press(&mut app, "K");
    assert!(app.run.as_ref().unwrap().kept.is_empty() && !app.answers.opened.contains(&kept));
}

#[test]
fn the_tour_shows_each_pane_and_ends() {
    let mut app = fixture::fresh();
    press(&mut app, "?");
    press(&mut app, "tour");
    code(&mut app, KeyCode::Enter);
    let mut seen = Vec::new();
    while let Some(Overlay::Tour(step)) = app.overlay {
        seen.push((step, app.pane));
        for (width, height) in [(20, 6), (60, 18), (80, 24)] {
            screen(&app, width, height);
        }
        assert!(screen(&app, 80, 24).contains("Enter goes on"));
        code(&mut app, KeyCode::Enter);
    }
    assert_eq!(seen.len(), 5);
    assert!(Pane::ALL.iter().all(|p| seen.iter().any(|(_, s)| s == p)));
}

#[test]
fn models_are_added_by_name_and_measured() {
    let mut app = fixture::fresh();
    assert!(screen(&app, 120, 40).contains("How far the sources lie from the base"));
    assert!(screen(&app, 120, 40).contains("Cosine between two task vectors"));
    press(&mut app, "a");
    press(&mut app, "/models/mine");
    code(&mut app, KeyCode::Enter);
    fixture::serve(&mut app);
    assert_eq!(app.models.added, ["/models/mine"]);
    assert_eq!(app.models.chosen().map(|m| m.reference.as_str()), Some("/models/mine"));
    // A rescan keeps it.
    press(&mut app, "r");
    fixture::serve(&mut app);
    assert!(app.models.all().iter().any(|m| m.reference == "/models/mine"));
    // Another choice of sources is measured again, once.
    app.models.cursor = 3;
    press(&mut app, " ");
    let asked =
        |app: &mut App| sent(app).into_iter().filter(|c| matches!(c, Command::Distances { .. })).count();
    assert_eq!((asked(&mut app), asked(&mut app)), (1, 0));
}

#[test]
fn answers_are_exported_as_shown() {
    let mut app = fixture::evolving();
    app.pane = Pane::Answers;
    fixture::serve(&mut app);
    let text = |app: &mut App, path: &str| {
        app.export(path, false);
        app.effects.iter().rev().find_map(|e| match e {
            Effect::Write { content: Content::Text(text), .. } => Some(text.clone()),
            _ => None,
        })
    };
    let lines = text(&mut app, "a.jsonl").unwrap();
    assert_eq!(lines.lines().count(), 40);
    let first: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(first["index"], 0);
    assert!(first["answers"]["best"]["text"].as_str().is_some_and(|t| !t.is_empty()));
    let table = text(&mut app, "a.csv").unwrap();
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let wide = reader.headers().unwrap().len();
    assert_eq!(wide, 4 + 4 * app.answer_columns().len());
    let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
    assert_eq!(rows.len(), 40);
    assert_eq!(rows[0].get(2), Some(fixture::question(0).0.as_str()));
}
