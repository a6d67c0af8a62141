//! Whether an encoded picture reaches its end, from the lengths that its parts name. Nothing is decoded.
//!
//! Decoders fill the missing part of some formats with grey; Pillow refuses such files, and so do we. A GIF that lacks
//! only its trailer is whole to both.

use super::format::Format;
use super::gif_frame;

/// Whether the bytes end before the picture does.
pub(super) fn cut_short(bytes: &[u8], format: Format) -> bool {
    let whole = match format {
        Format::Png => png(bytes),
        Format::Jpeg => jpeg(bytes),
        Format::Gif => gif_frame::layout(bytes).map(|_| ()),
        Format::WebP => webp(bytes),
        Format::Bmp => bmp(bytes),
    };
    whole.is_none()
}

/// Big-endian, two bytes.
fn two(bytes: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?)))
}

fn four(bytes: &[u8], at: usize) -> Option<[u8; 4]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// Chunks up to the first one behind the pixels.
fn png(bytes: &[u8]) -> Option<()> {
    let (mut at, mut pixels) = (8, false);
    loop {
        let head = four(bytes, at).zip(four(bytes, at + 4));
        match head {
            Some((_, kind)) if pixels && &kind != b"IDAT" => return Some(()),
            None if pixels => return Some(()),
            _ => {}
        }
        let (length, kind) = head?;
        at += u32::from_be_bytes(length) as usize + 12;
        pixels = &kind == b"IDAT";
        if at > bytes.len() {
            return None;
        }
    }
}

/// Segments and entropy-coded data up to the end mark, which must be there.
fn jpeg(bytes: &[u8]) -> Option<()> {
    let mut at = 2;
    loop {
        // The next mark: 0xff and a byte that is neither 0 (a data byte 0xff), nor a restart, nor another 0xff.
        at += bytes
            .get(at..)?
            .windows(2)
            .position(|two| two[0] == 0xff && !matches!(two[1], 0 | 0xd0..=0xd7 | 0xff))?;
        match bytes[at + 1] {
            0xd9 => return Some(()),
            0x01 | 0xd8 => at += 2,
            _ => at += 2 + two(bytes, at + 2)?,
        }
    }
}

/// The container's length and those of its chunks.
fn webp(bytes: &[u8]) -> Option<()> {
    let length = |at| four(bytes, at).map(|four| u32::from_le_bytes(four) as usize);
    let end = length(4)? + 8;
    if end > bytes.len() {
        return None;
    }
    let mut at = 12;
    while at + 8 <= end {
        at += 8 + length(at + 4)?;
        if at > end {
            return None;
        }
        at += at % 2;
    }
    Some(())
}

/// Rows of a picture that is not compressed; the last may lack its padding.
fn bmp(bytes: &[u8]) -> Option<()> {
    let number = |at| four(bytes, at).map(|four| i32::from_le_bytes(four).unsigned_abs() as usize);
    let (start, header) = (number(10)?, number(14)?);
    if header < 40 {
        // OS/2's header, of 16-bit sizes: left to the decoder.
        return Some(());
    }
    let (width, height, bits) = (number(18)?, number(22)?, number(28)? & 0xffff);
    let compressed = !matches!(number(30)?, 0 | 3);
    if compressed || height == 0 {
        return Some(());
    }
    let row = width.checked_mul(bits)?.div_ceil(8);
    let needed = row.next_multiple_of(4).checked_mul(height - 1)?.checked_add(row)?.checked_add(start)?;
    (needed <= bytes.len()).then_some(())
}
