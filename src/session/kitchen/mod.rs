//! A pool with the candidate made from it and the decoder that runs it: merged on the card where there is
//! one that can, else on the CPU and sent.

#[cfg(any(feature = "cuda", test))]
mod card;
#[cfg(test)]
mod tests;

use super::error::BadInput;
use super::evaluate::Told;
use super::player::Player;
use crate::lm::Device;
use crate::merge::{MergeError, Merged, Pool};
use crate::recipe::Recipe;

/// An error with which a merge ended. One of values that are not finite stays what it is: who tries
/// candidates knows it by that.
fn failure(error: MergeError) -> anyhow::Error {
    match error {
        MergeError::MadeNotFinite { .. } => anyhow::Error::new(error),
        other => BadInput::error(other),
    }
}

/// Whether the same candidate would fail alike, however often it is tried.
pub(super) fn is_settled(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| matches!(cause.downcast_ref(), Some(MergeError::MadeNotFinite { .. })))
}

/// A pool and what was made of it last.
pub(super) struct Kitchen {
    pub pool: Pool,
    /// The last merge on the CPU.
    merged: Merged,
    player: Option<Player>,
    /// Whether the decoder's weights are not those of `merged`.
    strayed: bool,
    #[cfg(any(feature = "cuda", test))]
    card: card::Card,
}

impl Kitchen {
    pub fn new(pool: Pool) -> Self {
        Self {
            merged: Merged::new(&pool),
            pool,
            player: None,
            strayed: false,
            #[cfg(any(feature = "cuda", test))]
            card: card::Card::default(),
        }
    }

    /// What runs the recipe's merge: of the last candidate all is kept that did not change.
    pub fn serve(
        &mut self,
        recipe: &Recipe,
        device: &Device,
        told: &dyn Fn(Told),
    ) -> anyhow::Result<&mut Player> {
        #[cfg(any(feature = "cuda", test))]
        if let Some(player) = self.on_card(recipe, device, told)? {
            return Ok(self.player.insert(player));
        }
        let _ = told;
        let mut stats = self.pool.merge_into(recipe, &mut self.merged).map_err(failure)?;
        // Taken out meanwhile: a decoder whose refresh failed is of no use.
        let kept = self.player.take().filter(|player| player.config == *self.merged.config());
        let player = match kept {
            // Only the weights differ.
            Some(mut player) => {
                if self.strayed {
                    stats.groups.fill(true);
                }
                player.decoder.refresh(&self.merged, &stats.groups)?;
                player
            }
            None => Player::load(self.pool.base(), self.merged.config(), &self.merged, device)?,
        };
        self.strayed = false;
        Ok(self.player.insert(player))
    }

    /// Lets go of what lies on the device.
    pub fn clear(&mut self) {
        self.player = None;
        self.make_room();
    }

    /// Lets go of base and sources on the device: a card has room for those of one pool.
    #[cfg_attr(
        not(any(feature = "cuda", test)),
        allow(clippy::unused_self, reason = "the CPU holds nothing")
    )]
    pub fn make_room(&mut self) {
        #[cfg(any(feature = "cuda", test))]
        self.card.make_room();
    }
}
