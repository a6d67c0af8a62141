//! What a recipe says of a merge's config, and what it leaves open. In: the config that the merge would have, the
//! recipe, the pool. Out: the config with the rotary base and window that the recipe asks for; one sentence for each of
//! them in which the models differ while the recipe says nothing.

use crate::checkpoint::{Checkpoint, ModelConfig};
use crate::recipe::{Recipe, Rope, Window};

use super::pool::Pool;
use crate::merge::MergeError;

impl Pool {
    /// `config` with what the recipe says of it.
    pub(super) fn with_settings(
        &self,
        config: ModelConfig,
        recipe: &Recipe,
    ) -> Result<ModelConfig, MergeError> {
        let donor = self.base().reference();
        let of = |model: &str| self.models[self.place(model).unwrap_or_default()].config();
        let config = match &recipe.config.rope {
            None => config,
            Some(Rope::Base(theta)) => config.with_rope_theta(donor, *theta)?,
            Some(Rope::Of(model)) => config.with_rope_of(donor, model, of(model))?,
        };
        Ok(match &recipe.config.window {
            None => config,
            Some(Window::None) => config.with_window(donor, None)?,
            Some(Window::Tokens(tokens)) => config.with_window(donor, Some(*tokens))?,
            Some(Window::Of(model)) => config.with_window_of(donor, model, of(model))?,
        })
    }

    /// One sentence for each setting in which the recipe's models differ and of which it says nothing: the merge gets
    /// that of the model that gives its config.
    #[must_use]
    pub fn settings_taken(&self, recipe: &Recipe) -> Vec<String> {
        let donor = self.base();
        let merged = recipe.models().into_iter().filter_map(|name| self.place(name));
        let others: Vec<&Checkpoint> = merged.map(|place| &self.models[place]).collect();
        let mut out = Vec::new();
        let mut say = |open: bool, what: &str, key: &str, of: &dyn Fn(&ModelConfig) -> String| {
            let own = of(donor.config());
            let odd = others.iter().find(|model| of(model.config()) != own).filter(|_| open);
            if let Some(odd) = odd {
                out.push(format!(
                    "the merge gets the {what} of {} ({own}), which is {} in {}; the recipe's [config] {key} \
                     takes another",
                    donor.reference(),
                    of(odd.config()),
                    odd.reference()
                ));
            }
        };
        say(recipe.config.rope.is_none(), "rotary base", "rope", &|config| format!("{}", config.rope.theta));
        say(recipe.config.window.is_none(), "sliding window", "window", &|config| {
            config.sliding_window.map_or_else(|| "none".to_owned(), |window| window.to_string())
        });
        out
    }
}
