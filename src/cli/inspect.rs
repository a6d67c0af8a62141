//! `yosegi inspect`: model references come in; each checkpoint's shape, tensors and vocabulary go out as text or JSON.
//! The command line calls it.

use std::fmt::Write as _;

use anyhow::Result;
use serde_json::{Value, json};

use super::output::say;
use super::{fetch, models};
use crate::checkpoint::{Checkpoint, ModelSummary};
use crate::recipe::LayerGroup;
use crate::text::visible_line;

/// Describes each model. With several models, also says whether each one can be merged with the first.
pub fn run(references: &[String], json: bool) -> Result<()> {
    let opened = references.iter().map(|r| fetch::open(r)).collect::<Result<Vec<Checkpoint>>>()?;
    let summaries = opened.iter().enumerate().map(|(i, model)| {
        let mut summary = model.summary();
        if opened.len() > 1 {
            summary.fit = if i == 0 { crate::checkpoint::Fit::IsBase } else { model.fit(&opened[0]) };
        }
        summary
    });
    if json {
        let documents: Vec<Value> = opened.iter().zip(summaries).map(|(m, s)| document(m, &s)).collect();
        return say::json_pretty(&json!({ "models": documents }));
    }
    let mut texts: Vec<String> = opened.iter().zip(summaries).map(|(m, s)| words(m, &s)).collect();
    let giver = opened.iter().find(|model| model.vision_config().is_some());
    if let Some(giver) = giver.filter(|_| opened.len() > 1) {
        texts.push(models::vision_of_merge(giver.reference()));
    }
    say::out(texts.join("\n").trim_end())
}

fn document(model: &Checkpoint, summary: &ModelSummary) -> Value {
    let tensors: Vec<Value> = model
        .names()
        .into_iter()
        .filter_map(|name| model.extent(name).map(|(dtype, shape)| (name, dtype, shape)))
        .map(|(name, dtype, shape)| json!({"name": name, "dtype": dtype.name(), "shape": shape}))
        .collect();
    let config = model.whole_config();
    if model.vision_config().is_none() {
        return json!({"summary": summary, "config": config, "tensors": tensors});
    }
    let of_vision: Vec<Value> = model
        .vision_names()
        .into_iter()
        .filter_map(|name| model.vision_extent(name).map(|(dtype, shape)| (name, dtype, shape)))
        .map(|(name, dtype, shape)| json!({"name": name, "dtype": dtype.name(), "shape": shape}))
        .collect();
    json!({"summary": summary, "config": config, "tensors": tensors, "vision_tensors": of_vision})
}

fn words(model: &Checkpoint, summary: &ModelSummary) -> String {
    let config = model.config();
    let mut text = String::new();
    let mut line = |key: &str, value: String| {
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "  {key:<12}{}", visible_line(&value));
    };
    if !summary.about.is_empty() {
        line("about", summary.about.clone());
    }
    if let Some(vision) = &summary.vision {
        line(
            "pictures",
            format!(
                "{}, {} tower of {} layers, hidden {}, squares of {} pixels in patches of {}",
                vision.layout,
                vision.tower,
                vision.layers,
                vision.hidden,
                vision.image_size,
                vision.patch_size
            ),
        );
        line(
            "merged",
            "the language model, which the lines below describe; tower and projector stay".to_owned(),
        );
    }
    line("decoder", format!("{}, {} layers, hidden {}", summary.family, summary.layers, summary.hidden));
    line(
        "attention",
        format!(
            "{} heads of {}, {} for keys and values{}",
            summary.heads,
            config.head_dim,
            summary.kv_heads,
            config.sliding_window.map_or(String::new(), |w| format!(", window {w}"))
        ),
    );
    line("mlp", format!("{}, {}", config.intermediate_size, config.hidden_act));
    line(
        "positions",
        format!("rotary base {:.0}, up to {} tokens", config.rope.theta, config.max_position_embeddings),
    );
    line(
        "vocabulary",
        format!("{} tokens, {} LM head", summary.vocab, if summary.tied { "tied" } else { "own" }),
    );
    line("chat", if summary.chat_template { "has a template" } else { "no template" }.to_owned());
    line(
        "weights",
        format!("{} parameters, {}, {}", summary.parameters, models::size(summary.bytes), summary.dtype),
    );
    let extra = model.names().into_iter().filter(|n| LayerGroup::of_tensor(n).is_none()).collect::<Vec<_>>();
    if !extra.is_empty() {
        let first = visible_line(extra[0]);
        line("not merged", format!("{} tensors, such as {first}", extra.len()));
    }
    if summary.fit != crate::checkpoint::Fit::Unasked {
        line("fit", summary.fit.words().to_owned());
    }
    format!("{}\n{text}", visible_line(&summary.reference))
}
