//! The models of a pool, the last candidate merged from them, and the decoder that runs this candidate. A recipe over
//! the pool comes in, a runner with the candidate's weights goes out; unchanged tensors are kept. The GPU makes the
//! merge if it can; else the CPU makes it and the weights are copied to the device. The evaluator calls it.

#[cfg(any(feature = "cuda", test))]
use super::on_device::OnDevice;
use super::pictures::VisionPart;
use super::task_runner::TaskRunner;
use super::types::Listener;
use crate::checkpoint::Checkpoint;
use crate::error::{BadInput, Interrupted};
use crate::lm::{Decoder, Device};
use crate::merge::{MergeError, Merged, Pool, Remerge};
use crate::progress::{Observer, What};
use crate::recipe::Recipe;

/// Values that are not finite keep their own error type: a session blames the candidate for them, not the input.
fn merge_failure(error: MergeError) -> anyhow::Error {
    match error {
        MergeError::MadeNotFinite { .. } => anyhow::Error::new(error),
        other => BadInput::error(other),
    }
}

/// Whether the same candidate would fail with this error on every attempt.
#[must_use]
pub fn is_settled(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| matches!(cause.downcast_ref(), Some(MergeError::MadeNotFinite { .. })))
}

/// Merges window by window into the decoder's weights, each window's tensors as they are made. The observer may end that
/// between two windows.
fn write_merge(
    mut remerge: Remerge<'_>,
    merged: &mut Merged,
    decoder: &mut Decoder,
    observer: &Observer<'_>,
) -> anyhow::Result<()> {
    let mut left = remerge.bytes_left();
    let meter = observer.meter(What::Merging, left);
    while let Some(groups) = remerge.next(merged).map_err(merge_failure)? {
        decoder.rewrite(merged, &groups, &|name| merged.is_fresh(name))?;
        let before = std::mem::replace(&mut left, remerge.bytes_left());
        meter.add(before - left);
        if left > 0 && meter.stopped() {
            return Err(Interrupted("interrupted while a candidate was merged".to_owned()).into());
        }
    }
    remerge.finish(merged);
    Ok(())
}

/// A decoder with the weights of a recipe's merge.
///
/// # Errors
/// A recipe that cannot be merged from the pool, values that are not finite, a device without enough memory, or an
/// observer that ends the merge.
pub fn merged_decoder(
    pool: &Pool,
    recipe: &Recipe,
    device: &Device,
    observer: &Observer<'_>,
) -> anyhow::Result<Decoder> {
    let mut merged = Merged::in_windows(pool);
    let remerge = pool.remerge(recipe, &mut merged).map_err(merge_failure)?;
    let mut decoder = Decoder::unwritten(remerge.config(), device)?;
    write_merge(remerge, &mut merged, &mut decoder, observer)?;
    Ok(decoder)
}

/// A pool and the last candidate merged from it.
pub struct CandidateModel {
    /// The models that recipes are merged from.
    pub pool: Pool,
    /// The last merge on the CPU.
    merged: Merged,
    runner: Option<TaskRunner>,
    /// Whether the decoder's weights are those of another candidate than `merged`, because the last merge was made on
    /// the device.
    decoder_stale: bool,
    /// The model that sees for the last merge, if its vision part was merged too, and that part's stamp.
    seeing: Option<(u128, Checkpoint)>,
    #[cfg(any(feature = "cuda", test))]
    on_device: OnDevice,
}

/// What sees pictures: a merged vision part, else that of the pool's vision giver.
fn vision_of<'a>(pool: &'a Pool, seeing: Option<&'a (u128, Checkpoint)>) -> Option<VisionPart<'a>> {
    match seeing {
        Some((_, model)) => VisionPart::of(model).map(|part| VisionPart { merged: true, ..part }),
        None => pool.vision_giver().and_then(VisionPart::of),
    }
}

impl CandidateModel {
    /// A pool from which nothing is merged yet.
    #[must_use]
    pub fn new(pool: Pool) -> Self {
        Self {
            merged: Merged::in_windows(&pool),
            pool,
            runner: None,
            decoder_stale: false,
            seeing: None,
            #[cfg(any(feature = "cuda", test))]
            on_device: OnDevice::default(),
        }
    }

    /// Merges the recipe and updates the decoder. Layer groups with the same parameters as in the last candidate are
    /// not merged again.
    ///
    /// # Errors
    /// A recipe that cannot be merged from the pool, values that are not finite, or a device without enough memory.
    pub fn prepare(
        &mut self,
        recipe: &Recipe,
        device: &Device,
        listener: &Listener<'_>,
    ) -> anyhow::Result<&mut TaskRunner> {
        Ok(self.prepare_with_vision(recipe, device, listener)?.0)
    }

    /// As [`Self::prepare`], with what sees pictures for the merge.
    pub(super) fn prepare_with_vision(
        &mut self,
        recipe: &Recipe,
        device: &Device,
        listener: &Listener<'_>,
    ) -> anyhow::Result<(&mut TaskRunner, Option<VisionPart<'_>>)> {
        #[cfg(any(feature = "cuda", test))]
        {
            let (pool, whole) = (&self.pool, self.decoder_stale);
            if let Some(runner) =
                self.on_device.merge(pool, recipe, device, (&mut self.runner, whole), listener)?
            {
                self.decoder_stale = true;
                // A card merges no vision part.
                self.seeing = None;
                return Ok((self.runner.insert(runner), vision_of(&self.pool, None)));
            }
        }
        let mut remerge = self.pool.remerge(recipe, &mut self.merged).map_err(merge_failure)?;
        // The runner is put back only after its decoder is rewritten: one that was rewritten in part must not be used
        // again.
        let kept = self.runner.take().filter(|runner| runner.config == *remerge.config());
        if kept.is_none() || self.decoder_stale {
            remerge.all();
        }
        let runner = if let Some(mut runner) = kept {
            listener.observe(|seen| write_merge(remerge, &mut self.merged, &mut runner.decoder, seen))?;
            runner
        } else {
            let mut decoder = Decoder::unwritten(remerge.config(), device)?;
            listener.observe(|seen| write_merge(remerge, &mut self.merged, &mut decoder, seen))?;
            TaskRunner::with_decoder(self.pool.file_giver(), self.merged.config(), decoder)?
        };
        self.decoder_stale = false;
        let stamp = self.merged.vision_stamp();
        self.seeing = match self.seeing.take() {
            _ if stamp == 0 => None,
            Some(same) if same.0 == stamp => Some(same),
            _ => self.pool.seeing(&self.merged).map(|model| (stamp, model)),
        };
        Ok((self.runner.insert(runner), vision_of(&self.pool, self.seeing.as_ref())))
    }

    /// What sees pictures for the pool's merges.
    pub(super) fn vision(&self) -> Option<VisionPart<'_>> {
        vision_of(&self.pool, None)
    }

    /// Whether a decoder is loaded; the next merge is then written over it.
    #[must_use]
    pub const fn is_loaded(&self) -> bool {
        self.runner.is_some()
    }

    /// Frees everything on the device.
    pub fn clear(&mut self) {
        self.runner = None;
        self.make_room();
    }

    /// Frees base and sources on the device: a GPU's memory holds those of one pool only.
    #[cfg_attr(
        not(any(feature = "cuda", test)),
        allow(clippy::unused_self, reason = "the CPU holds nothing")
    )]
    pub fn make_room(&mut self) {
        #[cfg(any(feature = "cuda", test))]
        self.on_device.make_room();
    }
}
