//! The hand-made recipe as it is stored between two sittings and restored.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Editor;
use crate::recipe::Recipe;

/// What is stored of the editor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hand {
    pub recipe: Recipe,
    /// Decoder blocks of the base.
    pub layers: usize,
    /// What it began as, by name and as it was.
    pub began_as: String,
    pub began: Recipe,
    /// The file that it was last written to or read from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
}

impl Editor {
    /// The recipe, where a person has made or changed it.
    #[must_use]
    pub fn hand(&self) -> Option<Hand> {
        self.touched.then(|| Hand {
            recipe: self.recipe.clone(),
            layers: self.layers,
            began_as: self.began_as.clone(),
            began: self.began.clone(),
            path: self.path.clone(),
        })
    }

    /// Whether [`Self::hand`] would give just this.
    #[must_use]
    pub fn is_hand(&self, stored: Option<&Hand>) -> bool {
        match stored.filter(|_| self.touched) {
            Some(hand) => {
                self.recipe == hand.recipe
                    && self.layers == hand.layers
                    && self.began_as == hand.began_as
                    && self.began == hand.began
                    && self.path == hand.path
            }
            None => !self.touched && stored.is_none(),
        }
    }

    /// Restores a stored recipe (undoable where there was one before).
    pub fn take_up(&mut self, hand: Hand) {
        let before = self.touched;
        self.change(None, |editor| {
            editor.recipe = hand.recipe;
            editor.layers = hand.layers;
        });
        if !before {
            self.history = super::History::default();
        }
        self.began_as = hand.began_as;
        self.began = hand.began;
        self.path = hand.path;
        self.on_file = None;
        self.taken_up = true;
        self.home();
    }

    /// Whether the recipe was restored and nobody has changed it since.
    #[must_use]
    pub const fn is_taken_up(&self) -> bool {
        self.taken_up
    }
}
