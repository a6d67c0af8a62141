//! Whether a checkpoint can be merged onto a base. In: two open checkpoints. Out: a [`Fit`], with the reason in words.
//! `discover` calls it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::config::shapes::tensor_shapes;
use super::{Checkpoint, Fit, ModelConfig};

impl Fit {
    /// The verdict in words, for a list or a report.
    #[must_use]
    pub fn words(&self) -> &str {
        match self {
            Self::Unasked => "no base named",
            Self::IsBase => "the base",
            Self::Fits => "same architecture, same vocabulary",
            Self::Caution(why) | Self::No(why) => why,
        }
    }
}

impl Checkpoint {
    /// Whether this checkpoint can be merged onto `base`.
    #[must_use]
    pub fn fit(&self, base: &Self) -> Fit {
        if self.reference() == base.reference() {
            return Fit::IsBase;
        }
        if let Some(why) = mismatch(self.config(), base.config()) {
            return Fit::No(why);
        }
        let (mine, theirs) = (self.config(), base.config());
        let mut remarks = Vec::new();
        if mine.model_type != theirs.model_type {
            remarks.push(format!("a {} model on a {} base", mine.model_type, theirs.model_type));
        }
        if mine.rope.theta.to_bits() != theirs.rope.theta.to_bits() {
            remarks.push(format!("rotary base of {:.0} against {:.0}", mine.rope.theta, theirs.rope.theta));
        } else if (&mine.rope, &mine.rope_local) != (&theirs.rope, &theirs.rope_local) {
            remarks.push("positions turn in another way (rope_parameters)".to_owned());
        }
        if mine.tie_word_embeddings != theirs.tie_word_embeddings {
            remarks.push("only one of the two has an LM head of its own".to_owned());
        }
        let least = mine.vocab_size.min(theirs.vocab_size);
        if mine.vocab_size != theirs.vocab_size {
            // Only with a LLaVA model, or the two would not fit.
            remarks.push(format!(
                "vocabulary of {} against {}: the first {least} rows are merged, the rest is the LLaVA model's",
                mine.vocab_size, theirs.vocab_size
            ));
            if !same_rows(self, base, least) {
                remarks.push("other tokens in these rows: no merge without tokenizer = \"union\"".to_owned());
            }
        } else if !same_vocabulary(self, base) {
            remarks.push("as many tokens, but other ones: check the tokenizers".to_owned());
        }
        if remarks.is_empty() { Fit::Fits } else { Fit::Caution(remarks.join("; ")) }
    }
}

/// Why the tensors of two configs cannot be added; `None` if they can.
pub(super) fn mismatch(mine: &ModelConfig, base: &ModelConfig) -> Option<String> {
    if mine.num_hidden_layers != base.num_hidden_layers {
        return Some(format!("{} layers against {}", mine.num_hidden_layers, base.num_hidden_layers));
    }
    let (vocabulary, mine_has_vision) = (mine.vocab_size, mine.vision.is_some());
    let mine = ModelConfig { vocab_size: base.vocab_size, ..mine.clone() };
    let theirs = tensor_shapes(base);
    for (name, shape) in tensor_shapes(&mine) {
        match theirs.iter().find(|(n, _)| *n == name) {
            Some((_, other)) if *other != shape => {
                return Some(format!("{name} is {shape:?} against {other:?}"));
            }
            None if name != "lm_head.weight" => return Some(format!("the base has no {name}")),
            _ => {}
        }
    }
    let mine = tensor_shapes(&mine);
    if let Some((name, _)) =
        theirs.iter().find(|(n, _)| n != "lm_head.weight" && !mine.iter().any(|(m, _)| m == n))
    {
        return Some(format!("it has no {name}"));
    }
    // Checked last, since a recipe can resolve it. With a LLaVA model, the rows that both have are merged.
    let pictures = mine_has_vision || base.vision.is_some();
    (vocabulary != base.vocab_size && !pictures).then(|| {
        format!(
            "vocabulary of {vocabulary} against {}: a recipe merges them by token with tokenizer = \"union\"",
            base.vocab_size
        )
    })
}

/// Whether two tokenizers assign the same ids to the same tokens. Missing tokenizers count as equal.
fn same_vocabulary(a: &Checkpoint, b: &Checkpoint) -> bool {
    let (Ok(a), Ok(b)) = (a.tokenizer_json(), b.tokenizer_json()) else { return true };
    if a == b {
        return true;
    }
    let vocabulary = |bytes: &[u8]| {
        let value: Value = serde_json::from_slice(bytes).ok()?;
        Some((value.pointer("/model/vocab")?.clone(), value.pointer("/model/merges").cloned()))
    };
    match (vocabulary(&a), vocabulary(&b)) {
        (Some((va, ma)), Some((vb, mb))) => va == vb && merges_equal(ma.as_ref(), mb.as_ref()),
        _ => false,
    }
}

/// Whether two tokenizers assign the ids below `rows` to the same tokens. Missing tokenizers count as equal.
fn same_rows(a: &Checkpoint, b: &Checkpoint, rows: usize) -> bool {
    let (Ok(a), Ok(b)) = (a.tokenizer_json(), b.tokenizer_json()) else { return true };
    let ids = |bytes: &[u8]| -> Option<BTreeMap<u64, String>> {
        let value: Value = serde_json::from_slice(bytes).ok()?;
        let plain: Vec<(u64, String)> = match value.pointer("/model/vocab")? {
            Value::Object(map) => map.iter().filter_map(|(t, id)| Some((id.as_u64()?, t.clone()))).collect(),
            Value::Array(list) => {
                let token = |pair: &Value| pair.get(0).and_then(Value::as_str).unwrap_or_default().to_owned();
                (0..).zip(list.iter().map(token)).collect()
            }
            _ => return None,
        };
        let added = value.get("added_tokens").and_then(Value::as_array).into_iter().flatten();
        let added =
            added.filter_map(|e| Some((e.get("id")?.as_u64()?, e.get("content")?.as_str()?.to_owned())));
        Some(plain.into_iter().chain(added).filter(|(id, _)| *id < rows as u64).collect())
    };
    ids(&a) == ids(&b)
}

/// Older tokenizers write merges as `"a b"`, newer ones as `["a", "b"]`.
fn merges_equal(a: Option<&Value>, b: Option<&Value>) -> bool {
    let (Some(Value::Array(a)), Some(Value::Array(b))) = (a, b) else { return a == b };
    let text = |v: &Value| match v {
        Value::Array(pair) => {
            pair.iter().map(|p| p.as_str().unwrap_or_default()).collect::<Vec<_>>().join(" ")
        }
        other => other.as_str().unwrap_or_default().to_owned(),
    };
    a.len() == b.len() && a.iter().zip(b).all(|(x, y)| text(x) == text(y))
}
