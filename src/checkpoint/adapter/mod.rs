//! A `LoRA` adapter beside its base: `adapter_config.json` and `adapter_model.safetensors` (or `.bin`) as PEFT writes
//! them. In: an adapter's folder. Out: for each tensor of the base what the adapter does to it ([`Delta`]), checked
//! against the adapter's own config; `lora` computes the values when a tensor is first asked for.

pub(super) mod config;
pub(super) mod lora;

use std::path::Path;

use serde_json::Value;

use super::CheckpointError;
use super::bytes::Bytes;
use super::formats::header::{Entry, Header};
use super::formats::table::read_header;
use super::untrusted::printable;
use crate::limits;
use config::{CONFIG, Config, refuse_variants};

const WEIGHTS: &str = "adapter_model.safetensors";
const PICKLED: &str = "adapter_model.bin";

/// What an adapter does to one tensor of its base.
#[derive(Clone, Debug)]
pub(in crate::checkpoint) enum Delta {
    /// A linear layer's `[rows, columns]` plus `scale · B·A`: A `[r, columns]`, B `[rows, r]`.
    Linear { a: Entry, b: Entry, scale: f32 },
    /// An embedding `[vocabulary, hidden]` plus `scale · (B·A)ᵀ`: A `[r, vocabulary]`, B `[hidden, r]`.
    Embedding { a: Entry, b: Entry, scale: f32 },
    /// The adapter holds the whole tensor (`modules_to_save`).
    Whole(Entry),
}

/// An open adapter, checked against its own config but not yet against a base.
pub(in crate::checkpoint) struct Adapter {
    pub(in crate::checkpoint) file: String,
    pub(in crate::checkpoint) bytes: Bytes,
    /// Name of each tensor of the base that the adapter changes, and the change.
    pub(in crate::checkpoint) deltas: Vec<(String, Delta)>,
    /// The model card, if there is one.
    pub(in crate::checkpoint) card: Option<Vec<u8>>,
}

/// The name of the first weight file for which `there` is true.
pub(in crate::checkpoint) fn weights_in(there: impl Fn(&str) -> bool) -> Option<&'static str> {
    [WEIGHTS, PICKLED].into_iter().find(|name| there(name))
}

/// Whether `folder` holds an adapter rather than a model.
pub(in crate::checkpoint) fn is_adapter(folder: &Path) -> bool {
    folder.join(CONFIG).exists() && !folder.join("config.json").exists()
}

/// The base that the adapter in `folder` names in its config.
pub(in crate::checkpoint) fn base_of(folder: &Path) -> Option<String> {
    let config: Value =
        serde_json::from_slice(&limits::read(&folder.join(CONFIG), limits::SMALL_FILE).ok()?).ok()?;
    let base = config.get("base_model_name_or_path")?.as_str()?;
    (!base.is_empty()).then(|| printable(base))
}

impl Adapter {
    /// Opens the adapter in `folder` under the name `reference`.
    pub(in crate::checkpoint) fn open(reference: &str, folder: &Path) -> Result<Self, CheckpointError> {
        let refused = |problem: String| CheckpointError::Adapter { adapter: reference.to_owned(), problem };
        let Ok(config) = limits::read(&folder.join(CONFIG), limits::SMALL_FILE) else {
            let what = if folder.join("config.json").exists() { "; it is a whole model" } else { "" };
            return Err(refused(format!("has no {CONFIG}{what}")));
        };
        let file = weights_in(|name| folder.join(name).exists());
        let file = file.ok_or_else(|| refused(format!("has no {WEIGHTS}")))?;
        let card = limits::read(&folder.join("README.md"), limits::SMALL_FILE).ok();
        Self::read(reference, &config, (file, Bytes::map(&folder.join(file))?), card)
    }

    fn read(
        reference: &str,
        config: &[u8],
        (file, bytes): (&str, Bytes),
        card: Option<Vec<u8>>,
    ) -> Result<Self, CheckpointError> {
        let refused = |problem: String| CheckpointError::Adapter { adapter: reference.to_owned(), problem };
        let raw: Value =
            serde_json::from_slice(config).map_err(|e| refused(format!("{CONFIG} is not JSON: {e}")))?;
        refuse_variants(&raw).map_err(refused)?;
        let config: Config = serde_json::from_slice(config).map_err(|e| refused(format!("{CONFIG}: {e}")))?;
        if config.peft_type != "LORA" {
            return Err(refused(format!(
                "is of type {}; only LORA is applied",
                printable(&config.peft_type)
            )));
        }
        let file = format!("{reference}/{file}");
        let Header { mut tensors, foreign } = read_header(&bytes, &file)?;
        let bad = |tensor: &str, problem: String| CheckpointError::Tensor {
            file: file.clone(),
            tensor: printable(tensor),
            problem,
        };
        if let Some((name, dtype)) = foreign.first_key_value() {
            return Err(bad(name, format!("is stored as {dtype}; F32, F16 and BF16 are read")));
        }
        let mut deltas = Vec::new();
        while let Some((key, entry)) = tensors.pop_first() {
            let name = key.strip_prefix("base_model.model.").unwrap_or(&key);
            let Some((module, part)) = split_key(name) else {
                let name = name.replace(".modules_to_save.", ".").replace(".base_layer.", ".");
                deltas.push((name.replace(".default.", "."), Delta::Whole(entry)));
                continue;
            };
            // A sorts before B: each A comes first and removes its B from the map.
            let other =
                key.replacen("lora_A", "lora_B", 1).replacen("lora_embedding_A", "lora_embedding_B", 1);
            let missing = || bad(&key, "has no partner: lora_A and lora_B come in pairs".to_owned());
            let b =
                if part.is_a { tensors.remove(&other).ok_or_else(missing)? } else { return Err(missing()) };
            let (rank, scale) = config.scale(module).map_err(refused)?;
            let fits = |e: &Entry, at: usize| e.shape.len() == 2 && e.shape[at] as u64 == rank;
            if !fits(&entry, 0) || !fits(&b, 1) {
                return Err(bad(
                    &key,
                    format!("is {:?} by {:?}, but {CONFIG} gives it the rank {rank}", b.shape, entry.shape),
                ));
            }
            let a = entry;
            let change =
                if part.embedding { Delta::Embedding { a, b, scale } } else { Delta::Linear { a, b, scale } };
            deltas.push((format!("{module}.weight"), change));
        }
        // A trained embedding may be saved whole, with its A and B as well: A and B then apply to the saved embedding,
        // so it comes first.
        deltas.sort_by_key(|(_, change)| !matches!(change, Delta::Whole(_)));
        Ok(Self { file, bytes, deltas, card })
    }
}

/// Which half of a pair (A or B), and which kind of pair.
struct Part {
    is_a: bool,
    embedding: bool,
}

/// Splits `model.layers.0.self_attn.q_proj.lora_A.weight` into the module and the half.
fn split_key(key: &str) -> Option<(&str, Part)> {
    let part = |is_a, embedding| Part { is_a, embedding };
    for (mark, part) in [
        (".lora_A.", part(true, false)),
        (".lora_B.", part(false, false)),
        (".lora_embedding_A", part(true, true)),
        (".lora_embedding_B", part(false, true)),
    ] {
        if let Some((module, rest)) = key.split_once(mark)
            && matches!(rest, "weight" | "default.weight" | "" | ".default")
        {
            return Some((module, part));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Dtype;
    use crate::checkpoint::formats::safetensors::make_header;
    use serde_json::json;

    const Q: &str = "base_model.model.model.layers.0.self_attn.q_proj";

    fn file(tensors: &[(&str, [usize; 2])]) -> Bytes {
        let mut bytes = make_header(tensors.iter().map(|(n, s)| (*n, Dtype::F32, s.as_slice())));
        let data: usize = tensors.iter().map(|(_, s)| 4 * s[0] * s[1]).sum();
        bytes.resize(bytes.len() + data, 0);
        Bytes::from(bytes)
    }

    fn read(config: &Value, tensors: &[(&str, [usize; 2])]) -> Result<Adapter, String> {
        Adapter::read("ad", config.to_string().as_bytes(), (WEIGHTS, file(tensors)), None)
            .map_err(|e| e.to_string())
    }

    fn pair(a: [usize; 2], b: [usize; 2]) -> Vec<(String, [usize; 2])> {
        vec![(format!("{Q}.lora_A.weight"), a), (format!("{Q}.lora_B.weight"), b)]
    }

    fn of_q(config: &Value, a: [usize; 2], b: [usize; 2]) -> Result<Adapter, String> {
        let pair = pair(a, b);
        let names: Vec<_> = pair.iter().map(|(n, s)| (n.as_str(), *s)).collect();
        read(config, &names)
    }

    #[test]
    fn the_factor_follows_rank_alpha_and_patterns() {
        let scale = |config: Value| match of_q(&config, [4, 8], [6, 4]).unwrap().deltas.remove(0) {
            (name, Delta::Linear { scale, .. }) => {
                assert_eq!(name, "model.layers.0.self_attn.q_proj.weight");
                scale
            }
            other => panic!("{other:?}"),
        };
        let plain = json!({"peft_type": "LORA", "r": 4, "lora_alpha": 6});
        assert!((scale(plain.clone()) - 1.5).abs() < 1e-7);
        let mut root = plain.clone();
        root["use_rslora"] = json!(true);
        assert!((scale(root) - 3.0).abs() < 1e-7);
        let patterns = json!({"peft_type": "LORA", "r": 2, "lora_alpha": 6,
            "rank_pattern": {"v_proj": 9, "q_proj": 4}, "alpha_pattern": {"layers.0.self_attn.q_proj": 2}});
        assert!((scale(patterns) - 0.5).abs() < 1e-7);
    }

    #[test]
    fn what_is_not_a_plain_lora_is_refused_by_name() {
        let refused = |change: Value, needles: &[&str]| {
            let mut config = json!({"peft_type": "LORA", "r": 4, "lora_alpha": 4});
            config.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            let message = of_q(&config, [4, 8], [6, 4]).err().expect("refused");
            for needle in needles {
                assert!(message.contains(needle), "{message:?} should say {needle:?}");
            }
            assert!(!message.contains('\n'));
        };
        refused(json!({"use_dora": true}), &["ad", "DoRA"]);
        refused(json!({"init_lora_weights": "pissa_niter_4"}), &["pissa", "base"]);
        refused(json!({"peft_type": "LOHA"}), &["LOHA"]);
        refused(json!({"r": 0}), &["rank 0"]);
        refused(json!({"r": 5}), &["rank 5", "[6, 4] by [4, 8]"]);
        refused(json!({"rank_pattern": {"(": 3}}), &["no regular expression"]);
        refused(json!({"lora_alpha": "x"}), &["adapter_config.json"]);
    }

    #[test]
    fn halves_need_each_other() {
        let config = json!({"peft_type": "LORA", "r": 4});
        let (a, b) = (format!("{Q}.lora_A.weight"), format!("{Q}.lora_B.weight"));
        for one in [a, b] {
            let message = read(&config, &[(&one, [4, 4])]).err().unwrap();
            assert!(message.contains("pairs"), "{message}");
        }
        let saved = read(&config, &[("base_model.model.lm_head.weight", [4, 4])]).unwrap();
        assert!(matches!(&saved.deltas[..], [(name, Delta::Whole(_))] if name == "lm_head.weight"));
    }
}
