//! Batches of similar length, `AdamW`, and the training loop.

use std::io::Write;
use std::ops::Range;
use std::time::Instant;

use anyhow::{Result, anyhow};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::corpus::Corpus;
use crate::model::{Batch, EMBED, Model, NORM, NORM_1, PER_BLOCK, flat};
use crate::ops::tensor;
use crate::tokenizer::{Codec, PAD_ID};

/// How a stage, or one phase of it, is trained.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Tokens to read, padding not counted.
    pub tokens: usize,
    /// Peak learning rate; a cosine takes it to a tenth.
    pub rate: f32,
    pub weight_decay: f32,
    /// Leave the embedding, which is also the output head, as it is.
    pub freeze_embedding: bool,
    /// The blocks that learn; the final norm goes with the last of them.
    pub blocks: Range<usize>,
}

impl Plan {
    /// Does this parameter stay as it is?
    fn frozen(&self, param: usize, layers: usize) -> bool {
        match param {
            EMBED => self.freeze_embedding,
            NORM => self.blocks.end < layers,
            block => !self.blocks.contains(&((block - NORM_1) / PER_BLOCK)),
        }
    }
}

/// Tokens in one part of a batch, padding counted.
const PART_TOKENS: usize = 1_150;
/// Parts of a batch, each worked on by a thread of its own.
const PARTS: usize = 2;
/// Parts drawn at once, so that texts of similar length meet.
const POOL: usize = 96;
const WARM_UP: usize = 60;
const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.98;
const CLIP: f32 = 1.0;

/// One tokenized text and the length of its prompt.
type Text = (Vec<u32>, usize);

/// Pads texts to one length and marks where the loss falls.
pub fn pad(texts: &[Text]) -> Batch {
    let time = texts.iter().map(|(ids, _)| ids.len() - 1).max().unwrap_or(0);
    let mut batch = Batch {
        rows: texts.len(),
        time,
        tokens: Vec::with_capacity(texts.len() * time),
        places: Vec::new(),
        targets: Vec::new(),
    };
    for (row, (ids, prompt)) in texts.iter().enumerate() {
        batch.tokens.extend(&ids[..ids.len() - 1]);
        batch.tokens.resize((row + 1) * time, PAD_ID);
        for (t, &next) in ids.iter().enumerate().skip(*prompt) {
            batch.places.push(row * time + t - 1);
            batch.targets.push(next);
        }
    }
    batch
}

/// Draws a pool of texts and cuts it into batches of similar length, in random order.
fn draw(corpus: &mut Corpus, codec: &Codec, rng: &mut ChaCha8Rng) -> Result<Vec<(Batch, usize)>> {
    let mut texts: Vec<Text> = Vec::new();
    let mut total = 0;
    while total < POOL * PART_TOKENS {
        let text = codec.example(&corpus.next())?;
        total += text.0.len();
        texts.push(text);
    }
    texts.sort_by_key(|(ids, _)| ids.len());
    let mut batches = Vec::new();
    let mut from = 0;
    while from < texts.len() {
        let mut to = from + 1;
        while to < texts.len() && (to + 1 - from) * texts[to].0.len() <= PART_TOKENS {
            to += 1;
        }
        let tokens = texts[from..to].iter().map(|(ids, _)| ids.len()).sum();
        batches.push((pad(&texts[from..to]), tokens));
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

struct AdamW {
    first: Vec<Vec<f32>>,
    second: Vec<Vec<f32>>,
    step: i32,
}

impl AdamW {
    fn new(model: &Model) -> Self {
        let zeros: Vec<Vec<f32>> = model.params.iter().map(|p| vec![0f32; p.elem_count()]).collect();
        Self { first: zeros.clone(), second: zeros, step: 0 }
    }

    fn step(&mut self, model: &mut Model, grads: &[Vec<f32>], rate: f32, plan: &Plan) -> Result<()> {
        self.step += 1;
        let layers = model.shape.layers;
        let frozen = |i: usize| plan.frozen(i, layers);
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
            let dims = model.params[i].dims().to_vec();
            let decay = if dims.len() > 1 { 1.0 - rate * plan.weight_decay } else { 1.0 };
            let mut values = flat(&model.params[i])?;
            let (first, second) = (&mut self.first[i], &mut self.second[i]);
            for j in 0..values.len() {
                let g = grad[j] * clip;
                first[j] = BETA_1 * first[j] + (1.0 - BETA_1) * g;
                second[j] = BETA_2 * second[j] + (1.0 - BETA_2) * g * g;
                let update = first[j] / fix_1 / ((second[j] / fix_2).sqrt() + 1e-8);
                values[j] = values[j] * decay - rate * update;
            }
            model.params[i] = tensor(values, dims)?;
        }
        Ok(())
    }
}

/// Trains `model` on what `corpus` gives, and says how it goes on standard error.
pub fn run(
    label: &str,
    model: &mut Model,
    codec: &Codec,
    corpus: &mut Corpus,
    plan: &Plan,
    rng: &mut ChaCha8Rng,
    mut on_progress: impl FnMut(usize, &Model) -> Result<()>,
) -> Result<()> {
    let started = Instant::now();
    let mut adam = AdamW::new(model);
    let (mut read, mut steps, mut told) = (0usize, 0usize, 0usize);
    let (mut loss_sum, mut loss_count) = (0f64, 0u32);
    'all: loop {
        for parts in draw(corpus, codec, rng)?.chunks(PARTS) {
            let done = read as f32 / plan.tokens as f32;
            let cosine = 0.5 * (1.0 + (std::f32::consts::PI * done.min(1.0)).cos());
            let warm = ((steps + 1) as f32 / WARM_UP as f32).min(1.0);
            let rate = plan.rate * warm * (0.1 + 0.9 * cosine);
            let (loss, grads) = together(model, parts)?;
            adam.step(model, &grads, rate, plan)?;
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

    /// Moving along the gradient changes the loss as much as the gradient says.
    #[test]
    fn gradients_agree_with_differences() {
        let shape = Shape { vocab: 11, hidden: 8, layers: 2, heads: 2, kv_heads: 1, head_dim: 4, mlp: 12 };
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut model = Model::random(shape, &mut rng).expect("a model");
        for param in &mut model.params {
            *param = (&*param * 6.0).expect("scaled");
        }
        let batch = pad(&[(vec![2, 3, 4, 5, 6, 7], 2), (vec![8, 9, 2, 10], 1)]);
        let (_, grads) = model.loss_and_gradients(&batch).expect("gradients");
        for (i, grad) in grads.iter().enumerate() {
            let norm: f32 = grad.iter().map(|g| g * g).sum::<f32>().sqrt();
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
