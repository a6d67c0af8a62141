//! The element-wise pieces of a Llama block over flat rows, each with its derivative.
//!
//! Matrix products are candle's; what lies between them is written out here, because a model this small
//! spends more time between its products than in them.

use anyhow::{Result, bail};
use candle_core::{CpuStorage, Device, Storage, Tensor};

/// Runs `f` on the values of a contiguous CPU tensor.
pub fn with<R>(tensor: &Tensor, f: impl FnOnce(&[f32]) -> R) -> Result<R> {
    let (storage, layout) = tensor.storage_and_layout();
    let (Storage::Cpu(CpuStorage::F32(values)), Some((from, to))) = (&*storage, layout.contiguous_offsets())
    else {
        bail!("expected contiguous f32 values on the CPU");
    };
    Ok(f(&values[from..to]))
}

/// A tensor that takes over `values`.
pub fn tensor(values: Vec<f32>, shape: impl Into<candle_core::Shape>) -> Result<Tensor> {
    Ok(Tensor::from_vec(values, shape.into(), &Device::Cpu)?)
}

/// `exp`, accurate to about 1e-6 relative, in a form that compilers turn into vector code.
#[inline]
pub fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0;
    let t = x.clamp(-87.0, 88.0) * std::f32::consts::LOG2_E;
    let rounded = t + ROUND;
    let f = t - (rounded - ROUND);
    let scale = f32::from_bits(rounded.to_bits().wrapping_sub(0x4B40_0000).wrapping_add(127) << 23);
    let p = 1.333_55e-3f32;
    let p = p * f + 9.618_129e-3;
    let p = p * f + 5.550_411e-2;
    let p = p * f + 2.402_265e-1;
    let p = p * f + std::f32::consts::LN_2;
    (p * f + 1.0) * scale
}

/// Inner product with eight partial sums.
#[inline]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; 8];
    let (mut left, mut right) = (a.chunks_exact(8), b.chunks_exact(8));
    for (x, y) in (&mut left).zip(&mut right) {
        for i in 0..8 {
            sums[i] += x[i] * y[i];
        }
    }
    let rest: f32 = left.remainder().iter().zip(right.remainder()).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f32>() + rest
}

/// Sum with eight partial sums.
#[inline]
fn sum(a: &[f32]) -> f32 {
    let mut sums = [0f32; 8];
    let mut chunks = a.chunks_exact(8);
    for x in &mut chunks {
        for i in 0..8 {
            sums[i] += x[i];
        }
    }
    sums.iter().sum::<f32>() + chunks.remainder().iter().sum::<f32>()
}

/// Root-mean-square norm of each row; returns the result and each row's factor.
pub fn rms_norm(x: &[f32], weight: &[f32], eps: f32) -> (Vec<f32>, Vec<f32>) {
    let width = weight.len();
    let mut out = vec![0f32; x.len()];
    let mut factors = Vec::with_capacity(x.len() / width);
    for (row, to) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
        let factor = (dot(row, row) / width as f32 + eps).sqrt().recip();
        for ((to, x), w) in to.iter_mut().zip(row).zip(weight) {
            *to = x * factor * w;
        }
        factors.push(factor);
    }
    (out, factors)
}

/// Adds the norm's input gradient to `dx` and its weight gradient to `dw`.
pub fn rms_norm_back(x: &[f32], weight: &[f32], factors: &[f32], dy: &[f32], dx: &mut [f32], dw: &mut [f32]) {
    let width = weight.len();
    let mut scaled = vec![0f32; width];
    for (((row, dy), dx), &factor) in
        x.chunks_exact(width).zip(dy.chunks_exact(width)).zip(dx.chunks_exact_mut(width)).zip(factors)
    {
        for i in 0..width {
            scaled[i] = dy[i] * weight[i];
            dw[i] += dy[i] * row[i] * factor;
        }
        let pull = dot(&scaled, row) * factor * factor / width as f32;
        for i in 0..width {
            dx[i] += factor * (scaled[i] - row[i] * pull);
        }
    }
}

/// silu(gate) × up, where each row of `gate_up` holds both halves.
pub fn swiglu(gate_up: &[f32], width: usize) -> Vec<f32> {
    let mut out = vec![0f32; gate_up.len() / 2];
    for (row, to) in gate_up.chunks_exact(2 * width).zip(out.chunks_exact_mut(width)) {
        let (gate, up) = row.split_at(width);
        for i in 0..width {
            to[i] = gate[i] / (1.0 + exp(-gate[i])) * up[i];
        }
    }
    out
}

/// The gradient of [`swiglu`].
pub fn swiglu_back(gate_up: &[f32], dy: &[f32], width: usize) -> Vec<f32> {
    let mut out = vec![0f32; gate_up.len()];
    for ((row, dy), to) in
        gate_up.chunks_exact(2 * width).zip(dy.chunks_exact(width)).zip(out.chunks_exact_mut(2 * width))
    {
        let (gate, up) = row.split_at(width);
        let (d_gate, d_up) = to.split_at_mut(width);
        for i in 0..width {
            let s = 1.0 / (1.0 + exp(-gate[i]));
            d_up[i] = dy[i] * gate[i] * s;
            d_gate[i] = dy[i] * up[i] * s * (1.0 + gate[i] * (1.0 - s));
        }
    }
    out
}

/// Softmax of each row of scores over the positions up to its own; rows repeat every `time` rows.
pub fn causal_softmax(scores: &[f32], time: usize, scale: f32) -> Vec<f32> {
    let mut out = vec![0f32; scores.len()];
    for (i, (row, to)) in scores.chunks_exact(time).zip(out.chunks_exact_mut(time)).enumerate() {
        let seen = i % time + 1;
        let (row, to) = (&row[..seen], &mut to[..seen]);
        let top = row.iter().copied().fold(f32::MIN, f32::max);
        for (to, x) in to.iter_mut().zip(row) {
            *to = exp((x - top) * scale);
        }
        let whole = sum(to).recip();
        for to in to {
            *to *= whole;
        }
    }
    out
}

/// The gradient of [`causal_softmax`] in the scores.
pub fn causal_softmax_back(p: &[f32], dp: &[f32], time: usize, scale: f32) -> Vec<f32> {
    let mut out = vec![0f32; p.len()];
    for (i, ((p, dp), to)) in
        p.chunks_exact(time).zip(dp.chunks_exact(time)).zip(out.chunks_exact_mut(time)).enumerate()
    {
        let seen = i % time + 1;
        let mean = dot(&p[..seen], &dp[..seen]);
        for j in 0..seen {
            to[j] = p[j] * (dp[j] - mean) * scale;
        }
    }
    out
}

/// Mean cross-entropy of rows of logits against targets, and its gradient in the logits.
pub fn cross_entropy(logits: &[f32], targets: &[u32]) -> (f32, Vec<f32>) {
    let width = logits.len() / targets.len();
    let share = 1.0 / targets.len() as f32;
    let mut out = vec![0f32; logits.len()];
    let mut loss = 0f64;
    for ((row, to), &target) in logits.chunks_exact(width).zip(out.chunks_exact_mut(width)).zip(targets) {
        let top = row.iter().copied().fold(f32::MIN, f32::max);
        for (to, x) in to.iter_mut().zip(row) {
            *to = exp(x - top);
        }
        let whole = sum(to);
        loss += f64::from(whole.ln() + top - row[target as usize]);
        let factor = share / whole;
        for to in to.iter_mut() {
            *to *= factor;
        }
        to[target as usize] -= share;
    }
    ((loss * f64::from(share)) as f32, out)
}

/// `a += b`.
pub fn add_to(a: &mut [f32], b: &[f32]) {
    for (a, b) in a.iter_mut().zip(b) {
        *a += b;
    }
}

/// Adds `bias` to each row.
pub fn add_bias(x: &[f32], bias: &[f32]) -> Vec<f32> {
    let mut out = x.to_vec();
    for row in out.chunks_exact_mut(bias.len()) {
        add_to(row, bias);
    }
    out
}

/// The sum of all rows: a bias's gradient.
pub fn sum_rows(x: &[f32], width: usize) -> Vec<f32> {
    let mut out = vec![0f32; width];
    for row in x.chunks_exact(width) {
        add_to(&mut out, row);
    }
    out
}

/// The share of a normal distribution below `x`.
fn below(x: f32) -> f32 {
    0.5 * (1.0 + libm::erff(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// GELU, the exact one.
pub fn gelu(x: &[f32]) -> Vec<f32> {
    x.iter().map(|&x| x * below(x)).collect()
}

/// The gradient of [`gelu`].
pub fn gelu_back(x: &[f32], dy: &[f32]) -> Vec<f32> {
    let density = |x: f32| exp(-0.5 * x * x) * 0.398_942_3;
    x.iter().zip(dy).map(|(&x, dy)| dy * (below(x) + x * density(x))).collect()
}
