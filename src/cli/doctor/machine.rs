//! The doctor's findings about devices and memory. `doctor::run` calls it.

use std::path::Path;

use super::{Finding, size};
use crate::lm::{Device, bf16_instructions, pick};
use crate::memory::{self, Limit};

/// A merge of 7B models in 16 bits with its caches; the models that it is merged from stay on disk.
const COMFORTABLE: u64 = 17_000_000_000;
/// The zoo, its answers and the engine.
const ENOUGH: u64 = 1_500_000_000;

pub fn look() -> Vec<Finding> {
    vec![cpu(), gpu(), memory()]
}

fn cpu() -> Finding {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|l| l.strip_prefix("model name")?.split_once(": ")).map(|p| p.1);
    let (name, bf16) = (name.unwrap_or("CPU"), bf16_instructions());
    let found = format!("{name}, {cores} threads, {}; bf16 by {bf16}", instructions());
    if instructions() == "no wide instructions" {
        return Finding::note("cpu", found, "answers come several times faster on a CPU with AVX2 and FMA");
    }
    Finding::good("cpu", found)
}

/// The widest vector instructions that the kernels can use on this CPU.
fn instructions() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if std::is_x86_feature_detected!("avx512f") {
            return "AVX-512";
        }
        if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
            return "AVX2 and FMA";
        }
        "no wide instructions"
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        std::env::consts::ARCH
    }
}

fn gpu() -> Finding {
    let driver = Path::new("/proc/driver/nvidia/version").exists() || Path::new("/dev/nvidiactl").exists();
    match (pick("auto", None), driver, cfg!(feature = "cuda")) {
        (Ok(picked), ..) if !matches!(picked.device, Device::Cpu) => {
            Finding::good("gpu", format!("{} is used", picked.device.name()))
        }
        (_, true, false) => Finding::note(
            "gpu",
            "there is an NVIDIA GPU, and this build has no GPU support",
            "build with it: cargo build --release --features cuda",
        ),
        (_, true, true) => {
            let why = pick("cuda", None).err().map_or_else(String::new, |e| e.to_string());
            Finding::gap(
                "gpu",
                why,
                "see whether nvidia-smi lists the GPU and its driver is as new as the toolkit",
            )
        }
        (_, false, _) => Finding::note(
            "gpu",
            "none; the CPU does the work",
            "the zoo needs none; for 7B models take a machine with a GPU",
        ),
    }
}

fn memory() -> Finding {
    let Some((total, free)) = meminfo() else {
        return Finding::note(
            "memory",
            "unknown here",
            "see with the system's own tools that some GB are free",
        );
    };
    let tightest = memory::free().filter(|found| found.limit != Limit::Machine && found.bytes < free);
    let free = tightest.map_or(free, |found| found.bytes);
    let limited = tightest.map_or_else(String::new, |found| format!(", by {}", found.limit.words()));
    let found = format!("{} free of {}{limited}", size(free), size(total));
    if free < ENOUGH {
        Finding::gap("memory", found, "end other programs: even the zoo wants 1.5 GB")
    } else if free < COMFORTABLE {
        Finding::note(
            "memory",
            found,
            "enough for the zoo and models of a few billion parameters; 7B models in 16 bits want 17 GB",
        )
    } else {
        Finding::good("memory", found)
    }
}

/// Total and available memory in bytes.
fn meminfo() -> Option<(u64, u64)> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let of = |key: &str| {
        let line = text.lines().find_map(|l| l.strip_prefix(key))?;
        line.split_whitespace().next()?.parse::<u64>().ok().map(|kb| kb * 1024)
    };
    Some((of("MemTotal:")?, of("MemAvailable:")?))
}
