//! `yosegi sessions`: all sessions with their best values.

use super::say::{self, out};
use crate::session::protocol::Status;
use crate::session::text::{in_locale, visible_line};
use crate::session::{Home, list};

/// Lists them, the latest first.
pub fn run(json: bool) -> anyhow::Result<()> {
    let home = Home::from_env()?;
    let rows = list::rows(&home);
    if json {
        return say::json(&rows);
    }
    if rows.is_empty() {
        return out(&format!(
            "no sessions in {} yet: `yosegi evolve configs/zoo.toml` starts one",
            home.sessions().display()
        ));
    }
    out(&format!(
        "{:<24} {:<9} {:>13} {:>11} {:>9} {:>9}",
        "session", "status", "evaluations", "generation", "fitness", "held out"
    ))?;
    for row in rows {
        let status = match row.status {
            _ if row.interrupted => "killed",
            Status::New => "new",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Stopped => "stopped",
            Status::Finished => "finished",
        };
        let fitness = row.best_train.map_or_else(|| "–".into(), |f| format!("{f:.3}"));
        let test = row.best_test.map_or_else(|| "–".into(), |t| format!("{:.1}%", 100.0 * t));
        let evaluations = format!("{}/{}", row.evaluations, row.budget);
        out(&in_locale(format!(
            "{:<24} {status:<9} {evaluations:>13} {:>11} {fitness:>9} {test:>9}",
            visible_line(&row.name),
            row.generation
        )))?;
    }
    Ok(())
}
