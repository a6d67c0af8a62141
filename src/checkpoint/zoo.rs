//! The bundled models, embedded in the binary.

use std::path::{Path, PathBuf};

use super::{CheckpointError, write_folder};

/// The files of one bundled model, by name.
pub(super) struct ZooModel {
    pub(super) name: &'static str,
    pub(super) files: &'static [(&'static str, &'static [u8])],
}

/// Names of the bundled models, base first: `zoo:base`, `zoo:ja`, …
pub const NAMES: [&str; 4] = ["base", "ja", "math-add", "math-mul"];

static MODELS: [ZooModel; 0] = [];

/// All bundled models, base first.
pub(super) fn models() -> &'static [ZooModel] {
    &MODELS
}

/// The bundled model called `name` (without `zoo:`).
pub(super) fn find(name: &str) -> Option<&'static ZooModel> {
    MODELS.iter().find(|m| m.name == name)
}

/// Writes each bundled model as an ordinary checkpoint to `out/NAME`; gives the folders.
pub fn write_zoo(out: &Path) -> Result<Vec<PathBuf>, CheckpointError> {
    let write = |model: &ZooModel| {
        let folder = out.join(model.name);
        write_folder(&folder, |sink| model.files.iter().try_for_each(|(n, bytes)| sink.file(n, bytes)))?;
        Ok(folder)
    };
    MODELS.iter().map(write).collect()
}
