//! `yosegi report`: a session's name comes in; its baselines, generations and best recipe go out as text, JSON or an
//! HTML page. The command line calls it.

use std::path::Path;

use super::output::say::{self, note, out};
use super::page;
use crate::session::journal::{Reader, Trouble};
use crate::session::{Home, report};

/// Prints a note if the journal is damaged and the report covers only part of it.
fn told(lost: Option<Trouble>) -> anyhow::Result<()> {
    lost.map_or(Ok(()), |trouble| Err(trouble.into()))
}

/// Prints the report of a session, or writes it as a page. The session may be running.
pub fn run(name: &str, json: bool, html: Option<&Path>) -> anyhow::Result<()> {
    let home = Home::from_env()?;
    let reader = Reader::open(&home, name)?;
    if let Some(file) = html {
        page::write(&reader, file)?;
        note(&format!("{}", file.display()));
        return told(reader.legible_state()?.1);
    }
    let (state, lost) = reader.legible_state()?;
    if let (Some(trouble), 0) = (&lost, state.seq) {
        return Err(trouble.clone().into());
    }
    if json {
        let mut value = report::document(&state);
        if let (Some(trouble), Some(object)) = (&lost, value.as_object_mut()) {
            object.insert("damaged".into(), trouble.what.clone().into());
        }
        say::json(&value)?;
    } else {
        out(report::text(&state).trim_end())?;
    }
    told(lost)
}
