//! What a recipe says of the parts of a merge that are not merged tensors: rotary base and window of its config, and
//! the vision part. The readers make them, merge plans use them.

use serde::{Deserialize, Serialize};

use super::Recipe;

/// Settings of the merge's config in which sources may differ. What is not given is the base's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConfigSettings {
    /// Rotary positions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rope: Option<Rope>,
    /// Sliding window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
}

impl ConfigSettings {
    /// Whether nothing is given.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rope.is_none() && self.window.is_none()
    }

    /// The models that are named, each with its key.
    pub fn models(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let rope = match &self.rope {
            Some(Rope::Of(model)) => Some(("config.rope", model.as_str())),
            Some(Rope::Base(_)) | None => None,
        };
        let window = match &self.window {
            Some(Window::Of(model)) => Some(("config.window", model.as_str())),
            Some(Window::Tokens(_) | Window::None) | None => None,
        };
        rope.into_iter().chain(window)
    }

    /// The models that are named, to rename them.
    pub(super) fn models_mut(&mut self) -> impl Iterator<Item = &mut String> {
        let rope = match &mut self.rope {
            Some(Rope::Of(model)) => Some(model),
            Some(Rope::Base(_)) | None => None,
        };
        let window = match &mut self.window {
            Some(Window::Of(model)) => Some(model),
            Some(Window::Tokens(_) | Window::None) | None => None,
        };
        rope.into_iter().chain(window)
    }
}

/// Rotary positions of a merge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rope {
    /// Those of this model, with whatever scaling it has.
    Of(String),
    /// Plain ones with this base (`rope_theta`).
    Base(f64),
}

/// Sliding window of a merge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// That of this model, in its blocks.
    Of(String),
    /// This many tokens.
    Tokens(usize),
    /// None: every token sees all before it.
    None,
}

/// What becomes of the vision parts of the models.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VisionRule {
    /// One model's is taken as it is.
    #[default]
    Keep,
    /// They are merged like the language models.
    Merge,
}

impl VisionRule {
    /// Whether it is the default.
    #[must_use]
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
    pub const fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }
}

impl Recipe {
    /// Checks what stands beside the tensors; the key and the problem of the first mistake.
    pub(super) fn check_settings(&self) -> Result<(), (String, String)> {
        let bad = |key: &str, problem: String| Err((key.to_owned(), problem));
        let merged = self.models();
        for (key, model) in self.config.models() {
            if self.base.as_deref() != Some(model) && !merged.contains(&model) {
                return bad(
                    key,
                    format!("is {model}, which takes no part in the merge; name one of its models"),
                );
            }
        }
        if let Some(Rope::Base(base)) = self.config.rope
            && !(base.is_finite() && base > 0.0)
        {
            return bad("config.rope", format!("is {base}; a rotary base is a number above 0"));
        }
        if self.config.window == Some(Window::Tokens(0)) {
            return bad("config.window", "is 0; write a number of tokens, or \"none\"".to_owned());
        }
        if !self.path.is_empty() && !self.config.is_empty() {
            return bad(
                "config",
                "has no meaning for a path, whose layers keep their models' settings".to_owned(),
            );
        }
        if self.vision == VisionRule::Merge && !(self.path.is_empty() && self.slices.is_empty()) {
            return bad("vision", "is \"merge\", which is for whole models; leave it out".to_owned());
        }
        Ok(())
    }
}
