//! `yosegi replay`: a finished session, or a recorded one, played again in the workbench.

use super::evolve::on_terminal;
use crate::error::BadInput;
use crate::session::Home;
use crate::workbench::replay::ReplaySource;

/// Plays it at `speed` times its own speed.
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
