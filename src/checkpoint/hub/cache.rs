//! This machine's setup of the Hugging Face hub: the folder of its cache, the snapshot of a revision in it, and the
//! address and token for requests, if they are allowed. In: the environment, with the variables of `huggingface_hub` as
//! its `constants.py` reads them (an empty variable counts as absent). Used for both models and data sets.

use std::env;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use crate::limits;

/// The kind of a repository: the first part of its folder's name in the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepoKind {
    Model,
    Dataset,
}

/// The hub cache of this machine.
#[must_use]
pub fn hub_cache() -> PathBuf {
    Variables(&|key| env::var_os(key)).cache()
}

/// This repository's folder in the hub cache `cache`; `id` is `org/name`.
#[must_use]
pub fn repo_folder(cache: &Path, kind: RepoKind, id: &str) -> PathBuf {
    let kind = match kind {
        RepoKind::Model => "models",
        RepoKind::Dataset => "datasets",
    };
    cache.join(format!("{kind}--{}", id.replace('/', "--")))
}

/// The snapshot of a revision (a commit, or the name of a file in `refs`) in a repository's cache folder, if it exists.
/// It never lies outside that folder.
#[must_use]
pub fn snapshot(repo: &Path, revision: &str) -> Option<PathBuf> {
    let inside = |name: &str| {
        !name.is_empty() && Path::new(name).components().all(|c| matches!(c, Component::Normal(_)))
    };
    if !inside(revision) {
        return None;
    }
    let commit = limits::read_text(&repo.join("refs").join(revision), limits::TEXT_FILE);
    let commit = commit.map_or_else(|_| revision.to_owned(), |c| c.trim().to_owned());
    let folder = repo.join("snapshots").join(&commit);
    (inside(&commit) && folder.is_dir()).then_some(folder)
}

/// Whether and how the hub may be asked.
pub(in crate::checkpoint) struct Access {
    /// `None`: no network.
    pub(in crate::checkpoint) endpoint: Option<String>,
    /// The user's access token.
    pub(in crate::checkpoint) token: Option<String>,
    /// The variable that forbids network access.
    pub(in crate::checkpoint) offline: &'static str,
}

/// How the environment allows the hub to be asked.
pub(in crate::checkpoint) fn access() -> Access {
    Variables(&|key| env::var_os(key)).access()
}

/// Environment variables by name.
struct Variables<'a>(&'a dyn Fn(&str) -> Option<OsString>);

impl Variables<'_> {
    fn cache(&self) -> PathBuf {
        let set = self.path("HF_HUB_CACHE").or_else(|| self.path("HUGGINGFACE_HUB_CACHE"));
        set.unwrap_or_else(|| self.home().join("hub"))
    }

    /// The folder in which Hugging Face's libraries store their files.
    fn home(&self) -> PathBuf {
        self.path("HF_HOME").unwrap_or_else(|| {
            let caches = self.path("XDG_CACHE_HOME");
            caches.unwrap_or_else(|| self.user().join(".cache")).join("huggingface")
        })
    }

    fn access(&self) -> Access {
        let offline =
            ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"].into_iter().find(|key| self.text(key).is_some());
        let token = self.text("HF_TOKEN").or_else(|| self.text("HUGGING_FACE_HUB_TOKEN")).or_else(|| {
            let file = self.path("HF_TOKEN_PATH").unwrap_or_else(|| self.home().join("token"));
            limits::read_text(&file, limits::TEXT_FILE).ok()
        });
        let token = token.map(|t| t.replace(['\r', '\n'], "").trim().to_owned()).filter(|t| !t.is_empty());
        let endpoint = self.text("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned());
        Access {
            endpoint: (!offline.is_some_and(|key| self.is_true(key)))
                .then(|| endpoint.trim_end_matches('/').to_owned()),
            token: token.filter(|_| !self.is_true("HF_HUB_DISABLE_IMPLICIT_TOKEN")),
            offline: offline.unwrap_or("HF_HUB_OFFLINE"),
        }
    }

    fn text(&self, key: &str) -> Option<String> {
        (self.0)(key)?.into_string().ok().filter(|v| !v.is_empty())
    }

    fn is_true(&self, key: &str) -> bool {
        self.text(key).is_some_and(|v| matches!(v.to_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE"))
    }

    /// A path with `~` and variables expanded, like Python's `expanduser` followed by `expandvars`.
    fn path(&self, key: &str) -> Option<PathBuf> {
        let value = (self.0)(key).filter(|v| !v.is_empty())?;
        Some(match value.to_str() {
            Some(text) => PathBuf::from(self.with_variables(&self.with_home(text))),
            None => PathBuf::from(value),
        })
    }

    /// This user's home folder.
    fn user(&self) -> PathBuf {
        let set = (self.0)("HOME").filter(|v| !v.is_empty()).map(PathBuf::from);
        set.or_else(env::home_dir).unwrap_or_default()
    }

    fn with_home(&self, text: &str) -> String {
        let Some(rest) = text.strip_prefix('~') else { return text.to_owned() };
        let (name, rest) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let home = if name.is_empty() { Some(self.user()) } else { home_of(name) };
        match home.as_deref().and_then(Path::to_str) {
            Some(home) => format!("{}{rest}", home.trim_end_matches('/')),
            None => text.to_owned(),
        }
    }

    /// `$NAME` and `${NAME}`; an unset variable stays unexpanded.
    fn with_variables(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            out.push_str(before);
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let (name, length) =
                if let Some((name, _)) = after.strip_prefix('{').and_then(|a| a.split_once('}')) {
                    (name, name.len() + 2)
                } else {
                    let end = after.find(|c| !word(c)).unwrap_or(after.len());
                    (&after[..end], end)
                };
            let value =
                if name.is_empty() { None } else { (self.0)(name).and_then(|v| v.into_string().ok()) };
            if let Some(value) = value {
                out.push_str(&value);
            } else {
                out.push('$');
                out.push_str(&after[..length]);
            }
            rest = &after[length..];
        }
        out + rest
    }
}

/// Another user's home folder, from `/etc/passwd`.
fn home_of(name: &str) -> Option<PathBuf> {
    let list = limits::read_text(Path::new("/etc/passwd"), limits::SMALL_FILE).ok()?;
    let line = list.lines().find(|line| line.split(':').next() == Some(name))?;
    line.split(':').nth(5).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// The cache folder with only these variables set.
    fn cache_with(set: &[(&str, &str)]) -> PathBuf {
        Variables(&|key| lookup(set, key)).cache()
    }

    fn access_with(set: &[(&str, &str)]) -> Access {
        Variables(&|key| lookup(set, key)).access()
    }

    fn lookup(set: &[(&str, &str)], key: &str) -> Option<OsString> {
        set.iter().find(|(k, _)| *k == key).map(|(_, value)| OsString::from(value))
    }

    /// The expected paths are the values of `huggingface_hub.constants.HF_HUB_CACHE` with these variables.
    #[test]
    fn the_cache_is_where_huggingface_hub_has_it() {
        let home = ("HOME", "/h");
        for (set, cache) in [
            (vec![home], "/h/.cache/huggingface/hub"),
            (vec![home, ("XDG_CACHE_HOME", "/x")], "/x/huggingface/hub"),
            (vec![home, ("XDG_CACHE_HOME", "~/x")], "/h/x/huggingface/hub"),
            (vec![home, ("HF_HOME", "/d"), ("XDG_CACHE_HOME", "/x")], "/d/hub"),
            (vec![home, ("HF_HOME", "~/d")], "/h/d/hub"),
            (vec![home, ("HF_HOME", "~")], "/h/hub"),
            (vec![home, ("HF_HOME", "$HOME/d")], "/h/d/hub"),
            (vec![home, ("HF_HOME", "${HOME}/d/$NONE/${NONE}"), ("D", "x")], "/h/d/$NONE/${NONE}/hub"),
            (vec![home, ("HF_HOME", "$D-1/$D_2"), ("D", "/x")], "/x-1/$D_2/hub"),
            (vec![home, ("HF_HOME", "/a/~/$")], "/a/~/$/hub"),
            (vec![home, ("HF_HOME", "~nobody-of-that-name/d")], "~nobody-of-that-name/d/hub"),
            (vec![home, ("HF_HOME", "$D/x"), ("D", "~")], "~/x/hub"),
            (vec![home, ("HUGGINGFACE_HUB_CACHE", "~/old"), ("HF_HOME", "/d")], "/h/old"),
            (vec![home, ("HF_HUB_CACHE", "$HOME/new"), ("HUGGINGFACE_HUB_CACHE", "/old")], "/h/new"),
            (vec![home, ("HF_HUB_CACHE", ""), ("HF_HOME", "")], "/h/.cache/huggingface/hub"),
            (vec![("HOME", "/h/"), ("HF_HUB_CACHE", "~/c")], "/h/c"),
        ] {
            assert_eq!(cache_with(&set), Path::new(cache), "{set:?}");
        }
    }

    #[test]
    fn tokens_and_the_network_as_huggingface_hub_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().to_str().unwrap();
        let ask = |set: &[(&str, &str)]| {
            let all: Vec<_> = set.iter().copied().chain([("HF_HOME", home), ("HOME", "/h")]).collect();
            let access = access_with(&all);
            (access.endpoint, access.token)
        };
        let hub = Some("https://huggingface.co".to_owned());
        assert_eq!(ask(&[]), (hub.clone(), None));
        fs::write(folder.path().join("token"), "hf_file\n").unwrap();
        assert_eq!(ask(&[]).1.as_deref(), Some("hf_file"));
        assert_eq!(ask(&[("HUGGING_FACE_HUB_TOKEN", "old")]).1.as_deref(), Some("old"));
        assert_eq!(
            ask(&[("HUGGING_FACE_HUB_TOKEN", "old"), ("HF_TOKEN", " new\r\n")]).1.as_deref(),
            Some("new")
        );
        assert_eq!(ask(&[("HF_TOKEN_PATH", "/nowhere")]).1, None);
        assert_eq!(ask(&[("HF_HUB_DISABLE_IMPLICIT_TOKEN", "true")]).1, None);
        assert_eq!(ask(&[("HF_ENDPOINT", "http://mirror:80/")]).0.as_deref(), Some("http://mirror:80"));
        for on in ["1", "on", "Yes", "TRUE"] {
            assert_eq!(ask(&[("HF_HUB_OFFLINE", on)]).0, None);
            assert_eq!(ask(&[("TRANSFORMERS_OFFLINE", on)]).0, None);
        }
        // The first variable that is set wins, like `or` in Python.
        assert_eq!(ask(&[("HF_HUB_OFFLINE", "0"), ("TRANSFORMERS_OFFLINE", "1")]).0, hub);
    }

    #[test]
    fn snapshots_by_ref_and_by_commit() {
        let cache = tempfile::tempdir().unwrap();
        for kind in [RepoKind::Model, RepoKind::Dataset] {
            let repo = repo_folder(cache.path(), kind, "o/m");
            fs::create_dir_all(repo.join("refs/refs/pr")).unwrap();
            fs::create_dir_all(repo.join("snapshots/abc123")).unwrap();
            fs::write(repo.join("refs/main"), "abc123\n").unwrap();
            fs::write(repo.join("refs/refs/pr/1"), "abc123").unwrap();
            fs::write(repo.join("refs/evil"), "../../..").unwrap();
            for found in ["main", "abc123", "refs/pr/1"] {
                assert_eq!(snapshot(&repo, found), Some(repo.join("snapshots/abc123")));
            }
            for none in ["evil", "v2", "", "..", "../snapshots/abc123", "/"] {
                assert_eq!(snapshot(&repo, none), None, "{none}");
            }
        }
    }
}
