//! `yosegi screenshot`: the workbench's panes as pictures, of the recorded session or of one in
//! this home.

use std::fs;
use std::path::Path;

use anyhow::Context;

use crate::session::{BadInput, Client, Home};
use crate::workbench::recording::{RECORDED, Recording};

/// Draws every pane into `out`; a session of this home is also written there as the recording
/// (`session.jsonl`) from which it can be drawn again.
pub fn run(out: &Path, session: Option<&str>) -> anyhow::Result<()> {
    fs::create_dir_all(out)
        .map_err(|e| BadInput(format!("cannot create the folder {}: {e}", out.display())))?;
    let write = |name: &str, text: &str| {
        let path = out.join(name);
        fs::write(&path, text).map_err(|e| BadInput(format!("cannot write {}: {e}", path.display())))?;
        eprintln!("{}", path.display());
        anyhow::Ok(())
    };
    let recording = match session {
        None => Recording::from_lines(RECORDED).context("the recorded session")?,
        Some(name) => {
            let mut client = Client::connect_or_start(&Home::from_env()?)?;
            let recording = Recording::of_session(&mut client, name)?;
            write("session.jsonl", &recording.to_lines()?)?;
            recording
        }
    };
    for (name, svg) in recording.pictures() {
        write(name, &svg)?;
    }
    Ok(())
}
