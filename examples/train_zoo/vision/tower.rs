//! The vision tower, a small CLIP vision transformer: its parameters, its forward pass and its backward pass.

use anyhow::{Context, Result};
use candle_core::Tensor;
use rand_chacha::ChaCha8Rng;

use super::canvas::SIDE;
use super::layers::{
    Normed, layer_norm, layer_norm_back, linear, linear_back, quick_gelu, quick_gelu_back, softmax,
    softmax_back, sum_of,
};
use crate::model::normal;
use crate::ops::{self, tensor, with};

pub const PATCH: usize = 8;
pub const WIDTH: usize = 64;
pub const LAYERS: usize = 3;
pub const HEADS: usize = 2;
pub const MLP: usize = 256;
/// Patches of a picture, and with the class token.
pub const PATCHES: usize = (SIDE / PATCH) * (SIDE / PATCH);
pub const PLACES: usize = PATCHES + 1;
/// Values of a patch.
const PIXELS: usize = 3 * PATCH * PATCH;
const HEAD: usize = WIDTH / HEADS;

/// Parameters ahead of the blocks, then of a block, as offsets.
pub const CLASS: usize = 0;
pub const PATCHING: usize = 1;
pub const POSITION: usize = 2;
pub const BEFORE: usize = 3;
pub const FIRST: usize = 5;
pub const PER_BLOCK: usize = 12;
const NORM_1: usize = 0;
const QKV: usize = 2;
const OUT: usize = 4;
const NORM_2: usize = 6;
const WIDEN: usize = 8;
const NARROW: usize = 10;

#[derive(Clone)]
pub struct Tower {
    pub params: Vec<Tensor>,
}

struct Kept {
    norm_1: Normed,
    normed_1: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    p: Tensor,
    mixed: Tensor,
    norm_2: Normed,
    normed_2: Tensor,
    wide: Tensor,
    active: Tensor,
}

/// What the backward pass needs.
pub struct Pass {
    patches: Tensor,
    before: Normed,
    blocks: Vec<Kept>,
    /// One row a place: the class token's, then the patches', for each picture.
    pub out: Tensor,
}

/// Shapes of all parameters in order.
pub fn dims() -> Vec<Vec<usize>> {
    let mut dims = vec![vec![WIDTH], vec![WIDTH, PIXELS], vec![PLACES, WIDTH], vec![WIDTH], vec![WIDTH]];
    for _ in 0..LAYERS {
        dims.extend([vec![WIDTH], vec![WIDTH], vec![3 * WIDTH, WIDTH], vec![3 * WIDTH], vec![WIDTH, WIDTH]]);
        dims.extend([vec![WIDTH], vec![WIDTH], vec![WIDTH], vec![MLP, WIDTH], vec![MLP], vec![WIDTH, MLP]]);
        dims.push(vec![WIDTH]);
    }
    dims
}

/// The name that a `CLIPVisionModel` gives a parameter, without what stands before it, and its rows; a joint
/// projection has three.
pub fn names(param: usize) -> Vec<String> {
    let fixed = [
        "embeddings.class_embedding",
        "embeddings.patch_embedding.weight",
        "embeddings.position_embedding.weight",
        "pre_layrnorm.weight",
        "pre_layrnorm.bias",
    ];
    if param < FIRST {
        return vec![fixed[param].to_owned()];
    }
    let (layer, which) = ((param - FIRST) / PER_BLOCK, (param - FIRST) % PER_BLOCK);
    let parts: &[&str] = match which / 2 * 2 {
        NORM_1 => &["layer_norm1"],
        QKV => &["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
        OUT => &["self_attn.out_proj"],
        NORM_2 => &["layer_norm2"],
        WIDEN => &["mlp.fc1"],
        _ => &["mlp.fc2"],
    };
    let end = if which.is_multiple_of(2) { "weight" } else { "bias" };
    parts.iter().map(|part| format!("encoder.layers.{layer}.{part}.{end}")).collect()
}

/// Pixels as the tower reads them, one row a patch: channel, then row, then column.
pub fn patch_rows(rgb: &[u8]) -> Vec<f32> {
    let mut out = Vec::with_capacity(rgb.len());
    for patch in 0..PATCHES {
        let (left, top) = (patch % (SIDE / PATCH) * PATCH, patch / (SIDE / PATCH) * PATCH);
        for channel in 0..3 {
            for y in top..top + PATCH {
                for x in left..left + PATCH {
                    out.push(f32::from(rgb[(y * SIDE + x) * 3 + channel]) / 127.5 - 1.0);
                }
            }
        }
    }
    out
}

impl Tower {
    pub fn random(rng: &mut ChaCha8Rng) -> Result<Self> {
        let mut params = Vec::new();
        for (i, dims) in dims().into_iter().enumerate() {
            let count = dims.iter().product();
            let norm_weight =
                i == BEFORE || (i >= FIRST && matches!((i - FIRST) % PER_BLOCK, NORM_1 | NORM_2));
            let values = match dims.len() {
                1 if norm_weight => vec![1.0; count],
                1 if i != CLASS => vec![0.0; count],
                _ => normal(count, 0.06, rng),
            };
            params.push(tensor(values, dims)?);
        }
        Ok(Self { params })
    }

    /// Runs pictures, given as the rows of their patches.
    pub fn forward(&self, patches: Vec<f32>) -> Result<Pass> {
        let pictures = patches.len() / (PATCHES * PIXELS);
        let patches = tensor(patches, (pictures * PATCHES, PIXELS))?;
        let embedded = patches.matmul(&self.params[PATCHING].t()?)?;
        let mut x = Vec::with_capacity(pictures * PLACES * WIDTH);
        let class = with(&self.params[CLASS], <[f32]>::to_vec)?;
        let position = with(&self.params[POSITION], <[f32]>::to_vec)?;
        with(&embedded, |embedded| {
            for picture in embedded.chunks_exact(PATCHES * WIDTH) {
                x.extend(class.iter().chain(picture).zip(&position).map(|(a, b)| a + b));
            }
        })?;
        let x = tensor(x, (pictures * PLACES, WIDTH))?;
        let (mut x, before) = layer_norm(&x, &self.params[BEFORE], &self.params[BEFORE + 1])?;
        let mut blocks = Vec::new();
        for layer in 0..LAYERS {
            let (next, kept) = self.block(layer, &x, pictures)?;
            x = next;
            blocks.push(kept);
        }
        Ok(Pass { patches, before, blocks, out: x })
    }

    fn pair(&self, layer: usize, which: usize) -> (&Tensor, &Tensor) {
        let at = FIRST + layer * PER_BLOCK + which;
        (&self.params[at], &self.params[at + 1])
    }

    fn block(&self, layer: usize, x: &Tensor, pictures: usize) -> Result<(Tensor, Kept)> {
        let pair = |which| self.pair(layer, which);
        let (w, b) = pair(NORM_1);
        let (normed_1, norm_1) = layer_norm(x, w, b)?;
        let (w, b) = pair(QKV);
        let qkv = linear(&normed_1, w, b)?;
        let [q, k, v] = with(&qkv, |qkv| split(qkv, pictures))??;
        let scores = q.matmul(&k.transpose(1, 2)?)?;
        let p = with(&scores, |s| softmax(s, PLACES, (HEAD as f32).sqrt().recip()))?;
        let p = tensor(p, scores.shape().clone())?;
        let heads = p.matmul(&v)?;
        let mixed = with(&heads, |h| gather(h, pictures))??;
        let (w, b) = pair(OUT);
        let middle = sum_of(x, &linear(&mixed, w, b)?)?;
        let (w, b) = pair(NORM_2);
        let (normed_2, norm_2) = layer_norm(&middle, w, b)?;
        let (w, b) = pair(WIDEN);
        let wide = linear(&normed_2, w, b)?;
        let active = tensor(with(&wide, quick_gelu)?, wide.shape().clone())?;
        let (w, b) = pair(NARROW);
        let out = sum_of(&middle, &linear(&active, w, b)?)?;
        Ok((out, Kept { norm_1, normed_1, q, k, v, p, mixed, norm_2, normed_2, wide, active }))
    }

    /// The gradient of every parameter, from that of the output's rows.
    pub fn backward(&self, pass: Pass, d_out: Tensor) -> Result<Vec<Vec<f32>>> {
        let mut grads: Vec<Vec<f32>> = vec![Vec::new(); self.params.len()];
        let Pass { patches, before, mut blocks, .. } = pass;
        let pictures = patches.dim(0)? / PATCHES;
        let mut dx = d_out;
        for layer in (0..LAYERS).rev() {
            let kept = blocks.pop().context("a block's state is missing")?;
            dx = self.block_back(layer, &kept, &dx, pictures, &mut grads)?;
        }
        let (dx, norm) = layer_norm_back(&before, &self.params[BEFORE], &dx)?;
        keep(&mut grads, BEFORE, norm);
        let mut position = vec![0f32; PLACES * WIDTH];
        let mut d_patches = Vec::with_capacity(pictures * PATCHES * WIDTH);
        for picture in dx.chunks_exact(PLACES * WIDTH) {
            ops::add_to(&mut position, picture);
            d_patches.extend_from_slice(&picture[WIDTH..]);
        }
        grads[CLASS] = position[..WIDTH].to_vec();
        grads[POSITION] = position;
        let d_patches = tensor(d_patches, (pictures * PATCHES, WIDTH))?;
        grads[PATCHING] = with(&d_patches.t()?.matmul(&patches)?, <[f32]>::to_vec)?;
        Ok(grads)
    }

    fn block_back(
        &self,
        layer: usize,
        kept: &Kept,
        d_out: &Tensor,
        pictures: usize,
        grads: &mut [Vec<f32>],
    ) -> Result<Tensor> {
        let at = FIRST + layer * PER_BLOCK;
        let weight = |which: usize| &self.params[at + which];
        let shape = d_out.shape().clone();
        // MLP
        let (d_active, grad) = linear_back(&kept.active, weight(NARROW), d_out)?;
        keep(grads, at + NARROW, grad);
        let d_wide = with(&kept.wide, |x| with(&d_active, |d| quick_gelu_back(x, d)))??;
        let d_wide = tensor(d_wide, kept.wide.shape().clone())?;
        let (d_normed, grad) = linear_back(&kept.normed_2, weight(WIDEN), &d_wide)?;
        keep(grads, at + WIDEN, grad);
        let (dx, grad) = layer_norm_back(&kept.norm_2, weight(NORM_2), &d_normed)?;
        keep(grads, at + NORM_2, grad);
        let d_middle = sum_of(d_out, &tensor(dx, shape.clone())?)?;
        // Attention
        let (d_mixed, grad) = linear_back(&kept.mixed, weight(OUT), &d_middle)?;
        keep(grads, at + OUT, grad);
        let d_heads = with(&d_mixed, |d| scatter(d, pictures))??;
        let dp = d_heads.matmul(&kept.v.transpose(1, 2)?)?;
        let dv = kept.p.transpose(1, 2)?.matmul(&d_heads)?;
        let scale = (HEAD as f32).sqrt().recip();
        let ds = with(&kept.p, |p| with(&dp, |dp| softmax_back(p, dp, PLACES, scale)))??;
        let ds = tensor(ds, kept.p.shape().clone())?;
        let dq = ds.matmul(&kept.k)?;
        let dk = ds.transpose(1, 2)?.matmul(&kept.q)?;
        let d_qkv = join([&dq, &dk, &dv], pictures)?;
        let (d_normed, grad) = linear_back(&kept.normed_1, weight(QKV), &d_qkv)?;
        keep(grads, at + QKV, grad);
        let (dx, grad) = layer_norm_back(&kept.norm_1, weight(NORM_1), &d_normed)?;
        keep(grads, at + NORM_1, grad);
        sum_of(&d_middle, &tensor(dx, shape)?)
    }
}

fn keep(grads: &mut [Vec<f32>], at: usize, pair: [Vec<f32>; 2]) {
    for (i, grad) in pair.into_iter().enumerate() {
        grads[at + i] = grad;
    }
}

/// Where a head's row of a place lies among `[pictures × heads, places, head]`.
fn place(row: usize, head: usize) -> usize {
    ((row / PLACES * HEADS + head) * PLACES + row % PLACES) * HEAD
}

/// Rows of q, k and v to three `[pictures × heads, places, head]`.
fn split(qkv: &[f32], pictures: usize) -> Result<[Tensor; 3]> {
    let mut out = [(); 3].map(|()| vec![0f32; pictures * PLACES * WIDTH]);
    for (i, row) in qkv.chunks_exact(3 * WIDTH).enumerate() {
        for (to, from) in out.iter_mut().zip(row.chunks_exact(WIDTH)) {
            for (head, from) in from.chunks_exact(HEAD).enumerate() {
                to[place(i, head)..][..HEAD].copy_from_slice(from);
            }
        }
    }
    let [q, k, v] = out.map(|values| tensor(values, (pictures * HEADS, PLACES, HEAD)));
    Ok([q?, k?, v?])
}

/// The inverse of [`split`].
fn join(parts: [&Tensor; 3], pictures: usize) -> Result<Tensor> {
    let mut out = vec![0f32; pictures * PLACES * 3 * WIDTH];
    for (part, values) in parts.into_iter().enumerate() {
        with(values, |values| {
            for (i, row) in out.chunks_exact_mut(3 * WIDTH).enumerate() {
                for (head, to) in row[part * WIDTH..][..WIDTH].chunks_exact_mut(HEAD).enumerate() {
                    to.copy_from_slice(&values[place(i, head)..][..HEAD]);
                }
            }
        })?;
    }
    tensor(out, (pictures * PLACES, 3 * WIDTH))
}

/// Heads to one row a place.
fn gather(heads: &[f32], pictures: usize) -> Result<Tensor> {
    let mut out = vec![0f32; heads.len()];
    for (i, row) in out.chunks_exact_mut(WIDTH).enumerate() {
        for (head, to) in row.chunks_exact_mut(HEAD).enumerate() {
            to.copy_from_slice(&heads[place(i, head)..][..HEAD]);
        }
    }
    tensor(out, (pictures * PLACES, WIDTH))
}

/// The inverse of [`gather`].
fn scatter(rows: &[f32], pictures: usize) -> Result<Tensor> {
    let mut out = vec![0f32; rows.len()];
    for (i, row) in rows.chunks_exact(WIDTH).enumerate() {
        for (head, from) in row.chunks_exact(HEAD).enumerate() {
            out[place(i, head)..][..HEAD].copy_from_slice(from);
        }
    }
    tensor(out, (pictures * HEADS, PLACES, HEAD))
}
