//! Opens the models of a setup. A setup comes in; sources go out that give its recipes' results by name, and else
//! checkpoints that match the setup's fingerprints. The loaded models call it.

use super::fingerprints::check_model;
use super::model_sources::ModelSources;
use super::types::{EvalSetup, Listener};
use crate::checkpoint::Checkpoint;
use crate::error::BadInput;
use crate::lm::Device;

/// Runs `run` with the sources of a setup's models.
pub(super) fn with_sources<T>(
    setup: &EvalSetup,
    device: &Device,
    listener: &Listener<'_>,
    run: impl FnOnce(&ModelSources<'_>) -> T,
) -> T {
    run(&ModelSources {
        made: &setup.made,
        device,
        fetch: &|reference| fetch(reference, setup, listener),
        note: &|line| listener.note(line.to_owned()),
        allow_non_finite: setup.allow_non_finite,
        outlined: false,
    })
}

/// Opens a checkpoint, and refuses one that has changed.
fn fetch(reference: &str, setup: &EvalSetup, listener: &Listener<'_>) -> anyhow::Result<Checkpoint> {
    listener.observe(|observer| {
        let opened = Checkpoint::open_with_progress(reference, observer).map_err(BadInput::error)?;
        check_model(reference, &setup.prints, observer)?;
        Ok(opened)
    })
}
