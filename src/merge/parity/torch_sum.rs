//! Sums in torch's order, for the rescaling of DARE and DELLA. Values come in, one sum goes out; `prune` calls it.
//!
//! `tensor.sum()` on the CPU adds in 4 × 8 interleaved sums, each by a cascade of four levels
//! (`SumKernel.cpp`: `vectorized_inner_sum`, `row_sum`, `multi_row_sum`; 8 lanes of f32 on every
//! x86, AVX-512 or not). DARE and DELLA rescale by the quotient of two such sums: in f32 its last bit depends
//! on their order.

const LANES: usize = 8;
const ROWS: usize = 4;
const LEVELS: usize = 4;
/// One step of the outer loop.
const STRIPE: usize = LANES * ROWS;

type Stripe = [f32; STRIPE];

/// The sum of `n` values of f32, in torch's order on one thread. `read` fills a buffer with the values from a flat
/// index on; the calls come in order.
pub(crate) fn sum(n: usize, mut read: impl FnMut(usize, &mut [f32])) -> f32 {
    let vectors = n / LANES;
    let stripes = vectors / ROWS;
    let power = (usize::BITS - stripes.saturating_sub(1).leading_zeros()) as usize / LEVELS;
    let power = power.max(4);
    let step = 1 << power;
    let mut acc = [[0.0_f32; STRIPE]; LEVELS];
    let mut buffer = vec![0.0; step.min(64) * STRIPE];
    let mut i = 0;
    while i < stripes {
        // Whole steps first, then the rest.
        let whole = i + step <= stripes;
        let end = if whole { i + step } else { stripes };
        while i < end {
            let count = (end - i).min(64);
            let values = &mut buffer[..count * STRIPE];
            read(i * STRIPE, values);
            for stripe in values.as_chunks::<STRIPE>().0 {
                add(&mut acc[0], stripe);
            }
            i += count;
        }
        if !whole {
            break;
        }
        for level in 1..LEVELS {
            let below = acc[level - 1];
            add(&mut acc[level], &below);
            acc[level - 1] = [0.0; STRIPE];
            if i & ((step - 1) << (level * power)) != 0 {
                break;
            }
        }
    }
    let [mut total, upper @ ..] = acc;
    for level in &upper {
        add(&mut total, level);
    }
    let mut rest = vec![0.0; n - stripes * STRIPE];
    read(stripes * STRIPE, &mut rest);
    let (vectors, scalars) = rest.as_chunks::<LANES>();
    for vector in vectors {
        for (t, v) in total[..LANES].iter_mut().zip(vector) {
            *t += v;
        }
    }
    for row in 1..ROWS {
        for lane in 0..LANES {
            total[lane] += total[row * LANES + lane];
        }
    }
    let rest = scalars.iter().fold(0.0, |sum, v| sum + v);
    total[..LANES].iter().fold(rest, |sum, v| sum + v)
}

fn add(acc: &mut Stripe, values: &Stripe) {
    for (a, v) in acc.iter_mut().zip(values) {
        *a += v;
    }
}

#[cfg(test)]
mod tests {
    use super::sum;

    #[test]
    fn the_numbers_of_torch() {
        // torch 2.15, one thread: SUMS, of x[i] = ((i * 2654435761 mod 2^32) >> 8) / 2^24.
        for (n, wanted) in SUMS {
            let got = sum(n, |at, out| {
                for (i, o) in (at as u32..).zip(out) {
                    *o = (i.wrapping_mul(2_654_435_761) >> 8) as f32 / 16_777_216.0;
                }
            });
            assert_eq!(got.to_bits(), wanted, "{n}");
        }
    }

    const SUMS: [(usize, u32); 10] = [
        (0, 0),
        (1, 0),
        (7, 1_077_846_846),
        (33, 1_099_076_440),
        (100, 1_111_823_020),
        (511, 1_132_391_212),
        (8192, 1_166_016_165),
        (24_583, 1_178_602_131),
        (200_003, 1_203_982_499),
        (3_000_001, 1_236_736_764),
    ];
}
