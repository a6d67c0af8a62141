//! Fingerprints of the files that affect a model's answers. In: a model's reference and earlier fingerprints. Out: one
//! fingerprint per file, over its whole content, so that even one changed weight is detected. A session only continues
//! with exactly the files that it started with.
//!
//! Reading a large model takes time, so a file whose system stamp has not changed since its last fingerprint is not
//! read again.

use std::fs::Metadata;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3Default, xxh3_128};

use super::adapter::{self, config::CONFIG};
use super::formats::safetensors::SINGLE;
use super::formats::shards::Shards;
use super::formats::table::is_index;
use super::hub::fetch::{fetch, fetch_adapter};
use super::locate::{Found, Location, locate, locate_adapter, split_adapter};
use super::{CheckpointError, companions};
use crate::limits;
use crate::progress::{Meter, Observer};

/// Bytes read at a time.
const CHUNK: usize = 1 << 22;

/// A file, or a part of one, at one point in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// The file's name: `org/name/config.json`, or a path.
    pub file: String,
    /// Fingerprint of the content.
    pub hash: String,
    /// Device, inode, length and time of the last change, as reported by the system; empty if there is no file. Equal
    /// stamps mean that the file was not touched in between.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stamp: String,
}

impl Fingerprint {
    /// The fingerprint of content in memory.
    #[must_use]
    pub fn of(file: impl Into<String>, content: &[u8]) -> Self {
        Self { file: file.into(), hash: text(xxh3_128(content)), stamp: String::new() }
    }
}

/// Fingerprints of all files that affect a model's answers, sorted by name. A file whose stamp is in `known` is not
/// read again. `meter` counts the bytes that are read, [`bytes_to_fingerprint`] in all.
pub fn fingerprints(
    reference: &str,
    known: &[Fingerprint],
    meter: &Meter<'_>,
) -> Result<Vec<Fingerprint>, CheckpointError> {
    let mut out = Vec::new();
    let mut paths = Vec::new();
    gather(reference, &mut paths, &mut out)?;
    let read: Result<Vec<Fingerprint>, CheckpointError> = paths
        .into_par_iter()
        .map(|(file, path)| {
            of_file(file, &path, known, meter).map_err(|source| CheckpointError::Io { path, source })
        })
        .collect();
    out.extend(read?);
    out.sort_by(|a, b| a.file.cmp(&b.file));
    Ok(out)
}

/// Bytes that [`fingerprints`] would have to read.
#[must_use]
pub fn bytes_to_fingerprint(reference: &str, known: &[Fingerprint]) -> u64 {
    let (mut paths, mut bundled) = (Vec::new(), Vec::new());
    // An error is reported when the model is opened.
    let _ = gather(reference, &mut paths, &mut bundled);
    let read = |(file, path): &(String, PathBuf)| {
        let about = path.metadata().ok()?;
        let stamp = stamp(&about);
        let same = known.iter().any(|k| k.file == *file && k.stamp == stamp);
        (!same).then_some(about.len())
    };
    paths.iter().filter_map(read).sum()
}

/// Collects a model's files: names and paths go to `paths`; bundled files are fingerprinted at once, into `out`.
fn gather(
    reference: &str,
    paths: &mut Vec<(String, PathBuf)>,
    out: &mut Vec<Fingerprint>,
) -> Result<(), CheckpointError> {
    if let Some((base, name)) = split_adapter(reference) {
        gather(base, paths, out)?;
        let folder = match locate_adapter(name)? {
            Found::Here(folder) => folder,
            Found::OnHub(id) => fetch_adapter(&id, &Observer::none())?,
        };
        let weights = adapter::weights_in(|file| folder.join(file).exists());
        let files = weights.into_iter().chain([CONFIG]);
        paths.extend(files.map(|file| (format!("{name}/{file}"), folder.join(file))));
        return Ok(());
    }
    let folder = match locate(reference)? {
        Found::Here(Location::Zoo(model)) => {
            let decides = |name: &str| companions::decides(name) || name == SINGLE;
            let files = model.files.iter().filter(|(name, _)| decides(name));
            out.extend(files.map(|(name, bytes)| Fingerprint::of(format!("{reference}/{name}"), bytes)));
            return Ok(());
        }
        Found::Here(Location::Folder(folder)) => folder,
        Found::OnHub(id) => fetch(&id, &Observer::none())?,
    };
    let weights = Shards::of(reference, &folder)?.names;
    let decides = |name: &String| companions::decides(name) || is_index(name);
    let small = companions::in_folder(&folder).into_iter().filter(decides);
    let named = |name: String| (format!("{}/{name}", reference.trim_end_matches('/')), folder.join(&name));
    paths.extend(weights.into_iter().chain(small).map(named));
    Ok(())
}

fn of_file(file: String, path: &Path, known: &[Fingerprint], meter: &Meter<'_>) -> io::Result<Fingerprint> {
    // A folder, a device or a pipe is refused.
    let mut from = limits::open(path)?;
    let stamp = stamp(&from.metadata()?);
    if let Some(same) = known.iter().find(|k| k.file == file && k.stamp == stamp) {
        return Ok(same.clone());
    }
    let (mut hash, mut piece) = (Xxh3Default::new(), vec![0; CHUNK]);
    loop {
        match from.read(&mut piece) {
            Ok(0) => break,
            Ok(_) if meter.stopped() => return Err(io::Error::other("the reading was interrupted")),
            Ok(n) => {
                hash.update(&piece[..n]);
                meter.add(n as u64);
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(Fingerprint { file, hash: text(hash.digest128()), stamp })
}

/// Uses the time of the last change (ctime): unlike the modification time, no program can set it.
fn stamp(about: &Metadata) -> String {
    let (dev, ino, len) = (about.dev(), about.ino(), about.len());
    format!("{dev}:{ino}:{len}:{}.{:09}", about.ctime(), about.ctime_nsec())
}

fn text(hash: u128) -> String {
    format!("{hash:032x}")
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::super::write_zoo;
    use super::*;
    use crate::progress::What;

    fn quiet() -> Meter<'static> {
        Observer::none().meter(What::Fingerprints, 0)
    }

    fn fingerprints(reference: &str, known: &[Fingerprint]) -> Result<Vec<Fingerprint>, CheckpointError> {
        super::fingerprints(reference, known, &quiet())
    }

    fn of_file(file: String, path: &Path, known: &[Fingerprint]) -> io::Result<Fingerprint> {
        super::of_file(file, path, known, &quiet())
    }

    #[test]
    fn one_changed_weight_shows_and_a_copy_does_not() {
        let out = tempfile::tempdir().unwrap();
        let folder = write_zoo(out.path()).unwrap().swap_remove(1);
        let reference = folder.to_str().unwrap();
        let was = fingerprints(reference, &[]).unwrap();
        let names: Vec<&str> = was.iter().map(|p| p.file.rsplit('/').next().unwrap()).collect();
        assert!(names.contains(&"model.safetensors") && names.contains(&"tokenizer.json"), "{names:?}");
        assert!(!names.contains(&"README.md"));
        let hashes = |prints: &[Fingerprint]| prints.iter().map(|p| p.hash.clone()).collect::<Vec<_>>();
        let bundled = fingerprints("zoo:ja", &[]).unwrap();
        assert_eq!(hashes(&bundled), hashes(&was));
        assert!(bundled.iter().all(|p| p.file.starts_with("zoo:ja/") && p.stamp.is_empty()));

        // One bit differs; length and modification time are the same.
        let path = folder.join("model.safetensors");
        let mut bytes = fs::read(&path).unwrap();
        let written = fs::metadata(&path).unwrap().modified().unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, &bytes).unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(written).unwrap();
        let is = fingerprints(reference, &was).unwrap();
        let differ: Vec<&str> =
            was.iter().zip(&is).filter(|(a, b)| a.hash != b.hash).map(|(a, _)| a.file.as_str()).collect();
        assert_eq!(differ, [format!("{reference}/model.safetensors")]);

        // Rewriting the same bytes gives the same fingerprint.
        *bytes.last_mut().unwrap() ^= 1;
        fs::remove_file(&path).unwrap();
        fs::write(&path, &bytes).unwrap();
        assert_eq!(hashes(&fingerprints(reference, &was).unwrap()), hashes(&was));
    }

    #[test]
    fn what_nobody_touched_is_not_read_again() {
        let out = tempfile::tempdir().unwrap();
        let path = out.path().join("file");
        fs::write(&path, "content").unwrap();
        let was = of_file("file".into(), &path, &[]).unwrap();
        assert_eq!(was.hash, Fingerprint::of("file", b"content").hash);
        let folder = write_zoo(out.path()).unwrap().swap_remove(0);
        let reference = folder.to_str().unwrap();
        let known = fingerprints(reference, &[]).unwrap();
        assert_eq!(bytes_to_fingerprint(reference, &known), 0);
        let bytes = fs::metadata(folder.join("config.json")).unwrap().len();
        let but_one: Vec<Fingerprint> =
            known.into_iter().filter(|k| !k.file.ends_with("/config.json")).collect();
        assert_eq!(bytes_to_fingerprint(reference, &but_one), bytes);
        assert_eq!(bytes_to_fingerprint("zoo:ja", &[]), 0);
        // A fingerprint with the known stamp is copied, not computed.
        let marked = Fingerprint { hash: "taken over".into(), ..was.clone() };
        assert_eq!(of_file("file".into(), &path, std::slice::from_ref(&marked)).unwrap(), marked);
        fs::write(&path, "changed").unwrap();
        let is = of_file("file".into(), &path, &[marked]).unwrap();
        assert_eq!(is.hash, Fingerprint::of("file", b"changed").hash);
        assert!(of_file("folder".into(), out.path(), &[]).is_err());
    }
}
