//! Adapters applied on load against PEFT's `merge_and_unload`. The fixtures and the script that
//! made them are in `golden/lora`.

#![allow(clippy::unwrap_used)] // a broken fixture should stop it

use std::fs;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use yosegi::checkpoint::{Checkpoint, Dtype, Weights};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/lora")
}

/// Values, and those of them that differ from PEFT's by more than `ulps` of their type.
fn compare(base: &str, adapter: &str) -> (usize, usize, usize) {
    let folder = golden().join(base);
    let reference = format!("{}+{}", folder.display(), folder.join(adapter).display());
    let model = Checkpoint::open(&reference).unwrap();
    assert_eq!(model.reference(), reference);
    let plain = Checkpoint::open(folder.to_str().unwrap()).unwrap();
    let bytes = fs::read(folder.join(format!("{adapter}.expected.safetensors"))).unwrap();
    let expected = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(model.names(), {
        let mut names = expected.names();
        names.sort_unstable();
        names
    });
    let (mut values, mut moved, mut differ) = (0, 0, 0);
    for name in model.names() {
        let (ours, theirs, old) =
            (model.tensor(name).unwrap(), expected.tensor(name).unwrap(), plain.tensor(name).unwrap());
        assert_eq!(ours.shape, theirs.shape(), "{name}");
        assert_eq!(ours.dtype, old.dtype, "{name}");
        let size = ours.dtype.size();
        values += ours.len();
        moved += ours.data.chunks(size).zip(old.data.chunks(size)).filter(|(a, b)| a != b).count();
        let far = |(a, b): &(&[u8], &[u8])| match ours.dtype {
            Dtype::F32 => {
                let value = |x: &[u8]| f32::from_le_bytes(x.try_into().unwrap());
                (value(a) - value(b)).abs() > 1e-8
            }
            _ => a != b,
        };
        differ += ours.data.chunks(size).zip(theirs.data().chunks(size)).filter(far).count();
    }
    (values, moved, differ)
}

#[test]
fn every_adapter_equals_peft() {
    for (base, adapter) in [
        ("tied-bf16", "plain"),
        ("tied-bf16", "patterns"),
        ("tied-bf16", "stabilised"),
        ("tied-bf16", "embedding"),
        ("untied-f32", "plain"),
        ("untied-f32", "saved"),
    ] {
        let (values, moved, differ) = compare(base, adapter);
        assert!(moved * 20 > values, "{base}+{adapter} moves {moved} of {values} values");
        // The products are summed in another order there: at most a value in a thousand may round
        // to the other side.
        assert!(differ * 1000 <= values, "{base}+{adapter}: {differ} of {values} values differ");
        println!("{base}+{adapter}: {differ} of {values} values differ, {moved} moved");
    }
}

#[test]
fn an_adapter_that_is_not_for_this_base_is_refused_in_words() {
    let says = |base: &str, adapter: &str| {
        let reference = format!("{base}+{adapter}");
        match Checkpoint::open(&reference) {
            Ok(_) => panic!("{reference} opened"),
            Err(error) => error.to_string(),
        }
    };
    let tied = golden().join("tied-bf16").display().to_string();
    let untied = golden().join("untied-f32").display().to_string();
    let message = says("zoo:base", &format!("{tied}/plain"));
    assert!(message.contains("q_proj") && message.contains("zoo:base"), "{message}");
    let message = says(&tied, &format!("{untied}/saved"));
    assert!(message.contains("lm_head.weight") && message.contains("ties"), "{message}");
    let message = says(&tied, &untied);
    assert!(message.contains("adapter_config.json") && message.contains("whole model"), "{message}");
    let message = says(&tied, "nowhere at all");
    assert!(message.contains("nowhere at all is not an adapter"), "{message}");
    let message = says(&format!("{tied}+{tied}/plain"), &format!("{tied}/plain"));
    assert!(message.contains("one adapter"), "{message}");

    let folder = tempfile::tempdir().unwrap();
    let config = fs::read(golden().join("tied-bf16/plain/adapter_config.json")).unwrap();
    fs::write(folder.path().join("adapter_config.json"), config).unwrap();
    let message = says(&tied, folder.path().to_str().unwrap());
    assert!(message.contains("has no adapter_model.safetensors"), "{message}");
    fs::write(folder.path().join("adapter_model.bin"), b"x").unwrap();
    let message = says(&tied, folder.path().to_str().unwrap());
    assert!(message.contains("pickle"), "{message}");
    fs::write(folder.path().join("adapter_model.safetensors"), b"\xff\xff\xff\xff\xff\xff\xff\xff{}")
        .unwrap();
    let message = says(&tied, folder.path().to_str().unwrap());
    assert!(message.contains("claims a header of") && !message.contains('\n'), "{message}");
}
