//! Merging a candidate on the card where its decoder runs.

use std::collections::BTreeSet;

use super::Kitchen;
use crate::lm::{Decoder, Device, Make};
use crate::merge::{Candidate, OnCard, Pool, Refused, Resident};
use crate::recipe::Recipe;
use crate::session::error::BadInput;
use crate::session::evaluate::Told;
use crate::session::player::Player;

/// The pool's models on a card, and what was said of it.
#[derive(Default)]
pub struct Card {
    resident: Option<Box<dyn OnCard>>,
    said: BTreeSet<&'static str>,
}

impl Card {
    pub fn make_room(&mut self) {
        self.resident = None;
    }

    /// Tells something the first time.
    fn once(&mut self, key: &'static str, told: &dyn Fn(Told), text: impl FnOnce() -> String) {
        if self.said.insert(key) {
            told(Told::Note(text()));
        }
    }
}

/// Room for a pool's models on the device, if it is a card.
fn resident(device: &Device, pool: &Pool, loaded: bool) -> Option<Box<dyn OnCard>> {
    match device {
        #[cfg(feature = "cuda")]
        Device::Cuda(card) => Some(Box::new(Resident::new(card.clone(), pool, loaded))),
        #[cfg(test)]
        Device::Emulated(card) => {
            use crate::gpu::{Driver, Format};
            let narrow = card.format() == Format::BF16;
            narrow.then(|| Box::new(Resident::new(card.clone(), pool, loaded)) as Box<dyn OnCard>)
        }
        Device::Cpu | Device::Reference => None,
    }
}

impl Kitchen {
    /// The merge made on the card; none where it is one for the CPU.
    pub(super) fn on_card(
        &mut self,
        recipe: &Recipe,
        device: &Device,
        told: &dyn Fn(Told),
    ) -> anyhow::Result<Option<Player>> {
        let mut resident = match self.card.resident.take() {
            Some(resident) => resident,
            None => match resident(device, &self.pool, self.player.is_some()) {
                Some(resident) => resident,
                None => return Ok(None),
            },
        };
        let here = self.player.is_some() && self.strayed;
        let mut candidate = match resident.begin(&self.pool, recipe, here) {
            Ok(Ok(candidate)) => candidate,
            Ok(Err(Refused(why))) => {
                self.card.resident = Some(resident);
                self.card.once("refused", told, || format!("merging on the CPU, not on the GPU: {why}"));
                return Ok(None);
            }
            Err(error) => {
                // What lies on the card is as good as before.
                self.card.resident = Some(resident);
                return Err(BadInput::error(error));
            }
        };
        // From here on the decoder's weights are a mixture until all is done.
        let player = self.player.take();
        let (pool, config) = (&self.pool, candidate.config.clone());
        let (groups, rebuild) = (candidate.groups.clone(), candidate.rebuild);
        let mut make = |name: &str, to: u64| {
            resident.make(pool, &mut candidate, name, to).map_err(|error| error.to_string())
        };
        let make: &mut Make<'_> = &mut make;
        let player = match player {
            Some(mut player) if player.config == config || !rebuild => {
                player.decoder.remake(&groups, make)?;
                player
            }
            other => {
                // Its room is needed.
                drop(other);
                Player::with_decoder(pool.base(), &config, Decoder::load_made(&config, device, make)?)?
            }
        };
        self.tell(&candidate, told);
        resident.finish(candidate).map_err(BadInput::error)?;
        self.card.resident = Some(resident);
        self.strayed = true;
        Ok(Some(player))
    }

    /// Says once what was merged on the CPU after all.
    fn tell(&mut self, candidate: &Candidate, told: &dyn Fn(Told)) {
        let Candidate { unlike, crowded, done, .. } = *candidate;
        if unlike > 0 {
            self.card.once("unlike", told, || {
                format!(
                    "{unlike} of {} tensors are merged on the CPU and sent: the GPU's kernel does bfloat16 \
                     in and out",
                    unlike + crowded + done
                )
            });
        }
        if crowded > 0 {
            self.card.once("crowded", told, || {
                format!(
                    "{crowded} of {} tensors are merged on the CPU and sent: base and sources do not all \
                     fit into the GPU's memory",
                    unlike + crowded + done
                )
            });
        }
    }
}
