//! `yosegi report`: a session's baselines, generations and best recipe.

use super::follow::out;
use crate::session::journal::Reader;
use crate::session::{Home, report};

/// Prints the report of a session, running or not.
pub fn run(name: &str, json: bool) -> anyhow::Result<()> {
    let home = Home::from_env()?;
    let state = Reader::open(&home, name)?.state()?;
    if json {
        return out(&serde_json::to_string(&report::json(&state))?);
    }
    out(report::text(&state).trim_end())
}
