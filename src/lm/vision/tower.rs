//! The vision tower: the encoder of CLIP and of SigLIP, which differ in a class token, a norm before the blocks and a
//! bias of the patches. In: squares as patches. Out: the hidden states that the projector reads, side by side.

use candle_core::{D, Tensor};

use super::layers::{Activation, Linear, Norm, Parts};
use crate::checkpoint::{TowerKind, VisionConfig};
use crate::lm::LmError;
use crate::picture::Picture;

/// Most attention weights that are computed at once.
const WEIGHTS: usize = 1 << 24;

pub(super) struct Tower {
    patch: Linear,
    class: Option<Tensor>,
    positions: Tensor,
    before: Option<Norm>,
    blocks: Vec<Block>,
    /// Patches along the side of a square, and pixels along that of a patch.
    side: usize,
    pixels: usize,
    /// Which hidden states are read: 0 is the embedding, `i` follows block `i - 1`.
    states: Vec<usize>,
    /// Tokens at the start of a square that are left out.
    dropped: usize,
}

struct Block {
    norm1: Norm,
    query: Linear,
    key: Linear,
    value: Linear,
    out: Linear,
    norm2: Norm,
    up: Linear,
    activation: Activation,
    down: Linear,
    heads: usize,
}

impl Tower {
    pub(super) fn load(parts: &Parts, config: &VisionConfig) -> Result<Self, LmError> {
        let (hidden, pixels) = (config.hidden_size, config.patch_size);
        let clip = config.tower == TowerKind::Clip;
        let name = |part: &str| format!("vision_tower.{part}");
        let inputs = config.channels * pixels * pixels;
        let patch = parts
            .tensor(&name("embeddings.patch_embedding.weight"), &[hidden, config.channels, pixels, pixels])?
            .reshape((hidden, inputs))?;
        let bias =
            (!clip).then(|| parts.tensor(&name("embeddings.patch_embedding.bias"), &[hidden])).transpose()?;
        let class = clip.then(|| parts.tensor(&name("embeddings.class_embedding"), &[hidden])).transpose()?;
        let before = clip.then(|| Norm::load(parts, &name("pre_layrnorm"), hidden, config.layer_norm_eps));
        let count = config.layers as i64 + 1;
        let states: Vec<usize> =
            config.feature_layers.iter().map(|layer| layer.rem_euclid(count) as usize).collect();
        // Blocks above the last state that is read are not loaded.
        let needed = states.iter().copied().max().unwrap_or(0);
        Ok(Self {
            patch: Linear::new(&patch, bias)?,
            class,
            positions: parts
                .tensor(&name("embeddings.position_embedding.weight"), &[config.positions(), hidden])?,
            before: before.transpose()?,
            blocks: (0..needed)
                .map(|layer| Block::load(parts, &name(&format!("encoder.layers.{layer}")), config))
                .collect::<Result<_, _>>()?,
            side: config.image_size / pixels,
            pixels,
            states,
            dropped: usize::from(!config.keep_class_token),
        })
    }

    /// Squares as rows of patches, whose values stand in the order of the patch embedding: channel, line, column.
    /// `values` says what each byte of a channel means.
    pub(super) fn patches(&self, squares: &[Picture], values: &[[f32; 256]; 3]) -> Vec<f32> {
        let (side, pixels) = (self.side, self.pixels);
        let mut out = Vec::with_capacity(squares.len() * side * side * 3 * pixels * pixels);
        for square in squares {
            for patch in 0..side * side {
                let (top, left) = (patch / side * pixels, patch % side * pixels);
                for (channel, values) in values.iter().enumerate() {
                    for line in top..top + pixels {
                        let at = (line * square.width as usize + left) * 3;
                        let line = &square.rgb[at..at + pixels * 3];
                        out.extend(line.chunks_exact(3).map(|rgb| values[usize::from(rgb[channel])]));
                    }
                }
            }
        }
        out
    }

    /// The hidden states of some squares' patches: `[squares · tokens, states · hidden]`.
    pub(super) fn run(&self, patches: Vec<f32>, squares: usize) -> Result<Tensor, LmError> {
        let count = self.side * self.side;
        let inputs = patches.len() / (squares * count);
        let patches = Tensor::from_vec(patches, (squares * count, inputs), self.positions.device())?;
        let patches = self.patch.run(&patches)?.reshape((squares, count, ()))?;
        let hidden = patches.dim(D::Minus1)?;
        let mut x = match &self.class {
            None => patches,
            Some(class) => Tensor::cat(&[&class.broadcast_as((squares, 1, hidden))?, &patches], 1)?,
        };
        x = x.broadcast_add(&self.positions)?;
        if let Some(norm) = &self.before {
            x = norm.run(&x)?;
        }
        let mut states = vec![x.clone()];
        for block in &self.blocks {
            x = block.run(&x)?;
            states.push(x.clone());
        }
        let tokens = x.dim(1)? - self.dropped;
        let read: Vec<Tensor> = self
            .states
            .iter()
            .map(|state| states[*state].narrow(1, self.dropped, tokens))
            .collect::<Result<_, _>>()?;
        let width = hidden * read.len();
        Ok(Tensor::cat(&read, D::Minus1)?.reshape((squares * tokens, width))?)
    }
}

impl Block {
    fn load(parts: &Parts, name: &str, config: &VisionConfig) -> Result<Self, LmError> {
        let (hidden, inner, eps) = (config.hidden_size, config.intermediate_size, config.layer_norm_eps);
        let linear = |part: &str, shape| Linear::load(parts, &format!("{name}.{part}"), shape, true);
        Ok(Self {
            norm1: Norm::load(parts, &format!("{name}.layer_norm1"), hidden, eps)?,
            query: linear("self_attn.q_proj", [hidden, hidden])?,
            key: linear("self_attn.k_proj", [hidden, hidden])?,
            value: linear("self_attn.v_proj", [hidden, hidden])?,
            out: linear("self_attn.out_proj", [hidden, hidden])?,
            norm2: Norm::load(parts, &format!("{name}.layer_norm2"), hidden, eps)?,
            up: linear("mlp.fc1", [inner, hidden])?,
            activation: Activation::of("hidden_act", &config.hidden_act)?,
            down: linear("mlp.fc2", [hidden, inner])?,
            heads: config.heads,
        })
    }

    /// `[squares, tokens, hidden]` in and out.
    fn run(&self, x: &Tensor) -> Result<Tensor, LmError> {
        let (squares, tokens, hidden) = x.dims3()?;
        let rows = x.reshape((squares * tokens, hidden))?;
        let rows = (&rows + self.out.run(&self.attend(&self.norm1.run(&rows)?, squares)?)?)?;
        let inner = self.activation.run(&self.up.run(&self.norm2.run(&rows)?)?)?;
        Ok((rows + self.down.run(&inner)?)?.reshape((squares, tokens, hidden))?)
    }

    /// Softmax attention of every token over all tokens of its square, some heads at a time.
    fn attend(&self, rows: &Tensor, squares: usize) -> Result<Tensor, LmError> {
        let (all, hidden) = rows.dims2()?;
        let (tokens, size) = (all / squares, hidden / self.heads);
        let apart = |linear: &Linear| -> Result<Tensor, LmError> {
            let x = linear.run(rows)?.reshape((squares, tokens, self.heads, size))?;
            Ok(x.transpose(1, 2)?.reshape((squares * self.heads, tokens, size))?.contiguous()?)
        };
        let query = (apart(&self.query)? * (size as f64).sqrt().recip())?;
        let (key, value) = (apart(&self.key)?.transpose(1, 2)?.contiguous()?, apart(&self.value)?);
        let step = (WEIGHTS / (tokens * tokens)).max(1);
        let mut mixed = Vec::new();
        for start in (0..squares * self.heads).step_by(step) {
            let some = step.min(squares * self.heads - start);
            let part = |tensor: &Tensor| tensor.narrow(0, start, some);
            let weights = candle_nn::ops::softmax_last_dim(&part(&query)?.matmul(&part(&key)?)?)?;
            mixed.push(weights.matmul(&part(&value)?)?);
        }
        let mixed = Tensor::cat(&mixed, 0)?.reshape((squares, self.heads, tokens, size))?;
        Ok(mixed.transpose(1, 2)?.reshape((all, hidden))?)
    }
}
