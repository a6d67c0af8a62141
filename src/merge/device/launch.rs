//! The arguments of the CUDA merge kernel: the fields of `merge.cu`, in the same order. `run::on_card` makes a
//! [`Launch`] for each tensor, `queue` passes it to the kernel.

use crate::checkpoint::Dtype;
use crate::merge::kernels::round;
use crate::merge::kernels::selection::Selection;
use crate::merge::kernels::task::{Combine, Task};

/// The kernel is compiled for at most this many sources.
pub(crate) const MAX_SOURCES: usize = 5;

/// One source's fields in the layout of the kernel.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct Source {
    weight: f32,
    scale: f32,
    hashed: u32,
    cut: u32,
    key: [u32; 2],
    below: u32,
    unused: u32,
    last: u64,
}

/// A task without its tensors, in the layout of the kernel.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Launch {
    source: [Source; MAX_SOURCES],
    total: f32,
    lambda: f32,
    consensus: u32,
    normalize: u32,
    linear: u32,
    unused: u32,
}

impl Launch {
    /// Whether the result is a mean of the sources, which ignores the base.
    pub(crate) const fn is_linear(&self) -> bool {
        self.linear != 0
    }

    /// Converts a task for the kernel. `None` unless the task is linear or in the task-arithmetic family, in bfloat16,
    /// with 1 to [`MAX_SOURCES`] sources, and its masks need no memory.
    pub(crate) fn of(task: &Task<'_>) -> Option<Self> {
        let views = std::iter::once(&task.base).chain(task.inputs.iter().map(|i| &i.source));
        let stored = { views }.all(|v| v.dtype == Dtype::BF16);
        if !stored || !(1..=MAX_SOURCES).contains(&task.inputs.len()) {
            return None;
        }
        let sum = task.inputs.iter().fold(0.0, |sum, input| sum + input.weight);
        let (linear, consensus, lambda, total) = match task.combine {
            // Without a work type, everything is f32.
            Combine::Linear => (true, false, 1.0, sum),
            Combine::Sum { consensus, lambda } if task.narrow => {
                let total = round::bf16(sum);
                (false, consensus, lambda, if total.abs() < 1e-8 { 1.0 } else { total })
            }
            Combine::Sum { .. } => return None,
        };
        let mut source = [Source::default(); MAX_SOURCES];
        for (to, input) in source.iter_mut().zip(&task.inputs) {
            // A factor of 1 is skipped: the values it would multiply are already rounded.
            let scale = input.selection.scale().unwrap_or(1.0);
            *to = Source { weight: input.weight, scale, ..Source::default() };
            match &input.selection {
                Selection::All => to.last = u64::MAX,
                Selection::Largest(cut) => (to.cut, to.last) = (cut.key, cut.last as u64),
                Selection::Hashed { key, below, .. } => {
                    let (k0, k1) = key.halves();
                    (to.hashed, to.key, to.below) = (1, [k0, k1], *below);
                }
                Selection::Listed { .. } => return None,
            }
        }
        Some(Self {
            source,
            total,
            lambda,
            consensus: consensus.into(),
            normalize: task.normalize.into(),
            linear: linear.into(),
            unused: 0,
        })
    }
}
