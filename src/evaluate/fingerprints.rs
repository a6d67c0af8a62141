//! A session goes on with the models, the task and the questions that it began with, or not at all: numbers that
//! were measured on different things must not stand in one journal.

use std::fmt::Write;

use super::types::EvalSetup;
use crate::checkpoint::FilePrint;
use crate::error::BadInput;
use crate::task::{Task, printed_questions};

/// The files that are named in a sentence at most.
const NAMED: usize = 3;

/// Reading so many bytes takes long enough to be told.
const LONG: u64 = 4_000_000_000;

/// Something that a session reads is not what it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Changed(pub String);

/// What is not as it was, each in words that follow its name: `x has changed`.
pub fn differences(was: &[FilePrint], is: &[FilePrint]) -> Vec<String> {
    let find = |list: &[FilePrint], file: &str| list.iter().find(|p| p.file == file).cloned();
    let mut out = Vec::new();
    for old in was {
        match find(is, &old.file) {
            Some(new) if new.hash == old.hash => {}
            Some(_) => out.push(format!("{} has changed", old.file)),
            None => out.push(format!("{} has gone", old.file)),
        }
    }
    let new = is.iter().filter(|new| find(was, &new.file).is_none());
    out.extend(new.map(|new| format!("{} has come new", new.file)));
    out
}

/// The same of those files alone that `wanted` has too; of other files nothing is known.
fn differences_within(wanted: &[FilePrint], is: &[FilePrint]) -> Vec<String> {
    let ours: Vec<FilePrint> =
        wanted.iter().filter(|w| is.iter().any(|p| p.file == w.file)).cloned().collect();
    if ours.is_empty() { Vec::new() } else { differences(&ours, is) }
}

pub fn listed(found: &[String]) -> String {
    let mut out = found[..found.len().min(NAMED)].join(", ");
    if found.len() > NAMED {
        let _ = write!(out, ", and {} more", found.len() - NAMED);
    }
    out
}

/// Fingerprints of a setup's models, as their files are now; `told` hears of what takes its time.
pub fn of_models(
    setup: &EvalSetup,
    known: &[FilePrint],
    told: &dyn Fn(String),
) -> anyhow::Result<Vec<FilePrint>> {
    let models = || std::iter::once(&setup.base).chain(&setup.sources);
    let bytes: u64 = models().map(|model| crate::checkpoint::unprinted(model, known)).sum();
    if bytes > LONG {
        told(format!(
            "taking fingerprints of {:.1} GB of models: once, and again only of what is touched",
            bytes as f64 / 1e9
        ));
    }
    let mut out: Vec<FilePrint> = Vec::new();
    for model in models() {
        out.extend(crate::checkpoint::prints(model, known).map_err(BadInput::error)?);
    }
    Ok(out)
}

/// An error where a model's files, just opened, are not those that `wanted` holds prints of. Prints of other
/// models say nothing.
pub fn check_model(reference: &str, wanted: &[FilePrint]) -> anyhow::Result<()> {
    refuse(&model_changes(reference, wanted)?)
}

/// What of a model's files is not as `wanted` has it, in words.
pub fn model_changes(reference: &str, wanted: &[FilePrint]) -> anyhow::Result<Vec<String>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let is = crate::checkpoint::prints(reference, wanted).map_err(BadInput::error)?;
    Ok(differences_within(wanted, &is))
}

/// An error where a task, just loaded with both splits, is not the one that `wanted` holds prints of.
pub fn check_task(reference: &str, task: &Task, wanted: &[FilePrint]) -> anyhow::Result<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    // How many questions the session asks stands in their prints.
    let count = |what: &str| {
        let of = format!("({what} questions of {reference})");
        wanted.iter().find(|p| p.file.ends_with(&of)).and_then(printed_questions).unwrap_or(0)
    };
    let (train, test) = (count("training"), count("held-out"));
    let is = task.prints(reference, train, test).map_err(BadInput::error)?;
    refuse(&differences_within(wanted, &is))
}

fn refuse(found: &[String]) -> anyhow::Result<()> {
    if found.is_empty() {
        return Ok(());
    }
    Err(Changed(format!("{} while the session ran: put it back as it was", listed(found))).into())
}
