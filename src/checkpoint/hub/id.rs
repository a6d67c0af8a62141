//! `org/name[@revision]`: a repository of the Hugging Face hub at one revision, and its snapshot in the cache. `locate`
//! and `fetch` use it.

use std::path::{Path, PathBuf};

use super::cache::{RepoKind, repo_folder, snapshot};

/// `org/name` with an optional revision on the Hugging Face hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::checkpoint) struct HubId {
    pub(in crate::checkpoint) repo: String,
    pub(in crate::checkpoint) revision: String,
}

impl HubId {
    /// Parses `org/name[@revision]`; `None` for anything else. Neither part can lead out of a cache folder.
    pub(in crate::checkpoint) fn parse(reference: &str) -> Option<Self> {
        let (repo, revision) = reference.split_once('@').unwrap_or((reference, "main"));
        let (org, name) = repo.split_once('/')?;
        let word = |s: &str| {
            !s.is_empty()
                && !s.starts_with('.')
                && s.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        };
        let revision_ok = revision.split('/').all(word);
        (word(org) && word(name) && revision_ok)
            .then(|| Self { repo: repo.to_owned(), revision: revision.to_owned() })
    }

    /// The cached snapshot of this revision, if its folder exists.
    pub(in crate::checkpoint) fn snapshot(&self, cache: &Path) -> Option<PathBuf> {
        snapshot(&repo_folder(cache, RepoKind::Model, &self.repo), &self.revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hub_ids() {
        let id = HubId::parse("augmxnt/shisa-gamma-7b-v1@refs/pr/3").unwrap();
        assert_eq!((id.repo.as_str(), id.revision.as_str()), ("augmxnt/shisa-gamma-7b-v1", "refs/pr/3"));
        assert_eq!(HubId::parse("a/b").unwrap().revision, "main");
        for bad in ["a", "/a/b", "../b", "a/..", "a/b/c", "a/b@../../x", "a/b@", "./a", "a b/c", "zoo:base"] {
            assert_eq!(HubId::parse(bad), None, "{bad}");
        }
    }
}
