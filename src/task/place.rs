//! Where a task's data lies: in the binary, beside the task file, in the data folder, or in the
//! Hugging Face hub's cache.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use super::{TaskError, builtin};

/// Folders that hold data beside the task files themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// Data of built-in tasks that is not in the binary (`YOSEGI_DATA`, else `data` in
    /// `YOSEGI_HOME`, else `yosegi/data` in the XDG data folder).
    pub data: PathBuf,
    /// The hub's cache (`HF_HUB_CACHE`, else `hub` in `HF_HOME`, else the XDG cache folder).
    pub hub: PathBuf,
}

impl Places {
    /// As the environment says.
    #[must_use]
    pub fn from_env() -> Self {
        let var = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let home = || var("HOME").unwrap_or_default();
        let data =
            var("YOSEGI_DATA").or_else(|| Some(var("YOSEGI_HOME")?.join("data"))).unwrap_or_else(|| {
                var("XDG_DATA_HOME").unwrap_or_else(|| home().join(".local/share")).join("yosegi/data")
            });
        let hub = var("HF_HUB_CACHE")
            .or_else(|| var("HUGGINGFACE_HUB_CACHE"))
            .or_else(|| Some(var("HF_HOME")?.join("hub")))
            .unwrap_or_else(|| {
                var("XDG_CACHE_HOME").unwrap_or_else(|| home().join(".cache")).join("huggingface/hub")
            });
        Self { data, hub }
    }
}

/// Where a task file stands, for its relative paths.
pub(super) enum Base {
    /// In the binary: paths name embedded data, else files in the data folder.
    Builtin,
    Folder(PathBuf),
}

/// A data file's text, with its name for messages.
pub(super) struct Found {
    pub name: String,
    pub text: Cow<'static, str>,
}

/// Finds and reads what a task file's `data` names.
pub(super) fn read(file: &str, data: &str, base: &Base, places: &Places) -> Result<Found, TaskError> {
    if let Some(dataset) = data.strip_prefix("hf:") {
        return read_file(&hub_file(file, dataset, &places.hub)?);
    }
    match base {
        Base::Folder(folder) => read_file(&folder.join(data)),
        Base::Builtin => {
            if let Some(text) = builtin::embedded(data) {
                return Ok(Found { name: format!("<{data}>"), text: Cow::Borrowed(text) });
            }
            let path = places.data.join(data);
            if !path.exists() {
                return Err(TaskError::Absent {
                    file: file.to_owned(),
                    what: format!("{data}, which is not part of Yosegi"),
                    todo: format!(
                        "put it at {}, or set YOSEGI_DATA to the folder that has it",
                        path.display()
                    ),
                });
            }
            read_file(&path)
        }
    }
}

fn read_file(path: &Path) -> Result<Found, TaskError> {
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Found { name, text: Cow::Owned(text) }),
        Err(source) => Err(TaskError::Read { path: name, source }),
    }
}

/// The file of `org/name[@revision][:file]` in the hub's cache, which keeps each commit as
/// `datasets--org--name/snapshots/<commit>` and names commits in `refs`.
fn hub_file(file: &str, dataset: &str, hub: &Path) -> Result<PathBuf, TaskError> {
    let (rest, wanted) = dataset.split_once(':').map_or((dataset, None), |(r, f)| (r, Some(f)));
    let (id, revision) = rest.split_once('@').unwrap_or((rest, "main"));
    let absent = |todo: String| TaskError::Absent {
        file: file.to_owned(),
        what: format!("the Hugging Face dataset {id:?}"),
        todo,
    };
    let plain = |s: &str| {
        !s.is_empty() && Path::new(s).components().all(|c| matches!(c, std::path::Component::Normal(_)))
    };
    if id.split('/').count() != 2 || ![id, revision, wanted.unwrap_or("x")].iter().all(|s| plain(s)) {
        return Err(absent("write it as hf:org/name, hf:org/name@revision or hf:org/name:file".to_owned()));
    }
    let root = hub.join(format!("datasets--{}", id.replace('/', "--")));
    let commit = std::fs::read_to_string(root.join("refs").join(revision));
    let snapshot = root.join("snapshots").join(commit.as_deref().map_or(revision, str::trim));
    if !snapshot.is_dir() {
        return Err(absent(format!(
            "fetch it with `hf download --repo-type dataset {id}` (looked for it in {})",
            root.display()
        )));
    }
    if let Some(wanted) = wanted {
        return Ok(snapshot.join(wanted));
    }
    let is_data =
        |p: &PathBuf| p.extension().is_some_and(|e| ["jsonl", "json", "tsv"].iter().any(|k| e == *k));
    let entries = std::fs::read_dir(&snapshot)
        .map_err(|source| TaskError::Read { path: snapshot.display().to_string(), source })?;
    let mut files: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).filter(is_data).collect();
    files.sort();
    match files.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(absent(format!("{} has no .jsonl, .json or .tsv file: convert one", snapshot.display()))),
        _ => {
            Err(absent(format!("{} has several data files: name one as hf:{rest}:file", snapshot.display())))
        }
    }
}
