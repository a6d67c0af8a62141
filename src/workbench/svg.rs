//! A frame as SVG. Every cell's text has its own x, so that Japanese stays in its columns
//! whatever font draws it.

use std::fmt::Write;

use ratatui::buffer::{Buffer, CellWidth};
use ratatui::style::{Color, Modifier, Style};

/// Size of a cell in pixels.
const CELL: (u16, u16) = (9, 19);
/// Room around the frame, and height of the window's bar.
const MARGIN: u16 = 14;
const BAR: u16 = 30;

const BACKGROUND: &str = "#1c1917";
const FOREGROUND: &str = "#e7e0d6";

/// The palette that stands for a terminal's own colours.
const PALETTE: [&str; 16] = [
    "#292524", "#e5786d", "#9bbf74", "#e0b25c", "#7aa7c7", "#c792c0", "#6fb7b7", "#d6cfc4", "#78716c",
    "#f19a8f", "#b5d68f", "#f0cb7f", "#9cc4e0", "#ddb0d6", "#92d0d0", "#faf5ee",
];

/// Draws `buffer` as an SVG picture.
#[must_use]
pub fn picture(buffer: &Buffer, title: &str) -> String {
    let area = buffer.area();
    let (width, height) = (area.width * CELL.0 + 2 * MARGIN, area.height * CELL.1 + 2 * MARGIN + BAR);
    let mut out = String::new();
    // Writing into a string does not fail.
    let _ = write!(
        out,
        concat!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}" "#,
            r#"font-family="'JetBrains Mono','DejaVu Sans Mono',Menlo,Consolas,'Noto Sans Mono CJK JP','Noto Sans CJK JP',monospace" "#,
            "font-size=\"15\">\n",
            "<title>{title}</title>\n",
            "<rect width=\"{w}\" height=\"{h}\" rx=\"9\" fill=\"{bg}\"/>\n",
        ),
        w = width,
        h = height,
        title = escape(title),
        bg = BACKGROUND,
    );
    for (i, fill) in ["#c96a5b", "#d9a441", "#7f9f5f"].iter().enumerate() {
        let x = usize::from(MARGIN) + 7 + i * 20;
        let _ = writeln!(out, "<circle cx=\"{x}\" cy=\"{}\" r=\"6\" fill=\"{fill}\"/>", BAR / 2 + 5);
    }
    for y in 0..area.height {
        backgrounds(buffer, y, &mut out);
        texts(buffer, y, &mut out);
    }
    out.push_str("</svg>\n");
    out
}

fn place(x: u16, y: u16) -> (u16, u16) {
    (MARGIN + x * CELL.0, MARGIN + BAR + y * CELL.1)
}

/// Runs of one background colour as rectangles.
fn backgrounds(buffer: &Buffer, y: u16, out: &mut String) {
    let width = buffer.area().width;
    let mut x = 0;
    while x < width {
        let fill = colours(buffer, x, y).1;
        let from = x;
        while x < width && colours(buffer, x, y).1 == fill {
            x += 1;
        }
        if let Some(fill) = fill {
            let (px, py) = place(from, y);
            let _ = writeln!(
                out,
                "<rect x=\"{px}\" y=\"{py}\" width=\"{}\" height=\"{}\" fill=\"{fill}\"/>",
                (x - from) * CELL.0,
                CELL.1
            );
        }
    }
}

/// Words of one style as text elements with an x for every letter. A word is its own element, so
/// that it stands in its place also where a viewer reads only the first x.
fn texts(buffer: &Buffer, y: u16, out: &mut String) {
    let width = buffer.area().width;
    let mut word = Word::default();
    let mut x = 0;
    while x < width {
        let symbol = buffer[(x, y)].symbol();
        let cells = symbol.cell_width().max(1);
        let style = (shape(buffer[(x, y)].style()), colours(buffer, x, y).0);
        let (px, py) = place(x, y);
        let drawn = if symbol == " " {
            true
        } else if let Some(bits) = braille(symbol) {
            dots(bits, px, py, &style, out);
            true
        } else {
            frame(symbol, px, py, &style, out)
        };
        if drawn || word.style != style || word.cells != cells {
            word.end(py, out);
        }
        if !drawn {
            word.style = style;
            word.cells = cells;
            // One x for each character; marks that combine take none of their own.
            for (i, c) in symbol.chars().enumerate() {
                if i == 0 || matches!(c, 'ﾞ' | 'ﾟ') {
                    let _ = write!(word.xs, "{} ", px + i as u16 * CELL.0);
                }
                word.text.push(c);
            }
        }
        x += cells;
    }
    word.end(place(0, y).1, out);
}

/// Attributes and colour of a run.
type Run = (&'static str, String);

/// Letters of one style and width that follow each other.
#[derive(Default)]
struct Word {
    style: Run,
    cells: u16,
    text: String,
    xs: String,
}

impl Word {
    /// Writes the word, if there is one, and begins the next.
    fn end(&mut self, y: u16, out: &mut String) {
        let word = std::mem::take(self);
        if !word.text.is_empty() {
            let (attributes, fill) = word.style;
            // A wide letter is as wide as its two cells.
            let size = if word.cells > 1 { " font-size=\"17\"" } else { "" };
            let _ = writeln!(
                out,
                "<text x=\"{}\" y=\"{}\" fill=\"{fill}\"{size}{attributes}>{}</text>",
                word.xs.trim_end(),
                y + 14,
                escape(&word.text)
            );
        }
    }
}

/// Lines of frames as paths, which join where the letters of a font would leave gaps.
fn frame(symbol: &str, x: u16, y: u16, (attributes, stroke): &Run, out: &mut String) -> bool {
    let (w, h) = (f64::from(CELL.0), f64::from(CELL.1));
    let (x, y) = (f64::from(x), f64::from(y));
    let (cx, cy) = (x + w / 2.0, y + h / 2.0);
    let path = match symbol {
        "─" => format!("M{x} {cy}h{w}"),
        "│" => format!("M{cx} {y}v{h}"),
        "╭" => format!("M{cx} {}Q{cx} {cy} {} {cy}", y + h, x + w),
        "╮" => format!("M{cx} {}Q{cx} {cy} {x} {cy}", y + h),
        "╰" => format!("M{cx} {y}Q{cx} {cy} {} {cy}", x + w),
        "╯" => format!("M{cx} {y}Q{cx} {cy} {x} {cy}"),
        _ => return false,
    };
    let _ = writeln!(out, "<path d=\"{path}\" fill=\"none\" stroke=\"{stroke}\"{attributes}/>");
    true
}

/// Dots of a braille pattern: fonts draw them in many sizes, a chart needs one.
fn dots(bits: u32, x: u16, y: u16, (attributes, fill): &Run, out: &mut String) {
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
    let mut path = String::new();
    for (bit, column, row) in PLACES {
        if bits & bit != 0 {
            let cx = f64::from(x) + 2.25 + f64::from(column) * 4.5;
            let cy = f64::from(y) + 2.4 + f64::from(row) * 4.75;
            let _ = write!(path, "M{:.2} {cy:.2}h3.4", cx - 1.7);
        }
    }
    let _ = writeln!(
        out,
        "<path d=\"{path}\" stroke=\"{fill}\" stroke-width=\"2.6\" stroke-linecap=\"round\"{attributes}/>"
    );
}

fn braille(symbol: &str) -> Option<u32> {
    let c = u32::from(symbol.chars().next()?);
    (0x2800..=0x28ff).contains(&c).then(|| c - 0x2800)
}

/// Attributes of a run beside its colour.
fn shape(style: Style) -> &'static str {
    let has = |m| style.add_modifier.contains(m);
    match (has(Modifier::BOLD), has(Modifier::DIM)) {
        (true, _) => " font-weight=\"bold\"",
        (false, true) => " opacity=\"0.62\"",
        (false, false) => "",
    }
}

/// Colours of a cell's letter and of its background, where it has one.
fn colours(buffer: &Buffer, x: u16, y: u16) -> (String, Option<String>) {
    let cell = &buffer[(x, y)];
    let (fg, bg) = (hex(cell.fg), hex(cell.bg));
    if cell.modifier.contains(Modifier::REVERSED) {
        let ink = bg.unwrap_or_else(|| BACKGROUND.to_owned());
        return (ink, Some(fg.unwrap_or_else(|| FOREGROUND.to_owned())));
    }
    (fg.unwrap_or_else(|| FOREGROUND.to_owned()), bg)
}

fn hex(colour: Color) -> Option<String> {
    let index = match colour {
        Color::Reset => return None,
        Color::Rgb(r, g, b) => return Some(format!("#{r:02x}{g:02x}{b:02x}")),
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
    Some(PALETTE[index].to_owned())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;

    use super::*;

    #[test]
    fn japanese_keeps_its_columns() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 8, 1));
        buffer.set_string(0, 0, "りa<", Style::new());
        let svg = picture(&buffer, "a & b");
        assert!(svg.contains("<text x=\"14\" y=\"58\" fill=\"#e7e0d6\" font-size=\"17\">り</text>"), "{svg}");
        assert!(svg.contains("<text x=\"32 41\" y=\"58\" fill=\"#e7e0d6\">a&lt;</text>"), "{svg}");
        assert!(svg.contains("<title>a &amp; b</title>"));
    }
}
