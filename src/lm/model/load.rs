//! A model's tensors: which there are, by what names, and which layer group writes which.

use super::{Band, Block, Fill, Model, Step};
use crate::lm::{
    LmError,
    backend::{Backend, Span},
    rope::Rope,
    shape::{Blocks, Shape},
};
use crate::recipe::LayerGroup;

impl<B: Backend> Model<B> {
    /// One model, its path every block once.
    pub fn load(backend: B, shape: Shape, fill: &mut impl Fill<B>) -> Result<Self, LmError> {
        let layers = shape.layers;
        let ropes = shape.ropes.clone();
        let mut model = Self::with_ends(backend, vec![shape], ropes, fill)?;
        for layer in 0..layers {
            let block = model.load_block(0, layer, fill)?;
            model.steps.push(Step { block, scale: 1.0 });
        }
        Ok(model)
    }

    /// A model with embedding, final norm and head, and no blocks yet.
    pub fn with_ends(
        backend: B,
        shapes: Vec<Shape>,
        ropes: Vec<Rope>,
        fill: &mut impl Fill<B>,
    ) -> Result<Self, LmError> {
        let shape = &shapes[0];
        let table = backend.table(shape.vocab, shape.hidden)?;
        let norm = backend.vector(shape.hidden)?;
        let head = backend.head(shape.vocab, shape.hidden)?;
        let mut model = Self::new(backend, shapes, ropes, table, norm, head);
        model.refresh(fill, &vec![true; LayerGroup::count(model.shape.layers)])?;
        Ok(model)
    }

    /// Brings one more block to the device; gives its place among the blocks.
    pub fn load_block(
        &mut self,
        model: usize,
        layer: usize,
        fill: &mut impl Fill<B>,
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
        block.write(b, shape, fill, layer)?;
        self.blocks.push(block);
        Ok(self.blocks.len() - 1)
    }

    /// Writes the weights of some layer groups of the first model in place.
    pub fn refresh(&mut self, fill: &mut impl Fill<B>, groups: &[bool]) -> Result<(), LmError> {
        let (b, shape) = (&self.backend, &self.shape);
        let asked = |group: LayerGroup| groups[group.index(shape.layers)];
        if asked(LayerGroup::Embedding) {
            let sizes = [shape.vocab, shape.hidden];
            fill.table(b, &mut self.table, Band::whole("model.embed_tokens.weight", &sizes))?;
            if shape.tied {
                b.tie(&self.table, &mut self.head)?;
            }
        }
        for block in self.blocks.iter_mut().filter(|block| block.model == 0) {
            let layer = block.layer;
            if asked(LayerGroup::Block(layer)) {
                block.write(b, shape, fill, layer)?;
            }
        }
        if asked(LayerGroup::Head) {
            let norm = [shape.hidden];
            fill.vector(b, &mut self.norm, Band::whole("model.norm.weight", &norm), shape.norm_offset)?;
            if !shape.tied {
                let sizes = [shape.vocab, shape.hidden];
                fill.matrix(b, &mut self.head, 0, Band::whole("lm_head.weight", &sizes))?;
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
    fn write(&mut self, b: &B, shape: &Shape, fill: &mut impl Fill<B>, i: usize) -> Result<(), LmError> {
        let (hidden, inner) = (shape.hidden, shape.intermediate);
        let (q, kv) = (shape.queries().features(), shape.keys().features());
        let norm = |fill: &mut _, v: &mut B::Vector, name: &str, len: usize| {
            let name = format!("model.layers.{i}.{name}.weight");
            Fill::vector(fill, b, v, Band::whole(&name, &[len]), shape.norm_offset)
        };
        norm(fill, &mut self.input_norm, "input_layernorm", hidden)?;
        let parts = [("self_attn.q_proj", q), ("self_attn.k_proj", kv), ("self_attn.v_proj", kv)];
        let qkv = Linear { layer: i, parts: &parts, together: "self_attn.qkv_proj", ins: hidden };
        qkv.write(b, &mut self.qkv, fill, (shape.fused, shape.qkv_bias))?;
        if let Some((queries, keys)) = &mut self.qk_norm {
            norm(fill, queries, "self_attn.q_norm", shape.head_dim)?;
            norm(fill, keys, "self_attn.k_norm", shape.head_dim)?;
        }
        let out = Linear { layer: i, parts: &[("self_attn.o_proj", hidden)], together: "", ins: q };
        out.write(b, &mut self.attention_out, fill, (false, shape.out_bias))?;
        // With norms after the sublayers, the one before the MLP has a name of its own.
        if let Some((attention, mlp)) = &mut self.post_norms {
            norm(fill, attention, "post_attention_layernorm", hidden)?;
            norm(fill, &mut self.mlp_norm, "pre_feedforward_layernorm", hidden)?;
            norm(fill, mlp, "post_feedforward_layernorm", hidden)?;
        } else {
            norm(fill, &mut self.mlp_norm, "post_attention_layernorm", hidden)?;
        }
        let parts = [("mlp.gate_proj", inner), ("mlp.up_proj", inner)];
        let gate_up = Linear { layer: i, parts: &parts, together: "mlp.gate_up_proj", ins: hidden };
        gate_up.write(b, &mut self.gate_up, fill, (shape.fused, shape.mlp_bias))?;
        let down = Linear { layer: i, parts: &[("mlp.down_proj", hidden)], together: "", ins: inner };
        down.write(b, &mut self.down, fill, (false, shape.mlp_bias))
    }
}

/// Linear layers that are one matrix here.
struct Linear<'a> {
    /// Of which decoder block.
    layer: usize,
    /// Name and outputs of each.
    parts: &'a [(&'a str, usize)],
    /// Name of the tensor that holds all, where there is one.
    together: &'a str,
    ins: usize,
}

impl Linear<'_> {
    /// Writes all parts, which lie in one tensor if `fused`.
    fn write<B: Backend>(
        &self,
        b: &B,
        to: &mut B::Matrix,
        fill: &mut impl Fill<B>,
        (fused, bias): (bool, bool),
    ) -> Result<(), LmError> {
        let mut first = 0;
        let sum: usize = self.parts.iter().map(|p| p.1).sum();
        for (part, &(name, rows)) in self.parts.iter().enumerate() {
            let (stored, start, all) = if fused { (self.together, first, sum) } else { (name, 0, rows) };
            let name = |kind| format!("model.layers.{}.{stored}.{kind}", self.layer);
            let (weight, shape) = (name("weight"), [all, self.ins]);
            fill.matrix(b, to, part, Band { name: &weight, shape: &shape, start, rows })?;
            if bias {
                fill.bias(b, to, part, Band { name: &name("bias"), shape: &[all], start, rows })?;
            }
            first += rows;
        }
        Ok(())
    }
}
