//! The hand-made recipe in the form that is stored. It outlives the workbench: `files/keep.rs` takes it from the editor
//! to store it in a desk, and puts it back at the next start.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Editor;
use crate::recipe::Recipe;

/// The part of the editor that is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hand {
    pub recipe: Recipe,
    /// Decoder blocks of the base.
    pub layers: usize,
    /// Name of the recipe that editing began from. `began` is that recipe.
    pub began_as: String,
    pub began: Recipe,
    /// The file that the recipe was last written to or read from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
}

impl Editor {
    /// The recipe, if the user has made or changed it.
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

    /// Whether [`Self::hand`] would return exactly `stored`.
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

    /// Restores a stored recipe. This can be undone if the editor held a hand-made recipe before.
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

    /// Whether the recipe was restored and has not been changed since.
    #[must_use]
    pub const fn is_taken_up(&self) -> bool {
        self.taken_up
    }
}
