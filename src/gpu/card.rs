//! [`Card`]: a CUDA card through its driver, with one context, one stream, cuBLAS, and kernels compiled by NVRTC.
//!
//! Events are not recorded, since there is only one stream; freed memory stays in the driver's pool. `lm::device` opens
//! a card; `lm` and `merge` use it through [`Driver`].

use std::collections::HashMap;
use std::ffi::c_void;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use cudarc::cublas::{CudaBlas, result as blas, sys as cublas};
use cudarc::driver::{
    CudaContext, CudaFunction, CudaModule, CudaSlice, CudaStream, DevicePtr, DeviceRepr, LaunchConfig,
    PushKernelArg, result, sys,
};
use cudarc::nvrtc::{CompileError, CompileOptions, Ptx, compile_ptx_with_opts};

use super::{Arguments, Driver, Fault, Format, KernelSource, Product, libraries};

const PRELUDE: &str = include_str!("device.h");

/// A CUDA card. Clones share it.
#[derive(Clone)]
pub struct Card(Arc<Inner>);

struct Inner {
    stream: Arc<CudaStream>,
    blas: CudaBlas,
    /// The card's default memory pool, if it has one.
    pool: Option<sys::CUmemoryPool>,
    modules: Mutex<HashMap<String, Arc<CudaModule>>>,
}

// SAFETY: the pool is a handle that the driver lets any thread use; the rest is Send and Sync itself.
unsafe impl Send for Inner {}
// SAFETY: see above.
unsafe impl Sync for Inner {}

impl fmt::Debug for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cuda:{}", self.ordinal())
    }
}

fn failed(error: impl fmt::Display) -> Fault {
    Fault::Failed(error.to_string().lines().next().unwrap_or("unknown reason").to_owned())
}

impl Card {
    /// The card with this number.
    ///
    /// # Errors
    /// A library is missing, the card does not exist, or the driver refuses it.
    pub fn new(ordinal: usize) -> Result<Self, Fault> {
        libraries::open().map_err(Fault::Failed)?;
        let context = CudaContext::new(ordinal).map_err(failed)?;
        // SAFETY: everything happens on one stream, in order, so no event is needed.
        unsafe { context.disable_event_tracking() };
        let stream = context.new_stream().map_err(failed)?;
        let blas = CudaBlas::new(Arc::clone(&stream)).map_err(failed)?;
        let pool = if context.has_async_alloc() {
            // SAFETY: the context exists, so its device does; the attribute is 64 bits wide.
            unsafe {
                let pool = result::device::get_default_mem_pool(context.cu_device()).map_err(failed)?;
                let mut keep = u64::MAX;
                let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
                result::mem_pool::set_attribute(pool, attribute, (&raw mut keep).cast()).map_err(failed)?;
                Some(pool)
            }
        } else {
            None
        };
        Ok(Self(Arc::new(Inner { stream, blas, pool, modules: Mutex::default() })))
    }

    /// The card's number.
    #[must_use]
    pub fn ordinal(&self) -> usize {
        self.0.stream.context().ordinal()
    }

    /// The model's name, such as `NVIDIA H100`.
    #[must_use]
    pub fn model(&self) -> String {
        self.0.stream.context().name().unwrap_or_else(|_| "a CUDA card".to_owned())
    }

    /// Unused bytes in the memory pool.
    fn idle(&self) -> Result<usize, Fault> {
        let Some(pool) = self.0.pool else { return Ok(0) };
        let read = |attribute| {
            let mut value = 0_u64;
            // SAFETY: the pool is the device's own; both attributes are 64 bits wide.
            unsafe { result::mem_pool::get_attribute(pool, attribute, (&raw mut value).cast()) }
                .map_err(failed)?;
            Ok(value as usize)
        };
        let reserved = read(sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT)?;
        let used = read(sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_USED_MEM_CURRENT)?;
        Ok(reserved.saturating_sub(used))
    }

    fn ptx(&self, source: &KernelSource<'_>) -> Result<Ptx, Fault> {
        let (major, minor) = self.0.stream.context().compute_capability().map_err(failed)?;
        let options = |arch: bool| CompileOptions {
            // Each operation rounds as on a CPU; `mad` in `device.h` marks operations that may be contracted.
            fmad: Some(false),
            ftz: Some(false),
            prec_div: Some(true),
            prec_sqrt: Some(true),
            options: source
                .defines
                .iter()
                .map(|(name, value)| format!("-D{name}={value}"))
                .chain(arch.then(|| format!("--gpu-architecture=compute_{major}{minor}")))
                .collect(),
            ..CompileOptions::default()
        };
        let text = format!("{PRELUDE}\n{}", source.text);
        // For a card newer than NVRTC, kernels are compiled for an older card.
        compile_ptx_with_opts(&text, options(true))
            .or_else(|_| compile_ptx_with_opts(&text, options(false)))
            .map_err(|error| {
                let said = match &error {
                    CompileError::CompileError { log, .. } => log.to_string_lossy().into_owned(),
                    other => other.to_string(),
                };
                Fault::Failed(format!(
                    "the kernels `{}` do not compile: {}",
                    source.name,
                    said.replace('\n', " ")
                ))
            })
    }
}

/// A kernel's only argument, passed by value.
#[repr(transparent)]
struct Value<A>(A);

// SAFETY: by the contract of `Arguments`, `A` is plain numbers in the layout that the kernel expects.
unsafe impl<A: Arguments> DeviceRepr for Value<A> {}

impl Driver for Card {
    type Buffer = CudaSlice<u8>;
    type Kernel = CudaFunction;

    fn format(&self) -> Format {
        Format::BF16
    }

    fn alloc(&self, what: &'static str, bytes: usize) -> Result<CudaSlice<u8>, Fault> {
        // SAFETY: `Driver::alloc` promises no values: callers write before they read.
        unsafe { self.0.stream.alloc(bytes.max(1)) }.map_err(|error| {
            if error.0 == sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY {
                Fault::Memory { what, bytes }
            } else {
                failed(error)
            }
        })
    }

    fn bytes(&self, buffer: &CudaSlice<u8>) -> usize {
        buffer.len()
    }

    fn address(&self, buffer: &CudaSlice<u8>) -> u64 {
        buffer.device_ptr(&self.0.stream).0
    }

    fn upload(&self, bytes: &[u8], to: &CudaSlice<u8>, at: usize) -> Result<(), Fault> {
        if at + bytes.len() > to.len() {
            return Err(Fault::Failed("bytes were sent past the end of a buffer".to_owned()));
        }
        self.0.stream.context().bind_to_thread().map_err(failed)?;
        let place = self.address(to) + at as u64;
        // SAFETY: the range is inside the buffer; pageable host memory is read before the call returns.
        unsafe { result::memcpy_htod_async(place, bytes, self.0.stream.cu_stream()) }.map_err(failed)
    }

    fn download(&self, from: &CudaSlice<u8>, at: usize, bytes: &mut [u8]) -> Result<(), Fault> {
        let part = from
            .try_slice(at..at + bytes.len())
            .ok_or_else(|| Fault::Failed("bytes were read past the end of a buffer".to_owned()))?;
        self.0.stream.memcpy_dtoh(&part, bytes).map_err(failed)?;
        self.0.stream.synchronize().map_err(failed)
    }

    fn compile(&self, source: &KernelSource<'_>) -> Result<Vec<CudaFunction>, Fault> {
        let key = format!("{} {:?}", source.name, source.defines);
        let mut modules = self.0.modules.lock().unwrap_or_else(PoisonError::into_inner);
        let module = if let Some(module) = modules.get(&key) {
            Arc::clone(module)
        } else {
            let module = self.0.stream.context().load_module(self.ptx(source)?).map_err(failed)?;
            modules.insert(key, Arc::clone(&module));
            module
        };
        source.kernels.iter().map(|name| module.load_function(name).map_err(failed)).collect()
    }

    unsafe fn launch<A: Arguments>(
        &self,
        kernel: &CudaFunction,
        grid: [usize; 3],
        threads: u32,
        arguments: &A,
    ) -> Result<(), Fault> {
        let [x, y, z] = grid.map(|n| n as u32);
        if x == 0 || y == 0 || z == 0 {
            return Ok(());
        }
        let config = LaunchConfig { grid_dim: (x, y, z), block_dim: (threads, 1, 1), shared_mem_bytes: 0 };
        let value = Value(*arguments);
        let mut builder = self.0.stream.launch_builder(kernel);
        builder.arg(&value);
        // SAFETY: the caller guarantees what `Driver::launch` requires.
        unsafe { builder.launch(config) }.map(|_| ()).map_err(failed)
    }

    unsafe fn multiply(&self, p: &Product) -> Result<(), Fault> {
        let kind = |format| match format {
            Format::F32 => cublas::cudaDataType_t::CUDA_R_32F,
            Format::BF16 => cublas::cudaDataType_t::CUDA_R_16BF,
        };
        let (one, zero) = (1.0_f32, 0.0_f32);
        let [m, n, k] = [p.m, p.n, p.k].map(|x| x as i32);
        self.0.stream.context().bind_to_thread().map_err(failed)?;
        // SAFETY: the caller guarantees what `Driver::multiply` requires; the two factors live until the call returns.
        unsafe {
            blas::gemm_ex(
                *self.0.blas.handle(),
                cublas::cublasOperation_t::CUBLAS_OP_T,
                cublas::cublasOperation_t::CUBLAS_OP_N,
                m,
                n,
                k,
                (&raw const one).cast(),
                p.a as *const c_void,
                kind(p.input),
                k,
                p.b as *const c_void,
                kind(p.input),
                k,
                (&raw const zero).cast(),
                p.c as *mut c_void,
                kind(p.output),
                m,
                cublas::cublasComputeType_t::CUBLAS_COMPUTE_32F,
                cublas::cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT_TENSOR_OP,
            )
        }
        .map_err(|error| {
            if error.0 == cublas::cublasStatus_t::CUBLAS_STATUS_ALLOC_FAILED {
                Fault::Memory { what: "a matrix product", bytes: 0 }
            } else {
                failed(error)
            }
        })
    }

    fn free(&self) -> Result<usize, Fault> {
        let (free, _) = self.0.stream.context().mem_get_info().map_err(failed)?;
        Ok(free + self.idle()?)
    }
}
