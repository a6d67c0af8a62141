//! Converts the `vocab.json` and `merges.txt` of a byte-level BPE into the parts of a `tokenizer.json`. `convert` calls
//! it.

use std::collections::BTreeMap;

use serde_json::json;

use super::{MERGES, VOCAB};
use crate::checkpoint::tokenizer::{Class, Parts};
use crate::checkpoint::untrusted::printable;

/// Reads both files for a class that builds a byte-level BPE.
///
/// # Errors
/// The end of a sentence about the checkpoint: which file, which line, what is wrong.
pub(super) fn parts(class: Class, vocab: &[u8], merges: &[u8]) -> Result<Parts, String> {
    let vocab: BTreeMap<String, u32> = serde_json::from_slice(vocab)
        .map_err(|e| format!("its {VOCAB} is not the JSON of tokens and their numbers: {e}"))?;
    let merges = std::str::from_utf8(merges).map_err(|_| format!("its {MERGES} is not UTF-8"))?;
    let mut pairs = Vec::new();
    for (number, line) in merges.lines().enumerate().filter(|(_, l)| !l.starts_with("#version")) {
        let bad = |why: &str| format!("its {MERGES}, line {}: {} {why}", number + 1, printable(line));
        let (left, right) = line.split_once(' ').ok_or_else(|| bad("is not two tokens"))?;
        let whole = [left, right, &format!("{left}{right}")].iter().all(|t| vocab.contains_key(*t));
        if right.contains(' ') || !whole {
            return Err(bad(&format!("is not two tokens of {VOCAB} that make a third")));
        }
        pairs.push([left, right]);
    }
    let parts = class.parts(None).ok_or("is of a class that has no byte-level BPE")?;
    Ok(parts.with(json!(vocab), json!(pairs)))
}
