//! A GIF's first frame. Its palette's colours stay where the frame is transparent, and what the frame does not cover has
//! the transparent colour, or the first of the palette: as Pillow has it.

use gif::{ColorOutput, DecodeOptions, MemoryLimit};

use crate::limits::PICTURE_MEMORY;

/// The size of the picture: the logical screen, or more where the first frame goes beyond it.
pub(super) struct Layout {
    pub width: u32,
    pub height: u32,
}

/// The layout of a GIF whose first frame is there to its end.
pub(super) fn layout(bytes: &[u8]) -> Option<Layout> {
    let word = |at: usize| bytes.get(at..)?.first_chunk().map(|two| u32::from(u16::from_le_bytes(*two)));
    let table = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    let mut at = 13 + table(*bytes.get(10)?);
    loop {
        match *bytes.get(at)? {
            b'!' => at = blocks(bytes, at + 2).filter(|end| *end < bytes.len())?,
            b',' => {
                let (width, height) = (word(at + 1)? + word(at + 5)?, word(at + 3)? + word(at + 7)?);
                let data = at + 11 + table(*bytes.get(at + 9)?);
                blocks(bytes, data)?;
                return Some(Layout { width: width.max(word(6)?), height: height.max(word(8)?) });
            }
            _ => at += 1,
        }
    }
}

/// Where blocks of data that begin at `at` end. The file may end in place of the closing empty block.
fn blocks(bytes: &[u8], mut at: usize) -> Option<usize> {
    if at >= bytes.len() {
        return None;
    }
    loop {
        match bytes.get(at) {
            Some(0) => return Some(at + 1),
            None => return (at == bytes.len()).then_some(at),
            Some(length) => at += 1 + usize::from(*length),
        }
    }
}

/// RGB of the first frame, on an area of the layout's size.
pub(super) fn decode(bytes: &[u8], layout: &Layout) -> Result<Vec<u8>, gif::DecodingError> {
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    options.allow_unknown_blocks(true);
    if let Some(most) = std::num::NonZeroU64::new(PICTURE_MEMORY) {
        options.set_memory_limit(MemoryLimit::Bytes(most));
    }
    let mut reader = options.read_info(bytes)?;
    let Some(frame) = reader.next_frame_info()? else {
        return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
    };
    let (left, top) = (usize::from(frame.left), usize::from(frame.top));
    let (width, behind) = (usize::from(frame.width), frame.transparent.unwrap_or(0));
    let mut indices = vec![0; reader.buffer_size()];
    reader.read_into_buffer(&mut indices)?;
    let palette = reader.palette()?;
    let color = |index: u8| {
        let at = usize::from(index) * 3;
        palette.get(at..at + 3).map_or([0; 3], |rgb| [rgb[0], rgb[1], rgb[2]])
    };
    let (columns, rows) = (layout.width as usize, layout.height as usize);
    let mut out = color(behind).repeat(columns * rows);
    for (y, row) in indices.chunks_exact(width.max(1)).enumerate() {
        // The layout holds the frame, so every row of it lies within.
        let at = ((top + y) * columns + left) * 3;
        for (pixel, index) in out[at..at + width * 3].chunks_exact_mut(3).zip(row) {
            pixel.copy_from_slice(&color(*index));
        }
    }
    Ok(out)
}
