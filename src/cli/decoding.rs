//! Command-line flags for how tokens are chosen. Flags and the decoding of a task, or the default, come in; the
//! decoding with the flags applied goes out. `yosegi generate` and `yosegi eval` use it.

use clap::Args;

use crate::error::BadInput;
use crate::task::{Decoding, EarlyStopping};

/// Flags of `generate` and `eval`.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Decoding")]
pub struct DecodingArgs {
    /// Make tokens less likely that are there already (1 does nothing)
    #[arg(long, value_name = "X")]
    pub repetition_penalty: Option<f32>,
    /// Draw tokens at this temperature instead of taking the likeliest
    #[arg(long, value_name = "X")]
    pub temperature: Option<f32>,
    /// Draw from the N likeliest tokens
    #[arg(long, value_name = "N")]
    pub top_k: Option<usize>,
    /// Draw from the likeliest tokens whose probabilities sum to this
    #[arg(long, value_name = "X")]
    pub top_p: Option<f64>,
    /// Seed of the draws
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Beam search with so many beams
    #[arg(long, value_name = "N")]
    pub num_beams: Option<usize>,
    /// Power of its length that a beam's score is divided by
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub length_penalty: Option<f64>,
    /// When beam search ends: true, false or never, as in transformers
    #[arg(long, value_name = "WHEN")]
    pub early_stopping: Option<EarlyStopping>,
}

impl DecodingArgs {
    /// `base` with the given flags applied, checked.
    pub fn over(&self, base: Decoding) -> anyhow::Result<Decoding> {
        let decoding = Decoding {
            repetition_penalty: self.repetition_penalty.unwrap_or(base.repetition_penalty),
            temperature: self.temperature.unwrap_or(base.temperature),
            top_k: self.top_k.unwrap_or(base.top_k),
            top_p: self.top_p.unwrap_or(base.top_p),
            seed: self.seed.unwrap_or(base.seed),
            num_beams: self.num_beams.unwrap_or(base.num_beams),
            length_penalty: self.length_penalty.unwrap_or(base.length_penalty),
            early_stopping: self.early_stopping.unwrap_or(base.early_stopping),
        };
        decoding
            .check()
            .map_err(|(key, why)| BadInput::error(format!("--{} {why}", key.replace('_', "-"))))?;
        Ok(decoding)
    }
}
