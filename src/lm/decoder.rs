//! A model in memory: loaded once, its weights rewritten in place for each new merge.

use super::{
    Device, LmError,
    engine::{Engine, make_engine, with_model},
    model::{Block, Model, Step},
    ops::{Backend, Blocks, Span},
    rope::Rope,
    shape::Shape,
};
use crate::checkpoint::{ModelConfig, TensorView, Weights};
use crate::recipe::LayerGroup;

/// A decoder on a device, ready to run. Shared by the threads of a generation.
pub struct Decoder {
    pub(super) engine: Engine,
}

impl Decoder {
    /// Loads a model: checks the config, then every tensor's presence and shape.
    pub fn load(config: &ModelConfig, weights: &dyn Weights, device: &Device) -> Result<Self, LmError> {
        let shape = Shape::new(config)?;
        let engine = make_engine!(device, &shape, backend => Model::load(backend, shape, weights)?);
        Ok(Self { engine })
    }

    /// Rewrites the weights of some layer groups of the first model in place; `groups` is in the order
    /// of [`LayerGroup::index`]. After an error the decoder's weights are a mixture: refresh again.
    pub fn refresh(&mut self, weights: &dyn Weights, groups: &[bool]) -> Result<(), LmError> {
        let expected = LayerGroup::count(self.shape().layers);
        if groups.len() != expected {
            return Err(LmError::Groups { expected, found: groups.len() });
        }
        with_model!(&mut self.engine, model => model.refresh(weights, groups))
    }

    /// Logits of every position of one sequence, `[tokens][vocab]`, from a single forward pass.
    pub fn logits(&self, tokens: &[u32]) -> Result<Vec<Vec<f32>>, LmError> {
        self.check_prompt(0, tokens)?;
        with_model!(&self.engine, model => model.logits(tokens))
    }

    /// Number of tokens that the model knows.
    #[must_use]
    pub fn vocab(&self) -> usize {
        self.shape().vocab
    }

    /// Longest sequence, prompt and answer together.
    #[must_use]
    pub fn max_positions(&self) -> usize {
        self.shape().max_positions
    }

    pub(super) fn shape(&self) -> &Shape {
        with_model!(&self.engine, model => &model.shape)
    }

    /// A prompt must have tokens, all known, and leave room for one more.
    pub(super) fn check_prompt(&self, index: usize, tokens: &[u32]) -> Result<(), LmError> {
        let fail = |reason: String| Err(LmError::Prompt { index, reason });
        if tokens.is_empty() {
            return fail("it has no tokens: give at least one".to_owned());
        }
        if tokens.len() >= self.max_positions() {
            return fail(format!(
                "it has {} tokens and the model ends at {} (max_position_embeddings): shorten it",
                tokens.len(),
                self.max_positions()
            ));
        }
        match tokens.iter().find(|t| **t as usize >= self.vocab()) {
            Some(id) => fail(format!(
                "token {id} is outside the model's vocabulary of {}: is this the model's tokenizer?",
                self.vocab()
            )),
            None => Ok(()),
        }
    }
}

impl<B: Backend> Model<B> {
    /// One model, its path every block once.
    pub fn load(backend: B, shape: Shape, weights: &dyn Weights) -> Result<Self, LmError> {
        let layers = shape.layers;
        let ropes = shape.ropes.clone();
        let mut model = Self::with_ends(backend, vec![shape], ropes, weights)?;
        for layer in 0..layers {
            let block = model.load_block(0, layer, weights, "")?;
            model.steps.push(Step { block, scale: 1.0 });
        }
        Ok(model)
    }

    /// A model with embedding, final norm and head of `weights`, and no blocks yet.
    pub fn with_ends(
        backend: B,
        shapes: Vec<Shape>,
        ropes: Vec<Rope>,
        weights: &dyn Weights,
    ) -> Result<Self, LmError> {
        let shape = &shapes[0];
        let table = backend.table(shape.vocab, shape.hidden)?;
        let norm = backend.vector(shape.hidden)?;
        let head = backend.head(shape.vocab, shape.hidden)?;
        let mut model = Self::new(backend, shapes, ropes, table, norm, head);
        model.refresh(weights, &vec![true; LayerGroup::count(model.shape.layers)])?;
        Ok(model)
    }

    /// Brings one more block to the device; gives its place among the blocks. `name` tells the
    /// model from others in errors.
    pub fn load_block(
        &mut self,
        model: usize,
        layer: usize,
        weights: &dyn Weights,
        name: &str,
    ) -> Result<usize, LmError> {
        let (b, shape) = (&self.backend, &self.shapes[model]);
        let (q, kv) = (shape.queries(), shape.keys());
        let (hidden, inner) = (Blocks::one(shape.hidden), Blocks::one(shape.intermediate));
        let mut block = Block {
            model,
            layer,
            input_norm: b.vector(shape.hidden)?,
            qkv: b.matrix(&[q, kv, kv], hidden, shape.qkv_bias)?,
            qk_norm: if shape.qk_norm {
                Some((b.vector(shape.head_dim)?, b.vector(shape.head_dim)?))
            } else {
                None
            },
            attention_out: b.matrix(&[hidden], q, shape.out_bias)?,
            post_norms: if shape.post_norms {
                Some((b.vector(shape.hidden)?, b.vector(shape.hidden)?))
            } else {
                None
            },
            mlp_norm: b.vector(shape.hidden)?,
            gate_up: b.matrix(&[inner, inner], hidden, shape.mlp_bias)?,
            down: b.matrix(&[hidden], inner, shape.mlp_bias)?,
        };
        block.write(b, shape, &Source { weights, name }, layer)?;
        self.blocks.push(block);
        Ok(self.blocks.len() - 1)
    }

    fn refresh(&mut self, weights: &dyn Weights, groups: &[bool]) -> Result<(), LmError> {
        let (b, shape) = (&self.backend, &self.shape);
        let source = Source { weights, name: "" };
        let asked = |group: LayerGroup| groups[group.index(shape.layers)];
        if asked(LayerGroup::Embedding) {
            b.write_table(
                &mut self.table,
                &source.get("model.embed_tokens.weight", &[shape.vocab, shape.hidden])?,
            )?;
            if shape.tied {
                b.tie(&self.table, &mut self.head)?;
            }
        }
        for block in self.blocks.iter_mut().filter(|block| block.model == 0) {
            let layer = block.layer;
            if asked(LayerGroup::Block(layer)) {
                block.write(b, shape, &source, layer)?;
            }
        }
        if asked(LayerGroup::Head) {
            let norm = source.get("model.norm.weight", &[shape.hidden])?;
            b.write_vector(&mut self.norm, &norm, shape.norm_offset)?;
            if !shape.tied {
                b.write_matrix(
                    &mut self.head,
                    0,
                    &source.get("lm_head.weight", &[shape.vocab, shape.hidden])?,
                )?;
            }
        }
        Ok(())
    }

    pub fn logits(&self, tokens: &[u32]) -> Result<Vec<Vec<f32>>, LmError> {
        let mut w = self.workspace(1, tokens.len())?;
        let rows: Vec<usize> = (0..tokens.len()).collect();
        self.forward(tokens, &[Span { slot: 0, start: 0, len: tokens.len() }], &rows, &mut w)?;
        self.backend.read(&w.logits, self.shape.vocab)
    }
}

impl<B: Backend> Block<B> {
    /// Writes all of one block's tensors.
    fn write(&mut self, b: &B, shape: &Shape, source: &Source, i: usize) -> Result<(), LmError> {
        let (hidden, inner) = (shape.hidden, shape.intermediate);
        let (q, kv) = (shape.queries().features(), shape.keys().features());
        // Parts that lie in one tensor, or in one each; a matrix holds them all.
        let linear = |m: &mut B::Matrix, parts: &[(&str, usize)], together: &str, ins, bias| {
            let mut start = 0;
            let rows: usize = parts.iter().map(|p| p.1).sum();
            for (part, &(name, outs)) in parts.iter().enumerate() {
                let (stored, from) =
                    if shape.fused { (together, start..start + outs) } else { (name, 0..outs) };
                let all = if shape.fused { rows } else { outs };
                let name = format!("model.layers.{i}.{stored}");
                let weight = source.get(&format!("{name}.weight"), &[all, ins])?;
                b.write_matrix(m, part, &band(&weight, &from, &[outs, ins]))?;
                if bias {
                    let bias = source.get(&format!("{name}.bias"), &[all])?;
                    b.write_bias(m, part, &band(&bias, &from, &[outs]))?;
                }
                start += outs;
            }
            Ok::<(), LmError>(())
        };
        let norm = |v: &mut B::Vector, name: &str, len: usize| {
            let weight = source.get(&format!("model.layers.{i}.{name}.weight"), &[len])?;
            b.write_vector(v, &weight, shape.norm_offset)
        };
        norm(&mut self.input_norm, "input_layernorm", hidden)?;
        let parts = [("self_attn.q_proj", q), ("self_attn.k_proj", kv), ("self_attn.v_proj", kv)];
        linear(&mut self.qkv, &parts, "self_attn.qkv_proj", hidden, shape.qkv_bias)?;
        if let Some((queries, keys)) = &mut self.qk_norm {
            norm(queries, "self_attn.q_norm", shape.head_dim)?;
            norm(keys, "self_attn.k_norm", shape.head_dim)?;
        }
        let out = "self_attn.o_proj";
        linear(&mut self.attention_out, &[(out, hidden)], out, q, shape.out_bias)?;
        // With norms after the sublayers, the one before the MLP has a name of its own.
        if let Some((attention, mlp)) = &mut self.post_norms {
            norm(attention, "post_attention_layernorm", hidden)?;
            norm(&mut self.mlp_norm, "pre_feedforward_layernorm", hidden)?;
            norm(mlp, "post_feedforward_layernorm", hidden)?;
        } else {
            norm(&mut self.mlp_norm, "post_attention_layernorm", hidden)?;
        }
        let parts = [("mlp.gate_proj", inner), ("mlp.up_proj", inner)];
        linear(&mut self.gate_up, &parts, "mlp.gate_up_proj", hidden, shape.mlp_bias)?;
        linear(&mut self.down, &[("mlp.down_proj", hidden)], "mlp.down_proj", inner, shape.mlp_bias)
    }
}

/// Some rows of a tensor, as a tensor of the given shape.
fn band<'a>(view: &TensorView<'a>, rows: &std::ops::Range<usize>, shape: &'a [usize]) -> TensorView<'a> {
    let row = shape[1..].iter().product::<usize>() * view.dtype.size();
    TensorView { dtype: view.dtype, shape, data: &view.data[rows.start * row..rows.end * row] }
}

/// Weights by name, checked against what the config calls for.
struct Source<'a> {
    weights: &'a dyn Weights,
    /// Which model it is, where there are several.
    name: &'a str,
}

impl<'a> Source<'a> {
    fn get(&self, tensor: &str, expected: &[usize]) -> Result<TensorView<'a>, LmError> {
        let name =
            || if self.name.is_empty() { tensor.to_owned() } else { format!("{tensor} of {}", self.name) };
        let view = self.weights.tensor(tensor).ok_or_else(|| LmError::MissingTensor { name: name() })?;
        if view.shape != expected {
            return Err(LmError::Shape {
                name: name(),
                expected: expected.to_vec(),
                found: view.shape.to_vec(),
            });
        }
        let bytes = expected.iter().product::<usize>() * view.dtype.size();
        if view.data.len() != bytes {
            return Err(LmError::Bytes { name: name(), expected: bytes, found: view.data.len() });
        }
        Ok(view)
    }
}
