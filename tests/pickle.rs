//! Weights in `PyTorch`'s pickles: the same tensors as in safetensors, and nothing that a file asks for is
//! run. The fixtures and the script that made them are in `golden/pickle`.
#![allow(clippy::unwrap_used)] // a broken fixture should stop it

use std::fs;
use std::path::{Path, PathBuf};

use yosegi::checkpoint::{Checkpoint, Weights};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pickle").join(name)
}

fn open(folder: &Path) -> Result<Checkpoint, String> {
    Checkpoint::open(folder.to_str().unwrap()).map_err(|e| e.to_string())
}

#[test]
fn tensors_are_those_of_safetensors() {
    let same = open(&golden("same")).unwrap();
    for name in ["one", "two"] {
        let model = open(&golden(name)).unwrap();
        assert_eq!(model.names(), same.names(), "{name}");
        for tensor in same.names() {
            let (a, b) = (model.tensor(tensor).unwrap(), same.tensor(tensor).unwrap());
            assert_eq!((a.dtype, a.shape, a.data), (b.dtype, b.shape, b.data), "{name}: {tensor}");
        }
    }
}

/// An adapter of `golden/lora`, and the same in a pickle.
#[test]
fn adapters_are_those_of_safetensors() {
    let lora = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/lora/tied-bf16");
    let with = |adapter: &Path| {
        Checkpoint::open(&format!("{}+{}", lora.display(), adapter.display()))
            .map_err(|e| e.to_string())
            .unwrap()
    };
    let (same, pickled) = (with(&lora.join("plain")), with(&golden("adapter")));
    for tensor in same.names() {
        assert_eq!(pickled.tensor(tensor).unwrap().data, same.tensor(tensor).unwrap().data, "{tensor}");
    }
}

/// The folder `one` with another weight file.
fn with(bytes: &[u8]) -> (tempfile::TempDir, Result<Checkpoint, String>) {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(golden("one/config.json"), folder.path().join("config.json")).unwrap();
    fs::write(folder.path().join("pytorch_model.bin"), bytes).unwrap();
    let opened = open(folder.path());
    (folder, opened)
}

#[test]
fn what_is_not_to_be_read_says_why() {
    for (file, says) in [
        ("name.bin", "asks for __builtin__.print, which is no part of a list of tensors; it is not run"),
        ("strides.bin", "tensor model.norm.weight does not lie row by row"),
        ("old.bin", "PyTorch before 1.6"),
        ("short.bin", "is missing"),
    ] {
        let why = with(&fs::read(golden("bad").join(file)).unwrap()).1.err().unwrap();
        assert!(why.contains(says) && why.contains("pytorch_model.bin"), "{file}: {why}");
    }
    let why = with(b"no archive").1.err().unwrap();
    assert!(why.contains("is no pickle of PyTorch in a ZIP archive"), "{why}");
    let whole = fs::read(golden("one/pytorch_model.bin")).unwrap();
    for cut in [0, 30, whole.len() / 2, whole.len() - 1] {
        assert!(with(&whole[..cut]).1.is_err(), "{cut}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]

    /// A changed file opens or is refused; its tensors never lie outside it.
    #[test]
    fn mutants_open_or_are_refused(changes in proptest::collection::vec((proptest::prelude::any::<proptest::sample::Index>(), 0_u8..), 1..6)) {
        let mut bytes = fs::read(golden("one/pytorch_model.bin")).unwrap();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let (_folder, Ok(model)) = with(&bytes) {
            for name in model.names() {
                let view = model.tensor(name).unwrap();
                proptest::prop_assert_eq!(view.data.len(), view.dtype.size() * view.shape.iter().product::<usize>());
            }
        }
    }
}
