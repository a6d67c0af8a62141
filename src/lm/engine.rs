//! The decoder's one code path, compiled for each backend.

use super::{
    backend::{candle::Composed, cpu::Cpu},
    model::Model,
};

// One a decoder: a box would save nothing.
#[allow(clippy::large_enum_variant)]
pub(super) enum Engine {
    Cpu(Model<Cpu>),
    #[cfg(feature = "cuda")]
    Cuda(Model<super::backend::cuda::Gpu<crate::gpu::Card>>),
    Reference(Model<Composed>),
    #[cfg(test)]
    Emulated(Model<super::backend::cuda::Gpu<crate::gpu::emulated::Emulated>>),
}

/// Evaluates an expression with the engine's model, whatever its backend.
macro_rules! with_model {
    ($engine:expr, $model:ident => $body:expr) => {
        match $engine {
            $crate::lm::engine::Engine::Cpu($model) => $body,
            #[cfg(feature = "cuda")]
            $crate::lm::engine::Engine::Cuda($model) => $body,
            $crate::lm::engine::Engine::Reference($model) => $body,
            #[cfg(test)]
            $crate::lm::engine::Engine::Emulated($model) => $body,
        }
    };
}

/// Makes the engine of a device: an expression of a backend gives the model.
macro_rules! make_engine {
    ($device:expr, $shape:expr, $backend:ident => $model:expr) => {
        match $device {
            $crate::lm::Device::Cpu => {
                let $backend = $crate::lm::backend::cpu::Cpu::new();
                $crate::lm::engine::Engine::Cpu($model)
            }
            #[cfg(feature = "cuda")]
            $crate::lm::Device::Cuda(card) => {
                let $backend = $crate::lm::backend::cuda::Gpu::new(card, $shape)?;
                $crate::lm::engine::Engine::Cuda($model)
            }
            $crate::lm::Device::Reference => {
                let $backend = $crate::lm::backend::candle::Composed::new();
                $crate::lm::engine::Engine::Reference($model)
            }
            #[cfg(test)]
            $crate::lm::Device::Emulated(card) => {
                let $backend = $crate::lm::backend::cuda::Gpu::new(card, $shape)?;
                $crate::lm::engine::Engine::Emulated($model)
            }
        }
    };
}

pub(super) use {make_engine, with_model};

impl Engine {
    /// Sequences that a thread decodes at once at most, where nothing is asked for: on a card the weights
    /// are read once a step for all of them, so that only memory is a bound.
    pub const fn most_at_once(&self) -> usize {
        match self {
            Self::Cpu(_) | Self::Reference(_) => 128,
            #[cfg(feature = "cuda")]
            Self::Cuda(_) => 1024,
            #[cfg(test)]
            Self::Emulated(_) => 1024,
        }
    }

    /// Threads that decode side by side where `asked` are wished for, 0 being all cores.
    pub fn threads(&self, asked: usize) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        match self {
            Self::Cpu(_) if asked == 0 => cores(),
            Self::Cpu(_) => asked,
            // One queue.
            #[cfg(feature = "cuda")]
            Self::Cuda(_) => 1,
            Self::Reference(_) => 1,
            #[cfg(test)]
            Self::Emulated(_) => 1,
        }
    }
}
