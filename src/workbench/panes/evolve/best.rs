//! Draws the best recipe so far, as a grid or a path, in the Evolve pane. `panes/evolve/mod.rs` calls it.

use ratatui::layout::Rect;

use super::state::Run;
use crate::session::protocol::Target;
use crate::workbench::canvas::Canvas;
use crate::workbench::messages;
use crate::workbench::widgets::heat::Grid;
use crate::workbench::widgets::path_map::PathMap;

/// The widget that draws the best recipe.
pub enum Genome<'a> {
    Grid(Grid<'a>),
    PathMap(PathMap<'a>),
}

impl Genome<'_> {
    /// The width in cells at which every number is shown.
    #[must_use]
    pub fn width(&self) -> u16 {
        match self {
            Self::Grid(grid) => grid.compact_width(),
            Self::PathMap(path_map) => path_map.width(),
        }
    }
}

/// The best candidate's recipe; `None` before the first score, and if the best is an unmerged model.
#[must_use]
pub fn genome(run: &Run) -> Option<Genome<'_>> {
    let best = run.state.best_entry()?;
    let Target::Recipe(recipe) = &best.candidate.target else { return None };
    Some(if recipe.path.is_empty() {
        Genome::Grid(Grid::still(recipe, run.state.layers))
    } else {
        Genome::PathMap(PathMap::still(&recipe.path, recipe.donor()))
    })
}

/// Draws the best recipe in a frame with its candidate's name.
pub fn draw(run: &Run, best: &Genome<'_>, canvas: &mut Canvas<'_>, area: Rect) {
    let label = run.state.best_entry().map_or("", |e| e.candidate.label.as_str());
    let inner = canvas.panel(area, &messages::best_labelled(label), false);
    match best {
        Genome::Grid(grid) => grid.draw(canvas, inner),
        Genome::PathMap(path_map) => path_map.draw(canvas, inner),
    };
}
