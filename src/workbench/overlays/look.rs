//! Shows a candidate's recipe for reading only, drawn as in the editor: the grid, or the path. `overlays/mod.rs` calls
//! it.

use ratatui::layout::Constraint::{Fill, Length, Max};
use ratatui::layout::{Layout, Rect};

use crate::recipe::Recipe;
use crate::session::protocol::CandidateId;
use crate::workbench::canvas::Canvas;
use crate::workbench::messages;
use crate::workbench::theme::Tone;
use crate::workbench::widgets::heat::Grid;
use crate::workbench::widgets::path_map::PathMap;

/// Whose recipe is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// `None` for the recipe in the editor.
    pub candidate: Option<CandidateId>,
    pub label: String,
    /// `None` if the candidate is an unmerged model.
    pub recipe: Option<Box<Recipe>>,
    pub layers: usize,
}

/// Draws the recipe.
pub fn draw(look: &Look, canvas: &mut Canvas<'_>, area: Rect) {
    let title = messages::look_title(&look.label);
    let Some(recipe) = &look.recipe else {
        let inner = canvas.popup(Canvas::centred(area, 60, 5), &title);
        canvas.paragraph(inner, &messages::look_model(&look.label), canvas.theme.tone(Tone::Plain));
        return;
    };
    let grid = Grid::still(recipe, look.layers);
    let path_map = PathMap::still(&recipe.path, recipe.donor());
    let path = !recipe.path.is_empty();
    let (wide, rows) =
        if path { (path_map.width(), recipe.path.len() as u16 + 3) } else { (grid.width(), grid.rows()) };
    let inner = canvas.popup(Canvas::centred(area, wide.max(44) + 4, rows + 5), &title);
    let [main, _] = Layout::vertical([Fill(1), Length(2)]).areas(Canvas::padded(inner));
    let used = if path { path_map.draw(canvas, main) } else { grid.draw(canvas, main) };
    let [_, about, _, keys] = Layout::vertical([Length(used), Max(2), Fill(1), Length(1)]).areas(inner);
    let text = format!(" {}: {}", recipe.method.name(), messages::method_about(recipe.method));
    canvas.paragraph(about, &text, canvas.theme.tone(Tone::Dim));
    canvas.line(Canvas::indented(keys), messages::look_keys(), canvas.theme.tone(Tone::Accent));
}
