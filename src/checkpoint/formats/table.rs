//! The table of weight formats that are read: a new one is a row of [`FORMATS`] and the file of its reader. In: a file's
//! name and bytes. Out: its [`Header`]. Used where a checkpoint's weight files are found, fetched and opened.

use std::path::Path;

use super::header::Header;
use super::{safetensors, torch};
use crate::checkpoint::CheckpointError;

/// A format of weight files.
pub(in crate::checkpoint) struct Format {
    /// The file of a checkpoint that has one.
    pub(in crate::checkpoint) single: &'static str,
    /// The list of files of a checkpoint in several.
    pub(in crate::checkpoint) index: &'static str,
    /// How its files' names end.
    extension: &'static str,
    /// Reads the header of a whole file; the name is for errors.
    read_header: fn(&[u8], &str) -> Result<Header, CheckpointError>,
}

/// The formats; where a folder has several, the first counts.
pub(in crate::checkpoint) const FORMATS: [Format; 2] = [
    Format {
        single: safetensors::SINGLE,
        index: safetensors::INDEX,
        extension: "safetensors",
        read_header: safetensors::read_header,
    },
    Format { single: torch::SINGLE, index: torch::INDEX, extension: "bin", read_header: torch::read_header },
];

/// Reads the header of a weight file by the format that its name tells; a name that tells none is safetensors.
pub(in crate::checkpoint) fn read_header(bytes: &[u8], file: &str) -> Result<Header, CheckpointError> {
    let extension = Path::new(file).extension();
    let is = |format: &&Format| extension.is_some_and(|e| e.eq_ignore_ascii_case(format.extension));
    (FORMATS.iter().find(is).unwrap_or(&FORMATS[0]).read_header)(bytes, file)
}

/// Whether a file is the list of a checkpoint's weight files.
pub(in crate::checkpoint) fn is_index(name: &str) -> bool {
    FORMATS.iter().any(|format| format.index == name)
}
