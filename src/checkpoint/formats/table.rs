//! The table of supported weight formats. A new format needs a row in [`FORMATS`] and a file with its reader. In: a
//! file's name and bytes. Out: its [`Header`]. Used when a checkpoint's weight files are found, fetched and opened.

use std::path::Path;

use super::header::Header;
use super::{safetensors, torch};
use crate::checkpoint::CheckpointError;

/// A format of weight files.
pub(in crate::checkpoint) struct Format {
    /// File name of the weights in a single file.
    pub(in crate::checkpoint) single: &'static str,
    /// File name of the index of weights in several files.
    pub(in crate::checkpoint) index: &'static str,
    /// Extension of its files.
    pub(in crate::checkpoint) extension: &'static str,
    /// Reads the header of a whole file; the name is for errors.
    read_header: fn(&[u8], &str) -> Result<Header, CheckpointError>,
}

/// The formats; if a folder has several, the first wins.
pub(in crate::checkpoint) const FORMATS: [Format; 2] = [
    Format {
        single: safetensors::SINGLE,
        index: safetensors::INDEX,
        extension: "safetensors",
        read_header: safetensors::read_header,
    },
    Format { single: torch::SINGLE, index: torch::INDEX, extension: "bin", read_header: torch::read_header },
];

/// Reads the header of a weight file in the format that its name implies; safetensors if the name implies none.
pub(in crate::checkpoint) fn read_header(bytes: &[u8], file: &str) -> Result<Header, CheckpointError> {
    let extension = Path::new(file).extension();
    let is = |format: &&Format| extension.is_some_and(|e| e.eq_ignore_ascii_case(format.extension));
    (FORMATS.iter().find(is).unwrap_or(&FORMATS[0]).read_header)(bytes, file)
}

/// Whether a file is an index of weight files.
pub(in crate::checkpoint) fn is_index(name: &str) -> bool {
    FORMATS.iter().any(|format| format.index == name)
}
