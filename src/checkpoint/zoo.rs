//! The bundled models, embedded in the binary.

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
