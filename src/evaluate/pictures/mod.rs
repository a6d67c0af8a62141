//! The pictures of questions. [`Catalogue`] knows each picture's digest and size and keeps copies of those that the data
//! holds as bytes; [`FeatureStore`] computes the features of each picture once for all candidates with the same vision
//! part; [`Sight`] puts them before a decoder. The evaluator calls them.

mod catalogue;
mod feature_store;
mod sight;
mod vision_part;

use std::path::Path;
use std::{fs, io};

use crate::checkpoint::write_whole;

pub(super) use catalogue::{Asked, Catalogue, Digest};
pub(super) use feature_store::{FeatureStore, Seen, Wanted};
pub(super) use sight::Sight;
pub(super) use vision_part::VisionPart;

/// Writes a file whole or not at all, and the folder that it lies in.
fn write_with_folder(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(Path::new("")))?;
    write_whole(path, bytes)
}
