//! A merge where the weights lie: base, sources and result are tensors of one candle device.
//!
//! On CUDA it is one kernel a tensor (`kernel.cu`), which reads each input once and writes the result
//! once, straight into the tensor that it is given: a view into a decoder's weights does as well as
//! one of its own. On candle's CPU device the kernel's scalar twin runs, which is what tests compare.
//! Thresholds and rescaling come with the task; they are made on the host, once a source.

use candle_core::{CpuStorage, DType, InplaceOp1, Layout, Result, Tensor, bail};

use super::kernel::Task;
use super::launch::Launch;

/// A task of the task-arithmetic family with its tensors on a device.
struct Merge<'a> {
    launch: Launch,
    base: &'a Tensor,
    sources: &'a [Tensor],
}

/// Merges `sources` onto `base` into `out`, all of bfloat16 and of one length, contiguous, on one device.
/// `false` if the kernel does not do such tasks: other methods, more than five sources, listed masks.
pub(super) fn merge(task: &Task<'_>, base: &Tensor, sources: &[Tensor], out: &Tensor) -> Result<bool> {
    let Some(launch) = Launch::of(task) else { return Ok(false) };
    if sources.len() != task.inputs.len() {
        bail!("{} sources on the device for {} in the recipe", sources.len(), task.inputs.len());
    }
    for tensor in sources.iter().chain([base, out]) {
        if tensor.dtype() != DType::BF16 || !tensor.is_contiguous() || tensor.elem_count() != out.elem_count()
        {
            bail!("a merge on a device takes contiguous bfloat16 tensors of one length");
        }
    }
    out.inplace_op1(&Merge { launch, base, sources })?;
    Ok(true)
}

impl InplaceOp1 for Merge<'_> {
    fn name(&self) -> &'static str {
        "merge"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let bits = |t: &Tensor| -> Result<Vec<u16>> {
            Ok(t.flatten_all()?.to_vec1::<half::bf16>()?.into_iter().map(half::bf16::to_bits).collect())
        };
        let base = bits(self.base)?;
        let sources = self.sources.iter().map(bits).collect::<Result<Vec<_>>>()?;
        let CpuStorage::BF16(out) = storage else { bail!("a merge on a device writes bfloat16") };
        let out = &mut out[layout.start_offset()..][..base.len()];
        let mut x = vec![0; sources.len()];
        for (i, (out, base)) in out.iter_mut().zip(base).enumerate() {
            x.iter_mut().zip(&sources).for_each(|(x, source)| *x = source[i]);
            *out = half::bf16::from_bits(self.launch.element(base, &x, i as u64));
        }
        Ok(())
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, storage: &mut candle_core::CudaStorage, layout: &Layout) -> Result<()> {
        cuda::launch(self, storage, layout)
    }
}

#[cfg(feature = "cuda")]
mod cuda {
    use std::sync::OnceLock;

    use candle_core::backend::BackendStorage;
    use candle_core::cuda_backend::cudarc::driver::{
        DevicePtr, DevicePtrMut, DeviceRepr, LaunchConfig, PushKernelArg,
    };
    use candle_core::cuda_backend::cudarc::nvrtc::{CompileOptions, compile_ptx_with_opts};
    use candle_core::{CudaStorage, Layout, Result, Storage, Tensor};

    use super::Merge;
    use crate::merge::launch::{Launch, MOST};

    const SOURCE: &str = include_str!("kernel.cu");
    const THREADS: u32 = 256;
    /// Elements that one thread merges.
    const EACH: usize = 8;
    const MODULES: [&str; MOST] =
        ["yosegi_merge_1", "yosegi_merge_2", "yosegi_merge_3", "yosegi_merge_4", "yosegi_merge_5"];

    // SAFETY: `repr(C)`, plain numbers, the same fields in the same order as in `kernel.cu`.
    unsafe impl DeviceRepr for Launch {}

    /// The kernel for so many sources, compiled at the first call.
    fn ptx(sources: usize) -> Result<&'static str> {
        static COMPILED: [OnceLock<std::result::Result<String, String>>; MOST] =
            [const { OnceLock::new() }; MOST];
        let compiled = COMPILED[sources - 1].get_or_init(|| {
            let options = CompileOptions {
                // Each operation rounds once, and nothing is flushed: the bits are the CPU's.
                fmad: Some(false),
                ftz: Some(false),
                prec_div: Some(true),
                options: vec![format!("-DSOURCES={sources}")],
                ..CompileOptions::default()
            };
            compile_ptx_with_opts(SOURCE, options).map(|ptx| ptx.to_src()).map_err(|error| error.to_string())
        });
        compiled
            .as_deref()
            .map_err(|why| candle_core::Error::Msg(format!("the merge kernel does not compile: {why}")))
    }

    pub(super) fn launch(op: &Merge<'_>, storage: &mut CudaStorage, layout: &Layout) -> Result<()> {
        let device = storage.device().clone();
        let stream = device.cuda_stream();
        let n = layout.shape().elem_count();
        let function =
            device.get_or_load_custom_func("merge", MODULES[op.sources.len() - 1], ptx(op.sources.len())?)?;
        // Storages stay locked, and their slices marked as read, until the kernel is in the stream.
        let inputs: Vec<&Tensor> = std::iter::once(op.base).chain(op.sources).collect();
        let locked: Vec<_> = inputs.iter().map(|t| t.storage_and_layout()).collect();
        let mut guards = Vec::with_capacity(locked.len());
        let mut pointers = Vec::with_capacity(locked.len());
        for (storage, layout) in &locked {
            let Storage::Cuda(storage) = &**storage else {
                candle_core::bail!("a tensor of the merge is not on the CUDA device");
            };
            let slice = storage.as_cuda_slice::<half::bf16>()?;
            let (pointer, guard) = slice.device_ptr(&stream);
            pointers.push(pointer + 2 * layout.start_offset() as u64);
            guards.push(guard);
        }
        let slice = storage.as_cuda_slice_mut::<half::bf16>()?;
        let (out, _written) = slice.device_ptr_mut(&stream);
        let out = out + 2 * layout.start_offset() as u64;
        let aligned = u32::from(pointers.iter().chain([&out]).all(|p| p.is_multiple_of(16)));
        let elements = n as u64;
        // Places without a source get the base, which is not read there.
        pointers.resize(1 + MOST, pointers[0]);
        let blocks = n.div_ceil(EACH * THREADS as usize) as u32;
        let config =
            LaunchConfig { grid_dim: (blocks, 1, 1), block_dim: (THREADS, 1, 1), shared_mem_bytes: 0 };
        let mut builder = function.builder();
        builder.arg(&op.launch);
        for pointer in &pointers {
            builder.arg(pointer);
        }
        builder.arg(&out).arg(&elements).arg(&aligned);
        // SAFETY: the arguments are those of `merge` in `kernel.cu`; all tensors have `n` elements, and
        // stay where they are until the stream is done with them.
        unsafe { builder.launch(config) }.map_err(candle_core::Error::wrap)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::checkpoint::{Dtype, TensorView};
    use crate::merge::kernel::{self, Input, Keep, Rule};

    #[test]
    fn a_view_into_a_larger_tensor_is_written_in_place() {
        let values = |seed: usize| -> Vec<half::bf16> {
            (0..24).map(|i| half::bf16::from_f32(((i * seed) % 17) as f32 / 8.0 - 1.0)).collect()
        };
        let all: Vec<Vec<half::bf16>> = [3, 5, 7].into_iter().map(values).collect();
        let bytes: Vec<Vec<u8>> =
            all.iter().map(|t| t.iter().flat_map(|x| x.to_le_bytes()).collect()).collect();
        let shape = [4, 6];
        let view = |k: usize| TensorView { dtype: Dtype::BF16, shape: &shape, data: &bytes[k] };
        let input = |k| Input { source: view(k), weight: 0.5, keep: Keep::All };
        let task = Task {
            base: view(0),
            inputs: vec![input(1), input(2)],
            narrow: true,
            rule: Rule::Sum { consensus: true, lambda: 1.0 },
            normalize: true,
            extent: None,
        };
        let mut wanted = vec![0; 48];
        kernel::run(&task, 0, &mut wanted);
        let tensor = |k: usize| Tensor::from_vec(all[k].clone(), (4, 6), &Device::Cpu).unwrap();
        let weights = Tensor::zeros((10, 6), DType::BF16, &Device::Cpu).unwrap();
        let rows = weights.narrow(0, 3, 4).unwrap();
        assert!(merge(&task, &tensor(0), &[tensor(1), tensor(2)], &rows).unwrap());
        let got: Vec<half::bf16> = weights.flatten_all().unwrap().to_vec1().unwrap();
        let got: Vec<u8> = got.iter().flat_map(|x| x.to_le_bytes()).collect();
        assert_eq!(got[36..84], wanted);
        assert!(got[..36].iter().chain(&got[84..]).all(|b| *b == 0));
        assert!(merge(&task, &tensor(0), &[tensor(1)], &rows).is_err());
        let linear = Task { rule: Rule::Linear, ..task };
        assert!(!merge(&linear, &tensor(0), &[tensor(1), tensor(2)], &rows).unwrap());
    }
}
