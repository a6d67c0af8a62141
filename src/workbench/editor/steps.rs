//! A path of layers in the editor: its steps are the rows, their factors the numbers.

use super::Editor;

impl Editor {
    /// The factor on what enters a step of the path; none where the recipe is no path.
    #[must_use]
    pub fn scale(&self, row: usize) -> Option<f64> {
        self.recipe.path.get(row).map(|s| s.scale)
    }

    /// Sets the factor of a step.
    pub(super) fn set_scale(&mut self, row: usize, scale: f64) {
        if let Some(step) = self.recipe.path.get_mut(row) {
            step.scale = scale;
        }
    }
}
