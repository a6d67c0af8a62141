//! The tokens that end an answer. In: `generation_config.json`, else `config.json`. Out: their ids. Decoding stops at
//! these tokens.

use serde_json::Value;

use super::json_file::JsonKey;
use crate::checkpoint::{Checkpoint, CheckpointError};

/// The end tokens of transformers 5's `generate`: only `eos_token_id` of `generation_config.json` if that file exists
/// and is readable; else that of `config.json`. Without either, an answer ends only by its length or the task's stop
/// strings.
///
/// No other key of `generation_config.json` is used: the task or flags choose the decoding method, with plain greedy
/// decoding as the default.
///
/// # Errors
/// The value is neither a number, a list of numbers nor null.
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
        // The generation config accepts whatever PyTorch converts to a whole number.
        let loose = || match one {
            Value::Bool(truth) => Some(i64::from(*truth)),
            _ => one.as_f64().map(|number| number as i64),
        };
        let number = one.as_i64().or_else(|| loose().filter(|_| generation.is_some())).ok_or_else(bad)?;
        // A negative number is no token, so it ends nothing.
        out.extend(u32::try_from(number).ok());
    }
    Ok(out)
}
