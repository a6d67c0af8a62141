//! Patterns of weights to start a recipe from. The editor's models and method stay; the pattern gives the weights.
//! The Recipe pane's `presets.rs` lists the patterns and puts the chosen one into the editor.

use super::Editor;
use crate::recipe::{Filter, LayerGroup, Param, Recipe, Values};

/// A pattern of weights over the editor's sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Template {
    /// The same weight everywhere.
    Uniform,
    /// All weights zero.
    Base,
    /// Over the depth, the first source's weight falls from 1 to 0 and the others' rise from 0 to their share.
    Ramp,
    /// The first source alone in the front half of the layers, the others in the back half.
    Front,
    /// The others in the front half, the first source alone in the back half.
    Back,
    /// The first source's attention, the others' MLPs.
    Halves,
    /// The source at this index with weight 1.
    Only(usize),
}

impl Template {
    /// The patterns that are useful with this number of sources.
    #[must_use]
    pub fn for_sources(n: usize) -> Vec<Self> {
        let mut out = vec![Self::Uniform, Self::Base];
        if n > 1 {
            out.extend([Self::Ramp, Self::Front, Self::Back, Self::Halves]);
        }
        out.extend((0..n).map(Self::Only));
        out
    }

    /// Weight of source `i` of `n` at a depth from 0 (embedding) to 1 (head).
    fn weight(self, i: usize, n: usize, depth: f64) -> f64 {
        let others = 1.0 / (n.max(2) - 1) as f64;
        let first = |share: f64| if i == 0 { share } else { (1.0 - share) * others };
        match self {
            Self::Uniform | Self::Halves => 1.0 / n.max(1) as f64,
            Self::Base => 0.0,
            Self::Ramp => first(1.0 - depth),
            Self::Front => first(if depth < 0.5 { 1.0 } else { 0.0 }),
            Self::Back => first(if depth < 0.5 { 0.0 } else { 1.0 }),
            Self::Only(only) => f64::from(u8::from(i == only)),
        }
    }
}

impl Editor {
    /// The recipe of a pattern, with the same models and method.
    #[must_use]
    pub fn template(&self, template: Template) -> Recipe {
        let mut recipe = self.uniform();
        let (n, layers) = (recipe.sources.len(), self.layers);
        if recipe.method.parameter(Param::Weight).is_none() || template == Template::Uniform {
            return recipe;
        }
        for (i, source) in recipe.sources.iter_mut().enumerate() {
            let rows = LayerGroup::count(layers);
            let depth = |row: usize| row as f64 / (rows - 1).max(1) as f64;
            let round = |w: f64| (w * 1000.0).round() / 1000.0;
            let weights: Vec<f64> = (0..rows).map(|r| round(template.weight(i, n, depth(r)))).collect();
            let mut values = Values::from_slice(&weights);
            if template == Template::Halves {
                // Embedding, norms and head belong to neither half and keep the uniform weight.
                let entry = |filter: &str, of: bool| Filter {
                    filter: Some(filter.to_owned()),
                    value: Values::from_slice(&vec![
                        if of {
                            round(Template::Ramp.weight(i, n, f64::from(u8::from(i != 0))))
                        } else {
                            0.0
                        };
                        rows
                    ]),
                };
                values = Values::Filters(vec![
                    entry("self_attn", i == 0),
                    entry("mlp", i != 0),
                    Filter { filter: None, value: values },
                ]);
            }
            source.parameters.set(Param::Weight, values);
        }
        recipe
    }
}
