//! A checkpoint's small files (tokenizer, model card): in its folder, bundled, or in memory. In: a name. Out: its
//! bytes. A name never leads out of the folder, and every read has a size limit.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;

use super::companions;
use super::formats::shards::is_plain_name;
use super::zoo::ZooModel;
use crate::limits;

#[derive(Clone)]
pub(super) enum Files {
    Folder(PathBuf),
    Zoo(&'static ZooModel),
    Memory(BTreeMap<String, Vec<u8>>),
}

impl Files {
    /// The names of all small files.
    pub(super) fn names(&self) -> Vec<String> {
        match self {
            Self::Folder(folder) => companions::in_folder(folder),
            Self::Zoo(model) => model.files.iter().map(|(name, _)| (*name).to_owned()).collect(),
            Self::Memory(files) => files.keys().cloned().collect(),
        }
    }

    /// The bytes of one file, if it exists.
    pub(super) fn read(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        match self {
            Self::Folder(folder) if is_plain_name(name) || companions::is_one(name) => {
                let vocabulary = ["tokenizer.json", "tokenizer.model", "vocab.json", "merges.txt"];
                let most =
                    if vocabulary.contains(&name) { limits::TOKENIZER_FILE } else { limits::SMALL_FILE };
                limits::read(&folder.join(name), most).ok().map(Cow::Owned)
            }
            Self::Folder(_) => None,
            Self::Zoo(model) => {
                model.files.iter().find(|(n, _)| *n == name).map(|(_, bytes)| Cow::Borrowed(*bytes))
            }
            Self::Memory(files) => files.get(name).map(|bytes| Cow::Borrowed(bytes.as_slice())),
        }
    }
}
