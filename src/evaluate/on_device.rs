//! Merges a candidate on the GPU where its decoder runs. A pool and a recipe come in; a runner whose decoder holds the
//! merge goes out, or none if the CPU must make the merge. [`super::CandidateModel`] calls it.

use std::collections::BTreeSet;

use super::task_runner::TaskRunner;
use super::types::Listener;
use crate::error::BadInput;
use crate::lm::{Decoder, Device, MakeTensor};
use crate::merge::{Begun, Candidate, Pool, Resident};
use crate::recipe::Recipe;

/// A pool's models on a GPU, and the notes already reported.
#[derive(Default)]
pub(super) struct OnDevice {
    models: Option<ModelsOnCard>,
    told: BTreeSet<&'static str>,
}

/// The pool's models in the memory of a real or an emulated GPU.
enum ModelsOnCard {
    #[cfg(feature = "cuda")]
    Cuda(Resident<crate::gpu::Card>),
    #[cfg(test)]
    Emulated(Resident<crate::gpu::emulated::Emulated>),
}

/// Evaluates an expression with the resident models on either kind of GPU.
macro_rules! with_resident {
    ($models:expr, $resident:ident => $body:expr) => {
        match $models {
            #[cfg(feature = "cuda")]
            ModelsOnCard::Cuda($resident) => $body,
            #[cfg(test)]
            ModelsOnCard::Emulated($resident) => $body,
        }
    };
}

impl ModelsOnCard {
    /// Space for a pool's models on the device; `None` if the device is not a GPU, or does not compute in bfloat16.
    fn new(device: &Device, pool: &Pool, loaded: bool) -> Option<Self> {
        match device {
            #[cfg(feature = "cuda")]
            Device::Cuda(card) => Some(Self::Cuda(Resident::new(card.clone(), pool, loaded))),
            #[cfg(test)]
            Device::Emulated(card) => {
                use crate::gpu::{Driver, Format};
                let narrow = card.format() == Format::BF16;
                narrow.then(|| Self::Emulated(Resident::new(card.clone(), pool, loaded)))
            }
            Device::Cpu | Device::CpuBf16 | Device::Reference => None,
        }
    }
}

impl OnDevice {
    /// Frees the pool's models on the GPU.
    pub fn make_room(&mut self) {
        self.models = None;
    }

    /// Merges the recipe into the decoder of `runner`, which is taken and returned; `None` means that the CPU must
    /// merge. `merged_here`: the decoder's weights are this GPU's last merge, so unchanged tensors are kept.
    pub fn merge(
        &mut self,
        pool: &Pool,
        recipe: &Recipe,
        device: &Device,
        (runner, merged_here): (&mut Option<TaskRunner>, bool),
        listener: &Listener<'_>,
    ) -> anyhow::Result<Option<TaskRunner>> {
        let kept = self.models.take();
        let Some(mut models) = kept.or_else(|| ModelsOnCard::new(device, pool, runner.is_some())) else {
            return Ok(None);
        };
        let has_decoder = runner.is_some() && merged_here;
        let begun = with_resident!(&mut models, resident => resident.begin(pool, recipe, has_decoder));
        let mut candidate = match begun {
            Ok(Begun::Candidate(candidate)) => candidate,
            Ok(Begun::OnCpu(why)) => {
                self.models = Some(models);
                self.note_once("refused", listener, || format!("merging on the CPU, not on the GPU: {why}"));
                return Ok(None);
            }
            Err(error) => {
                // The models on the GPU are still valid.
                self.models = Some(models);
                return Err(BadInput::error(error));
            }
        };
        // From here until the merge is complete, the decoder holds weights of two candidates.
        let taken = runner.take();
        let config = candidate.config.clone();
        let (groups, rebuild) = (candidate.groups.clone(), candidate.rebuild);
        let mut make = |name: &str, to: u64| {
            let made = with_resident!(&mut models, resident => resident.make(pool, &mut candidate, name, to));
            made.map_err(|error| error.to_string())
        };
        let make: &mut MakeTensor<'_> = &mut make;
        let runner = match taken {
            Some(mut runner) if runner.config == config || !rebuild => {
                runner.decoder.remake(&groups, make)?;
                runner
            }
            other => {
                // Free the old decoder's memory for the new one.
                drop(other);
                TaskRunner::with_decoder(
                    pool.file_giver(),
                    &config,
                    Decoder::load_made(&config, device, make)?,
                )?
            }
        };
        self.note_detours(&candidate, listener);
        with_resident!(&mut models, resident => resident.finish(*candidate)).map_err(BadInput::error)?;
        self.models = Some(models);
        Ok(Some(runner))
    }

    /// Reports a note the first time only.
    fn note_once(&mut self, key: &'static str, listener: &Listener<'_>, text: impl FnOnce() -> String) {
        if self.told.insert(key) {
            listener.note(text());
        }
    }

    /// Reports once that the CPU merged some of the tensors, and why.
    fn note_detours(&mut self, candidate: &Candidate, listener: &Listener<'_>) {
        let Candidate { unlike, crowded, done, .. } = *candidate;
        let all = unlike + crowded + done;
        if unlike > 0 {
            self.note_once("unlike", listener, || {
                format!(
                    "{unlike} of {all} tensors are merged on the CPU and sent: the GPU's kernel does bfloat16 in and out"
                )
            });
        }
        if crowded > 0 {
            self.note_once("crowded", listener, || {
                format!(
                    "{crowded} of {all} tensors are merged on the CPU and sent: base and sources do not all fit into \
                     the GPU's memory"
                )
            });
        }
    }
}
