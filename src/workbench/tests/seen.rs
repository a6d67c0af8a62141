//! The pictures of questions in the panes: where they stand, what stands in their place, what covers them.

use std::path::Path;

use image::RgbImage;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;

use super::{fixture, snapshots};
use crate::picture::PictureSource;
use crate::session::protocol::{ImageRef, Live, Message, WatchedQuestion};
use crate::workbench::app::{App, Pane};
use crate::workbench::panes::answers::state::FetchedAnswers;
use crate::workbench::panes::{self, Drawn};
use crate::workbench::pictures::encode::{Sent, encode};
use crate::workbench::pictures::graphics::{Graphics, Protocol};
use crate::workbench::pictures::loader::Loaded;
use crate::workbench::theme::Depth;

const SIXEL: Graphics =
    Graphics { protocol: Protocol::Sixel, cell: (10, 20), ..Graphics::blocks(Depth::True) };

/// A picture of four fields, 64x48, in a folder.
fn picture(folder: &Path, name: &str) -> ImageRef {
    let path = folder.join(name);
    let points = RgbImage::from_fn(64, 48, |x, y| match (x < 32, y < 24) {
        (true, true) => [200, 30, 30].into(),
        (false, true) => [30, 160, 30].into(),
        (true, false) => [30, 30, 200].into(),
        (false, false) => [230, 230, 230].into(),
    });
    points.save(&path).unwrap();
    ImageRef { path: path.display().to_string(), width: 64, height: 48 }
}

/// A workbench whose questions have these pictures.
fn app(images: &[ImageRef]) -> App {
    let mut app = fixture::evolving();
    for pane in Pane::ALL {
        app.pane = pane;
        fixture::serve(&mut app);
    }
    for fetched in app.answers.fetched.values_mut() {
        if let FetchedAnswers::Here(answers) = fetched {
            answers.answers.iter_mut().for_each(|a| a.images = images.to_vec());
        }
    }
    for answers in app.preview.now.iter_mut().chain(&mut app.preview.before) {
        answers.answers.iter_mut().for_each(|a| a.images = images.to_vec());
    }
    let questions =
        (0..3).map(|q| WatchedQuestion { images: images.to_vec(), ..fixture::watched(q) }).collect();
    app.receive(Message::Live { session: Some("zoo".to_owned()), live: Live::Watching { questions } });
    app.pictures.show_by(Some(Graphics::blocks(Depth::True)));
    app.notice = None;
    app
}

fn drawn(app: &App, (width, height): (u16, u16)) -> (Buffer, Drawn) {
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    let drawn = panes::draw(app, &mut buffer);
    (buffer, drawn)
}

/// Makes ready whatever a frame of this size lacks, as the loader does.
fn load(app: &mut App, size: (u16, u16)) {
    let (_, frame) = drawn(app, size);
    let Some(wanted) = app.pictures.shown(&frame.pictures) else { return };
    for (number, key) in (1..).zip(wanted.keys) {
        let read = PictureSource::from_text(&key.source, Path::new("/")).and_then(|s| s.read());
        let outcome = read.map_err(|why| why.to_string()).map(|p| {
            let points = RgbImage::from_raw(p.width, p.height, p.rgb).unwrap();
            encode(&points, (key.columns, key.rows), wanted.graphics, number).unwrap().into()
        });
        app.pictures.take(Loaded { graphics: wanted.graphics, key, outcome });
    }
}

#[test]
fn half_blocks_stand_beside_question_and_answers() {
    let folder = tempfile::tempdir().unwrap();
    let mut app = app(&[picture(folder.path(), "four.png")]);
    for pane in [Pane::Answers, Pane::Recipe, Pane::Evolve] {
        app.pane = pane;
        // Until it is ready, its name stands there.
        assert!(snapshots::screen(&app, 120, 40).contains("[four.png"), "{pane:?}");
        load(&mut app, (120, 40));
        let screen = snapshots::screen(&app, 120, 40);
        assert!(!screen.contains("four.png"), "{pane:?}:\n{screen}");
        let (buffer, frame) = drawn(&app, (120, 40));
        let area = frame.pictures[0].area;
        let colour = |x: u16, y: u16| {
            let cell = &buffer[(x, y)];
            if cell.symbol() == "▀" { cell.fg } else { cell.bg }
        };
        assert_eq!(colour(area.x, area.y), Color::Rgb(200, 30, 30), "{pane:?}");
        assert_eq!(colour(area.right() - 1, area.y), Color::Rgb(30, 160, 30), "{pane:?}");
        assert_eq!(colour(area.x, area.bottom() - 1), Color::Rgb(30, 30, 200), "{pane:?}");
        insta::with_settings!({ snapshot_path => "../../../tests/snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(format!("pictures_{}_120x40", pane.name()), screen);
        });
    }
}

#[test]
fn several_stand_in_a_row_and_narrow_panes_name_them() {
    let folder = tempfile::tempdir().unwrap();
    let images = ["a.png", "b.png", "c.png"].map(|name| picture(folder.path(), name));
    let mut app = app(&images);
    app.pane = Pane::Answers;
    load(&mut app, (120, 40));
    let (_, frame) = drawn(&app, (120, 40));
    let areas: Vec<Rect> = frame.pictures.iter().map(|p| p.area).collect();
    assert_eq!(areas.len(), 3);
    assert!(areas.windows(2).all(|two| two[0].right() < two[1].x && two[0].y == two[1].y), "{areas:?}");
    let narrow = snapshots::screen(&app, 36, 24);
    assert!(narrow.contains("[a.png 64x48]"), "{narrow}");
    app.pictures.show_by(None);
    let without = snapshots::screen(&app, 120, 40);
    assert!(without.contains("[a.png 64x48] [b.png 64x48] [c.png 64x48]"), "{without}");
}

#[test]
fn what_cannot_be_shown_is_a_sentence_in_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("words.png");
    std::fs::write(&bad, "no picture").unwrap();
    let image = |path: &Path| ImageRef { path: path.display().to_string(), width: 64, height: 48 };
    let mut app = app(&[image(&bad)]);
    app.pane = Pane::Answers;
    load(&mut app, (200, 60));
    let screen = snapshots::screen(&app, 200, 60);
    assert!(screen.contains("words.png: it is a text") && screen.contains("not a picture"), "{screen}");
    // It is not asked for again in every frame.
    let (_, frame) = drawn(&app, (200, 60));
    assert_eq!(app.pictures.shown(&frame.pictures), None);
}

#[test]
fn what_lies_over_cells_gives_way_to_whatever_is_drawn_there() {
    let folder = tempfile::tempdir().unwrap();
    let mut app = app(&[picture(folder.path(), "four.png")]);
    app.pictures.show_by(Some(SIXEL));
    app.pane = Pane::Answers;
    load(&mut app, (120, 40));
    let over = |app: &App| {
        let (buffer, frame) = drawn(app, (120, 40));
        let lying = frame.pictures.into_iter().filter(|p| p.encoded.is_some()).collect::<Vec<_>>();
        for place in &lying {
            assert!(matches!(place.encoded.as_ref().map(|e| &e.sent), Some(Sent::Over(_))));
            assert!(place.area.positions().all(|at| buffer[at].symbol() == " "), "text under a picture");
        }
        lying.len()
    };
    assert_eq!(over(&app), 1);
    app.act(crate::workbench::action::Action::App(crate::workbench::action::AppAction::Help));
    assert_eq!(over(&app), 0);
    app.overlay = None;
    assert_eq!(over(&app), 1);
    app.complain("a long sentence that takes rows above the last one ".repeat(30));
    assert_eq!(over(&app), 0);
    app.notice = None;
    assert_eq!(over(&app), 1);
}
