//! A picture as what a terminal is sent: cells, or a sequence. Points and a size in cells come in. The thread of
//! `loader.rs` encodes; the canvas and the terminal draw what comes out.

use anyhow::anyhow;
use image::imageops::{FilterType, resize};
use image::{DynamicImage, RgbImage};
use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};
use ratatui::style::Color;
use ratatui::widgets::Widget;
use ratatui_image::Image;
use ratatui_image::protocol::Protocol as Made;
use ratatui_image::protocol::halfblocks::Halfblocks;
use ratatui_image::protocol::iterm2::Iterm2;
use ratatui_image::protocol::sixel::Sixel;

use super::graphics::{Graphics, Protocol};
use super::kitty;
use crate::workbench::theme::Depth;

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
            let id = kitty::id(graphics.wide_ids, (stamp % 255) as u8 + 1);
            let data;
            (cells, data) =
                kitty::encode(fit(graphics.cell), wanted, id, graphics.through_tmux).map_err(failed)?;
            Sent::Before { id, stamp, data }
        }
        Protocol::Sixel => Sent::Over(Sixel::new(fit(graphics.cell), wanted, false).map_err(failed)?.data),
        Protocol::Iterm2 => Sent::Over(Iterm2::new(fit(graphics.cell), wanted, false).map_err(failed)?.data),
    };
    Ok(Encoded { cells, sent })
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
    fn kittys_numbers_follow_the_stamp() {
        let number = |stamp| {
            let graphics = Graphics { protocol: Protocol::Kitty, ..Graphics::blocks(Depth::True) };
            match encode(&points(), (4, 2), graphics, stamp).unwrap().sent {
                Sent::Before { id, stamp, .. } => (id, stamp),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!([number(0), number(254), number(255)], [(1, 0), (255, 254), (1, 255)]);
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
