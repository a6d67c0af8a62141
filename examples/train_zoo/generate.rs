//! Greedy answers: one padded pass over the prompts, then token by token with a cache.

use anyhow::Result;

use crate::model::{DOWN, EMBED, GATE_UP, Kept, Model, NORM, NORM_1, NORM_2, OUT, QKV, rotary, rotate};
use crate::ops::{self, tensor, with};
use crate::tokenizer::END_ID;
use crate::train::{Text, pad};

/// Keys and values of one sequence: for each layer, `[time, kv]`.
struct Cache {
    keys: Vec<Vec<f32>>,
    values: Vec<Vec<f32>>,
    time: usize,
}

/// Continues every prompt greedily until the end token, or by at most `limit` tokens.
pub fn greedy(model: &Model, prompts: &[Text], limit: usize) -> Result<Vec<Vec<u32>>> {
    let mut answers = vec![Vec::new(); prompts.len()];
    let mut order: Vec<usize> = (0..prompts.len()).collect();
    order.sort_by_key(|&i| prompts[i].prompt);
    let mut live: Vec<(usize, u32, Cache)> = Vec::new();
    for part in order.chunks(25) {
        let texts: Vec<Text> = part.iter().map(|&i| prompts[i].clone()).collect();
        let batch = pad(&texts)?;
        let (x, kept) = model.blocks(&batch)?;
        let width = model.shape.hidden;
        let rows = with(&x, |x| {
            batch.places.iter().flat_map(|&at| x[at * width..][..width].to_vec()).collect::<Vec<f32>>()
        })?;
        let next = choose(model, &rows)?;
        for (row, &i) in part.iter().enumerate() {
            let cache = Cache::cut(model, &kept, row, batch.time, prompts[i].prompt)?;
            live.push((i, next[row], cache));
        }
    }
    let turns = rotary(&model.shape, 1024);
    for _ in 0..limit {
        live.retain(|(_, token, _)| *token != END_ID);
        if live.is_empty() {
            break;
        }
        for (i, token, _) in &live {
            answers[*i].push(*token);
        }
        let next = step(model, &mut live, &turns)?;
        for ((_, token, _), next) in live.iter_mut().zip(next) {
            *token = next;
        }
    }
    Ok(answers)
}

impl Cache {
    fn cut(model: &Model, kept: &[Kept], row: usize, padded: usize, time: usize) -> Result<Self> {
        let s = &model.shape;
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        for keep in kept {
            for (from, to) in [(&keep.k, &mut keys), (&keep.v, &mut values)] {
                to.push(with(from, |from| {
                    let mut out = Vec::with_capacity((time + 96) * s.kv());
                    for t in 0..time {
                        for head in 0..s.kv_heads {
                            let at = ((row * s.kv_heads + head) * padded + t) * s.head_dim;
                            out.extend_from_slice(&from[at..at + s.head_dim]);
                        }
                    }
                    out
                })?);
            }
        }
        Ok(Self { keys, values, time })
    }
}

/// The likeliest token after each row.
fn choose(model: &Model, rows: &[f32]) -> Result<Vec<u32>> {
    let (normed, _) = with(&model.params[NORM], |w| ops::rms_norm(rows, w, crate::model::EPS))?;
    let count = rows.len() / model.shape.hidden;
    let logits = tensor(normed, (count, model.shape.hidden))?.matmul(&model.params[EMBED].t()?)?;
    with(&logits, |logits| {
        logits
            .chunks_exact(model.shape.vocab)
            .map(|row| {
                let mut best = 0;
                for (i, &x) in row.iter().enumerate() {
                    if x > row[best] {
                        best = i;
                    }
                }
                best as u32
            })
            .collect()
    })
}

/// One more token for every live sequence.
fn step(
    model: &Model,
    live: &mut [(usize, u32, Cache)],
    (cos, sin): &(Vec<f32>, Vec<f32>),
) -> Result<Vec<u32>> {
    let s = model.shape;
    let half = s.head_dim / 2;
    let tokens: Vec<u32> = live.iter().map(|(_, token, _)| *token).collect();
    let mut x = with(&model.embed(&tokens)?, <[f32]>::to_vec)?;
    let scale = (s.head_dim as f32).sqrt().recip();
    let mut scores = Vec::new();
    for layer in 0..s.layers {
        let project = |x: Vec<f32>, which: usize| -> Result<Vec<f32>> {
            let weight = model.block(layer, which);
            let x = tensor(x, (tokens.len(), weight.dim(1)?))?;
            with(&x.matmul(&weight.t()?)?, <[f32]>::to_vec)
        };
        let normed = |x: &[f32], which: usize| {
            with(model.block(layer, which), |w| ops::rms_norm(x, w, crate::model::EPS).0)
        };
        let mut qkv = project(normed(&x, NORM_1)?, QKV)?;
        let mut mixed = vec![0f32; tokens.len() * s.q()];
        for ((row, mixed), (_, _, cache)) in
            qkv.chunks_exact_mut(s.qkv()).zip(mixed.chunks_exact_mut(s.q())).zip(live.iter_mut())
        {
            let (cos, sin) = (&cos[cache.time * half..][..half], &sin[cache.time * half..][..half]);
            for head in row[..s.q() + s.kv()].chunks_exact_mut(s.head_dim) {
                rotate(head, cos, sin, 1.0);
            }
            cache.keys[layer].extend_from_slice(&row[s.q()..][..s.kv()]);
            cache.values[layer].extend_from_slice(&row[s.q() + s.kv()..]);
            for head in 0..s.heads {
                let at = head / s.group() * s.head_dim;
                let q = &row[head * s.head_dim..][..s.head_dim];
                scores.clear();
                scores.extend(
                    cache.keys[layer]
                        .chunks_exact(s.kv())
                        .map(|k| ops::dot(q, &k[at..at + s.head_dim]) * scale),
                );
                let top = scores.iter().copied().fold(f32::MIN, f32::max);
                let mut whole = 0.0;
                for score in &mut scores {
                    *score = ops::exp(*score - top);
                    whole += *score;
                }
                let to = &mut mixed[head * s.head_dim..][..s.head_dim];
                for (score, v) in scores.iter().zip(cache.values[layer].chunks_exact(s.kv())) {
                    let share = score / whole;
                    for (to, v) in to.iter_mut().zip(&v[at..at + s.head_dim]) {
                        *to += share * v;
                    }
                }
            }
        }
        ops::add_to(&mut x, &project(mixed, OUT)?);
        let gate_up = project(normed(&x, NORM_2)?, GATE_UP)?;
        ops::add_to(&mut x, &project(ops::swiglu(&gate_up, s.mlp), DOWN)?);
    }
    for (_, _, cache) in live.iter_mut() {
        cache.time += 1;
    }
    choose(model, &x)
}
