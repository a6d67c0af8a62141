//! The bundled models, embedded in the binary. In: a name after `zoo:`. Out: its files. `yosegi zoo` writes them as
//! ordinary checkpoints.

use std::path::{Path, PathBuf};

use super::{CheckpointError, write_folder};

/// The files of one bundled model, by name.
pub(super) struct ZooModel {
    pub(super) name: &'static str,
    pub(super) files: &'static [(&'static str, &'static [u8])],
}

/// Names of the bundled models: those of texts, base first (`zoo:base`, `zoo:ja`, …), then those around `zoo:vlm`.
pub const NAMES: [&str; 7] = ["base", "ja", "math-add", "math-mul", "vlm-base", "vlm", "vlm-ja"];

macro_rules! model {
    ($name:literal: $($file:literal),+) => {
        ZooModel {
            name: $name,
            files: &[$(($file, include_bytes!(concat!("../../zoo/", $name, "/", $file)))),+],
        }
    };
    ($name:literal) => {
        model!($name: "config.json", "generation_config.json", "model.safetensors", "tokenizer.json",
               "tokenizer_config.json", "README.md")
    };
}

static MODELS: [ZooModel; NAMES.len()] = [
    model!("base"),
    model!("ja"),
    model!("math-add"),
    model!("math-mul"),
    model!("vlm-base"),
    model!("vlm": "config.json", "generation_config.json", "model.safetensors", "preprocessor_config.json",
           "processor_config.json", "tokenizer.json", "tokenizer_config.json", "README.md"),
    model!("vlm-ja"),
];

/// All bundled models, as in [`NAMES`].
pub(super) fn models() -> &'static [ZooModel] {
    &MODELS
}

/// The bundled model called `name` (without `zoo:`).
pub(super) fn find(name: &str) -> Option<&'static ZooModel> {
    MODELS.iter().find(|m| m.name == name)
}

/// Writes each bundled model as an ordinary checkpoint to `out/NAME`; returns the folders.
pub fn write_zoo(out: &Path) -> Result<Vec<PathBuf>, CheckpointError> {
    let write = |model: &ZooModel| {
        let folder = out.join(model.name);
        write_folder(&folder, |sink| model.files.iter().try_for_each(|(n, bytes)| sink.file(n, bytes)))?;
        Ok(folder)
    };
    MODELS.iter().map(write).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Checkpoint, Fit, Weights};
    use super::*;

    #[test]
    fn every_bundled_model_opens_and_fits_the_base() {
        let bases = ["zoo:base", "zoo:vlm-base"].map(|base| Checkpoint::open(base).unwrap());
        assert_eq!(NAMES.len(), models().len());
        for (name, model) in NAMES.iter().zip(models()) {
            assert_eq!(*name, model.name);
            let open = Checkpoint::open(&format!("zoo:{name}")).unwrap();
            let base = &bases[usize::from(name.starts_with("vlm"))];
            let expected = if name.ends_with("base") { Fit::IsBase } else { Fit::Fits };
            assert_eq!(open.fit(base), expected, "{name}");
            assert_eq!(open.summary().dtype, "bf16");
            assert!(!open.summary().about.is_empty(), "{name} has no model card");
        }
    }

    #[test]
    fn written_out_they_are_the_same() {
        let out = tempfile::tempdir().unwrap();
        let folders = write_zoo(out.path()).unwrap();
        assert_eq!(folders.len(), NAMES.len());
        let written = Checkpoint::open(folders[1].to_str().unwrap()).unwrap();
        let bundled = Checkpoint::open("zoo:ja").unwrap();
        for name in bundled.names() {
            assert_eq!(written.tensor(name).unwrap().data, bundled.tensor(name).unwrap().data);
        }
    }
}
