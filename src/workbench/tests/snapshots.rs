//! Snapshots of each pane as text.

use ratatui::buffer::{Buffer, CellWidth};
use ratatui::layout::Rect;

use super::fixture;
use crate::workbench::app::{App, Pane};
use crate::workbench::panes;

/// The screen as lines of text. A wide letter covers two cells.
pub fn screen(app: &App, width: u16, height: u16) -> String {
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    panes::draw(app, &mut buffer);
    let mut out = String::new();
    for y in 0..height {
        let mut line = String::new();
        let mut x = 0;
        while x < width {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            x += symbol.cell_width().max(1);
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn pictures(name: &str, app: &mut App) {
    fixture::serve(app);
    app.notice = None;
    for (width, height) in [(60, 18), (80, 24), (120, 40), (200, 60)] {
        insta::with_settings!({ snapshot_path => "../../../tests/snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(format!("{name}_{width}x{height}"), screen(app, width, height));
        });
    }
}

#[test]
fn first_screen() {
    pictures("first", &mut fixture::fresh());
}

#[test]
fn every_pane() {
    let mut app = fixture::evolving();
    for pane in Pane::ALL {
        app.pane = pane;
        pictures(pane.name(), &mut app);
    }
}
