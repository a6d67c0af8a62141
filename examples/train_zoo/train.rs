//! Batches of similar length, `AdamW`, and the training loop.

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, anyhow};
use candle_core::Tensor;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::corpus::Corpus;
use crate::model::{Batch, EMBED, Model, NORM, NORM_1, PER_BLOCK, flat};
use crate::ops::tensor;
use crate::tokenizer::{Codec, END_ID, IMAGE_ID, PAD_ID};

/// How a stage, or one phase of it, is trained.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Tokens to read, padding not counted.
    pub tokens: usize,
    /// Tokens in one part of a batch, padding counted.
    pub part: usize,
    /// Peak learning rate; a cosine takes it to a tenth.
    pub rate: f32,
    pub weight_decay: f32,
    /// Leave the embedding, which is also the output head, as it is.
    pub freeze_embedding: bool,
    /// The blocks that learn; the final norm goes with the last of them.
    pub blocks: Vec<usize>,
    /// Does the projector learn, where there is one?
    pub projector: bool,
}

impl Plan {
    /// Does this parameter stay as it is?
    fn frozen(&self, param: usize, layers: usize) -> bool {
        match param {
            EMBED => self.freeze_embedding,
            NORM => !self.blocks.contains(&(layers - 1)),
            block if block >= NORM_1 + PER_BLOCK * layers => !self.projector,
            block => !self.blocks.contains(&((block - NORM_1) / PER_BLOCK)),
        }
    }
}

/// Parts of a batch, each worked on by a thread of its own.
const PARTS: usize = 2;
/// Parts drawn at once, so that texts of similar length meet.
const POOL: usize = 96;
const WARM_UP: usize = 60;
const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.98;
const CLIP: f32 = 1.0;

/// One tokenized text, the length of its prompt, and the features of its picture's patches.
#[derive(Clone)]
pub struct Text {
    pub ids: Vec<u32>,
    pub prompt: usize,
    pub picture: Option<Arc<[f32]>>,
}

impl Text {
    /// A prompt to be continued.
    pub fn ask(mut ids: Vec<u32>, picture: Option<Arc<[f32]>>) -> Self {
        let prompt = ids.len();
        ids.push(END_ID);
        Self { ids, prompt, picture }
    }
}

/// What a model reads.
pub trait Source {
    /// Draws texts of about so many tokens in all.
    fn draw(&mut self, tokens: usize) -> Result<Vec<Text>>;
}

impl Source for (Corpus, &Codec) {
    fn draw(&mut self, tokens: usize) -> Result<Vec<Text>> {
        let (mut texts, mut total) = (Vec::new(), 0);
        while total < tokens {
            let (ids, prompt) = self.1.example(&self.0.next())?;
            total += ids.len();
            texts.push(Text { ids, prompt, picture: None });
        }
        Ok(texts)
    }
}

/// Pads texts to one length and marks where the loss falls.
pub fn pad(texts: &[Text]) -> Result<Batch> {
    let time = texts.iter().map(|text| text.ids.len() - 1).max().unwrap_or(0);
    let features: Vec<f32> =
        texts.iter().flat_map(|text| text.picture.iter().flat_map(|f| f.iter().copied())).collect();
    let patches = texts
        .iter()
        .filter(|t| t.picture.is_some())
        .flat_map(|t| &t.ids)
        .filter(|id| **id == IMAGE_ID)
        .count();
    let pictures = match features.len().checked_div(patches) {
        Some(width) => Some(tensor(features, (patches, width))?),
        None => None,
    };
    let mut batch = Batch {
        rows: texts.len(),
        time,
        tokens: Vec::with_capacity(texts.len() * time),
        pictures,
        places: Vec::new(),
        targets: Vec::new(),
    };
    for (row, Text { ids, prompt, .. }) in texts.iter().enumerate() {
        batch.tokens.extend(&ids[..ids.len() - 1]);
        batch.tokens.resize((row + 1) * time, PAD_ID);
        for (t, &next) in ids.iter().enumerate().skip(*prompt) {
            batch.places.push(row * time + t - 1);
            batch.targets.push(next);
        }
    }
    Ok(batch)
}

/// Draws a pool of texts and cuts it into batches of similar length, in random order.
fn draw(source: &mut dyn Source, part: usize, rng: &mut ChaCha8Rng) -> Result<Vec<(Batch, usize)>> {
    let mut texts = source.draw(POOL * part)?;
    texts.sort_by_key(|text| text.ids.len());
    let mut batches = Vec::new();
    let mut from = 0;
    while from < texts.len() {
        let mut to = from + 1;
        while to < texts.len() && (to + 1 - from) * texts[to].ids.len() <= part {
            to += 1;
        }
        let tokens = texts[from..to].iter().map(|text| text.ids.len()).sum();
        batches.push((pad(&texts[from..to])?, tokens));
        from = to;
    }
    batches.shuffle(rng);
    Ok(batches)
}

/// Loss and gradients over all parts of a batch, whose parts are worked on at the same time.
fn together(model: &Model, parts: &[(Batch, usize)]) -> Result<(f32, Vec<Vec<f32>>)> {
    let results = std::thread::scope(|scope| {
        let threads: Vec<_> =
            parts.iter().map(|(batch, _)| scope.spawn(|| model.loss_and_gradients(batch))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| anyhow!("a training thread stopped"))?)
            .collect::<Result<Vec<_>>>()
    })?;
    let places: usize = parts.iter().map(|(batch, _)| batch.places.len()).sum();
    let mut loss = 0f32;
    let mut sum: Vec<Vec<f32>> = Vec::new();
    for ((part_loss, grads), (batch, _)) in results.into_iter().zip(parts) {
        let share = batch.places.len() as f32 / places as f32;
        loss += part_loss * share;
        if sum.is_empty() {
            sum = grads.iter().map(|g| vec![0f32; g.len()]).collect();
        }
        for (sum, grad) in sum.iter_mut().flatten().zip(grads.iter().flatten()) {
            *sum += share * grad;
        }
    }
    Ok((loss, sum))
}

/// `AdamW` over a list of tensors.
pub struct AdamW {
    first: Vec<Vec<f32>>,
    second: Vec<Vec<f32>>,
    step: i32,
}

impl AdamW {
    pub fn new(params: &[Tensor]) -> Self {
        let zeros: Vec<Vec<f32>> = params.iter().map(|p| vec![0f32; p.elem_count()]).collect();
        Self { first: zeros.clone(), second: zeros, step: 0 }
    }

    pub fn step(
        &mut self,
        params: &mut [Tensor],
        grads: &[Vec<f32>],
        rate: f32,
        weight_decay: f32,
        frozen: impl Fn(usize) -> bool,
    ) -> Result<()> {
        self.step += 1;
        let square: f64 = grads
            .iter()
            .enumerate()
            .filter(|(i, _)| !frozen(*i))
            .flat_map(|(_, g)| g)
            .map(|&g| f64::from(g) * f64::from(g))
            .sum();
        let clip = (CLIP / square.sqrt() as f32).min(1.0);
        let (fix_1, fix_2) = (1.0 - BETA_1.powi(self.step), 1.0 - BETA_2.powi(self.step));
        for (i, grad) in grads.iter().enumerate() {
            if frozen(i) {
                continue;
            }
            let dims = params[i].dims().to_vec();
            let decay = if dims.len() > 1 { 1.0 - rate * weight_decay } else { 1.0 };
            let mut values = flat(&params[i])?;
            let (first, second) = (&mut self.first[i], &mut self.second[i]);
            for j in 0..values.len() {
                let g = grad[j] * clip;
                first[j] = BETA_1 * first[j] + (1.0 - BETA_1) * g;
                second[j] = BETA_2 * second[j] + (1.0 - BETA_2) * g * g;
                let update = first[j] / fix_1 / ((second[j] / fix_2).sqrt() + 1e-8);
                values[j] = values[j] * decay - rate * update;
            }
            params[i] = tensor(values, dims)?;
        }
        Ok(())
    }
}

/// The rate after a share of the way: a warm-up, and a cosine down to a tenth.
pub fn rate_at(peak: f32, steps: usize, done: f32) -> f32 {
    let cosine = 0.5 * (1.0 + (std::f32::consts::PI * done.min(1.0)).cos());
    let warm = ((steps + 1) as f32 / WARM_UP as f32).min(1.0);
    peak * warm * (0.1 + 0.9 * cosine)
}

/// Trains `model` on what `source` gives, and says how it goes on standard error.
pub fn run(
    label: &str,
    model: &mut Model,
    source: &mut dyn Source,
    plan: &Plan,
    rng: &mut ChaCha8Rng,
    mut on_progress: impl FnMut(usize, &Model) -> Result<()>,
) -> Result<()> {
    let started = Instant::now();
    let mut adam = AdamW::new(&model.params);
    let layers = model.shape.layers;
    let (mut read, mut steps, mut told) = (0usize, 0usize, 0usize);
    let (mut loss_sum, mut loss_count) = (0f64, 0u32);
    'all: loop {
        for parts in draw(source, plan.part, rng)?.chunks(PARTS) {
            let done = read as f32 / plan.tokens as f32;
            let rate = rate_at(plan.rate, steps, done);
            let (loss, grads) = together(model, parts)?;
            adam.step(&mut model.params, &grads, rate, plan.weight_decay, |i| plan.frozen(i, layers))?;
            let tokens: usize = parts.iter().map(|(_, tokens)| tokens).sum();
            read += tokens;
            steps += 1;
            loss_sum += f64::from(loss);
            loss_count += 1;
            if read - told >= 100_000 || read >= plan.tokens {
                told = read;
                let seconds = started.elapsed().as_secs_f64();
                eprintln!(
                    "{label}: {read} tokens, {steps} steps, loss {:.4}, {:.0} tokens/s",
                    loss_sum / f64::from(loss_count.max(1)),
                    read as f64 / seconds
                );
                std::io::stderr().flush().ok();
                (loss_sum, loss_count) = (0.0, 0);
                on_progress(read, model)?;
            }
            if read >= plan.tokens {
                break 'all;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Shape;
    use rand::SeedableRng;

    fn text(ids: &[u32], prompt: usize, picture: Option<&[f32]>) -> Text {
        Text { ids: ids.to_vec(), prompt, picture: picture.map(Arc::from) }
    }

    /// Moving along the gradient changes the loss as much as the gradient says.
    #[test]
    fn gradients_agree_with_differences() {
        let shape = Shape {
            vocab: 11,
            hidden: 8,
            layers: 2,
            heads: 2,
            kv_heads: 1,
            head_dim: 4,
            mlp: 12,
            features: 3,
        };
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut model = Model::random(shape, &mut rng).expect("a model");
        for param in &mut model.params {
            *param = (&*param * 6.0).expect("scaled");
        }
        let seen = [0.3, -1.0, 0.5, 0.9, 0.1, -0.4];
        let batch = pad(&[text(&[2, 2, 4, 5, 6, 7], 3, Some(&seen)), text(&[8, 9, 3, 10], 1, None)])
            .expect("a batch");
        let (_, grads) = model.loss_and_gradients(&batch).expect("gradients");
        for (i, grad) in grads.iter().enumerate() {
            let norm: f32 = grad.iter().map(|g| g * g).sum::<f32>().sqrt();
            assert!(norm > 0.0, "parameter {i} has no gradient");
            let step = 2e-3 / norm.max(1e-6);
            let moved = |sign: f32| {
                let mut other = model.clone();
                let mut values = flat(&model.params[i]).expect("values");
                for (value, g) in values.iter_mut().zip(grad) {
                    *value += sign * step * g;
                }
                other.params[i] = tensor(values, model.params[i].dims().to_vec()).expect("tensor");
                other.loss(&batch).expect("loss")
            };
            let slope = (moved(1.0) - moved(-1.0)) / (2.0 * step * norm);
            assert!((slope - norm).abs() < 0.02 * norm + 1e-3, "parameter {i}: {slope} against {norm}");
        }
    }
}
