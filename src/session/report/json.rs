//! A session's report as a JSON document, and the names of a score's shares in every document. The session's state
//! comes in. `report --json` and the lines of `evolve --json` come from here.

use super::{comparison, spent};
use crate::session::state::SessionState;
use crate::task::share_names;

/// The whole session as one JSON document.
#[must_use]
pub fn document(state: &SessionState) -> serde_json::Value {
    let mut document = serde_json::json!({
        "session": state.name,
        "status": state.status,
        "reason": state.reason,
        "evaluations": state.evaluations,
        "budget": state.budget,
        "seed": state.seed,
        "genes": state.genes,
        "stages": state.stages,
        "stages_begun": state.begun,
        "train_questions": state.train_questions,
        "test_questions": state.test_questions,
        "device": state.device,
        "device_note": state.device_note,
        "dtype": state.dtype,
        "language_by": state.language_by,
        "languages": state.languages,
        "tokens": state.tokens,
        "overlap": state.overlap,
        "front": state.front,
        "estimates_off": state.off(),
        "comparison": comparison(state),
        "generations": state.generations,
        "seconds_per_candidate": spent(state),
        "best": state.finished.as_ref().map(|f| serde_json::json!({
            "candidate": f.best, "train": f.train, "test": f.test, "recipe": f.recipe,
        })),
    });
    name_shares(&mut document, state);
    document
}

/// Renames the shares of each score in a document as [`share_names`] says.
pub fn name_shares(document: &mut serde_json::Value, state: &SessionState) {
    let names = share_names(state.languages.iter().map(String::as_str));
    if names != JAPANESE {
        rename_shares(document, names);
    }
}

/// The names of the fields in a score's JSON.
const JAPANESE: [&str; 2] = ["acc_ja", "japanese"];

fn rename_shares(value: &mut serde_json::Value, names: [&str; 2]) {
    match value {
        serde_json::Value::Object(map) => {
            map.values_mut().for_each(|inner| rename_shares(inner, names));
            let is_score = ["fitness", "acc", "acc_ja", "japanese"].iter().all(|key| map.contains_key(*key));
            for (old, new) in JAPANESE.into_iter().zip(names).filter(|_| is_score) {
                if let Some(share) = map.remove(old) {
                    map.insert(new.to_owned(), share);
                }
            }
        }
        serde_json::Value::Array(all) => all.iter_mut().for_each(|inner| rename_shares(inner, names)),
        _ => {}
    }
}
