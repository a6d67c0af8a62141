//! Checks that models and tasks have not changed. The fingerprints that a session took come in with a model's reference
//! or a task; an error that names the changes goes out. The evaluator calls it for every model and task that it opens,
//! `merge --session` before it merges, and a resumed session for the fingerprints in its journal.

use std::fmt::Write;

use super::types::EvalSetup;
use crate::checkpoint::Fingerprint;
use crate::error::BadInput;
use crate::progress::{Observer, What};
use crate::task::{Task, fingerprinted_questions};

/// The most files that one error message names.
const NAMED: usize = 3;

/// A file that a session reads has changed; the message names it.
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

/// Differences between the files that are in both lists; the other files belong to other models.
fn differences_within(wanted: &[Fingerprint], is: &[Fingerprint]) -> Vec<String> {
    let ours: Vec<Fingerprint> =
        wanted.iter().filter(|w| is.iter().any(|p| p.file == w.file)).cloned().collect();
    if ours.is_empty() { Vec::new() } else { differences(&ours, is) }
}

/// A list as text: the first few entries, and how many more there are.
#[must_use]
pub fn listed(found: &[String]) -> String {
    let mut out = found[..found.len().min(NAMED)].join(", ");
    if found.len() > NAMED {
        let _ = write!(out, ", and {} more", found.len() - NAMED);
    }
    out
}

/// Fingerprints of the current files of a setup's models. A file in `known` that has not been touched since is not read
/// again.
///
/// # Errors
/// A file of a model cannot be read, or the observer ends the reading.
pub fn of_models(
    setup: &EvalSetup,
    known: &[Fingerprint],
    observer: &Observer<'_>,
) -> anyhow::Result<Vec<Fingerprint>> {
    let models = || std::iter::once(&setup.base).chain(&setup.sources);
    let bytes: u64 = models().map(|model| crate::checkpoint::bytes_to_fingerprint(model, known)).sum();
    let meter = observer.meter(What::Fingerprints, bytes);
    let mut out: Vec<Fingerprint> = Vec::new();
    for model in models() {
        out.extend(crate::checkpoint::fingerprints(model, known, &meter).map_err(BadInput::error)?);
    }
    Ok(out)
}

/// Refuses a model whose files differ from their fingerprints in `wanted`. Fingerprints of other models are ignored.
///
/// # Errors
/// [`Changed`], or a file that cannot be read.
pub fn check_model(reference: &str, wanted: &[Fingerprint], observer: &Observer<'_>) -> anyhow::Result<()> {
    refuse(&model_changes(reference, wanted, observer)?)
}

/// The differences between a model's files and `wanted`, as text; empty if `wanted` has none of these files.
///
/// # Errors
/// A file that cannot be read.
pub fn model_changes(
    reference: &str,
    wanted: &[Fingerprint],
    observer: &Observer<'_>,
) -> anyhow::Result<Vec<String>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let meter =
        observer.meter(What::Fingerprints, crate::checkpoint::bytes_to_fingerprint(reference, wanted));
    let is = crate::checkpoint::fingerprints(reference, wanted, &meter).map_err(BadInput::error)?;
    Ok(differences_within(wanted, &is))
}

/// Refuses a task that differs from its fingerprints in `wanted`. The task must be loaded with both splits.
///
/// # Errors
/// [`Changed`], or a file that cannot be read.
pub fn check_task(reference: &str, task: &Task, wanted: &[Fingerprint]) -> anyhow::Result<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    // Each fingerprint records how many questions it covers.
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
