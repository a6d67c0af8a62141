//! Compares the recipe in the editor with another one, cell by cell. The Recipe pane and the heat map show the result:
//! each number that differs, and how many there are.

use super::{Cell, Column, Editor, globals, value};
use crate::recipe::{LayerGroup, Param, Recipe};

/// The other recipe and its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    pub name: String,
    pub recipe: Recipe,
}

/// Numbers that differ by less than this are shown as equal.
const SAME: f64 = 5e-4;

impl Compared {
    /// The other recipe's number for a cell of `recipe`; `None` if the other recipe has no such cell.
    #[must_use]
    pub fn value(&self, recipe: &Recipe, column: Column, group: LayerGroup, layers: usize) -> Option<f64> {
        value(&self.recipe, column.in_other(recipe, &self.recipe)?, group, layers)
    }

    /// The other recipe's number for a parameter of the whole merge, if it differs.
    #[must_use]
    pub fn global(&self, recipe: &Recipe, param: Param) -> Option<f64> {
        let other = self.recipe.global(param);
        ((recipe.global(param) - other).abs() > SAME * other.abs().min(1.0)).then_some(other)
    }
}

/// Whether two numbers of a cell are shown as different.
#[must_use]
pub fn differ(a: f64, b: f64) -> bool {
    (a - b).abs() >= SAME
}

impl Editor {
    /// The other recipe's number, if this cell differs from it; `Some(None)` if the other recipe has no such cell.
    #[must_use]
    pub fn changed(&self, cell: Cell) -> Option<Option<f64>> {
        let other = self.compared.as_ref()?;
        let here = self.value(cell)?;
        if let Some(scale) = self.scale(cell.row) {
            let there = other.recipe.path.get(cell.row).map(|s| s.scale);
            return there.is_none_or(|t| differ(scale, t)).then_some(there);
        }
        let column = *self.columns().get(cell.column)?;
        let group = LayerGroup::from_index(cell.row, self.layers);
        let there = other.value(&self.recipe, column, group, self.layers);
        there.is_none_or(|t| differ(here, t)).then_some(there)
    }

    /// The number of cells and whole-merge parameters that differ from the other recipe.
    #[must_use]
    pub fn changes(&self) -> usize {
        let Some(other) = &self.compared else { return 0 };
        let wide = if self.recipe.path.is_empty() { self.columns().len() } else { 1 };
        let cells = (0..self.rows()).flat_map(|row| (0..wide).map(move |column| Cell { row, column }));
        let strip = globals(&self.recipe);
        let global = strip.iter().filter(|s| other.global(&self.recipe, s.param).is_some());
        cells.filter(|c| self.changed(*c).is_some()).count() + global.count()
    }
}
