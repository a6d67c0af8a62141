//! How the tower learns to see: from each patch, which thing covers most of it, in which colour, and whether the
//! middle of a thing lies in it. The three linear heads are thrown away.

use std::time::Instant;

use anyhow::{Result, anyhow};
use candle_core::Tensor;
use rand_chacha::ChaCha8Rng;

use super::canvas::SIDE;
use super::draw::draw;
use super::layers::{linear, linear_back};
use super::tower::{PATCH, PATCHES, PLACES, Tower, WIDTH, patch_rows};
use super::world::{COLOURS, Scene, THINGS};
use crate::model::normal;
use crate::ops::{self, tensor, with};
use crate::train::{AdamW, rate_at};

/// Classes of the three heads.
const CLASSES: [usize; 3] = [THINGS.len() + 1, COLOURS.len() + 1, 2];
/// Pixels of a patch that a thing must cover to be its thing.
const COVER: usize = 6;
/// Pictures of a step, half of them for each of two threads.
const BATCH: usize = 48;

/// Pictures as patches, and each patch's three classes.
struct Lesson {
    patches: Vec<f32>,
    targets: [Vec<u32>; 3],
}

fn lesson(rng: &mut ChaCha8Rng, pictures: usize) -> Lesson {
    let mut lesson = Lesson { patches: Vec::new(), targets: [Vec::new(), Vec::new(), Vec::new()] };
    for _ in 0..pictures {
        let (drawn, things) = draw(Scene::draw_free(rng), rng);
        lesson.patches.extend(patch_rows(&drawn.rgb));
        let mut sums = vec![(0usize, 0usize, 0usize); things.len() + 1];
        let mut covers = vec![vec![0usize; things.len() + 1]; PATCHES];
        for (i, &owner) in drawn.owner.iter().enumerate() {
            let (x, y) = (i % SIDE, i / SIDE);
            covers[y / PATCH * (SIDE / PATCH) + x / PATCH][usize::from(owner)] += 1;
            let sum = &mut sums[usize::from(owner)];
            *sum = (sum.0 + x, sum.1 + y, sum.2 + 1);
        }
        let middles: Vec<usize> = sums[1..]
            .iter()
            .filter(|sum| sum.2 > 0)
            .map(|(x, y, n)| y / n / PATCH * (SIDE / PATCH) + x / n / PATCH)
            .collect();
        for (patch, cover) in covers.iter().enumerate() {
            let most = (1..cover.len()).max_by_key(|&i| cover[i]).filter(|&i| cover[i] >= COVER);
            let thing = most.map(|i| things[i - 1]);
            lesson.targets[0].push(thing.map_or(0, |thing| thing.what as u32 + 1));
            lesson.targets[1].push(thing.map_or(0, |thing| thing.colour as u32 + 1));
            lesson.targets[2].push(u32::from(middles.contains(&patch)));
        }
    }
    lesson
}

fn head_dims() -> Vec<Vec<usize>> {
    CLASSES.iter().flat_map(|&n| [vec![n, WIDTH], vec![n]]).collect()
}

/// Rows of the patches alone, without the class token's.
pub fn patches_of(out: &Tensor) -> Result<Vec<f32>> {
    with(out, |out| out.chunks_exact(PLACES * WIDTH).flat_map(|picture| &picture[WIDTH..]).copied().collect())
}

/// Loss, gradients of tower and heads, and how many patches each head names right.
fn learn(params: &[Tensor], lesson: Lesson) -> Result<(f32, Vec<Vec<f32>>, [usize; 3])> {
    let (own, heads) = params.split_at(params.len() - 2 * CLASSES.len());
    let tower = Tower { params: own.to_vec() };
    let pass = tower.forward(lesson.patches)?;
    let rows = patches_of(&pass.out)?;
    let rows = tensor(rows.clone(), (rows.len() / WIDTH, WIDTH))?;
    let mut d_rows = vec![0f32; rows.elem_count()];
    let (mut loss, mut head_grads, mut right) = (0.0, Vec::new(), [0; 3]);
    for (i, head) in heads.chunks_exact(2).enumerate() {
        let logits = linear(&rows, &head[0], &head[1])?;
        let targets = &lesson.targets[i];
        right[i] = with(&logits, |logits| {
            let rows = logits.chunks_exact(CLASSES[i]).zip(targets);
            rows.filter(|(row, target)| row.iter().all(|x| *x <= row[**target as usize])).count()
        })?;
        let (head_loss, d_logits) = with(&logits, |l| ops::cross_entropy(l, targets))?;
        loss += head_loss;
        let (dx, grads) = linear_back(&rows, &head[0], &tensor(d_logits, logits.shape().clone())?)?;
        with(&dx, |dx| ops::add_to(&mut d_rows, dx))?;
        head_grads.extend(grads);
    }
    let mut d_out = vec![0f32; pass.out.elem_count()];
    for (to, from) in d_out.chunks_exact_mut(PLACES * WIDTH).zip(d_rows.chunks_exact(PATCHES * WIDTH)) {
        to[WIDTH..].copy_from_slice(from);
    }
    let d_out = tensor(d_out, pass.out.shape().clone())?;
    let mut grads = tower.backward(pass, d_out)?;
    grads.extend(head_grads);
    Ok((loss, grads, right))
}

/// Trains a tower from nothing.
pub fn train(pictures: usize, rate: f32, rng: &mut ChaCha8Rng) -> Result<Tower> {
    let started = Instant::now();
    let mut params = Tower::random(rng)?.params;
    let own = params.len();
    for dims in head_dims() {
        let count = dims.iter().product();
        params.push(tensor(if dims.len() == 1 { vec![0.0; count] } else { normal(count, 0.06, rng) }, dims)?);
    }
    let mut adam = AdamW::new(&params);
    let steps = pictures / BATCH;
    let (mut loss, mut right) = (0.0, [0usize; 3]);
    for step in 0..steps {
        let lessons = [lesson(rng, BATCH / 2), lesson(rng, BATCH / 2)];
        let params_now = &params;
        let results = std::thread::scope(|scope| {
            let threads = lessons.map(|lesson| scope.spawn(move || learn(params_now, lesson)));
            threads.map(|thread| thread.join().map_err(|_| anyhow!("a training thread stopped"))?)
        });
        let mut sum: Vec<Vec<f32>> = params.iter().map(|p| vec![0f32; p.elem_count()]).collect();
        for result in results {
            let (part_loss, grads, part_right) = result?;
            loss += part_loss / 2.0;
            for (all, part) in right.iter_mut().zip(part_right) {
                *all += part;
            }
            for (sum, grad) in sum.iter_mut().flatten().zip(grads.iter().flatten()) {
                *sum += 0.5 * grad;
            }
        }
        let rate = rate_at(rate, step, step as f32 / steps as f32);
        adam.step(&mut params, &sum, rate, 0.01, |_| false)?;
        if (step + 1) % 100 == 0 {
            let shares = right.map(|n| n as f32 / (100 * BATCH * PATCHES) as f32);
            let seconds = started.elapsed().as_secs_f64();
            eprintln!(
                "tower: step {} of {steps}, loss {:.4}, right {shares:.4?}, {seconds:.0} s",
                step + 1,
                loss / 100.0
            );
            (loss, right) = (0.0, [0; 3]);
        }
    }
    params.truncate(own);
    Ok(Tower { params })
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::model::flat;

    /// Moving along the gradient changes the loss as much as the gradient says.
    #[test]
    fn gradients_agree_with_differences() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut params = Tower::random(&mut rng).expect("a tower").params;
        for dims in head_dims() {
            let count = dims.iter().product();
            params.push(tensor(normal(count, 0.2, &mut rng), dims).expect("a head"));
        }
        for param in &mut params[1..3] {
            *param = (&*param * 4.0).expect("scaled");
        }
        let lesson = || lesson(&mut ChaCha8Rng::seed_from_u64(6), 2);
        let (_, grads, _) = learn(&params, lesson()).expect("gradients");
        for (i, grad) in grads.iter().enumerate() {
            let norm: f32 = grad.iter().map(|g| g * g).sum::<f32>().sqrt();
            let step = 2e-2 / norm.max(0.5);
            let moved = |sign: f32| {
                let mut other = params.clone();
                let mut values = flat(&params[i]).expect("values");
                for (value, g) in values.iter_mut().zip(grad) {
                    *value += sign * step * g / norm;
                }
                other[i] = tensor(values, params[i].dims().to_vec()).expect("tensor");
                learn(&other, lesson()).expect("loss").0
            };
            let slope = (moved(1.0) - moved(-1.0)) / (2.0 * step);
            assert!((slope - norm).abs() < 0.03 * norm + 2e-3, "parameter {i}: {slope} against {norm}");
        }
    }
}
