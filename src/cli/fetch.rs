//! Opens a checkpoint for a command. A model reference comes in, a checkpoint goes out; a progress bar on stderr shows
//! each download from the hub. Commands that read models call it.

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};

use crate::checkpoint::Checkpoint;

/// Opens `reference`. Each file that must be downloaded gets a progress bar on stderr.
pub fn open(reference: &str) -> Result<Checkpoint> {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}")?;
    let mut bar: Option<(String, ProgressBar)> = None;
    let checkpoint = Checkpoint::open_with_progress(reference, &mut |file, done, of| {
        if bar.as_ref().is_none_or(|(name, _)| name != file) {
            let next = ProgressBar::new(of).with_style(style.clone()).with_message(file.to_owned());
            bar = Some((file.to_owned(), next));
        }
        if let Some((_, bar)) = &bar {
            bar.set_position(done);
            if done == of {
                bar.finish();
            }
        }
    })?;
    Ok(checkpoint)
}
