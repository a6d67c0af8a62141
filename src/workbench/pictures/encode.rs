//! A picture as what a terminal is sent: cells, or a sequence. Points and a size in cells come in. The thread of
//! `loader.rs` encodes; the canvas and the terminal draw what comes out.

use std::io::Write;

use anyhow::anyhow;
use image::imageops::{FilterType, resize};
use image::{DynamicImage, RgbImage};
use ratatui::buffer::{Buffer, CellDiffOption};
use ratatui::layout::{Rect, Size};
use ratatui::style::Color;
use ratatui::widgets::Widget;
use ratatui_image::Image;
use ratatui_image::protocol::Protocol as Made;
use ratatui_image::protocol::halfblocks::Halfblocks;
use ratatui_image::protocol::iterm2::Iterm2;
use ratatui_image::protocol::kitty::Kitty;
use ratatui_image::protocol::sixel::Sixel;

use super::graphics::{Graphics, Protocol};
use crate::workbench::theme::Depth;

/// The letter that stands for a part of a picture in kitty's protocol.
const PLACEHOLDER: char = '\u{10eeee}';

/// A picture made ready for the terminal.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoded {
    /// What stands in its cells: half blocks, kitty's letters, or blanks.
    pub cells: Buffer,
    pub sent: Sent,
}

/// What is sent besides the cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    Nothing,
    /// Once, before the cells that show it: the picture under its number. Numbers are used again; `stamp` tells the
    /// pictures apart.
    Before {
        id: u32,
        stamp: u64,
        data: String,
    },
    /// At the picture's place, over the cells.
    Over(String),
}

impl Encoded {
    /// Bytes that it holds in memory, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let sent = match &self.sent {
            Sent::Nothing => 0,
            Sent::Before { data, .. } | Sent::Over(data) => data.len(),
        };
        self.cells.content.len() * size_of::<ratatui::buffer::Cell>() + sent
    }
}

/// Encodes a picture for `size` cells. `stamp` tells it from other pictures of this process.
///
/// # Errors
/// The library can't encode it.
pub fn encode(
    points: &RgbImage,
    size: (u16, u16),
    graphics: Graphics,
    stamp: u64,
) -> anyhow::Result<Encoded> {
    let area = Rect::new(0, 0, size.0, size.1);
    let mut cells = Buffer::empty(area);
    let wanted = Size::from(area);
    let fit = |cell: (u16, u16)| {
        let (width, height) = (u32::from(size.0) * u32::from(cell.0), u32::from(size.1) * u32::from(cell.1));
        DynamicImage::from(scaled(points, width, height))
    };
    let failed = |why: ratatui_image::errors::Errors| anyhow!("the picture can't be encoded: {why}");
    let sent = match graphics.protocol {
        Protocol::Screenshot => Sent::Nothing,
        Protocol::Blocks => {
            let made = Halfblocks::new(fit((1, 2)), wanted).map_err(failed)?;
            Image::new(&Made::Halfblocks(made)).render(area, &mut cells);
            for cell in &mut cells.content {
                (cell.fg, cell.bg) = (shown(cell.fg, graphics.depth), shown(cell.bg, graphics.depth));
            }
            Sent::Nothing
        }
        Protocol::Kitty => {
            let number = (stamp % 255) as u8 + 1;
            let id = id(graphics.wide_ids, number);
            let made =
                Kitty::new(fit(graphics.cell), wanted, id, graphics.through_tmux, true).map_err(failed)?;
            Image::new(&Made::Kitty(made)).render(area, &mut cells);
            // The library puts the data before the first letter.
            let first = cells.content[0].symbol();
            let at = first.find(PLACEHOLDER).unwrap_or(first.len());
            // The terminal fits the picture into its cells, even if they are of another size than it said.
            let fitted = format!("U=1,c={},r={},", size.0, size.1);
            let (data, letters) = (first[..at].replacen("U=1,", &fitted, 1), first[at..].to_owned());
            cells.content[0].set_symbol(&letters);
            for cell in &mut cells.content {
                // The letters are one cell wide, and so is what is written over them.
                cell.set_diff_option(CellDiffOption::None);
                if !graphics.wide_ids {
                    cell.fg = Color::Indexed(number);
                }
            }
            Sent::Before { id, stamp, data }
        }
        Protocol::Sixel => Sent::Over(Sixel::new(fit(graphics.cell), wanted, false).map_err(failed)?.data),
        Protocol::Iterm2 => Sent::Over(Iterm2::new(fit(graphics.cell), wanted, false).map_err(failed)?.data),
    };
    Ok(Encoded { cells, sent })
}

/// The sequence that makes a kitty forget a picture.
pub fn forget(id: u32, through_tmux: bool, out: &mut impl Write) -> std::io::Result<()> {
    if through_tmux {
        write!(out, "\x1bPtmux;\x1b\x1b_Gq=2,a=d,d=I,i={id}\x1b\x1b\\\x1b\\")
    } else {
        write!(out, "\x1b_Gq=2,a=d,d=I,i={id}\x1b\\")
    }
}

/// kitty's number for a picture. Several programs may show pictures on one terminal, so that it holds the process's.
fn id(wide: bool, number: u8) -> u32 {
    let process = if wide { (std::process::id() & 0xffff) << 8 } else { 0 };
    process | u32::from(number)
}

/// The points at another size. Enlarged, they stay squares.
fn scaled(points: &RgbImage, width: u32, height: u32) -> RgbImage {
    if (width, height) == points.dimensions() {
        return points.clone();
    }
    let larger = width >= points.width() && height >= points.height();
    resize(points, width, height, if larger { FilterType::Nearest } else { FilterType::Triangle })
}

/// The nearest colour that the terminal has.
fn shown(colour: Color, depth: Depth) -> Color {
    match colour {
        Color::Rgb(r, g, b) => depth.nearest((r, g, b)),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use ratatui::buffer::CellWidth;

    use super::*;

    fn points() -> RgbImage {
        RgbImage::from_fn(
            4,
            4,
            |x, y| if (x < 2) == (y < 2) { [200, 0, 0].into() } else { [0, 0, 200].into() },
        )
    }

    fn made(protocol: Protocol, through_tmux: bool) -> Encoded {
        let graphics =
            Graphics { protocol, cell: (10, 20), through_tmux, depth: Depth::True, wide_ids: false };
        encode(&points(), (4, 2), graphics, 6).unwrap()
    }

    #[test]
    fn half_blocks_are_two_points_a_cell() {
        let cells = made(Protocol::Blocks, false).cells;
        let (red, blue) = (Color::Rgb(200, 0, 0), Color::Rgb(0, 0, 200));
        for x in 0..4 {
            let left = x < 2;
            // One colour fills both halves of each of these cells.
            assert_eq!(cells[(x, 0)].bg, if left { red } else { blue });
            assert_eq!(cells[(x, 1)].bg, if left { blue } else { red });
        }
        let one = encode(&points(), (2, 1), Graphics::blocks(Depth::Ansi256), 1).unwrap().cells;
        assert!(one.content.iter().all(|c| matches!(c.fg, Color::Indexed(_)) && "▀▄".contains(c.symbol())));
    }

    #[test]
    fn kitty_is_sent_the_points_once_and_letters_stand_for_them() {
        let encoded = made(Protocol::Kitty, false);
        let Sent::Before { id: 7, data, .. } = &encoded.sent else { panic!("{:?}", encoded.sent) };
        assert!(data.starts_with("\x1b_Gq=2,i=7,a=T,U=1,c=4,r=2,f=32,o=z,t=d,s=40,v=40,"), "{data}");
        assert!(data.ends_with("\x1b\\") && !data.contains(PLACEHOLDER));
        for cell in &encoded.cells.content {
            assert!(cell.symbol().starts_with(PLACEHOLDER) && cell.fg == Color::Indexed(7), "{cell:?}");
        }
        let graphics =
            Graphics { protocol: Protocol::Kitty, wide_ids: true, ..Graphics::blocks(Depth::True) };
        let largest = encode(&points(), (72, 32), graphics, 254).unwrap();
        assert!(largest.cells.content.iter().all(|c| c.cell_width() == 1 && matches!(c.fg, Color::Rgb(..))));
        let Sent::Before { data, .. } = made(Protocol::Kitty, true).sent else { panic!() };
        assert!(data.starts_with("\x1bPtmux;\x1b\x1b_G") && data.ends_with("\x1b\x1b\\\x1b\\"), "{data}");
    }

    #[test]
    fn sixel_and_iterm2_lie_over_blank_cells() {
        let Sent::Over(sixel) = made(Protocol::Sixel, false).sent else { panic!() };
        assert!(sixel.contains("\x1bP") && sixel.ends_with("\x1b\\"));
        let iterm2 = made(Protocol::Iterm2, false);
        let Sent::Over(data) = &iterm2.sent else { panic!() };
        assert!(
            data.contains("\x1b]1337;File=inline=1") && data.contains("width=40px;height=40px"),
            "{data}"
        );
        assert!(iterm2.cells.content.iter().all(|c| c.symbol() == " "));
    }
}
