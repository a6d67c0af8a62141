//! The tokens that end an answer. In: `generation_config.json`, else `config.json`. Out: their ids. Decoding stops at
//! them.

use serde_json::Value;

use super::json_file::JsonKey;
use crate::checkpoint::{Checkpoint, CheckpointError};

/// The end tokens as transformers 5's `generate` has them: `eos_token_id` of `generation_config.json`, alone,
/// where that file is there and can be read; else that of `config.json`. Without either nothing ends an answer
/// but its length and the task's stop strings.
///
/// Of the other keys of `generation_config.json` none counts: how tokens are chosen is said by the task or by
/// flags, and is plain greedy decoding where nothing is said.
///
/// # Errors
/// A value that is neither a number, a list of numbers nor null.
pub fn end_tokens(checkpoint: &Checkpoint) -> Result<Vec<u32>, CheckpointError> {
    let generation: Option<Value> =
        checkpoint.file("generation_config.json").and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let generation = generation.filter(Value::is_object);
    let (name, value) = match &generation {
        Some(generation) => ("generation_config.json", generation.get("eos_token_id")),
        None => ("config.json", checkpoint.config().raw.get("eos_token_id")),
    };
    let place = JsonKey { checkpoint, file: name, key: "eos_token_id".to_owned() };
    let bad = || place.bad("must be a token's number or a list of them");
    let list = match value {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(all)) if all.is_empty() => return Err(bad()),
        Some(Value::Array(all)) => all.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    let mut out = Vec::new();
    for one in list {
        // The generation config takes what PyTorch makes a whole number of.
        let loose = || match one {
            Value::Bool(truth) => Some(i64::from(*truth)),
            _ => one.as_f64().map(|number| number as i64),
        };
        let number = one.as_i64().or_else(|| loose().filter(|_| generation.is_some())).ok_or_else(bad)?;
        // A number below zero is no token: it ends nothing.
        out.extend(u32::try_from(number).ok());
    }
    Ok(out)
}
