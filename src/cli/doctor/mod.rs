//! `yosegi doctor`: reports what this machine, this terminal and this home offer, and what to do about each gap. It
//! only reads: it starts, downloads and writes nothing. The command line calls it.

mod home;
mod machine;
mod terminal;
mod text;

use serde::Serialize;

use super::output::say::{self, out};

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The subject of the check, in a word or two.
    pub about: &'static str,
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do where something is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub todo: Option<String>,
}

/// The outcome of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Good,
    /// Yosegi works, but a change would improve something.
    Note,
    /// Something will go wrong.
    Gap,
}

impl Finding {
    /// A finding without a problem.
    fn good(about: &'static str, found: impl Into<String>) -> Self {
        Self { about, verdict: Verdict::Good, found: found.into(), todo: None }
    }

    /// A finding where Yosegi works but could work better.
    fn note(about: &'static str, found: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { about, verdict: Verdict::Note, found: found.into(), todo: Some(todo.into()) }
    }

    /// A finding where something will go wrong.
    fn gap(about: &'static str, found: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { about, verdict: Verdict::Gap, found: found.into(), todo: Some(todo.into()) }
    }
}

/// Runs all checks and prints the findings. A gap does not make the command fail.
pub fn run(json: bool) -> anyhow::Result<()> {
    let mut findings = vec![Finding::good("version", super::VERSION)];
    findings.extend(machine::look());
    findings.extend(home::look());
    findings.extend(terminal::look());
    findings.extend(text::look());
    if json {
        return say::json(&findings);
    }
    for finding in &findings {
        out(&line(finding))?;
    }
    let gaps = findings.iter().filter(|f| f.verdict == Verdict::Gap).count();
    out(&match gaps {
        0 => "\nnothing is in the way: `yosegi` opens the workbench".to_owned(),
        1 => "\none gap: see the line marked !!".to_owned(),
        n => format!("\n{n} gaps: see the lines marked !!"),
    })
}

/// A finding on one line, and what to do about it on another.
fn line(finding: &Finding) -> String {
    let mark = match finding.verdict {
        Verdict::Good => "ok",
        Verdict::Note => "--",
        Verdict::Gap => "!!",
    };
    let found = crate::text::visible_line(&finding.found);
    let line = format!("{mark}  {:<13} {found}", finding.about);
    match &finding.todo {
        None => line,
        Some(todo) => format!("{line}\n    {:<13} > {}", "", crate::text::visible_line(todo)),
    }
}

/// An environment variable's value, empty where it is unset.
fn var(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

/// Bytes in decimal units.
fn size(bytes: u64) -> String {
    super::models::size(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_gap_says_what_to_do() {
        let all: Vec<Finding> =
            [machine::look(), home::look(), terminal::look(), text::look()].into_iter().flatten().collect();
        assert!(all.len() >= 10, "{all:?}");
        for finding in &all {
            assert!(!finding.found.is_empty(), "{finding:?}");
            assert_eq!(finding.verdict == Verdict::Good, finding.todo.is_none(), "{finding:?}");
            let text = line(finding);
            assert!(text.lines().count() <= 2, "{text}");
        }
    }

    #[test]
    fn a_found_text_cannot_steer_the_terminal() {
        let text = line(&Finding::gap("terminal", "\x1b[2Jfoo\nbar", "x\u{7}y"));
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        assert_eq!(text.lines().count(), 2);
    }
}
