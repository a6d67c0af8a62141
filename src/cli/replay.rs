//! `yosegi replay`: the name of a session or the file of a recorded one comes in, and the workbench plays it again. The
//! command line calls it.

use super::evolve::on_terminal;
use crate::error::BadInput;
use crate::session::Home;
use crate::workbench::replay::ReplaySource;

/// Plays the session at `speed` times its original speed.
pub fn run(name: Option<&str>, speed: f64) -> anyhow::Result<()> {
    if !(speed.is_finite() && speed > 0.0) {
        return Err(BadInput::error(format!("--speed {speed} is not a speed: give a number above 0")));
    }
    let source = ReplaySource::open(&Home::from_env()?, name)?;
    if !on_terminal() {
        return Err(BadInput::error("a replay needs a terminal; `yosegi report` prints a session's figures"));
    }
    crate::workbench::play(source, speed)
}
