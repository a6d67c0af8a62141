//! What the CUDA kernel is told of a task, and the kernel's arithmetic as scalar code: line by line
//! that of `kernel.cu`, so that it can be tested where there is no GPU.

use super::kernel::{Keep, Rule, Task};
use super::mask::MULTIPLIERS;
use super::round;
use crate::checkpoint::Dtype;

/// Most sources that the kernel is compiled for.
pub(super) const MOST: usize = 5;

/// One source's part, as the kernel reads it.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(super) struct Source {
    weight: f32,
    scale: f32,
    hashed: u32,
    cut: u32,
    key: [u32; 2],
    below: u32,
    unused: u32,
    last: u64,
}

/// A task without its tensors, as the kernel reads it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Launch {
    source: [Source; MOST],
    total: f32,
    lambda: f32,
    consensus: u32,
    normalize: u32,
}

impl Launch {
    /// The task, if it is one of the task-arithmetic family in bfloat16, of 1 to [`MOST`] sources, whose
    /// masks need no memory.
    pub(super) fn of(task: &Task<'_>) -> Option<Self> {
        let Rule::Sum { consensus, lambda } = task.rule else { return None };
        let views = std::iter::once(&task.base).chain(task.inputs.iter().map(|i| &i.source));
        let narrow = task.narrow && { views }.all(|v| v.dtype == Dtype::BF16);
        if !narrow || !(1..=MOST).contains(&task.inputs.len()) {
            return None;
        }
        let mut source = [Source::default(); MOST];
        for (to, input) in source.iter_mut().zip(&task.inputs) {
            // A factor of 1 changes nothing: what it multiplies is rounded already.
            let scale = input.keep.scale().unwrap_or(1.0);
            *to = Source { weight: input.weight, scale, ..Source::default() };
            match input.keep {
                Keep::All => to.last = u64::MAX,
                Keep::Largest(cut) => (to.cut, to.last) = (cut.key, cut.last as u64),
                Keep::Hashed { key, below, .. } => {
                    let (k0, k1) = key.halves();
                    (to.hashed, to.key, to.below) = (1, [k0, k1], below);
                }
                Keep::Listed { .. } => return None,
            }
        }
        let total = round::bf16(task.inputs.iter().fold(0.0, |sum, input| sum + input.weight));
        Some(Self {
            source,
            total: if total.abs() < 1e-8 { 1.0 } else { total },
            lambda,
            consensus: consensus.into(),
            normalize: task.normalize.into(),
        })
    }

    /// The element with flat index `i`, from the bits of the base's and of each source's.
    pub(super) fn element(&self, base: u16, x: &[u16], i: u64) -> u16 {
        let r = round::bf16;
        let widen = |bits: u16| f32::from_bits(u32::from(bits) << 16);
        let b = widen(base);
        let mut d = [0.0; MOST];
        let mut sum = 0.0;
        for ((d, x), source) in d.iter_mut().zip(x).zip(&self.source) {
            let delta = r(widen(*x) - b);
            let delta = if source.kept(delta, i) { delta } else { 0.0 };
            *d = r(r(delta * source.scale) * source.weight);
            sum += *d;
        }
        let mut mix = r(sum);
        let mut divisor = self.total;
        if self.consensus != 0 {
            let negative = mix < 0.0;
            (sum, divisor) = (0.0, 0.0);
            for (d, source) in d.iter().zip(&self.source).take(x.len()) {
                let agrees = if negative { *d < 0.0 } else { *d > 0.0 };
                sum += if agrees { *d } else { 0.0 };
                divisor += if agrees { source.weight } else { 0.0 };
            }
            mix = r(sum);
            divisor = r(divisor);
            divisor = if divisor == 0.0 { 1.0 } else { divisor };
        }
        if self.normalize != 0 {
            mix = r(mix / divisor);
        }
        mix = r(mix * self.lambda);
        (r(mix + b).to_bits() >> 16) as u16
    }
}

impl Source {
    fn number(&self, i: u64) -> u32 {
        let pair = i >> 1;
        let mut x = pair as u32 ^ self.key[0];
        x ^= x >> 16;
        let add = self.key[1].wrapping_add((pair >> 32) as u32);
        x = x.wrapping_mul(MULTIPLIERS[0]).wrapping_add(add);
        x ^= x >> 15;
        x = x.wrapping_mul(MULTIPLIERS[1]);
        x ^= x >> 16;
        if i & 1 == 1 { x >> 16 } else { x & 0xffff }
    }

    fn kept(&self, delta: f32, i: u64) -> bool {
        if self.hashed != 0 {
            return self.number(i) < self.below;
        }
        let magnitude = delta.to_bits() & 0x7fff_ffff;
        magnitude > self.cut || (magnitude == self.cut && i <= self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::TensorView;
    use crate::merge::kernel::{self, BLOCK, Input};
    use crate::merge::mask::Key;
    use crate::merge::trim::Cut;

    const N: usize = 3 * BLOCK + 7;

    #[test]
    fn the_scalar_twin_gives_the_bits_of_the_cpu() {
        let mut state = 11_u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 16_777_216.0 - 0.5
        };
        let base: Vec<f32> = (0..N).map(|i| noise() * [1.0, 1e-4, 0.0, 1e-38][i % 4]).collect();
        let tensors: Vec<Vec<u16>> = (0..=MOST)
            .map(|k| {
                let mut value = |i: usize| if k == 0 || i % 7 == k { 0.0 } else { 0.1 * noise() * noise() };
                (0..N).map(|i| half::bf16::from_f32(base[i] + value(i)).to_bits()).collect()
            })
            .collect();
        let bytes: Vec<Vec<u8>> =
            tensors.iter().map(|t| t.iter().flat_map(|x| x.to_le_bytes()).collect()).collect();
        let shape = [N];
        let view = |k: usize| TensorView { dtype: Dtype::BF16, shape: &shape, data: &bytes[k] };
        let keeps = |i: usize| {
            let key = Key::new(3, "t", i);
            let cut = Cut { key: 0.01_f32.to_bits() & 0xffff_0000, last: 700 * i + 3 };
            [
                Keep::All,
                Keep::Largest(cut),
                Keep::Hashed { key, below: 1 << 15, scale: Some(round::bf16(1.9)) },
                if i == 0 { Keep::All } else { Keep::Hashed { key, below: 9000, scale: None } },
            ]
        };
        let weights = [0.4, -0.9, 0.3, 0.0, 0.7].map(round::bf16);
        for (consensus, lambda, normalize) in
            [(true, 1.0, true), (true, 0.7, false), (false, 1.0, true), (false, -1.3, false)]
        {
            for (sources, keep) in (1..=MOST).flat_map(|n| (0..4).map(move |k| (n, k))) {
                let input =
                    |i: usize| Input { source: view(i + 1), weight: weights[i], keep: keeps(i)[keep] };
                let task = Task {
                    base: view(0),
                    inputs: (0..sources).map(input).collect(),
                    narrow: true,
                    rule: Rule::Sum { consensus, lambda },
                    normalize,
                    extent: None,
                };
                let mut wanted = vec![0; 2 * N];
                kernel::run(&task, 0, &mut wanted);
                let launch = Launch::of(&task).expect("all of the family");
                for (i, wanted) in wanted.as_chunks::<2>().0.iter().enumerate() {
                    let x: Vec<u16> = (1..=sources).map(|k| tensors[k][i]).collect();
                    let got = launch.element(tensors[0][i], &x, i as u64);
                    assert_eq!(got, u16::from_le_bytes(*wanted), "{sources} {keep} {consensus} at {i}");
                }
            }
        }
    }
}
