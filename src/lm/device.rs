//! Where a model runs.

use super::LmError;

/// A device that a [`Decoder`](super::Decoder) can be loaded on.
#[derive(Clone, Debug)]
pub enum Device {
    /// This machine's CPU, by the kernels of this crate (f32).
    Cpu,
    /// Any candle device, by operations composed from candle's own: bf16 on a GPU; f32 on
    /// candle's CPU device, which is the reference that the fast kernels are tested against.
    Composed(candle_core::Device),
}

impl Device {
    /// Candle's CPU device through the composed operations: slow, for tests.
    #[must_use]
    pub const fn reference() -> Self {
        Self::Composed(candle_core::Device::Cpu)
    }

    /// How to name it to a person and in the journal: `cpu`, `cpu (reference)`, `cuda:0`.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Cpu => "cpu".to_owned(),
            Self::Composed(device) => match device.location() {
                candle_core::DeviceLocation::Cpu => "cpu (reference)".to_owned(),
                candle_core::DeviceLocation::Cuda { gpu_id } => format!("cuda:{gpu_id}"),
                candle_core::DeviceLocation::Metal { gpu_id } => format!("metal:{gpu_id}"),
            },
        }
    }

    /// Number format of weights and activations there.
    #[must_use]
    pub fn dtype(&self) -> &'static str {
        match self {
            Self::Composed(device) if !device.is_cpu() => "bf16",
            Self::Cpu | Self::Composed(_) => "f32",
        }
    }
}

/// The device of that name: `auto`, `cpu`, `cuda` or `cuda:1`.
///
/// `auto` takes the first GPU and falls back to the CPU; a GPU that is asked for by name and not
/// there is an error.
pub fn pick(name: &str) -> Result<Device, LmError> {
    let ordinal = match name {
        "auto" => return Ok(cuda(0).unwrap_or(Device::Cpu)),
        "cpu" => return Ok(Device::Cpu),
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
    cuda(ordinal)
}

#[cfg(feature = "cuda")]
fn cuda(ordinal: usize) -> Result<Device, LmError> {
    candle_core::Device::new_cuda(ordinal).map(Device::Composed).map_err(|error| {
        let text = error.to_string();
        let reason = text.lines().next().unwrap_or("unknown reason");
        LmError::Device(format!("GPU cuda:{ordinal} cannot be used ({reason}): use --device cpu or auto"))
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
        assert!(matches!(pick("cpu"), Ok(Device::Cpu)));
        assert!(pick("auto").is_ok());
        let error = pick("tpu").unwrap_err().to_string();
        assert!(error.contains("tpu") && error.contains("auto"), "{error}");
        assert!(pick("cuda:x").is_err());
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn absent_gpu_is_one_sentence() {
        let error = pick("cuda:1").unwrap_err().to_string();
        assert!(error.contains("cuda:1") && error.contains("--features cuda") && !error.contains('\n'));
    }
}
