//! Weights that tell how far their loading has come. A checkpoint and a listener come in; the same tensors go out, and a
//! decoder that loads them tells the listener, who may end it between two tensors. The loaded models and
//! `yosegi generate` load decoders from them.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use crate::checkpoint::{Checkpoint, CheckpointError, TensorView, Weights};
use crate::lm::PathStep;
use crate::progress::{Meter, Observer, What};
use crate::recipe::LayerGroup;

/// A model's weights while a decoder loads them.
pub struct WatchedWeights<'a> {
    weights: &'a Checkpoint,
    meter: &'a Meter<'a>,
    /// Tensors of which some part is loaded: each counts once.
    seen: Mutex<HashSet<String>>,
}

impl<'a> WatchedWeights<'a> {
    /// Counts the bytes of this model's tensors.
    #[must_use]
    pub fn new(weights: &'a Checkpoint, meter: &'a Meter<'a>) -> Self {
        Self { weights, meter, seen: Mutex::default() }
    }
}

impl Weights for WatchedWeights<'_> {
    fn tensor(&self, name: &str) -> Option<TensorView<'_>> {
        self.weights.tensor(name)
    }

    /// A decoder asks this of each tensor, or part of one, that it has written.
    fn intact(&self, name: &str) -> Result<(), CheckpointError> {
        if self.meter.stopped() {
            return Err(CheckpointError::Stopped { model: self.weights.reference().to_owned() });
        }
        if self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned()) {
            self.meter.add(self.weights.tensor(name).map_or(0, |view| view.data.len() as u64));
        }
        self.weights.intact(name)
    }

    fn release(&self, name: &str) {
        Weights::release(self.weights, name);
    }
}

/// A meter for the loading of all of a model.
#[must_use]
pub fn meter_of_model<'a>(model: &Checkpoint, observer: &Observer<'a>) -> Meter<'a> {
    let bytes = model.names().into_iter().map(|name| bytes_of(model, name)).sum();
    observer.meter(What::Loading(model.reference().to_owned()), bytes)
}

/// A meter for the loading of a path's layers, and of the first model's embedding and head. Layers that are loaded
/// already do not count.
#[must_use]
pub(super) fn meter_of_path<'a>(
    models: &[Checkpoint],
    steps: &[PathStep],
    loaded: Option<&[(usize, usize)]>,
    observer: &Observer<'a>,
) -> Meter<'a> {
    let is_new = |model: usize, group: LayerGroup| match group {
        LayerGroup::Block(layer) => {
            steps.iter().any(|step| (step.model, step.layer) == (model, layer))
                && !loaded.is_some_and(|loaded| loaded.contains(&(model, layer)))
        }
        LayerGroup::Embedding | LayerGroup::Head => model == 0 && loaded.is_none(),
    };
    let of_model = |(at, model): (usize, &Checkpoint)| -> u64 {
        let names = model.names().into_iter();
        let new = names.filter(|name| LayerGroup::of_tensor(name).is_some_and(|group| is_new(at, group)));
        new.map(|name| bytes_of(model, name)).sum()
    };
    let name = models.first().map_or_else(String::new, |model| model.reference().to_owned());
    observer.meter(What::Loading(name), models.iter().enumerate().map(of_model).sum())
}

fn bytes_of(model: &Checkpoint, name: &str) -> u64 {
    model.tensor(name).map_or(0, |view| view.data.len() as u64)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::lm::{Decoder, Device, LmError};

    /// Weights that end their own loading after some tensors, as a client does who cancels.
    struct Cancelled<'a> {
        weights: WatchedWeights<'a>,
        stop: &'a AtomicBool,
        left: Mutex<usize>,
        asked: Mutex<usize>,
    }

    impl Weights for Cancelled<'_> {
        fn tensor(&self, name: &str) -> Option<TensorView<'_>> {
            *self.asked.lock().unwrap() += 1;
            self.weights.tensor(name)
        }

        fn intact(&self, name: &str) -> Result<(), CheckpointError> {
            let mut left = self.left.lock().unwrap();
            *left = left.saturating_sub(1);
            self.stop.store(*left == 0, Ordering::Relaxed);
            self.weights.intact(name)
        }
    }

    #[test]
    fn loading_counts_every_byte_once_and_gives_the_same_model() {
        let model = Checkpoint::open("zoo:ja").unwrap();
        let meter = meter_of_model(&model, &Observer::none());
        let weights = WatchedWeights::new(&model, &meter);
        let watched = Decoder::load(model.config(), &weights, &Device::Cpu).unwrap();
        assert!(meter.of() > 0);
        assert_eq!(meter.done(), meter.of());
        let plain = Decoder::load(model.config(), &model, &Device::Cpu).unwrap();
        assert_eq!(watched.logits(&[1, 2, 3]).unwrap(), plain.logits(&[1, 2, 3]).unwrap());
        // A path that uses one block of a second model takes that block alone from it.
        let models = [model, Checkpoint::open("zoo:base").unwrap()];
        let step = |model, layer| PathStep { model, layer, scale: 1.0 };
        let steps = [step(0, 0), step(1, 1), step(0, 0)];
        let all = |loaded| meter_of_path(&models, &steps, loaded, &Observer::none()).of();
        let block = |model: &Checkpoint, layer| -> u64 {
            let names = model.names().into_iter();
            let own = names.filter(|n| LayerGroup::of_tensor(n) == Some(LayerGroup::Block(layer)));
            own.map(|n| bytes_of(model, n)).sum()
        };
        assert_eq!(all(Some(&[(0, 0)])), block(&models[1], 1));
        assert!(all(None) > block(&models[0], 0) + block(&models[1], 1));
    }

    #[test]
    fn a_cancelled_load_ends_at_the_next_tensor() {
        let model = Checkpoint::open("zoo:ja").unwrap();
        let stop = AtomicBool::new(false);
        let observer = Observer::new(&|_| (), &stop);
        let meter = meter_of_model(&model, &observer);
        let weights = Cancelled {
            weights: WatchedWeights::new(&model, &meter),
            stop: &stop,
            left: Mutex::new(5),
            asked: Mutex::new(0),
        };
        let loaded = Decoder::load(model.config(), &weights, &Device::Cpu);
        let why = loaded.err().unwrap();
        assert!(matches!(&why, LmError::Checkpoint(CheckpointError::Stopped { .. })), "{why}");
        assert!(*weights.asked.lock().unwrap() <= 6, "{:?}", weights.asked);
        assert!(0 < meter.done() && meter.done() < meter.of());
    }
}
