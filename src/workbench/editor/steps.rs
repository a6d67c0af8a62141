//! Editing a path: the steps are the grid's rows, and the scales on their inputs are the numbers. The editor reads and
//! sets scales here.

use super::Editor;

impl Editor {
    /// The scale on a step's input; `None` if the recipe is not a path.
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
