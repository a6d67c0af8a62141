//! Whether models and tasks are still what they were. Fingerprints that a session took come in with a model's reference or
//! a task; an error that names what has changed goes out. The evaluator calls it for all that it opens, `merge --session`
//! before it merges, and a session that is resumed for its journal's fingerprints.

use std::fmt::Write;

use super::types::EvalSetup;
use crate::checkpoint::Fingerprint;
use crate::error::BadInput;
use crate::task::{Task, fingerprinted_questions};

/// The most files that one sentence names.
const NAMED: usize = 3;

/// Reading so many bytes takes long enough that a note says so.
const LONG: u64 = 4_000_000_000;

/// Something that a session reads is not what it was; the sentence names it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Changed(pub String);

/// What differs between two lists of fingerprints, file by file: `x has changed`, `y has gone`.
#[must_use]
pub fn differences(was: &[Fingerprint], is: &[Fingerprint]) -> Vec<String> {
    let find = |list: &[Fingerprint], file: &str| list.iter().find(|p| p.file == file).cloned();
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

/// The same for the files that both lists have; the others belong to other models.
fn differences_within(wanted: &[Fingerprint], is: &[Fingerprint]) -> Vec<String> {
    let ours: Vec<Fingerprint> =
        wanted.iter().filter(|w| is.iter().any(|p| p.file == w.file)).cloned().collect();
    if ours.is_empty() { Vec::new() } else { differences(&ours, is) }
}

/// A list in one sentence: the first few, and how many more.
#[must_use]
pub fn listed(found: &[String]) -> String {
    let mut out = found[..found.len().min(NAMED)].join(", ");
    if found.len() > NAMED {
        let _ = write!(out, ", and {} more", found.len() - NAMED);
    }
    out
}

/// Fingerprints of a setup's models, as their files are now. A file among `known` that nobody has touched since is not
/// read again; `note` hears of a reading that takes long.
///
/// # Errors
/// A model's file that cannot be read.
pub fn of_models(
    setup: &EvalSetup,
    known: &[Fingerprint],
    note: &dyn Fn(String),
) -> anyhow::Result<Vec<Fingerprint>> {
    let models = || std::iter::once(&setup.base).chain(&setup.sources);
    let bytes: u64 = models().map(|model| crate::checkpoint::bytes_to_fingerprint(model, known)).sum();
    if bytes > LONG {
        note(format!(
            "taking fingerprints of {:.1} GB of models: once, and again only of what is touched",
            bytes as f64 / 1e9
        ));
    }
    let mut out: Vec<Fingerprint> = Vec::new();
    for model in models() {
        out.extend(crate::checkpoint::fingerprints(model, known).map_err(BadInput::error)?);
    }
    Ok(out)
}

/// Refuses a model whose files are not those that `wanted` has fingerprints of. Fingerprints of other models are passed
/// over.
///
/// # Errors
/// [`Changed`], or a file that cannot be read.
pub fn check_model(reference: &str, wanted: &[Fingerprint]) -> anyhow::Result<()> {
    refuse(&model_changes(reference, wanted)?)
}

/// What differs between a model's files and `wanted`, in words; empty where `wanted` has none of them.
///
/// # Errors
/// A file that cannot be read.
pub fn model_changes(reference: &str, wanted: &[Fingerprint]) -> anyhow::Result<Vec<String>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let is = crate::checkpoint::fingerprints(reference, wanted).map_err(BadInput::error)?;
    Ok(differences_within(wanted, &is))
}

/// Refuses a task, loaded with both splits, that is not the one that `wanted` has fingerprints of.
///
/// # Errors
/// [`Changed`], or a file that cannot be read.
pub fn check_task(reference: &str, task: &Task, wanted: &[Fingerprint]) -> anyhow::Result<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    // The fingerprints say over how many questions they were taken.
    let count = |what: &str| {
        let of = format!("({what} questions of {reference})");
        wanted.iter().find(|p| p.file.ends_with(&of)).and_then(fingerprinted_questions).unwrap_or(0)
    };
    let (train, test) = (count("training"), count("held-out"));
    let is = task.fingerprints(reference, train, test).map_err(BadInput::error)?;
    refuse(&differences_within(wanted, &is))
}

fn refuse(found: &[String]) -> anyhow::Result<()> {
    if found.is_empty() {
        return Ok(());
    }
    Err(Changed(format!("{} while the session ran: put it back as it was", listed(found))).into())
}
