//! Outputs of a decoder's units (heads and MLP neurons) on given tokens.
//!
//! Used to align the units of two models by their outputs.

use super::{
    Decoder, LmError,
    backend::{Backend, Span},
    engine::with_model,
    model::Model,
    shape::Features,
};

/// Outputs of one step's units, a row a token.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepUnits {
    /// Heads before the output projection, `[tokens, heads · head_dim]`.
    pub heads: Vec<f32>,
    /// Gated MLP neurons, `[tokens, intermediate]`.
    pub neurons: Vec<f32>,
}

impl Decoder {
    /// Outputs of every unit on these tokens, step by step.
    ///
    /// # Errors
    /// A prompt that cannot be run, or no memory.
    pub fn units(&self, tokens: &[u32]) -> Result<Vec<StepUnits>, LmError> {
        self.check_prompt(0, tokens)?;
        with_model!(&self.engine, model => model.units(tokens))
    }
}

impl<B: Backend> Model<B> {
    fn units(&self, tokens: &[u32]) -> Result<Vec<StepUnits>, LmError> {
        let mut w = self.workspace(1, tokens.len())?;
        let rows: Vec<usize> = (0..tokens.len()).collect();
        let mut out = Vec::with_capacity(self.steps.len());
        let mut see = |place: usize, mixed: &B::Rows, gated: &B::Rows| {
            let shape = &self.shapes[self.blocks[self.steps[place].block].model];
            let heads = self.backend.read_features(mixed, shape.queries())?.concat();
            let neurons = self.backend.read_features(gated, Features::one(shape.intermediate))?.concat();
            out.push(StepUnits { heads, neurons });
            Ok(())
        };
        let span = Span { slot: 0, start: 0, len: tokens.len() };
        self.forward_seen(tokens, &[span], &rows, &mut w, &mut see)?;
        self.put_back(w);
        Ok(out)
    }
}
