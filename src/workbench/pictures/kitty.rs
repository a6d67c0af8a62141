//! A picture by kitty's protocol. It is sent once, under a number; in the frame a letter stands for each of its cells.
//! Points and a size in cells come in, the letters and what is sent go out. `encode.rs` calls it.

use std::io::{self, Write};

use image::{DynamicImage, RgbImage};
use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};
use ratatui::style::Color;
use ratatui::widgets::Widget;
use ratatui_image::Image;
use ratatui_image::errors::Errors;
use ratatui_image::protocol::Protocol;
use ratatui_image::protocol::kitty::Kitty;

/// The letter that stands for a part of a picture.
pub(super) const PLACEHOLDER: char = '\u{10eeee}';

/// The number of a picture for the terminal, and of which it is: `number` (1 to 255) is the same in its last 8 bits.
/// Several programs may show pictures on one terminal, so that a wide one also holds the process's.
pub(super) fn id(wide: bool, number: u8) -> u32 {
    let process = if wide { (std::process::id() & 0xffff) << 8 } else { 0 };
    process | u32::from(number)
}

/// Encodes a picture that has the size of its cells. Returns its letters, and what is sent before them.
pub(super) fn encode(
    points: DynamicImage,
    size: Size,
    id: u32,
    through_tmux: bool,
) -> Result<(Buffer, String), Errors> {
    let (mut cells, data) = drawn(Kitty::new(points, size, id, through_tmux, true)?, size);
    // The terminal fits the picture into its cells, even if they are of another size than it said.
    let data = data.replacen("U=1,", &format!("U=1,c={},r={},", size.width, size.height), 1);
    let [_, red, green, blue] = id.to_be_bytes();
    let colour = if id < 256 { Color::Indexed(blue) } else { Color::Rgb(red, green, blue) };
    let marks = marks(size.width.max(size.height))?;
    // The library gives row and column to the first letter of each row only; the others depend on the letters before
    // them, over which an overlay may be drawn.
    cells.reset();
    for at in Rect::from((Rect::ZERO.as_position(), size)).positions() {
        let (Some(row), Some(column)) = (marks.get(usize::from(at.y)), marks.get(usize::from(at.x))) else {
            continue;
        };
        let letter: String = [PLACEHOLDER, *row, *column].into_iter().collect();
        cells[at].set_symbol(&letter).set_fg(colour);
    }
    Ok((cells, data))
}

/// The cells of a picture as the library draws it, and the data that it puts before the first letter.
fn drawn(picture: Kitty, size: Size) -> (Buffer, String) {
    let area = Rect::new(0, 0, size.width, size.height);
    let mut cells = Buffer::empty(area);
    Image::new(&Protocol::Kitty(picture)).render(area, &mut cells);
    let first = cells.content.first().map_or("", |cell| cell.symbol());
    let data = first[..first.find(PLACEHOLDER).unwrap_or(first.len())].to_owned();
    (cells, data)
}

/// The combining marks that stand for the first `count` numbers, as the library has them.
fn marks(count: u16) -> Result<Vec<char>, Errors> {
    let size = Size::new(1, count);
    let (column, _) = drawn(Kitty::new(RgbImage::new(1, 1).into(), size, 1, false, false)?, size);
    let mark = |cell: &ratatui::buffer::Cell| cell.symbol().split(PLACEHOLDER).nth(1)?.chars().next();
    Ok(column.content.iter().filter_map(mark).collect())
}

/// Where a part of a picture's data ends that begins at `from` and has about `most` bytes. Between two parts other things
/// may be written.
#[must_use]
pub fn part_end(data: &str, from: usize, most: usize) -> usize {
    let mut to = from.saturating_add(most);
    if to >= data.len() {
        return data.len();
    }
    while !data.is_char_boundary(to) {
        to -= 1;
    }
    let start = if data.starts_with("\x1bPtmux;") { "\x1bPtmux;" } else { "\x1b_G" };
    match data[from..to].rfind(start) {
        Some(at) if at > 0 => from + at,
        _ => data[to..].find(start).map_or(data.len(), |at| to + at),
    }
}

/// Writes the sequence that makes the terminal forget a picture.
///
/// # Errors
/// The terminal can't be written.
pub fn forget(id: u32, through_tmux: bool, out: &mut impl Write) -> io::Result<()> {
    if through_tmux {
        write!(out, "\x1bPtmux;\x1b\x1b_Gq=2,a=d,d=I,i={id}\x1b\x1b\\\x1b\\")
    } else {
        write!(out, "\x1b_Gq=2,a=d,d=I,i={id}\x1b\\")
    }
}

#[cfg(test)]
mod tests {
    use ratatui::buffer::CellWidth;

    use super::*;

    fn made(size: (u16, u16), id: u32, through_tmux: bool) -> (Buffer, String) {
        encode(RgbImage::new(40, 40).into(), Size::from(size), id, through_tmux).unwrap()
    }

    #[test]
    fn the_points_are_sent_once_and_a_letter_stands_for_each_cell() {
        let (cells, data) = made((4, 2), 7, false);
        assert!(data.starts_with("\x1b_Gq=2,i=7,a=T,U=1,c=4,r=2,f=32,o=z,t=d,s=40,v=40,"), "{data}");
        assert!(data.ends_with("\x1b\\") && !data.contains(PLACEHOLDER));
        // The first marks of kitty's table are U+305, U+30D, U+30E and U+310.
        assert_eq!(cells[(0, 0)].symbol(), "\u{10eeee}\u{305}\u{305}");
        assert_eq!(cells[(3, 1)].symbol(), "\u{10eeee}\u{30d}\u{310}");
        assert!(cells.content.iter().all(|c| c.fg == Color::Indexed(7)));
        let (_, data) = made((4, 2), 7, true);
        assert!(data.starts_with("\x1bPtmux;\x1b\x1b_G") && data.ends_with("\x1b\x1b\\\x1b\\"), "{data}");
    }

    #[test]
    fn a_picture_is_sent_in_whole_sequences() {
        let noise = RgbImage::from_fn(200, 200, |x, y| {
            let n = (x * 200 + y).wrapping_mul(0x9e37_79b1);
            [n as u8, (n >> 8) as u8, (n >> 16) as u8].into()
        });
        for (through_tmux, start, end) in
            [(false, "\x1b_G", "\x1b\\"), (true, "\x1bPtmux;", "\x1b\x1b\\\x1b\\")]
        {
            let (_, data) = encode(noise.clone().into(), Size::new(20, 10), 7, through_tmux).unwrap();
            for most in [1, 5000, 16_384, 1 << 30] {
                let (mut from, mut parts) = (0, 0);
                while from < data.len() {
                    let to = part_end(&data, from, most);
                    assert!(data[from..to].starts_with(start) && data[from..to].ends_with(end));
                    assert!(to - from <= most.max(5000), "{} bytes", to - from);
                    (from, parts) = (to, parts + 1);
                }
                assert!(parts > 3 || most > data.len(), "{parts}");
            }
        }
    }

    #[test]
    fn the_largest_picture_has_a_letter_in_each_cell() {
        let (cells, _) = made((72, 32), id(true, 255), false);
        let letters: std::collections::HashSet<&str> =
            cells.content.iter().map(ratatui::buffer::Cell::symbol).collect();
        assert_eq!(letters.len(), 72 * 32);
        assert!(cells.content.iter().all(|c| c.cell_width() == 1));
        let [_, red, green, blue] = id(true, 255).to_be_bytes();
        assert!(cells.content.iter().all(|c| c.fg == Color::Rgb(red, green, blue)) && blue == 255);
    }
}
