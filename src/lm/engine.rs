//! The list of backends: a [`Model`] on each, and the macros that run code on a decoder's backend.
//!
//! A new backend needs a variant of [`Engine`] and an arm in each of the two macros. `Decoder`, `path` and `decoding`
//! use them.

use super::{
    backend::{candle::Candle, cpu::Cpu},
    model::Model,
};

// There is only one per decoder, so boxing would save nothing.
#[allow(clippy::large_enum_variant)]
/// A decoder's model on its backend.
pub(super) enum Engine {
    Cpu(Model<Cpu>),
    #[cfg(feature = "cuda")]
    Cuda(Model<super::backend::cuda::Cuda<crate::gpu::Card>>),
    Candle(Model<Candle>),
    #[cfg(test)]
    Emulated(Model<super::backend::cuda::Cuda<crate::gpu::emulated::Emulated>>),
}

/// Evaluates an expression with the engine's model, compiled for each backend.
macro_rules! with_model {
    ($engine:expr, $model:ident => $body:expr) => {
        match $engine {
            $crate::lm::engine::Engine::Cpu($model) => $body,
            #[cfg(feature = "cuda")]
            $crate::lm::engine::Engine::Cuda($model) => $body,
            $crate::lm::engine::Engine::Candle($model) => $body,
            #[cfg(test)]
            $crate::lm::engine::Engine::Emulated($model) => $body,
        }
    };
}

/// Makes an engine on a device: the expression builds the model from the given backend.
macro_rules! make_engine {
    ($device:expr, $shape:expr, $backend:ident => $model:expr) => {
        match $device {
            $crate::lm::Device::Cpu => {
                let $backend = $crate::lm::backend::cpu::Cpu::new();
                $crate::lm::engine::Engine::Cpu($model)
            }
            $crate::lm::Device::CpuBf16 => {
                let $backend = $crate::lm::backend::cpu::Cpu::rounding();
                $crate::lm::engine::Engine::Cpu($model)
            }
            #[cfg(feature = "cuda")]
            $crate::lm::Device::Cuda(card) => {
                let $backend = $crate::lm::backend::cuda::Cuda::new(card, $shape)?;
                $crate::lm::engine::Engine::Cuda($model)
            }
            $crate::lm::Device::Reference => {
                let $backend = $crate::lm::backend::candle::Candle::cpu();
                $crate::lm::engine::Engine::Candle($model)
            }
            #[cfg(test)]
            $crate::lm::Device::Emulated(card) => {
                let $backend = $crate::lm::backend::cuda::Cuda::new(card, $shape)?;
                $crate::lm::engine::Engine::Emulated($model)
            }
        }
    };
}

pub(super) use {make_engine, with_model};
