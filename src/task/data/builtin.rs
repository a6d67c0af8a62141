//! The built-in tasks and suites, and the data in the binary. A name or path comes in, a file's text and base folder go
//! out; loading calls it. A new task or suite is a file under `configs/` and its name here.

use std::path::{Path, PathBuf};

use crate::limits;
use crate::task::TaskError;
use crate::task::error::nearest;

/// The place that a task file's relative paths start from.
pub(in crate::task) enum Base {
    /// The binary: a path names embedded data, else a file in the data folder.
    Builtin,
    /// The task file's folder.
    Folder(PathBuf),
}

/// Names of files in a folder of `configs`, and their texts.
macro_rules! embed {
    ($names:ident, $files:ident, $doc:literal, $folder:literal, [$($name:literal),* $(,)?]) => {
        #[doc = $doc]
        pub const $names: [&str; [$($name),*].len()] = [$($name),*];
        const $files: [&str; $names.len()] =
            [$(include_str!(concat!("../../../configs/", $folder, "/", $name, ".toml"))),*];
    };
}

embed!(
    BUILTIN,
    FILES,
    "The built-in tasks' names.",
    "tasks",
    [
        "zoo",
        "zoo-vision",
        "mgsm_ja",
        "gsm8k",
        "ja_vg_vqa_500",
        "ja_vlm_bench_in_the_wild",
        "jaqket_v2-0.2-0.2",
        "jaqket_v2-0.2-0.3",
        "jcommonsenseqa-1.1-0.2",
        "jcommonsenseqa-1.1-0.3",
        "jnli-1.3-0.2",
        "jnli-1.3-0.3",
        "jsquad-1.1-0.2",
        "jsquad-1.1-0.3",
        "marc_ja-1.1-0.2",
        "marc_ja-1.1-0.3",
        "mgsm-1.0-0.0",
        "mgsm-1.0-0.3",
        "mgsm_bn",
        "mgsm_de",
        "mgsm_en",
        "mgsm_es",
        "mgsm_fr",
        "mgsm_ru",
        "mgsm_sw",
        "mgsm_te",
        "mgsm_th",
        "mgsm_zh",
        "xlsum_ja-1.0-0.0",
        "xlsum_ja-1.0-0.3",
        "xwinograd_ja",
    ]
);

embed!(SUITES, SUITE_FILES, "The built-in suites' names.", "suites", ["ja8", "ja8-0.2", "mgsm"]);

const DATA: [(&str, &str); 4] = [
    ("zoo/task/train.jsonl", include_str!("../../../zoo/task/train.jsonl")),
    ("zoo/task/test.jsonl", include_str!("../../../zoo/task/test.jsonl")),
    ("zoo/vision-task/train.jsonl", include_str!("../../../zoo/vision-task/train.jsonl")),
    ("zoo/vision-task/test.jsonl", include_str!("../../../zoo/vision-task/test.jsonl")),
];

/// A data file in the binary.
pub(in crate::task) fn embedded(path: &str) -> Option<&'static str> {
    DATA.iter().find(|(name, _)| *name == path).map(|(_, text)| *text)
}

/// Text of a built-in file.
fn embedded_file(name: &str, names: &[&str], files: &[&'static str]) -> Option<&'static str> {
    names.iter().position(|n| *n == name).map(|at| files[at])
}

/// Name for messages, text, and base for relative paths of a task.
pub(in crate::task) fn find(reference: &str) -> Result<(String, String, Base), TaskError> {
    if let Some(text) = embedded_file(reference, &BUILTIN, &FILES) {
        return Ok((format!("<{reference}.toml>"), text.to_owned(), Base::Builtin));
    }
    let (text, folder) = read(reference, "task", &BUILTIN)?;
    Ok((reference.to_owned(), text, Base::Folder(folder)))
}

/// Name for messages, text, and folder of a suite; no folder where it is built in.
pub(in crate::task) fn find_suite(reference: &str) -> Result<(String, String, Option<PathBuf>), TaskError> {
    if let Some(text) = embedded_file(reference, &SUITES, &SUITE_FILES) {
        return Ok((format!("<{reference}.toml>"), text.to_owned(), None));
    }
    let (text, folder) = read(reference, "suite", &SUITES)?;
    Ok((reference.to_owned(), text, Some(folder)))
}

/// Text and folder of a file. If the path does not exist and lacks the extension `toml`, the error treats it as a
/// mistyped name.
fn read(reference: &str, what: &'static str, names: &[&'static str]) -> Result<(String, PathBuf), TaskError> {
    let path = Path::new(reference);
    if !path.exists() && path.extension().is_none_or(|e| e != "toml") {
        return Err(TaskError::UnknownTask {
            what,
            name: reference.to_owned(),
            nearest: nearest(reference, names),
            known: names.join(", "),
        });
    }
    let text = limits::read_text(path, limits::TEXT_FILE)
        .map_err(|source| TaskError::Read { path: reference.to_owned(), source })?;
    Ok((text, path.parent().unwrap_or(Path::new("")).to_owned()))
}
