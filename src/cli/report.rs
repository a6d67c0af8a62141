//! `yosegi report`: a session's baselines, generations and best recipe.

use std::path::Path;

use super::page;
use super::say::{self, note, out};
use crate::session::journal::Reader;
use crate::session::{Home, report};

/// Prints the report of a session, running or not, or writes it as a page.
pub fn run(name: &str, json: bool, html: Option<&Path>) -> anyhow::Result<()> {
    let home = Home::from_env()?;
    let reader = Reader::open(&home, name)?;
    if let Some(file) = html {
        page::write(&reader, file)?;
        note(&format!("{}", file.display()));
        return Ok(());
    }
    let state = reader.state()?;
    if json {
        return say::json(&report::json(&state));
    }
    out(report::text(&state).trim_end())
}
