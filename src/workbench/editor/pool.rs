//! Makes the editor's recipe follow the picked models. A base, sources and a depth come in; the recipe gets these
//! sources, and each new source gets a weight. `receive.rs` calls it when the picks change.

use super::{Editor, differ, even_share, sources_of, spread};
use crate::recipe::{Method, Param, Recipe, Source, Values};

impl Editor {
    /// Whether every source has the uniform merge's weight in every layer group.
    fn is_uniform(&self) -> bool {
        let sources = &self.recipe.sources;
        let share = even_share(&sources_of(&self.recipe));
        let even = |s: &Source| {
            s.parameters.get(Param::Weight).is_none_or(|w| {
                !matches!(w, Values::Filters(_)) && w.values().iter().all(|v| !differ(*v, share))
            })
        };
        self.recipe.method.parameter(Param::Weight).is_some() && sources.iter().all(even)
    }

    /// Changes base, sources or depth. A new source gets the weight of the uniform merge, 1/n. The other sources keep
    /// their numbers, but a uniform merge stays uniform.
    pub fn set_pool(&mut self, base: &str, sources: &[String], layers: usize) {
        let same = self.recipe.donor() == base && sources_of(&self.recipe) == sources;
        // A recipe of a path or of slices has no grid that depends on the depth.
        let free = !self.recipe.path.is_empty() || !self.recipe.slices.is_empty();
        if same && (self.layers == layers || free) {
            self.layers = layers;
            return;
        }
        let share = even_share(sources);
        let unknown = self.layers == 0;
        let uniform = self.is_uniform();
        let new = sources
            .iter()
            .map(|model| {
                let kept = self.recipe.sources.iter().find(|s| s.model == *model);
                match kept {
                    Some(source) if self.layers == layers && !uniform => source.clone(),
                    Some(source) if self.layers == layers => source.clone().with(Param::Weight, share),
                    _ => Source::new(model).with(Param::Weight, share),
                }
            })
            .collect();
        let (touched, taken_up) = (self.touched, self.taken_up);
        self.change(None, |editor| {
            if !editor.recipe.path.is_empty() || !editor.recipe.slices.is_empty() {
                // A path or slices of other models are replaced by a grid of the new models.
                editor.recipe = Recipe::new(Method::TaskArithmetic, None);
            }
            editor.recipe.base = Some(base.to_owned());
            editor.recipe.sources = new;
            editor.layers = layers;
            spread(&mut editor.recipe, layers);
        });
        self.touched = touched;
        self.taken_up = taken_up;
        if !touched {
            self.began = self.recipe.clone();
        }
        if unknown {
            // Before the depth was known there was no recipe to undo to.
            self.history = super::History::default();
        }
        self.move_by(0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Cell;
    use super::*;

    fn editor() -> Editor {
        Editor::new("zoo:base", &["zoo:ja".into(), "zoo:math-add".into(), "zoo:math-mul".into()], 5)
    }

    fn at(row: usize, column: usize) -> Cell {
        Cell { row, column }
    }

    #[test]
    fn a_changed_pool_keeps_what_stays() {
        let mut e = editor();
        e.fill(0.9);
        e.set_pool("zoo:base", &["zoo:ja".into(), "zoo:math-mul".into()], 5);
        assert_eq!(e.columns().len(), 2);
        assert_eq!(e.value(at(0, 0)), Some(0.9));
        assert!(e.undo());
        assert_eq!(e.columns().len(), 3);
        let revision = e.revision;
        e.set_pool("zoo:base", &["zoo:ja".into(), "zoo:math-add".into(), "zoo:math-mul".into()], 5);
        assert_eq!(e.revision, revision);
    }

    #[test]
    fn a_source_that_comes_leaves_the_uniform_merge_uniform() {
        let names = ["zoo:ja", "zoo:math-add", "zoo:math-mul", "/m/fourth"].map(str::to_owned);
        let weights = |e: &Editor| -> Vec<f64> {
            (0..e.columns().len()).filter_map(|column| e.value(at(2, column))).collect()
        };
        let mut e = editor();
        for (n, share) in [(1, 1.0), (2, 0.5), (4, 0.25), (3, 0.333)] {
            e.set_pool("zoo:base", &names[..n], 5);
            assert_eq!(weights(&e), vec![share; n]);
        }
        // The same holds after a change of method, and densities stay.
        e.set_method(Method::Ties);
        e.set_pool("zoo:base", &names, 5);
        assert_eq!(e.recipe.sources[3].weight().values(), [0.25; 7]);
        assert_eq!(e.recipe.sources[0].weight().values(), [0.25; 7]);
        // Edited numbers stay, and a new source gets the weight of the uniform merge.
        e.set_method(Method::TaskArithmetic);
        e.fill(0.9);
        e.set_pool("zoo:base", &names[..3], 5);
        e.set_pool("zoo:base", &names, 5);
        assert_eq!(e.value(at(0, 0)), Some(0.9));
        assert_eq!(weights(&e), vec![0.25; 4]);
    }
}
