//! `adapter_config.json` as PEFT 0.21 writes it. In: its bytes. Out: rank and scale of each adapted module; an adapter
//! that is more than `W + scale · B·A` is refused by name.

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;

use crate::checkpoint::untrusted::printable;

pub(in crate::checkpoint) const CONFIG: &str = "adapter_config.json";

/// Variants that add more than `W + scale · B·A`: the key of `adapter_config.json` that enables each, and its name.
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

/// Initialisations that change the base's own weights: the base on disk plus `scale · B·A` is not the trained model.
const MOVED_BASE: [&str; 5] = ["pissa", "olora", "loftq", "corda", "lora_ga"];

/// The keys of `adapter_config.json` that affect the result.
#[derive(Deserialize)]
pub(super) struct Config {
    pub(super) peft_type: String,
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

/// Patterns of module names, each with a value, in file order; the first match wins.
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
    /// The value of the first pattern that matches the end of `module` after a dot (PEFT's `get_pattern_key`).
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

impl Config {
    /// Rank and scale of `module`: alpha / r, or alpha / √r for rank-stabilised `LoRA`.
    pub(super) fn scale(&self, module: &str) -> Result<(u64, f32), String> {
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

/// Refuses everything that is more than a plain `LoRA`, by name.
pub(super) fn refuse_variants(config: &Value) -> Result<(), String> {
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
