//! Reorders the sources' neurons and heads to match the base before a merge, if the recipe has `align`. A base and its
//! sources come in; permuted sources and the alignments found go out. [`super::ModelSources`] calls it.

use super::memory_plan::{self, Load, Workload};
use crate::checkpoint::Checkpoint;
use crate::error::BadInput;
use crate::lm::{Decoder, Device, Tokenizer};
use crate::merge::{Activations, Alignment, LayerActivations, align, aligned};
use crate::recipe::{Align, AlignBy};

/// Weight of the similarity of weights relative to that of activations, if both are compared.
const BALANCE: f32 = 0.5;

/// The sources, each with its neurons and heads moved to the positions of the most similar ones of the base, and the
/// alignment of each source.
///
/// # Errors
/// Models of different shapes, tensors that cannot be read, or a device without enough memory.
pub fn in_base_order(
    base: &Checkpoint,
    sources: Vec<Checkpoint>,
    how: &Align,
    device: &Device,
) -> anyhow::Result<Vec<(Checkpoint, Alignment)>> {
    let seen = |model: &Checkpoint| match how.by {
        AlignBy::Weights => Ok(None),
        AlignBy::Activations => activations(model, base, &how.prompts, device).map(Some),
    };
    for source in &sources {
        memory_plan::room_for(source.reference(), memory_plan::aligned_bytes(source))?;
    }
    let of_base = seen(base)?;
    let mut out = Vec::with_capacity(sources.len());
    for source in sources {
        let of_source = seen(&source)?;
        let pair = of_base.as_ref().zip(of_source.as_ref());
        let found = align(base, &source, pair, BALANCE).map_err(BadInput::error)?;
        out.push((aligned(source, &found).map_err(BadInput::error)?, found));
    }
    // A permuted source reads the files of the original source.
    out.iter()
        .map(|(source, _)| source)
        .chain([base])
        .try_for_each(|m| m.all_intact().map_err(BadInput::error))?;
    Ok(out)
}

/// The alignment as text, one line for each decoder block.
#[must_use]
pub fn summary(source: &str, found: &Alignment) -> Vec<String> {
    let line = |(i, l): (usize, &crate::merge::LayerAlignment)| {
        let moved = |list: &[usize]| list.iter().enumerate().filter(|(i, at)| i != *at).count();
        format!(
            "{source}, layer {i}: neurons {:.3} → {:.3} ({} of {} moved), heads {:.3} → {:.3} ({} of {} moved)",
            l.neuron_similarity.0,
            l.neuron_similarity.1,
            moved(&l.neurons),
            l.neurons.len(),
            l.head_similarity.0,
            l.head_similarity.1,
            moved(&l.heads),
            l.heads.len(),
        )
    };
    found.layers.iter().enumerate().map(line).collect()
}

/// The outputs of a model's neurons and heads on these texts, tokenized with the base's tokenizer.
fn activations(
    model: &Checkpoint,
    base: &Checkpoint,
    texts: &[String],
    device: &Device,
) -> anyhow::Result<Activations> {
    if model.config().vocab_size != base.config().vocab_size {
        return Err(BadInput::error(format!(
            "{} cannot be aligned by activations: its vocabulary is not that of {}, so the two do not read the \
             same tokens; align by weights",
            model.reference(),
            base.reference()
        )));
    }
    let tokenizer = Tokenizer::of(base).map_err(BadInput::error)?;
    Load::Model(model).check(device, &Workload::of_texts(texts.len()))?;
    let decoder = Decoder::load(model.config(), model, device).map_err(BadInput::error)?;
    let mut layers = vec![LayerActivations::default(); model.config().num_hidden_layers];
    for text in texts {
        let mut ids = tokenizer.encode(text)?;
        ids.truncate(decoder.max_positions().saturating_sub(1));
        for (layer, units) in layers.iter_mut().zip(decoder.units(&ids).map_err(BadInput::error)?) {
            layer.neurons.extend(units.neurons);
            layer.heads.extend(units.heads);
        }
    }
    Ok(Activations { layers })
}
