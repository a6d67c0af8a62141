//! Opens the models of a setup. A setup comes in; sources go out that give its recipes' results by name, and else
//! checkpoints that match the setup's fingerprints. The loaded models call it.

use std::time::{Duration, Instant};

use super::fingerprints::check_model;
use super::model_sources::ModelSources;
use super::types::{EvalSetup, Progress};
use crate::checkpoint::Checkpoint;
use crate::error::BadInput;
use crate::lm::Device;

/// The least time between two notes about a download.
const NOTE_EVERY: Duration = Duration::from_secs(2);

/// Runs `run` with the sources of a setup's models.
pub(super) fn with_sources<T>(
    setup: &EvalSetup,
    device: &Device,
    progress: &dyn Fn(Progress),
    run: impl FnOnce(&ModelSources<'_>) -> T,
) -> T {
    run(&ModelSources {
        made: &setup.made,
        device,
        fetch: &|reference| fetch(reference, setup, progress),
        note: &|line| progress(Progress::Note(line.to_owned())),
        allow_non_finite: setup.allow_non_finite,
    })
}

/// Opens a checkpoint; a download reports its progress from time to time.
fn fetch(reference: &str, setup: &EvalSetup, progress: &dyn Fn(Progress)) -> anyhow::Result<Checkpoint> {
    let mut last = Instant::now();
    let mut download = |file: &str, done: u64, of: u64| {
        if last.elapsed() > NOTE_EVERY {
            last = Instant::now();
            let mega = |bytes: u64| bytes / 1_000_000;
            progress(Progress::Note(format!("{reference}: {file}, {} of {} MB", mega(done), mega(of))));
        }
    };
    let opened = Checkpoint::open_with_progress(reference, &mut download).map_err(BadInput::error)?;
    check_model(reference, &setup.prints)?;
    Ok(opened)
}
