//! The flags that name a device and what it computes in. The flags come in, the device goes out. Commands that run a
//! model use it.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::output::say;
use crate::lm::{Device, Precision, pick};

/// Flags of `generate`, `eval` and `compare`.
#[derive(Clone, Debug, Args)]
pub struct DeviceArgs {
    /// auto, cpu, cuda or cuda:N
    #[arg(long = "device", value_name = "DEVICE", default_value = "auto")]
    pub name: String,
    /// What it computes in; without it f32 on the CPU, bf16 on a card
    #[arg(long, value_name = "FORMAT", value_parser = precision())]
    pub precision: Option<Precision>,
    /// Print what it takes in memory, and read no weights
    #[arg(long)]
    pub dry_run: bool,
}

/// Reads the name of a precision.
pub fn precision() -> impl TypedValueParser<Value = Precision> {
    let named = |name: &str| Precision::ALL.into_iter().find(|known| known.name() == name);
    PossibleValuesParser::new(Precision::ALL.map(Precision::name))
        .try_map(move |name| named(&name).ok_or("no precision has this name"))
}

impl DeviceArgs {
    /// The device. Prints a note if `auto` finds no usable GPU.
    pub fn open(&self) -> anyhow::Result<Device> {
        open(&self.name, self.precision)
    }
}

/// The first GPU, else the CPU, in its own precision. Prints a note if there is no usable GPU.
pub fn auto() -> anyhow::Result<Device> {
    open("auto", None)
}

fn open(name: &str, precision: Option<Precision>) -> anyhow::Result<Device> {
    let picked = pick(name, precision)?;
    if let Some(note) = &picked.note {
        say::note(note);
    }
    Ok(picked.device)
}
