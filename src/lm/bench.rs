//! Doors for the benchmarks into kernels that are private otherwise.

use super::{
    Decoder, LmError,
    backend::{Backend, Span, cpu},
    engine::with_model,
    model::Model,
};

/// A product of `rows` × `ins` activations with a weight `[outs, ins]`, ready to run again and
/// again.
pub fn product(rows: usize, ins: usize, outs: usize) -> impl FnMut() {
    cpu::product(rows, ins, outs)
}

/// Attention of one new token of each of `sequences` sequences over `context` positions in
/// `steps` layers' worth of cache, in the bundled zoo's shape (3 heads on 1, of 32).
pub fn attention(sequences: usize, context: usize, steps: usize) -> impl FnMut() {
    cpu::attention(sequences, context, steps)
}

/// One decode step of `sequences` sequences that have `context` tokens each, ready to run again
/// and again: what a step costs when nobody interrupts it.
pub fn step(decoder: &Decoder, sequences: usize, context: usize) -> Result<Step<'_>, LmError> {
    with_model!(&decoder.engine, model => forward(model, sequences, context))
}

/// See [`step`].
pub type Step<'a> = Box<dyn FnMut() -> Result<(), LmError> + 'a>;

fn forward<B: Backend>(model: &Model<B>, sequences: usize, context: usize) -> Result<Step<'_>, LmError> {
    let mut workspace = model.workspace(sequences, context)?;
    let ids: Vec<u32> = (0..sequences).map(|i| (i % model.shape.vocab) as u32).collect();
    let rows: Vec<usize> = (0..sequences).collect();
    for start in 0..context {
        let spans: Vec<Span> = (0..sequences).map(|slot| Span { slot, start, len: 1 }).collect();
        model.forward(&ids, &spans, &[], &mut workspace)?;
    }
    let spans: Vec<Span> = (0..sequences).map(|slot| Span { slot, start: context - 1, len: 1 }).collect();
    let mut chosen = Vec::new();
    Ok(Box::new(move || {
        model.forward(&ids, &spans, &rows, &mut workspace)?;
        model.backend.argmax(&workspace.logits, model.shape.vocab, &mut chosen)
    }))
}
