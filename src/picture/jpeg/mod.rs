//! JPEG, equal to libjpeg-turbo as Pillow uses it, to the bit: Huffman-coded, sequential and progressive, 8 bits a sample.
//! Decoders leave the rounding of the transform and the way in which halved colours are enlarged open; a model's answer
//! may depend on it, so both are libjpeg's here.
//!
//! In: the bytes of a file. Out: its size and metadata, or its pixels. Arithmetic coding, lossless JPEG and 12 bits are
//! refused; damaged data is decoded as far as libjpeg does.

mod bits;
mod color;
mod frame;
mod head;
mod huffman;
mod idct;
mod scan;
mod segments;
mod upsample;

pub(super) use head::Head;

use self::frame::Frame;

/// RGB of a whole file whose head was read.
///
/// # Errors
/// What of the file does not follow the format, or is not read.
pub(super) fn decode(bytes: &[u8], head: &Head) -> Result<Vec<u8>, String> {
    let mut frame = Frame::new(head)?;
    segments::scans(bytes, head, &mut frame)?;
    Ok(color::rgb(head, &frame.planes()?))
}
