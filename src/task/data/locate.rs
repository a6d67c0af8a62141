//! Finding a task's data: in the binary, beside the task file, in the data folder, or in the Hugging Face hub's cache.
//! A split's `data` comes in, the files' bytes go out.

use std::borrow::Cow;
use std::path::{Component, Path, PathBuf};

use crate::checkpoint::{RepoKind, hub_cache, repo_folder, snapshot};

use super::builtin::{self, Base};
use super::table::{self, DataFile};
use crate::limits;
use crate::task::TaskError;
use crate::task::config::SplitConfig;

/// The folders that are searched for data, besides the folder of the task file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// Data of built-in tasks that is not in the binary (`YOSEGI_DATA`, else `data` in
    /// `YOSEGI_HOME`, else `yosegi/data` in the XDG data folder).
    pub data: PathBuf,
    /// The hub's cache.
    pub hub: PathBuf,
}

impl Places {
    /// The folders that the environment variables give.
    #[must_use]
    pub fn from_env() -> Self {
        let var = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let home = || var("HOME").unwrap_or_default();
        let data =
            var("YOSEGI_DATA").or_else(|| Some(var("YOSEGI_HOME")?.join("data"))).unwrap_or_else(|| {
                var("XDG_DATA_HOME").unwrap_or_else(|| home().join(".local/share")).join("yosegi/data")
            });
        Self { data, hub: hub_cache() }
    }
}

/// Reads the data of a split: the first of its alternatives that exists. A dataset in shards gives several files.
pub(in crate::task) fn read(
    file: &str,
    split: &SplitConfig,
    base: &Base,
    places: &Places,
) -> Result<Vec<DataFile>, TaskError> {
    let mut first: Option<TaskError> = None;
    for data in split.data.all() {
        match read_one(file, data, split, base, places) {
            Err(error @ TaskError::Absent { .. }) => first = first.or(Some(error)),
            done => return done,
        }
    }
    Err(first.unwrap_or_else(|| TaskError::Value {
        file: file.to_owned(),
        key: "data",
        what: "is missing: give a path or hf:org/name".to_owned(),
    }))
}

fn read_one(
    file: &str,
    data: &str,
    split: &SplitConfig,
    base: &Base,
    places: &Places,
) -> Result<Vec<DataFile>, TaskError> {
    if let Some(dataset) = data.strip_prefix("hf:") {
        let hub = Hub { file, dataset, root: &places.hub, split };
        return hub.files()?.iter().map(|path| read_file(path)).collect();
    }
    let path = match base {
        Base::Folder(folder) => folder.join(data),
        Base::Builtin => {
            if let Some(text) = builtin::embedded(data) {
                let bytes = Cow::Borrowed(text.as_bytes());
                return Ok(vec![DataFile { name: format!("<{data}>"), folder: None, bytes }]);
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
            path
        }
    };
    Ok(vec![read_file(&path)?])
}

fn read_file(path: &Path) -> Result<DataFile, TaskError> {
    let name = path.display().to_string();
    match limits::read(path, limits::DATA_FILE) {
        Ok(bytes) => {
            let folder = path.parent().map(Path::to_owned);
            Ok(DataFile { name, folder, bytes: Cow::Owned(bytes) })
        }
        Err(source) => Err(TaskError::Read { path: name, source }),
    }
}

/// A dataset `org/name[@revision][:file]` in the hub's cache, which keeps each commit as
/// `datasets--org--name/snapshots/<commit>` and names commits in `refs`.
struct Hub<'a> {
    file: &'a str,
    dataset: &'a str,
    root: &'a Path,
    split: &'a SplitConfig,
}

impl Hub<'_> {
    fn files(&self) -> Result<Vec<PathBuf>, TaskError> {
        let (rest, wanted) = self.dataset.split_once(':').map_or((self.dataset, None), |(r, f)| (r, Some(f)));
        let (id, revision) = rest.split_once('@').unwrap_or((rest, "main"));
        let absent = |todo: String| TaskError::Absent {
            file: self.file.to_owned(),
            what: format!("the Hugging Face dataset {id:?}"),
            todo,
        };
        let plain =
            |s: &str| !s.is_empty() && Path::new(s).components().all(|c| matches!(c, Component::Normal(_)));
        if id.split('/').count() != 2 || ![id, revision, wanted.unwrap_or("x")].iter().all(|s| plain(s)) {
            return Err(absent(
                "write it as hf:org/name, hf:org/name@revision or hf:org/name:file".to_owned(),
            ));
        }
        let root = repo_folder(self.root, RepoKind::Dataset, id);
        let Some(snapshot) = snapshot(&root, revision) else {
            return Err(absent(format!(
                "fetch it with `hf download --repo-type dataset {id}` (looked for it in {})",
                root.display()
            )));
        };
        if let Some(wanted) = wanted {
            return Ok(vec![snapshot.join(wanted)]);
        }
        let mut all = Vec::new();
        walk(&snapshot, &snapshot, &mut all)
            .map_err(|source| TaskError::Read { path: snapshot.display().to_string(), source })?;
        all.sort();
        let wants: Vec<&String> = [&self.split.config, &self.split.split].into_iter().flatten().collect();
        let files: Vec<PathBuf> = all.iter().filter(|p| wants.iter().all(|w| names(p, w))).cloned().collect();
        let wanted = || wants.iter().map(|w| format!("{w:?}")).collect::<Vec<_>>().join(" and ");
        match files.as_slice() {
            [] if all.is_empty() => Err(absent(format!(
                "{} has no {} file: convert one",
                snapshot.display(),
                table::extensions()
            ))),
            [] => Err(absent(format!("{} has no data file for {}", snapshot.display(), wanted()))),
            [first, rest @ ..] if rest.iter().all(|p| same_shards(first, p)) => {
                Ok(files.iter().map(|p| snapshot.join(p)).collect())
            }
            _ => Err(absent(format!(
                "{} has several data files: name one as hf:{rest}:file, or set config and split",
                snapshot.display()
            ))),
        }
    }
}

/// Collects the data files below a folder, as paths relative to `root`.
fn walk(folder: &Path, root: &Path, out: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, root, out)?;
        } else if table::is_data_file(&path) {
            out.extend(path.strip_prefix(root).map(Path::to_owned));
        }
    }
    Ok(())
}

/// Whether this word is a folder of a data file's path or a part of its name: `ja/test/0000.parquet` and
/// `data/test-00000-of-00001.parquet` both belong to the split `test`.
fn names(path: &Path, word: &str) -> bool {
    let folder = path.parent().into_iter().flat_map(Path::components);
    let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
    folder.into_iter().any(|c| c.as_os_str() == word)
        || stem == word
        || stem.split(['-', '_', '.']).any(|part| part == word)
}

/// Whether two files are shards of one table: in one folder, with names that differ only in digits.
fn same_shards(a: &Path, b: &Path) -> bool {
    let bare = |p: &Path| -> String {
        let stem = p.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
        stem.chars().filter(|c| !c.is_ascii_digit()).collect()
    };
    a.parent() == b.parent() && a.extension() == b.extension() && bare(a) == bare(b)
}
