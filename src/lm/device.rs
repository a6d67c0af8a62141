//! The devices that a model can run on, and how a user names them.
//!
//! In: a name (`auto`, `cpu`, `cuda`, `cuda:1`) and a precision. Out: a [`Device`] to load a decoder on. The commands, the workers and
//! all other code that loads a decoder call it. A new device needs a variant here, its name in [`pick`], and a backend
//! (`lm/backend`).

use serde::{Deserialize, Serialize};

use super::LmError;

/// The number format that a decoder computes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// float32: weights as they are stored, activations and sums in float32.
    F32,
    /// bfloat16: weights and activations rounded to bfloat16, sums in float32.
    Bf16,
}

impl Precision {
    /// All, in the order in which a user sees them.
    pub const ALL: [Self; 2] = [Self::F32, Self::Bf16];

    /// Its name in configs and options.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }
}

/// A device that a [`Decoder`](super::Decoder) can be loaded on.
#[derive(Clone, Debug)]
pub enum Device {
    /// This machine's CPU, with the kernels of this crate (f32).
    Cpu,
    /// This machine's CPU, rounding where a card rounds (bf16).
    CpuBf16,
    /// A CUDA card, with the kernels of this crate (bf16).
    #[cfg(feature = "cuda")]
    Cuda(crate::gpu::Card),
    /// Candle's CPU device, with candle's operations (f32): slow, the reference for tests of the kernels.
    Reference,
    /// The CUDA kernels on an emulated card.
    #[cfg(test)]
    Emulated(crate::gpu::emulated::Emulated),
}

impl Device {
    /// The slow reference device, for tests.
    #[must_use]
    pub const fn reference() -> Self {
        Self::Reference
    }

    /// Its name, for the user and the journal: `cpu`, `cpu (reference)`, `cuda:0`.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Cpu | Self::CpuBf16 => "cpu".to_owned(),
            #[cfg(feature = "cuda")]
            Self::Cuda(card) => format!("cuda:{}", card.ordinal()),
            Self::Reference => "cpu (reference)".to_owned(),
            #[cfg(test)]
            Self::Emulated(card) => format!("{card:?}"),
        }
    }

    /// Free bytes of its own memory; `None` if it uses the machine's.
    #[must_use]
    pub fn free_bytes(&self) -> Option<u64> {
        match self {
            Self::Cpu | Self::CpuBf16 | Self::Reference => None,
            #[cfg(feature = "cuda")]
            Self::Cuda(card) => crate::gpu::Driver::free(card).ok().map(|bytes| bytes as u64),
            #[cfg(test)]
            Self::Emulated(card) => crate::gpu::Driver::free(card).ok().map(|bytes| bytes as u64),
        }
    }

    /// Number format of weights and activations on it.
    #[must_use]
    pub fn dtype(&self) -> &'static str {
        match self {
            #[cfg(feature = "cuda")]
            Self::Cuda(_) => "bf16",
            Self::CpuBf16 => "bf16",
            Self::Cpu | Self::Reference => "f32",
            #[cfg(test)]
            Self::Emulated(card) => match crate::gpu::Driver::format(card) {
                crate::gpu::Format::F32 => "f32",
                crate::gpu::Format::BF16 => "bf16",
            },
        }
    }
}

/// The instructions by which this CPU multiplies in bfloat16.
#[must_use]
pub fn bf16_instructions() -> &'static str {
    super::backend::cpu::bf16_instructions()
}

/// A device, and a note for the user on how it was chosen.
#[derive(Clone, Debug)]
pub struct Picked {
    pub device: Device,
    /// One line: why `auto` took the CPU although this build supports GPUs.
    pub note: Option<String>,
}

/// The device with the given name (`auto`, `cpu`, `cuda` or `cuda:1`), computing in `precision`. `None` is the device's
/// own: float32 on the CPU, bfloat16 on a card.
///
/// `auto` takes the first GPU and falls back to the CPU, with a note if this build supports GPUs. Asked for float32, it
/// takes the CPU.
///
/// # Errors
/// A name that is none of these, a GPU that cannot be used, or float32 on a GPU.
pub fn pick(name: &str, precision: Option<Precision>) -> Result<Picked, LmError> {
    let plain = |device| Picked { device, note: None };
    let ordinal = match name {
        "auto" if precision == Some(Precision::F32) => return Ok(plain(Device::Cpu)),
        "auto" => return Ok(auto(precision)),
        "cpu" => return Ok(plain(cpu(precision))),
        "cuda" => 0,
        other => match other.strip_prefix("cuda:").and_then(|n| n.parse().ok()) {
            Some(ordinal) => ordinal,
            None => {
                return Err(LmError::Device(format!(
                    "there is no device called {other:?}: use auto, cpu, cuda or cuda:N"
                )));
            }
        },
    };
    let card = cuda(ordinal)?;
    if precision == Some(Precision::F32) {
        return Err(LmError::Device(format!(
            "a card computes in bf16, and precision f32 was asked for on {name}: use --device cpu, or --precision bf16"
        )));
    }
    Ok(plain(card))
}

const fn cpu(precision: Option<Precision>) -> Device {
    match precision {
        Some(Precision::Bf16) => Device::CpuBf16,
        Some(Precision::F32) | None => Device::Cpu,
    }
}

#[cfg(feature = "cuda")]
fn auto(precision: Option<Precision>) -> Picked {
    match crate::gpu::Card::new(0) {
        Ok(card) => Picked { device: Device::Cuda(card), note: None },
        Err(why) => Picked {
            device: cpu(precision),
            note: Some(format!("running on the CPU: no GPU can be used ({})", reason(why))),
        },
    }
}

#[cfg(not(feature = "cuda"))]
fn auto(precision: Option<Precision>) -> Picked {
    Picked { device: cpu(precision), note: None }
}

#[cfg(feature = "cuda")]
fn reason(fault: crate::gpu::Fault) -> String {
    match fault {
        crate::gpu::Fault::Failed(why) => why,
        crate::gpu::Fault::Memory { .. } => "it has no free memory".to_owned(),
    }
}

#[cfg(feature = "cuda")]
fn cuda(ordinal: usize) -> Result<Device, LmError> {
    crate::gpu::Card::new(ordinal).map(Device::Cuda).map_err(|why| {
        let why = reason(why);
        LmError::Device(format!("GPU cuda:{ordinal} cannot be used ({why}): use --device cpu or auto"))
    })
}

#[cfg(not(feature = "cuda"))]
fn cuda(ordinal: usize) -> Result<Device, LmError> {
    Err(LmError::Device(format!(
        "GPU cuda:{ordinal} was asked for, but this build has no GPU support: \
         rebuild with --features cuda, or use --device cpu"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert!(matches!(pick("cpu", None), Ok(Picked { device: Device::Cpu, note: None })));
        let narrow = pick("cpu", Some(Precision::Bf16)).unwrap().device;
        assert_eq!((narrow.name().as_str(), narrow.dtype()), ("cpu", "bf16"));
        assert_eq!(pick("auto", Some(Precision::F32)).unwrap().device.dtype(), "f32");
        let auto = pick("auto", None).unwrap();
        let fell_back = cfg!(feature = "cuda") && matches!(auto.device, Device::Cpu);
        assert_eq!(auto.note.is_some(), fell_back, "{auto:?}");
        assert!(auto.note.is_none_or(|note| note.contains("CPU") && !note.contains('\n')));
        let error = pick("tpu", None).unwrap_err().to_string();
        assert!(error.contains("tpu") && error.contains("auto"), "{error}");
        assert!(pick("cuda:x", None).is_err());
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn absent_gpu_is_one_sentence() {
        let error = pick("cuda:1", None).unwrap_err().to_string();
        assert!(error.contains("cuda:1") && error.contains("--features cuda") && !error.contains('\n'));
    }
}
