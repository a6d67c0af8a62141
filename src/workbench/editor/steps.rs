//! Editing a path: its steps are the grid's rows, their scales the numbers.

use super::Editor;

impl Editor {
    /// The scale on a step's input; `None` where the recipe is no path.
    #[must_use]
    pub fn scale(&self, row: usize) -> Option<f64> {
        self.recipe.path.get(row).map(|s| s.scale)
    }

    /// Sets the scale of a step.
    pub(super) fn set_scale(&mut self, row: usize, scale: f64) {
        if let Some(step) = self.recipe.path.get_mut(row) {
            step.scale = scale;
        }
    }
}
