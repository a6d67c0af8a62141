//! Starts the merge kernel for one tensor whose base, sources and result are in the card's memory.
//!
//! The kernel (`merge.cu`) reads each input once and writes the result once, directly to the given address, which may
//! be that of a decoder's weights. The [`Launch`] holds thresholds and rescaling factors; the CPU computes them once
//! per source. Tests run the same kernel on an emulated card.

use super::launch::{Launch, MAX_SOURCES};
use crate::gpu::{Arguments, Driver, Fault, KernelSource};

const THREADS: usize = 256;
/// Elements that one thread merges.
const EACH: usize = 8;
const NAMES: [&str; MAX_SOURCES] = ["merge_1", "merge_2", "merge_3", "merge_4", "merge_5"];

/// The kernel's arguments.
#[derive(Clone, Copy)]
#[repr(C)]
struct Merge {
    launch: Launch,
    base: u64,
    sources: [u64; MAX_SOURCES],
    out: u64,
    count: u64,
    aligned: u32,
    unused: u32,
}

// SAFETY: `repr(C)`, numbers and addresses without padding, in the order of the kernel's structure.
unsafe impl Arguments for Merge {}

/// Queues the merge of `count` bfloat16 elements. Reads from the addresses of base and sources, writes to `out`.
///
/// # Safety
/// `launch` was made for the same number of sources. Each address leads to `count` elements on this card, kept until
/// the queue is done with them.
pub(crate) unsafe fn queue<D: Driver>(
    card: &D,
    launch: Launch,
    base: u64,
    sources: &[u64],
    out: u64,
    count: usize,
) -> Result<(), Fault> {
    let kernels = card.compile(&KernelSource {
        name: NAMES[sources.len() - 1],
        text: include_str!("merge.cu"),
        defines: &[("SOURCES", sources.len() as u32)],
        kernels: &["merge"],
    })?;
    let Some(kernel) = kernels.first() else {
        return Err(Fault::Failed("the merge kernel was not compiled".to_owned()));
    };
    // Unused source slots get the base's address; the kernel does not read them.
    let mut all = [base; MAX_SOURCES];
    all[..sources.len()].copy_from_slice(sources);
    let aligned = all.iter().chain([&base, &out]).all(|address| address.is_multiple_of(16));
    let arguments =
        Merge { launch, base, sources: all, out, count: count as u64, aligned: aligned.into(), unused: 0 };
    let blocks = count.div_ceil(EACH * THREADS);
    // SAFETY: the caller guarantees the addresses; the kernel stays within `count`.
    unsafe { card.launch(kernel, [blocks, 1, 1], THREADS as u32, &arguments) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::{Dtype, TensorView};
    use crate::gpu::{Format, emulated::Emulated};
    use crate::merge::kernels::block::BLOCK_LEN;
    use crate::merge::kernels::mask::Key;
    use crate::merge::kernels::round;
    use crate::merge::kernels::selection::{Cut, Selection};
    use crate::merge::kernels::task::{Combine, Input, Task};

    const N: usize = 2 * BLOCK_LEN + 7;

    /// Base and five sources with zeros, tiny numbers, numbers near the largest, and equal numbers.
    fn tensors() -> Vec<Vec<u8>> {
        let mut state = 11_u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 16_777_216.0 - 0.5
        };
        let base: Vec<f32> = (0..N).map(|i| noise() * [1.0, 1e-4, 0.0, 1e-38, 3e38][i % 5]).collect();
        (0..=MAX_SOURCES)
            .map(|k| {
                let mut value = |i: usize| match i % 7 {
                    _ if k == 0 => 0.0,
                    same if same == k => 0.0,
                    6 => -1.9 * base[i],
                    _ => 0.1 * noise() * noise(),
                };
                (0..N).flat_map(|i| half::bf16::from_f32(base[i] + value(i)).to_le_bytes()).collect()
            })
            .collect()
    }

    fn selections(i: usize) -> [Selection; 4] {
        let key = Key::new(3, "t", i);
        let cut = Cut { key: 0.01_f32.to_bits() & 0xffff_0000, last: 700 * i + 3 };
        [
            Selection::All,
            Selection::Largest(cut),
            Selection::Hashed { key, below: 1 << 15, scale: Some(round::bf16(1.9)) },
            if i == 0 { Selection::All } else { Selection::Hashed { key, below: 9000, scale: None } },
        ]
    }

    #[test]
    fn the_kernel_gives_the_bits_of_the_cpu_wherever_it_writes() {
        let bytes = tensors();
        let shape = [N];
        let view = |k: usize| TensorView { dtype: Dtype::BF16, shape: &shape, data: &bytes[k] };
        let weights = [0.4, -0.9, 0.3, 0.0, 0.7].map(round::bf16);
        let card = Emulated::new(Format::BF16, false);
        // Shifted by `at` elements: 8 takes the wide path, 3 the narrow one.
        let resident: Vec<_> = bytes
            .iter()
            .map(|tensor| {
                let buffer = card.alloc("t", 2 * (N + 8)).unwrap();
                card.upload(tensor, &buffer, 16).unwrap();
                buffer
            })
            .collect();
        for (consensus, lambda, normalize) in
            [(true, 1.0, true), (true, 0.7, false), (false, 1.0, true), (false, -1.3, false)]
        {
            for (n, keep, at) in
                (1..=MAX_SOURCES).flat_map(|n| (0..4).map(move |k| (n, k, [8, 3][(n + k) % 2])))
            {
                let input = |i: usize| Input {
                    source: view(i + 1),
                    weight: weights[i],
                    selection: selections(i)[keep].clone(),
                };
                let task = Task {
                    base: view(0),
                    inputs: (0..n).map(input).collect(),
                    narrow: true,
                    combine: Combine::Sum { consensus, lambda },
                    normalize,
                    exponents: None,
                };
                let mut wanted = vec![0; 2 * N];
                task.fill(&mut wanted, false);
                let out = card.alloc("out", 2 * (N + 11)).unwrap();
                card.upload(&vec![0x55; 2 * (N + 11)], &out, 0).unwrap();
                let address = |k: usize| card.address(&resident[k]) + 16;
                let sources: Vec<u64> = (1..=n).map(address).collect();
                let to = card.address(&out) + 2 * at as u64;
                // SAFETY: every buffer holds N elements from that address on.
                unsafe { queue(&card, Launch::of(&task).unwrap(), address(0), &sources, to, N) }.unwrap();
                let mut got = vec![0; 2 * (N + 11)];
                card.download(&out, 0, &mut got).unwrap();
                let what = format!("{n} sources, keep {keep}, {consensus} {lambda} {normalize}, at {at}");
                assert!(got[2 * at..2 * (at + N)] == wanted, "{what}");
                assert!(got[..2 * at].iter().chain(&got[2 * (at + N)..]).all(|b| *b == 0x55), "{what}");
            }
        }
    }

    #[test]
    fn a_mean_is_that_of_the_cpu() {
        let bytes = tensors();
        let shape = [N];
        let view = |k: usize| TensorView { dtype: Dtype::BF16, shape: &shape, data: &bytes[k] };
        let card = Emulated::new(Format::BF16, false);
        let resident = bytes.iter().map(|tensor| {
            let buffer = card.alloc("t", 2 * N).unwrap();
            card.upload(tensor, &buffer, 0).unwrap();
            buffer
        });
        let resident: Vec<_> = resident.collect();
        for (n, normalize) in (1..=MAX_SOURCES).flat_map(|n| [(n, true), (n, false)]) {
            // No weight is a bfloat16, so the mean is computed in f32.
            let input = |i: usize| Input {
                source: view(i),
                weight: 0.3 + 0.17 * i as f32,
                selection: Selection::All,
            };
            let (narrow, combine, exponents) = (n % 2 == 0, Combine::Linear, None);
            let inputs = (1..=n).map(input).collect();
            let task = Task { base: view(1), inputs, narrow, combine, normalize, exponents };
            let mut wanted = vec![0; 2 * N];
            task.fill(&mut wanted, false);
            let out = card.alloc("out", 2 * N).unwrap();
            let sources: Vec<u64> = (1..=n).map(|k| card.address(&resident[k])).collect();
            let launch = Launch::of(&task).unwrap();
            // SAFETY: every buffer holds N elements.
            unsafe { queue(&card, launch, sources[0], &sources, card.address(&out), N) }.unwrap();
            let mut got = vec![0; 2 * N];
            card.download(&out, 0, &mut got).unwrap();
            assert!(got == wanted, "{n} sources, {normalize}");
        }
    }

    #[test]
    fn other_tasks_are_left_to_the_cpu() {
        let bytes = tensors();
        let shape = [N];
        let view = |k: usize| TensorView { dtype: Dtype::BF16, shape: &shape, data: &bytes[k] };
        let input = |k| Input { source: view(k), weight: 0.5, selection: Selection::All };
        let (normalize, exponents, combine) = (true, None, Combine::Sum { consensus: true, lambda: 1.0 });
        let task = |inputs, narrow| Task { base: view(0), inputs, narrow, combine, normalize, exponents };
        assert!(Launch::of(&task(vec![input(1), input(2)], true)).is_some());
        // Refused: f32, no source, six sources, a mask that is a list.
        assert!(Launch::of(&task(vec![input(1)], false)).is_none());
        assert!(Launch::of(&task(Vec::new(), true)).is_none());
        assert!(Launch::of(&task(vec![input(1); 6], true)).is_none());
        let listed = Input { selection: Selection::Listed { keep: vec![1; N], scale: None }, ..input(1) };
        assert!(Launch::of(&task(vec![listed], true)).is_none());
    }
}
