//! Draws a frame as a picture: a ratatui buffer comes in, an SVG or a PNG of a terminal window goes out. Both formats
//! place the same things alike: backgrounds, frames as lines, braille as dots, every letter in its own cell. The
//! screenshot command calls it.

mod fonts;
mod png;
mod svg;

pub use fonts::Fonts;
pub use png::PngScreenshot;

use ratatui::buffer::{Buffer, CellWidth};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use crate::picture::Embedded;

/// Size of a cell in pixels.
pub const CELL: (u16, u16) = (9, 19);
/// Margin around the frame, and height of the window's title bar.
const MARGIN: u16 = 14;
const BAR: u16 = 30;
/// From a cell's top to the baseline of its letters.
const ASCENT: u16 = 14;
/// Font size of letters one cell wide and two cells wide, in pixels.
const LETTER: (u16, u16) = (15, 17);
/// Radius of the window's corners.
const ROUND: u16 = 9;
/// Opacity of dim text.
const DIM: f32 = 0.62;

const BACKGROUND: Rgb = [0x1c, 0x19, 0x17];
const FOREGROUND: Rgb = [0xe7, 0xe0, 0xd6];
/// Colours of the title bar's three dots, from the left; the dots' radius, and the distance between them.
const BUTTONS: [Rgb; 3] = [[0xc9, 0x6a, 0x5b], [0xd9, 0xa4, 0x41], [0x7f, 0x9f, 0x5f]];
const BUTTON: (u16, u16) = (6, 20);

/// Red, green, blue.
type Rgb = [u8; 3];

/// The colours used for the terminal's palette.
const PALETTE: [u32; 16] = [
    0x0029_2524,
    0x00e5_786d,
    0x009b_bf74,
    0x00e0_b25c,
    0x007a_a7c7,
    0x00c7_92c0,
    0x006f_b7b7,
    0x00d6_cfc4,
    0x0078_716c,
    0x00f1_9a8f,
    0x00b5_d68f,
    0x00f0_cb7f,
    0x009c_c4e0,
    0x00dd_b0d6,
    0x0092_d0d0,
    0x00fa_f5ee,
];

/// A frame to draw.
#[derive(Clone, Debug, PartialEq)]
pub struct Screenshot {
    /// The picture's file name, without an ending.
    pub name: String,
    pub title: String,
    pub frame: Buffer,
    pub pictures: Vec<Embed>,
}

/// A picture at its place in the frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Embed {
    /// In cells.
    pub area: Rect,
    pub picture: Embedded,
    /// What stands for it where it can't be seen.
    pub alternative: String,
}

impl Embed {
    /// Its place in the screenshot's pixels: in the upper left of its cells, with its own proportions.
    fn place(&self) -> ((u16, u16), (u16, u16)) {
        let Rect { x, y, width, height } = self.area;
        let room = (f64::from(width * CELL.0), f64::from(height * CELL.1));
        let size = (f64::from(self.picture.size.0.max(1)), f64::from(self.picture.size.1.max(1)));
        let scale = (room.0 / size.0).min(room.1 / size.1);
        (place(x, y), ((size.0 * scale).round() as u16, (size.1 * scale).round() as u16))
    }

    /// Whether its pixels are drawn larger than they are.
    fn is_enlarged(&self) -> bool {
        u32::from(self.place().1.0) > self.picture.size.0
    }
}

impl Screenshot {
    /// The picture as SVG.
    #[must_use]
    pub fn svg(&self) -> String {
        svg::draw(&self.frame, &self.pictures, &self.title)
    }

    /// The picture as PNG, drawn with this machine's fonts.
    ///
    /// # Errors
    /// This machine has no font, or a picture can't be decoded.
    pub fn png(&self, fonts: &mut Fonts) -> anyhow::Result<PngScreenshot> {
        png::draw(&self.frame, &self.pictures, fonts)
    }

    /// Width and height in pixels.
    fn size(frame: &Buffer) -> (u16, u16) {
        let area = frame.area();
        (area.width * CELL.0 + 2 * MARGIN, area.height * CELL.1 + 2 * MARGIN + BAR)
    }
}

/// Position of a cell's upper left corner.
const fn place(x: u16, y: u16) -> (u16, u16) {
    (MARGIN + x * CELL.0, MARGIN + BAR + y * CELL.1)
}

/// Centres of the bar's dots.
fn buttons() -> impl Iterator<Item = ((u16, u16), Rgb)> {
    (0..).zip(BUTTONS).map(|(i, fill)| ((MARGIN + 7 + i * BUTTON.1, BAR / 2 + 5), fill))
}

/// One cell's letter and its style.
#[derive(Clone, Debug, PartialEq)]
struct Glyph<'a> {
    symbol: &'a str,
    cells: u16,
    ink: Rgb,
    bold: bool,
    dim: bool,
}

/// The glyphs of a row with their columns. A wide glyph covers two cells.
fn glyphs(frame: &Buffer, y: u16) -> impl Iterator<Item = (u16, Glyph<'_>)> {
    let width = frame.area().width;
    let mut x = 0;
    std::iter::from_fn(move || {
        (x < width).then(|| {
            let (at, cell) = (x, &frame[(x, y)]);
            let symbol = cell.symbol();
            let cells = symbol.cell_width().max(1);
            let (bold, dim) = weight(cell.style());
            x += cells;
            (at, Glyph { symbol, cells, ink: colours(frame, at, y).0, bold, dim })
        })
    })
}

/// Runs of one background colour in a row: first column, columns, colour. A wide letter's second cell
/// has the colour of its first, as on a terminal.
fn backgrounds(frame: &Buffer, y: u16) -> Vec<(u16, u16, Rgb)> {
    let mut runs: Vec<(u16, u16, Rgb)> = Vec::new();
    for (x, glyph) in glyphs(frame, y) {
        let Some(fill) = colours(frame, x, y).1 else { continue };
        match runs.last_mut() {
            Some((from, cells, before)) if *before == fill && *from + *cells == x => *cells += glyph.cells,
            _ => runs.push((x, glyph.cells, fill)),
        }
    }
    runs
}

/// A line of a frame: straight, or around a corner through a middle point.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stroke {
    Straight((f64, f64), (f64, f64)),
    Corner((f64, f64), (f64, f64), (f64, f64)),
}

/// A box-drawing glyph as lines, since a font's glyphs would leave gaps between cells.
fn stroke(symbol: &str, x: u16, y: u16) -> Option<Stroke> {
    let (w, h) = (f64::from(CELL.0), f64::from(CELL.1));
    let (x, y) = (f64::from(x), f64::from(y));
    let middle = (x + w / 2.0, y + h / 2.0);
    let (left, right) = ((x, middle.1), (x + w, middle.1));
    let (top, bottom) = ((middle.0, y), (middle.0, y + h));
    Some(match symbol {
        "─" => Stroke::Straight(left, right),
        "│" => Stroke::Straight(top, bottom),
        "╭" => Stroke::Corner(bottom, middle, right),
        "╮" => Stroke::Corner(bottom, middle, left),
        "╰" => Stroke::Corner(top, middle, right),
        "╯" => Stroke::Corner(top, middle, left),
        _ => return None,
    })
}

/// The dots of a braille pattern, each given by its left end. Fonts draw dots in many sizes, but a chart needs one
/// size.
fn dots(symbol: &str, x: u16, y: u16) -> Option<Vec<(f64, f64)>> {
    const PLACES: [(u32, u16, u16); 8] = [
        (0x01, 0, 0),
        (0x02, 0, 1),
        (0x04, 0, 2),
        (0x40, 0, 3),
        (0x08, 1, 0),
        (0x10, 1, 1),
        (0x20, 1, 2),
        (0x80, 1, 3),
    ];
    let c = u32::from(symbol.chars().next()?);
    if !(0x2800..=0x28ff).contains(&c) {
        return None;
    }
    let set = PLACES.iter().filter(|(bit, ..)| (c - 0x2800) & bit != 0);
    let place = |(_, column, row): &(u32, u16, u16)| {
        let cx = f64::from(x) + 2.25 + f64::from(*column) * 4.5;
        (cx - 1.7, f64::from(y) + 2.4 + f64::from(*row) * 4.75)
    };
    Some(set.map(place).collect())
}

/// Length and thickness of a dot.
const DOT: (f64, f64) = (3.4, 2.6);

/// Whether a style is bold, and whether it is dim.
fn weight(style: Style) -> (bool, bool) {
    let has = |m| style.add_modifier.contains(m);
    (has(Modifier::BOLD), has(Modifier::DIM) && !has(Modifier::BOLD))
}

/// Colours of a cell's letter and of its background, if it has one.
fn colours(frame: &Buffer, x: u16, y: u16) -> (Rgb, Option<Rgb>) {
    let cell = &frame[(x, y)];
    let (fg, bg) = (rgb(cell.fg), rgb(cell.bg));
    if cell.modifier.contains(Modifier::REVERSED) {
        return (bg.unwrap_or(BACKGROUND), Some(fg.unwrap_or(FOREGROUND)));
    }
    (fg.unwrap_or(FOREGROUND), bg)
}

fn rgb(colour: Color) -> Option<Rgb> {
    let index = match colour {
        Color::Reset => return None,
        Color::Rgb(r, g, b) => return Some([r, g, b]),
        Color::Indexed(i) => usize::from(i % 16),
        Color::Black => 0,
        Color::Red => 1,
        Color::Green => 2,
        Color::Yellow => 3,
        Color::Blue => 4,
        Color::Magenta => 5,
        Color::Cyan => 6,
        Color::Gray => 7,
        Color::DarkGray => 8,
        Color::LightRed => 9,
        Color::LightGreen => 10,
        Color::LightYellow => 11,
        Color::LightBlue => 12,
        Color::LightMagenta => 13,
        Color::LightCyan => 14,
        Color::White => 15,
    };
    let [_, r, g, b] = PALETTE[index].to_be_bytes();
    Some([r, g, b])
}
