//! `yosegi sessions`: lists all sessions of the home with their best values, and names any problem with a journal. The
//! command line calls it.

use super::output::say::{self, out};
use crate::locale::in_locale;
use crate::session::Home;
use crate::session::home::session_list;
use crate::session::protocol::Status;
use crate::text::visible_line;

/// Lists the sessions, the latest first.
pub fn run(json: bool) -> anyhow::Result<()> {
    let home = Home::from_env()?;
    let rows = session_list::rows(&home)?;
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
        "{:<24} {:<10} {:>13} {:>11} {:>9} {:>9}",
        "session", "status", "evaluations", "generation", "fitness", "held out"
    ))?;
    for row in &rows {
        let status = match row.status {
            _ if row.problem.is_some() => row.problem.as_ref().map_or("", |p| p.kind.name()),
            _ if row.interrupted => "killed",
            Status::New => "new",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Stopped => "stopped",
            Status::Finished => "finished",
        };
        let fitness = row.best_train.map_or_else(|| "–".into(), |f| format!("{f:.3}"));
        let test = row.best_test.map_or_else(|| "–".into(), |t| format!("{:.1}%", 100.0 * t));
        // A journal that can't be read gives no values.
        let unknown = row.problem.is_some() && row.budget == 0;
        let known = |text: String| if unknown { "–".to_owned() } else { text };
        let evaluations = known(format!("{}/{}", row.evaluations, row.budget));
        let generation = known(row.generation.to_string());
        out(&in_locale(format!(
            "{:<24} {status:<10} {evaluations:>13} {generation:>11} {fitness:>9} {test:>9}",
            visible_line(&row.name)
        )))?;
    }
    for (row, problem) in rows.iter().filter_map(|row| Some((row, row.problem.as_ref()?))) {
        out(&format!("\n{}: {}", row.name, visible_line(&problem.what)))?;
    }
    Ok(())
}
