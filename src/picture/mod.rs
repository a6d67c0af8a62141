//! A picture: a file, or bytes that stand in a table, in; its pixels as RGB out. The pixels are those that transformers'
//! `load_image` gives: upright by the orientation that the file names, alpha dropped, palettes and greys as Pillow
//! converts them; of an animation the first frame. PNG, JPEG, GIF, WebP and BMP are read, told by their first bytes.
//!
//! [`PictureSource::check`] reads headers and the lengths of the parts alone; [`PictureSource::read`] decodes. Both
//! refuse what is beyond the bounds of `limits` before anything is allocated for it.

mod complete;
mod decode;
mod embed;
mod error;
mod format;
mod gif_frame;
mod jpeg;
mod orientation;
mod rgb;
mod source;

pub use embed::Embedded;
pub use error::PictureError;
pub use source::PictureSource;

/// A decoded picture, upright.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    pub width: u32,
    pub height: u32,
    /// Three bytes a pixel, row by row from the top.
    pub rgb: Vec<u8>,
}
