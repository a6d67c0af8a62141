//! Loads a model's tensors: their names, and the layer group of each.
//!
//! In: a [`WeightSource`]. Out: a [`Model`] with its weights written, or some layer groups rewritten in place.
//! `Decoder`, `path` and `made_on_device` call it. Differences between families come from [`DecoderShape`], which is
//! made from the family's row in `checkpoint::config::family`.

use super::{Block, Model, Step, TensorRows, WeightSource};
use crate::lm::{
    LmError,
    backend::{Backend, Span},
    rope::Rope,
    shape::{DecoderShape, Features},
};
use crate::recipe::LayerGroup;

impl<B: Backend> Model<B> {
    /// A model whose weights are not written yet; its path is every block once, in order.
    pub fn unwritten(backend: B, shape: DecoderShape) -> Result<Self, LmError> {
        let layers = shape.layers;
        let ropes = shape.ropes.clone();
        let mut model = Self::ends(backend, vec![shape], ropes)?;
        for layer in 0..layers {
            let block = Block::unwritten(&model.backend, &model.shape, 0, layer)?;
            model.blocks.push(block);
            model.steps.push(Step { block: layer, scale: 1.0 });
        }
        Ok(model)
    }

    /// Loads one model.
    pub fn load(backend: B, shape: DecoderShape, source: &mut impl WeightSource<B>) -> Result<Self, LmError> {
        let mut model = Self::unwritten(backend, shape)?;
        model.refresh(source, &vec![true; LayerGroup::count(model.shape.layers)])?;
        Ok(model)
    }

    /// Loads embedding, final norm and head; no blocks yet.
    pub fn with_ends(
        backend: B,
        shapes: Vec<DecoderShape>,
        ropes: Vec<Rope>,
        source: &mut impl WeightSource<B>,
    ) -> Result<Self, LmError> {
        let mut model = Self::ends(backend, shapes, ropes)?;
        model.refresh(source, &vec![true; LayerGroup::count(model.shape.layers)])?;
        Ok(model)
    }

    fn ends(backend: B, shapes: Vec<DecoderShape>, ropes: Vec<Rope>) -> Result<Self, LmError> {
        let shape = &shapes[0];
        let table = if shape.tied { None } else { Some(backend.table(shape.vocab, shape.hidden)?) };
        let norm = backend.vector(shape.hidden)?;
        let head = backend.head(shape.vocab, shape.hidden)?;
        Ok(Self::new(backend, shapes, ropes, table, norm, head))
    }

    /// Loads one more block; returns its index among the blocks.
    pub fn load_block(
        &mut self,
        model: usize,
        layer: usize,
        source: &mut impl WeightSource<B>,
    ) -> Result<usize, LmError> {
        let (b, shape) = (&self.backend, &self.shapes[model]);
        let mut block = Block::unwritten(b, shape, model, layer)?;
        block.write(b, shape, source, layer)?;
        self.blocks.push(block);
        Ok(self.blocks.len() - 1)
    }

    /// Rewrites some layer groups of the first model in place.
    pub fn refresh(&mut self, source: &mut impl WeightSource<B>, groups: &[bool]) -> Result<(), LmError> {
        let (b, shape) = (&self.backend, &self.shape);
        let asked = |group: LayerGroup| groups[group.index(shape.layers)];
        let sizes = [shape.vocab, shape.hidden];
        if asked(LayerGroup::Embedding) {
            let embedding = TensorRows::whole("model.embed_tokens.weight", &sizes);
            match &mut self.table {
                Some(table) => source.table(b, table, embedding)?,
                None => source.matrix(b, &mut self.head, 0, embedding)?,
            }
        }
        for block in self.blocks.iter_mut().filter(|block| block.model == 0) {
            let layer = block.layer;
            if asked(LayerGroup::Block(layer)) {
                block.write(b, shape, source, layer)?;
            }
        }
        if asked(LayerGroup::Head) {
            let norm = [shape.hidden];
            source.vector(
                b,
                &mut self.norm,
                TensorRows::whole("model.norm.weight", &norm),
                shape.norm_offset,
            )?;
            if !shape.tied {
                source.matrix(b, &mut self.head, 0, TensorRows::whole("lm_head.weight", &sizes))?;
            }
        }
        Ok(())
    }

    /// Logits of every position of one sequence.
    pub fn logits(&self, tokens: &[u32]) -> Result<Vec<Vec<f32>>, LmError> {
        let mut w = self.workspace(1, tokens.len())?;
        let rows: Vec<usize> = (0..tokens.len()).collect();
        self.forward(tokens, &[Span { slot: 0, start: 0, len: tokens.len() }], &rows, &mut w)?;
        self.backend.read(&w.logits, self.shape.vocab)
    }
}

impl<B: Backend> Block<B> {
    /// A block of layer `layer` whose weights are not written yet.
    fn unwritten(b: &B, shape: &DecoderShape, model: usize, layer: usize) -> Result<Self, LmError> {
        let (q, kv) = (shape.queries(), shape.keys());
        let (hidden, inner) = (Features::one(shape.hidden), Features::one(shape.intermediate));
        Ok(Self {
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
        })
    }

    /// Writes all tensors of one block.
    fn write(
        &mut self,
        b: &B,
        shape: &DecoderShape,
        source: &mut impl WeightSource<B>,
        i: usize,
    ) -> Result<(), LmError> {
        let (hidden, inner) = (shape.hidden, shape.intermediate);
        let (q, kv) = (shape.queries().total(), shape.keys().total());
        let norm = |source: &mut _, v: &mut B::Vector, name: &str, len: usize| {
            let name = format!("model.layers.{i}.{name}.weight");
            WeightSource::vector(source, b, v, TensorRows::whole(&name, &[len]), shape.norm_offset)
        };
        norm(source, &mut self.input_norm, "input_layernorm", hidden)?;
        let parts = [("self_attn.q_proj", q), ("self_attn.k_proj", kv), ("self_attn.v_proj", kv)];
        let qkv = Linear { layer: i, parts: &parts, together: "self_attn.qkv_proj", ins: hidden };
        qkv.write(b, &mut self.qkv, source, (shape.fused, shape.qkv_bias))?;
        if let Some((queries, keys)) = &mut self.qk_norm {
            norm(source, queries, "self_attn.q_norm", shape.head_dim)?;
            norm(source, keys, "self_attn.k_norm", shape.head_dim)?;
        }
        let out = Linear { layer: i, parts: &[("self_attn.o_proj", hidden)], together: "", ins: q };
        out.write(b, &mut self.attention_out, source, (false, shape.out_bias))?;
        // In families with norms after the sublayers, the norm before the MLP has another name.
        if let Some((attention, mlp)) = &mut self.post_norms {
            norm(source, attention, "post_attention_layernorm", hidden)?;
            norm(source, &mut self.mlp_norm, "pre_feedforward_layernorm", hidden)?;
            norm(source, mlp, "post_feedforward_layernorm", hidden)?;
        } else {
            norm(source, &mut self.mlp_norm, "post_attention_layernorm", hidden)?;
        }
        let parts = [("mlp.gate_proj", inner), ("mlp.up_proj", inner)];
        let gate_up = Linear { layer: i, parts: &parts, together: "mlp.gate_up_proj", ins: hidden };
        gate_up.write(b, &mut self.gate_up, source, (shape.fused, shape.mlp_bias))?;
        let down = Linear { layer: i, parts: &[("mlp.down_proj", hidden)], together: "", ins: inner };
        down.write(b, &mut self.down, source, (false, shape.mlp_bias))
    }
}

/// Linear layers of a checkpoint that are one fused matrix here.
struct Linear<'a> {
    /// Index of the decoder layer.
    layer: usize,
    /// Name and number of outputs of each linear layer.
    parts: &'a [(&'a str, usize)],
    /// Name of the tensor that holds all of them, if the family stores them fused.
    together: &'a str,
    ins: usize,
}

impl Linear<'_> {
    /// Writes all parts; `fused` says that they lie in one tensor.
    fn write<B: Backend>(
        &self,
        b: &B,
        to: &mut B::Matrix,
        source: &mut impl WeightSource<B>,
        (fused, bias): (bool, bool),
    ) -> Result<(), LmError> {
        let mut first = 0;
        let sum: usize = self.parts.iter().map(|p| p.1).sum();
        for (part, &(name, rows)) in self.parts.iter().enumerate() {
            let (stored, start, all) = if fused { (self.together, first, sum) } else { (name, 0, rows) };
            let name = |kind| format!("model.layers.{}.{stored}.{kind}", self.layer);
            let (weight, shape) = (name("weight"), [all, self.ins]);
            source.matrix(b, to, part, TensorRows { name: &weight, shape: &shape, start, rows })?;
            if bias {
                source.bias(b, to, part, TensorRows { name: &name("bias"), shape: &[all], start, rows })?;
            }
            first += rows;
        }
        Ok(())
    }
}
