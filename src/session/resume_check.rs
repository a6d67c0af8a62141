//! The check before a session is resumed: its models, tasks and questions must be the ones that it began with, since
//! numbers measured on different data must not stand in one journal. The journal and the worker's facts come in; an
//! error that names the changes goes out. The engine calls it.

use super::journal::Reader;
use super::state::SessionState;
use crate::error::BadInput;
use crate::evaluate::fingerprints::{differences, listed};
use crate::evaluate::{SetupFacts, StoredQuestion};

/// Checks that models and tasks are still those that the session was measured with. The error says what has changed and
/// what to do.
///
/// # Errors
/// A model, the task or a question has changed, or the journal can't be read.
pub fn check(
    state: &SessionState,
    reader: &Reader<'_>,
    facts: &SetupFacts,
    questions: &[StoredQuestion],
) -> anyhow::Result<()> {
    let was = reader.prints()?;
    let mut found =
        if was.is_empty() || facts.prints.is_empty() { Vec::new() } else { differences(&was, &facts.prints) };
    if found.is_empty() {
        found.extend(other_question(&reader.questions()?, questions));
        let (was, is) = (&state.language_by, &facts.language_by);
        if was != is {
            found.push(format!("what tells languages apart has changed from {was} to {is}"));
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    Err(BadInput::error(format!(
        "{} since session `{}` began, and what was measured before would not go with what is measured now: put it back \
         as it was, or start another session under a new --name",
        listed(&found),
        state.name
    )))
}

/// The first question that has changed, for journals without fingerprints.
fn other_question(was: &[StoredQuestion], is: &[StoredQuestion]) -> Option<String> {
    if was.is_empty() {
        return None;
    }
    // Pictures are compared by their fingerprints; where they lie may change.
    let text = |q: &StoredQuestion| (q.id.clone(), q.question.clone(), q.gold.clone());
    let same_place = |q: &StoredQuestion| is.iter().find(|p| (p.split, p.index) == (q.split, q.index));
    was.iter().find_map(|old| {
        let of = old.split.name();
        let (number, id) = (old.index + 1, crate::text::visible_line(&old.id));
        match same_place(old) {
            Some(new) if text(new) == text(old) => None,
            Some(new) if new.question == old.question && new.gold != old.gold => Some(format!(
                "the right answer to question {number} ({id}) of the task's {of} data has changed"
            )),
            _ => Some(format!("question {number} ({id}) of the task's {of} data has changed")),
        }
    })
}
