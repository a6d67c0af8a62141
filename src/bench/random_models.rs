//! A base and sources of random weights on a card, and DARE-TIES candidates of them, for sizes at which no model is at
//! hand.
//!
//! In: a card and a config. Out: merged tensors at addresses on the card. Called by `gpu`.

use std::collections::HashMap;

use crate::checkpoint::{Dtype, ModelConfig, TensorView, tensor_shapes};
use crate::gpu::{Arguments, Driver, Fault, KernelSource};
use crate::merge::MergeError;
use crate::merge::for_bench::{Combine, Input, Key, Launch, Selection, Task, queue, round, threshold};

#[derive(Clone, Copy)]
#[repr(C)]
struct Noise {
    out: u64,
    count: u64,
    seed: u64,
    common: f32,
    own: f32,
    middle: f32,
    unused: u32,
}

// SAFETY: `repr(C)`, numbers and addresses without gaps, in the order of the kernel's structure.
unsafe impl Arguments for Noise {}

/// Random models of one shape on a card.
pub(crate) struct RandomModels<D: Driver> {
    card: D,
    /// By name: number of elements, and the base's and the sources' buffers.
    tensors: HashMap<String, (usize, Vec<D::Buffer>)>,
    sources: usize,
}

fn failed(fault: Fault) -> MergeError {
    MergeError::Card(match fault {
        Fault::Memory { what, bytes } => format!("no room for {bytes} bytes of {what}"),
        Fault::Failed(why) => why,
    })
}

impl<D: Driver> RandomModels<D> {
    /// A base of this shape and so many sources that differ from it a little.
    ///
    /// # Errors
    /// No memory on the card, or a kernel that fails.
    pub(crate) fn new(card: D, config: &ModelConfig, sources: usize) -> Result<Self, MergeError> {
        let kernels = card.compile(&KernelSource {
            name: "noise",
            text: include_str!("noise.cu"),
            defines: &[],
            kernels: &["noise"],
        });
        let kernels = kernels.map_err(failed)?;
        let mut tensors = HashMap::new();
        for (place, (name, shape)) in tensor_shapes(config).into_iter().enumerate() {
            let count: usize = shape.iter().product();
            // Norms are ones; other weights spread as widely as trained ones do.
            let (middle, common) = if name.contains("norm") { (1.0, 0.0) } else { (0.0, 0.035) };
            let mut made = Vec::with_capacity(1 + sources);
            for model in 0..=sources {
                let buffer = card.alloc("base and sources", 2 * count).map_err(failed)?;
                let own = if model == 0 { 0.0 } else { 0.004 };
                let seed = (place * (1 + sources) + model) as u64;
                let arguments = Noise {
                    out: card.address(&buffer),
                    count: count as u64,
                    seed,
                    common,
                    own,
                    middle,
                    unused: 0,
                };
                // SAFETY: the buffer has room for `count` elements.
                unsafe { card.launch(&kernels[0], [count.div_ceil(256), 1, 1], 256, &arguments) }
                    .map_err(failed)?;
                made.push(buffer);
            }
            tensors.insert(name, (count, made));
        }
        Ok(Self { card, tensors, sources })
    }

    /// Bytes of one model.
    pub(crate) fn bytes(&self) -> usize {
        self.tensors.values().map(|(count, _)| 2 * count).sum()
    }

    /// Queues one tensor of the candidate with this number: DARE-TIES of all sources at density 0.5, whose weights
    /// follow from the number.
    ///
    /// # Errors
    /// No such tensor, too many sources, or a card that fails.
    pub(crate) fn make(&self, candidate: usize, name: &str, to: u64) -> Result<(), MergeError> {
        let missing = || MergeError::Card(format!("there is no tensor {name}"));
        let (count, models) = self.tensors.get(name).ok_or_else(missing)?;
        let view = TensorView { dtype: Dtype::BF16, shape: &[], data: &[] };
        let input = |source: usize| Input {
            source: view,
            weight: round::bf16(0.3 + 0.01 * (candidate % 16) as f32),
            selection: Selection::Hashed {
                key: Key::new(42, name, source),
                below: threshold(0.5),
                scale: Some(2.0),
            },
        };
        let task = Task {
            base: view,
            inputs: (0..self.sources).map(input).collect(),
            narrow: true,
            combine: Combine::Sum { consensus: true, lambda: 1.0 },
            normalize: true,
            exponents: None,
        };
        let Some(launch) = Launch::of(&task) else {
            return Err(MergeError::Card(format!("{} sources are too many", self.sources)));
        };
        let addresses: Vec<u64> = models.iter().map(|buffer| self.card.address(buffer)).collect();
        // SAFETY: every model has `count` elements there, and the decoder has room for as many at `to`.
        unsafe { queue::queue(&self.card, launch, addresses[0], &addresses[1..], to, *count) }.map_err(failed)
    }

    /// Waits until everything queued is done.
    ///
    /// # Errors
    /// A card that fails.
    pub(crate) fn wait(&self) -> Result<(), MergeError> {
        match self.tensors.values().next() {
            Some((_, models)) => self.card.download(&models[0], 0, &mut [0; 2]).map_err(failed),
            None => Ok(()),
        }
    }
}
