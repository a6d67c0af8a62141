//! Loads NVIDIA's libraries at run time: the driver, cuBLAS and NVRTC. Nothing is linked, so one binary starts on any
//! machine; the error names a missing library. Called when a [`Card`](super::Card) is opened.

use std::ffi::{CString, OsStr};
use std::path::{Path, PathBuf};

use cudarc::{cublas, driver, nvrtc};

/// Environment variables that name the folder of the CUDA toolkit.
const TOOLKIT: [&str; 3] = ["CUDA_HOME", "CUDA_PATH", "CUDA_ROOT"];
const VERSIONS: [&str; 2] = ["13", "12"];

/// Opens the libraries.
///
/// # Errors
/// A sentence that names the missing library.
pub(super) fn open() -> Result<(), String> {
    // SAFETY: opening NVIDIA's libraries runs nothing but their own initialisation.
    let present = |is: unsafe fn() -> bool| unsafe { is() };
    if !present(driver::sys::is_culib_present) {
        return Err("libcuda.so was not found: is an NVIDIA driver installed?".to_owned());
    }
    let both = || present(cublas::sys::is_culib_present) && present(nvrtc::sys::is_culib_present);
    if !both() {
        preload();
    }
    for (name, is) in [
        ("libcublas", cublas::sys::is_culib_present as unsafe fn() -> bool),
        ("libnvrtc", nvrtc::sys::is_culib_present),
    ] {
        if !present(is) {
            return Err(format!(
                "{name}.so was not found: install the CUDA toolkit 12 or 13, or name its folder in \
                 CUDA_HOME or LD_LIBRARY_PATH"
            ));
        }
    }
    Ok(())
}

/// Opens the libraries by full path, from the first complete version; afterwards they are found by name.
fn preload() {
    let folders = folders();
    for version in VERSIONS {
        let find = |name: &str| {
            let file = format!("{name}.so.{version}");
            folders.iter().map(|f| f.join(&file)).find(|p| p.exists())
        };
        let all = [find("libcublasLt"), find("libcublas"), find("libnvrtc")];
        if all.iter().any(Option::is_none) {
            continue;
        }
        let paths: Vec<PathBuf> = all.into_iter().flatten().collect();
        // NVRTC opens its builtins by their bare name.
        let builtins = paths.last().and_then(|p| p.parent()).map(builtins).unwrap_or_default();
        for path in builtins.iter().chain(&paths) {
            if let Ok(path) = CString::new(path.as_os_str().as_encoded_bytes()) {
                // SAFETY: `path` is a string that ends in 0; the handle is kept for good.
                unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
            }
        }
        return;
    }
}

fn builtins(folder: &Path) -> Vec<PathBuf> {
    let is =
        |name: Option<&OsStr>| name.is_some_and(|n| n.to_string_lossy().starts_with("libnvrtc-builtins.so."));
    entries(folder).into_iter().filter(|p| is(p.file_name())).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    all.sort();
    all
}

/// Folders that may contain the libraries: those of the toolkit and of Python packages.
fn folders() -> Vec<PathBuf> {
    let mut out = Vec::new();
    let homes = TOOLKIT.iter().filter_map(std::env::var_os).map(PathBuf::from);
    for home in homes.chain([PathBuf::from("/usr/local/cuda")]) {
        out.push(home.join("lib64"));
        out.push(home.join("lib"));
    }
    // …/lib/python3.x/site-packages/nvidia/*/lib
    if let Some(python) = std::env::var_os("VIRTUAL_ENV").or_else(|| std::env::var_os("CONDA_PREFIX")) {
        for version in entries(&Path::new(&python).join("lib")) {
            for package in entries(&version.join("site-packages/nvidia")) {
                out.push(package.join("lib"));
            }
        }
    }
    out
}
