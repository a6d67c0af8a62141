//! A `LoRA` adapter beside its base: `adapter_config.json` and `adapter_model.safetensors` as PEFT
//! 0.21 writes them. What it changes is found and checked here; the sums are made in `lora`.

use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::bytes::Bytes;
use super::fields::printable;
use super::safetensors::{Entry, Header, read_header};
use super::{CheckpointError, torch};
use crate::limits;

pub(super) const CONFIG: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";
const PICKLED: &str = "adapter_model.bin";

/// Ways of training or storing an adapter that are more than `W + scale · B·A`, by the key of
/// `adapter_config.json` that turns each on.
const VARIANTS: [(&str, &str); 14] = [
    ("use_dora", "DoRA"),
    ("use_qalora", "QALoRA"),
    ("use_bdlora", "block-diagonal LoRA"),
    ("lora_bias", "LoRA with a bias of its own"),
    ("layer_replication", "replicated layers"),
    ("alora_invocation_tokens", "activated LoRA"),
    ("target_parameters", "LoRA on bare parameters"),
    ("trainable_token_indices", "trained tokens"),
    ("arrow_config", "Arrow routing"),
    ("kasa_config", "KaSA"),
    ("velora_config", "VeLoRA"),
    ("monteclora_config", "MonteCLoRA"),
    ("megatron_config", "Megatron layers"),
    ("ensure_weight_tying", "tied adapters"),
];

/// Starts of training that move the base's own weights, so that `W + scale · B·A` of the base on
/// disk is not the trained model.
const MOVED_BASE: [&str; 5] = ["pissa", "olora", "loftq", "corda", "lora_ga"];

/// What an adapter does to one tensor of its base.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// A linear layer's `[rows, columns]` plus `scale · B·A`: A `[r, columns]`, B `[rows, r]`.
    Linear { a: Entry, b: Entry, scale: f32 },
    /// An embedding `[vocabulary, hidden]` plus `scale · (B·A)ᵀ`: A `[r, vocabulary]`, B `[hidden, r]`.
    Embedding { a: Entry, b: Entry, scale: f32 },
    /// The adapter holds the whole tensor (`modules_to_save`).
    Whole(Entry),
}

/// An adapter, opened and checked against itself; not yet against a base.
pub(super) struct Adapter {
    pub(super) file: String,
    pub(super) bytes: Bytes,
    /// Name of the base's tensor, and what becomes of it.
    pub(super) changes: Vec<(String, Change)>,
    /// The model card, if there is one.
    pub(super) card: Option<Vec<u8>>,
}

/// `adapter_config.json`, as far as it decides the result.
#[derive(Deserialize)]
struct Config {
    peft_type: String,
    r: u64,
    #[serde(default = "eight")]
    lora_alpha: f64,
    #[serde(default)]
    use_rslora: bool,
    #[serde(default)]
    rank_pattern: Option<Patterns>,
    #[serde(default)]
    alpha_pattern: Option<Patterns>,
}

fn eight() -> f64 {
    8.0
}

/// Module patterns with their values, in the order of the file: the first that matches counts.
struct Patterns(Vec<(String, f64)>);

impl<'de> Deserialize<'de> for Patterns {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Patterns;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a table of module patterns with numbers")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Patterns, M::Error> {
                let mut out = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    out.push(entry);
                }
                Ok(Patterns(out))
            }
        }
        from.deserialize_map(InOrder)
    }
}

impl Patterns {
    /// The value of the first pattern that matches the end of `module` at a dot (PEFT's
    /// `get_pattern_key`).
    fn value(&self, module: &str) -> Result<Option<f64>, String> {
        for (pattern, value) in &self.0 {
            let whole = regex::Regex::new(&format!("^(.*\\.)?({pattern})$")).map_err(|_| {
                format!("holds the pattern {}, which is no regular expression", printable(pattern))
            })?;
            if whole.is_match(module) {
                return Ok(Some(*value));
            }
        }
        Ok(None)
    }
}

/// The weight file of an adapter, of those that there are.
pub(super) fn weights_in(there: impl Fn(&str) -> bool) -> Option<&'static str> {
    [WEIGHTS, PICKLED].into_iter().find(|name| there(name))
}

/// Whether `folder` holds an adapter rather than a model.
pub(super) fn is_adapter(folder: &Path) -> bool {
    folder.join(CONFIG).exists() && !folder.join("config.json").exists()
}

/// The base that the adapter in `folder` was trained on, by its own word.
pub(super) fn base_of(folder: &Path) -> Option<String> {
    let config: Value =
        serde_json::from_slice(&limits::read(&folder.join(CONFIG), limits::SMALL_FILE).ok()?).ok()?;
    let base = config.get("base_model_name_or_path")?.as_str()?;
    (!base.is_empty()).then(|| printable(base))
}

impl Adapter {
    /// Opens the adapter in `folder`, calling it `reference`.
    pub(super) fn open(reference: &str, folder: &Path) -> Result<Self, CheckpointError> {
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
        let read = if torch::is_one(&file) { torch::read_header } else { read_header };
        let Header { mut tensors, foreign } = read(&bytes, &file)?;
        let bad = |tensor: &str, problem: String| CheckpointError::Tensor {
            file: file.clone(),
            tensor: printable(tensor),
            problem,
        };
        if let Some((name, dtype)) = foreign.first_key_value() {
            return Err(bad(name, format!("is stored as {dtype}; F32, F16 and BF16 are read")));
        }
        let mut changes = Vec::new();
        while let Some((key, entry)) = tensors.pop_first() {
            let name = key.strip_prefix("base_model.model.").unwrap_or(&key);
            let Some((module, part)) = split_key(name) else {
                let name = name.replace(".modules_to_save.", ".").replace(".base_layer.", ".");
                changes.push((name.replace(".default.", "."), Change::Whole(entry)));
                continue;
            };
            // A sorts before B, so A comes first and takes its B along.
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
            let change = if part.embedding {
                Change::Embedding { a, b, scale }
            } else {
                Change::Linear { a, b, scale }
            };
            changes.push((format!("{module}.weight"), change));
        }
        // An embedding that is trained may be saved whole beside its A and B, which then add to it.
        changes.sort_by_key(|(_, change)| !matches!(change, Change::Whole(_)));
        Ok(Self { file, bytes, changes, card })
    }
}

impl Config {
    /// Rank and factor of `module`: alpha / r, or alpha / √r for rank-stabilised `LoRA`.
    fn scale(&self, module: &str) -> Result<(u64, f32), String> {
        let of = |patterns: &Option<Patterns>| patterns.as_ref().map_or(Ok(None), |p| p.value(module));
        let in_config = |e: String| format!("{CONFIG} {e}");
        let rank = of(&self.rank_pattern).map_err(in_config)?.map_or(self.r, |r| r.max(0.0) as u64);
        let alpha = of(&self.alpha_pattern).map_err(in_config)?.unwrap_or(self.lora_alpha);
        if rank == 0 || rank > 1 << 20 {
            return Err(format!("{CONFIG} gives {module} the rank {rank}; it must be at least 1"));
        }
        let r = rank as f64;
        let scale = alpha / if self.use_rslora { r.sqrt() } else { r };
        if !scale.is_finite() {
            return Err(format!("{CONFIG} gives {module} the factor {scale}; it must be finite"));
        }
        Ok((rank, scale as f32))
    }
}

/// Which half of a pair a key names.
struct Part {
    is_a: bool,
    embedding: bool,
}

/// `model.layers.0.self_attn.q_proj.lora_A.weight` → the module and the half.
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

/// Refuses what is more than a plain `LoRA`, by name.
fn refuse_variants(config: &Value) -> Result<(), String> {
    let on = |value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
        _ => true,
    };
    for (key, name) in VARIANTS {
        if config.get(key).is_some_and(on) {
            return Err(format!("uses {name} ({key}), which is not applied here; merge it with PEFT first"));
        }
    }
    if let Some(start) = config.get("init_lora_weights").and_then(Value::as_str)
        && MOVED_BASE.iter().any(|m| start.to_ascii_lowercase().starts_with(m))
    {
        return Err(format!(
            "was started by {} (init_lora_weights), which moves the base's weights; convert it to a plain LoRA with PEFT first",
            printable(start)
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Dtype;
    use super::super::safetensors::make_header;
    use super::*;
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
        let scale = |config: Value| match of_q(&config, [4, 8], [6, 4]).unwrap().changes.remove(0) {
            (name, Change::Linear { scale, .. }) => {
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
        assert!(matches!(&saved.changes[..], [(name, Change::Whole(_))] if name == "lm_head.weight"));
    }
}
