//! The parts of an encoder, on candle's operations in f32: weights by name, linear layers, norms, activations.

use candle_core::{D, DType, Device, Tensor};

use crate::checkpoint::{Dtype, TensorView};
use crate::lm::LmError;

/// Where weights come from, and where they go.
pub(super) struct Parts<'a> {
    pub(super) get: &'a dyn Fn(&str) -> Option<TensorView<'a>>,
    pub(super) device: Device,
}

impl Parts<'_> {
    /// A tensor of the shape that the config calls for, in f32.
    pub(super) fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor, LmError> {
        let view = (self.get)(name).ok_or_else(|| LmError::MissingTensor { name: name.to_owned() })?;
        if view.shape != shape {
            let (expected, found) = (shape.to_vec(), view.shape.to_vec());
            return Err(LmError::Shape { name: name.to_owned(), expected, found });
        }
        let dtype = match view.dtype {
            Dtype::F32 => DType::F32,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
        };
        Ok(Tensor::from_raw_buffer(view.data, dtype, shape, &self.device)?.to_dtype(DType::F32)?)
    }
}

/// A linear layer of rows.
pub(super) struct Linear {
    /// `[in, out]`.
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// Reads `name.weight` of `[out, in]`, and `name.bias`.
    pub(super) fn load(
        parts: &Parts,
        name: &str,
        [out, inputs]: [usize; 2],
        bias: bool,
    ) -> Result<Self, LmError> {
        let weight = parts.tensor(&format!("{name}.weight"), &[out, inputs])?;
        let bias = bias.then(|| parts.tensor(&format!("{name}.bias"), &[out])).transpose()?;
        Ok(Self::new(&weight, bias)?)
    }

    /// Of a weight `[out, in]`.
    pub(super) fn new(weight: &Tensor, bias: Option<Tensor>) -> Result<Self, candle_core::Error> {
        Ok(Self { weight: weight.t()?.contiguous()?, bias })
    }

    pub(super) fn run(&self, rows: &Tensor) -> Result<Tensor, LmError> {
        let out = rows.matmul(&self.weight)?;
        Ok(match &self.bias {
            None => out,
            Some(bias) => out.broadcast_add(bias)?,
        })
    }
}

/// A norm over the last dimension, by mean and variance.
pub(super) struct Norm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

impl Norm {
    pub(super) fn load(parts: &Parts, name: &str, width: usize, eps: f64) -> Result<Self, LmError> {
        let part = |part: &str| parts.tensor(&format!("{name}.{part}"), &[width]);
        Ok(Self { weight: part("weight")?, bias: part("bias")?, eps })
    }

    pub(super) fn run(&self, x: &Tensor) -> Result<Tensor, LmError> {
        let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
        let spread = (centred.sqr()?.mean_keepdim(D::Minus1)? + self.eps)?.sqrt()?;
        Ok(centred.broadcast_div(&spread)?.broadcast_mul(&self.weight)?.broadcast_add(&self.bias)?)
    }
}

/// The activations that transformers has under the names of published towers and projectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activation {
    /// `x · σ(1.702 x)`.
    QuickGelu,
    /// By the error function.
    Gelu,
    /// By the hyperbolic tangent.
    GeluTanh,
    Silu,
    Relu,
}

impl Activation {
    pub(super) fn of(key: &str, name: &str) -> Result<Self, LmError> {
        Ok(match name {
            "quick_gelu" => Self::QuickGelu,
            "gelu" | "gelu_python" => Self::Gelu,
            "gelu_pytorch_tanh" | "gelu_new" | "gelu_fast" | "gelu_python_tanh" => Self::GeluTanh,
            "silu" | "swish" => Self::Silu,
            "relu" => Self::Relu,
            _ => {
                return Err(LmError::Unsupported {
                    key: key.to_owned(),
                    value: name.to_owned(),
                    supported: "quick_gelu, gelu, gelu_pytorch_tanh, gelu_new, silu, relu",
                });
            }
        })
    }

    pub(super) fn run(self, x: &Tensor) -> Result<Tensor, LmError> {
        Ok(match self {
            Self::QuickGelu => (x * candle_nn::ops::sigmoid(&(x * 1.702)?)?)?,
            Self::Gelu => x.gelu_erf()?,
            Self::GeluTanh => x.gelu()?,
            Self::Silu => x.silu()?,
            Self::Relu => x.relu()?,
        })
    }
}
