//! Draws the Recipe pane: the editor's grid or path with notes below it, and beside it the sample answers before and
//! after the last edit. `panes/mod.rs` calls it.

pub mod actions;
mod files;
mod presets;
mod preview;
pub mod state;
mod update;

use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::{Layout, Rect};
use ratatui::style::Style;

use crate::recipe::{Kind, LayerGroup, Recipe};
use crate::workbench::app::App;
use crate::workbench::canvas::Canvas;
use crate::workbench::editor::{Editor, globals};
use crate::workbench::messages;
use crate::workbench::panes::Hit;
use crate::workbench::text::{width, wrap};
use crate::workbench::theme::Tone;
use crate::workbench::widgets::heat::{Grid, figure, short};
use crate::workbench::widgets::path_map::PathMap;

/// Smallest width of the sample answers beside the grid.
const SAMPLES: u16 = 30;

/// Draws the pane.
pub fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let editor = &app.editor;
    let grid = Grid {
        cursor: editor.strip.is_none().then_some(editor.cursor),
        block: editor.anchor.map(|_| editor.block()),
        typing: editor.typing.as_deref().filter(|_| editor.strip.is_none()),
        compared: editor.compared.as_ref(),
        live: true,
        ..Grid::still(&editor.recipe, editor.layers)
    };
    let path = !editor.recipe.path.is_empty();
    let wanted = if path { path_map(editor).width() } else { grid.width() };
    let wanted = (wanted + 3).max(34);
    let beside = area.width >= 34 + SAMPLES;
    let [left, right] = if beside {
        let wide = wanted.min(area.width - SAMPLES.max(area.width * 2 / 5));
        Layout::horizontal([Length(wide), Fill(1)]).areas(area)
    } else {
        let rows = (editor.rows() as u16 + 7).min(area.height * 3 / 5);
        Layout::vertical([Length(rows), Fill(1)]).areas(area)
    };
    let inner = canvas.panel(left, &title(editor), true);
    if editor.layers == 0 {
        canvas.paragraph(inner, messages::grid_waits(), canvas.theme.tone(Tone::Dim));
    } else {
        let used = strip(editor, canvas, inner);
        let mut rest = Canvas::below(inner, used);
        let notes = notes(app);
        let lines = notes.iter().map(|n| wrap(n, rest.width.into()).len() as u16).sum::<u16>() + 1;
        let kept = if rest.height > 10 + lines { lines } else { 2 };
        let [main, _] = Layout::vertical([Fill(1), Length(kept)]).areas(rest);
        let used = if path {
            path_map(editor).draw(canvas, main)
        } else if !editor.recipe.slices.is_empty() {
            slices(&editor.recipe, canvas, main)
        } else {
            grid.draw(canvas, main)
        };
        rest = Canvas::below(rest, used + u16::from(rest.height > used + lines));
        for text in &notes {
            let used = canvas.paragraph(rest, text, canvas.theme.tone(Tone::Dim));
            rest = Canvas::below(rest, used);
        }
    }
    preview::draw(app, canvas, right);
}

/// The frame's title: the method, and the recipe that editing began from or the one compared with.
fn title(editor: &Editor) -> String {
    let method = editor.recipe.method.name();
    match &editor.compared {
        Some(other) => format!("{method}: {}", messages::compared(editor.changes(), &other.name)),
        None => messages::recipe_title(method, &editor.began_as),
    }
}

fn path_map(editor: &Editor) -> PathMap<'_> {
    let block = editor.block();
    PathMap {
        cursor: Some(editor.cursor.row),
        block: editor.anchor.map(|_| (block.top, block.bottom)),
        typing: editor.typing.as_deref(),
        compared: editor.compared.as_ref(),
        live: true,
        ..PathMap::still(&editor.recipe.path, editor.recipe.donor())
    }
}

/// Draws the parameters of the whole merge in as many lines as they need, and returns the number of lines.
fn strip(editor: &Editor, canvas: &mut Canvas<'_>, area: Rect) -> u16 {
    let all = globals(&editor.recipe);
    let (mut x, mut y) = (area.x, area.y);
    for (i, spec) in all.iter().enumerate() {
        let here = editor.strip == Some(i);
        let number = editor.recipe.global(spec.param);
        let shown = |number: f64| match spec.kind {
            Kind::Flag => messages::yes_or_no(number != 0.0).to_owned(),
            Kind::Count => format!("{number:.0}"),
            Kind::Number => figure(number),
        };
        let typed = editor.typing.as_deref().filter(|_| here);
        let old = editor.compared.as_ref().and_then(|c| c.global(&editor.recipe, spec.param));
        let new = typed.map_or_else(|| shown(number), str::to_owned);
        let text = match old {
            Some(old) => format!("{}>{new}", shown(old)),
            None => new,
        };
        let name = spec.param.name();
        let wide = (width(name) + width(&text) + 4) as u16;
        if x > area.x && x + wide > area.right() {
            (x, y) = (area.x, y + 1);
        }
        if y >= area.bottom() {
            break;
        }
        let room = area.right().saturating_sub(x);
        let tone = if here { canvas.theme.chosen() } else { canvas.theme.tone(Tone::Strong) };
        let cell = Rect::new(x, y, room, 1);
        let used = canvas.pieces(cell, &[(name, canvas.theme.tone(Tone::Dim)), (" ", Style::new())]);
        let used = used + canvas.text((x + used, y), room.saturating_sub(used), &text, tone);
        if typed.is_some() {
            canvas.cursor_at(x + used, y);
        }
        canvas.hit(Rect::new(x, y, used, 1), Hit::Global(i));
        x += wide;
    }
    if all.is_empty() { 0 } else { y - area.y + 1 }
}

/// Draws a recipe of slices (runs of layers one behind another), which the editor shows but does not change.
fn slices(recipe: &Recipe, canvas: &mut Canvas<'_>, area: Rect) -> u16 {
    let lines: Vec<String> = recipe
        .slices
        .iter()
        .enumerate()
        .map(|(i, slice)| {
            let sources = slice.sources.iter();
            let run = |m: &str, (from, to): (usize, usize)| format!("{} {from}-{to}", short(m));
            let all: Vec<String> = sources.map(|s| run(&s.model, s.layers)).collect();
            format!("{:>3}  {}", i + 1, all.join(" + "))
        })
        .collect();
    canvas.lines(area, lines.iter().map(String::as_str), canvas.theme.tone(Tone::Plain))
}

/// The notes below the grid: the cell under the cursor, its parameter, the method, the base, the file.
fn notes(app: &App) -> Vec<String> {
    let editor = &app.editor;
    let recipe = &editor.recipe;
    let mut out = Vec::new();
    if let Some(step) = recipe.path.get(editor.cursor.row) {
        out.push(messages::step_words(editor.cursor.row + 1, step.layer, &short(&step.model), step.scale));
    } else if let (Some(column), Some(value)) = (editor.column(), editor.value(editor.cursor)) {
        let model = column
            .source
            .map_or_else(|| messages::whole_merge().to_owned(), |i| short(&recipe.sources[i].model));
        let place = match LayerGroup::from_index(editor.cursor.row, editor.layers) {
            LayerGroup::Embedding => messages::input_embedding().to_owned(),
            LayerGroup::Block(i) => messages::block(i),
            LayerGroup::Head => messages::final_head().to_owned(),
        };
        let cells = editor.block().cells();
        out.push(if editor.anchor.is_some() {
            messages::block_keys(cells)
        } else {
            messages::cell_words(column.param.name(), &model, &place, value)
        });
        match editor.changed(editor.cursor) {
            Some(Some(old)) => out.push(messages::was(&figure(old))),
            Some(None) => out.push(messages::was_absent().to_owned()),
            None => {}
        }
    }
    if let Some(spec) = editor.spec().filter(|_| editor.anchor.is_none()) {
        out.push(messages::parameter_line(recipe.method, spec));
    }
    out.push(format!("{}: {}", recipe.method.name(), messages::method_about(recipe.method)));
    out.push(messages::base_is(recipe.donor()));
    if let Some(path) = &editor.path {
        out.push(messages::file_at(&path.display().to_string()));
    }
    out
}
