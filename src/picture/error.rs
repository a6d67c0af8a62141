//! Why a picture cannot be used. Each case is one sentence with the picture's name and what to do.

use crate::limits::{PICTURE_FREE_PIXELS, PICTURE_PIXELS, PICTURE_PIXELS_A_BYTE, PICTURE_SIDE, shown};

/// Why a picture cannot be used. `name` is the file, or what the data calls it.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The file cannot be read.
    #[error("{}: {source}; check that the picture is there and readable", shown(name))]
    Read { name: String, source: std::io::Error },
    /// The text of a data set that names a picture cannot be understood.
    #[error("{}: {what}", shown(name))]
    Reference { name: String, what: String },
    /// The bytes are of no format that is read.
    #[error(
        "{}: it is {found}, not a picture that is read here: save it as PNG, JPEG, GIF, WebP or BMP",
        shown(name)
    )]
    Format { name: String, found: &'static str },
    /// The file ends before the picture does.
    #[error("{}: the {format} is cut short at byte {length}: copy it again", shown(name))]
    Truncated { name: String, format: &'static str, length: usize },
    /// A side or the number of pixels is beyond what is decoded.
    #[error(
        "{}: it has {width} × {height} pixels, and at most {PICTURE_SIDE} a side and {PICTURE_PIXELS} in all are read: \
         make it smaller",
        shown(name)
    )]
    Large { name: String, width: u32, height: u32 },
    /// The header names far more pixels than so few bytes hold.
    #[error(
        "{}: {width} × {height} pixels in {length} bytes are not decoded (at most {PICTURE_FREE_PIXELS}, and \
         {PICTURE_PIXELS_A_BYTE} a byte): if it is a plain area, save it as an uncompressed file",
        shown(name)
    )]
    Dense { name: String, width: u32, height: u32, length: usize },
    /// The bytes do not follow their format, or use a part of it that is not read.
    #[error("{}: the {format} cannot be decoded ({}): save it again", shown(name), shown(why))]
    Damaged { name: String, format: &'static str, why: String },
}
