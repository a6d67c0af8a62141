//! Draws a frame as SVG. Every character has its own x, so that Japanese stays in its columns in any font.
//! `screenshot/mod.rs` calls it.

use std::fmt::Write;

use ratatui::buffer::Buffer;

use crate::text::visible_line;

use super::{
    ASCENT, BACKGROUND, BUTTON, CELL, DIM, DOT, Embed, Glyph, LETTER, ROUND, Rgb, Screenshot, Stroke,
    backgrounds, buttons, dots, glyphs, place, stroke,
};

/// Draws `frame` as SVG, with its pictures inside.
pub(super) fn draw(frame: &Buffer, pictures: &[Embed], title: &str) -> String {
    let area = frame.area();
    let (width, height) = Screenshot::size(frame);
    let mut out = String::new();
    // Writing into a string does not fail.
    let _ = write!(
        out,
        concat!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}" "#,
            r#"font-family="'JetBrains Mono','DejaVu Sans Mono',Menlo,Consolas,'Noto Sans Mono CJK JP','Noto Sans CJK JP',monospace" "#,
            "font-size=\"{letter}\">\n",
            "<title>{title}</title>\n",
            "<rect width=\"{w}\" height=\"{h}\" rx=\"{round}\" fill=\"{bg}\"/>\n",
        ),
        w = width,
        h = height,
        letter = LETTER.0,
        round = ROUND,
        title = escape(title),
        bg = hex(BACKGROUND),
    );
    for ((x, y), fill) in buttons() {
        let _ = writeln!(out, "<circle cx=\"{x}\" cy=\"{y}\" r=\"{}\" fill=\"{}\"/>", BUTTON.0, hex(fill));
    }
    for y in 0..area.height {
        for (x, cells, fill) in backgrounds(frame, y) {
            let (px, py) = place(x, y);
            let _ = writeln!(
                out,
                "<rect x=\"{px}\" y=\"{py}\" width=\"{}\" height=\"{}\" fill=\"{}\"/>",
                cells * CELL.0,
                CELL.1,
                hex(fill)
            );
        }
        texts(frame, y, &mut out);
    }
    for embed in pictures {
        write_picture(embed, &mut out);
    }
    out.push_str("</svg>\n");
    out
}

/// A picture with its alternative, which viewers show as its name and read aloud.
fn write_picture(embed: &Embed, out: &mut String) {
    let ((x, y), (width, height)) = embed.place();
    let drawn = if embed.is_enlarged() { " image-rendering=\"pixelated\"" } else { "" };
    let name = escape(&visible_line(&embed.alternative));
    let _ = writeln!(
        out,
        "<image x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"{drawn} role=\"img\" \
         href=\"{}\"><title>{name}</title></image>",
        embed.picture.url(),
    );
}

/// Writes words of one style as text elements with an x for every letter. Each word is a separate element, so that it
/// is in its place even in a viewer that reads only the first x.
fn texts(frame: &Buffer, y: u16, out: &mut String) {
    let mut word = Word::default();
    let base = place(0, y).1 + ASCENT;
    for (x, glyph) in glyphs(frame, y) {
        let style = (attributes(&glyph), hex(glyph.ink));
        let (px, py) = place(x, y);
        let drawn = if glyph.symbol == " " {
            true
        } else if let Some(dots) = dots(glyph.symbol, px, py) {
            write_dots(&dots, &style, out);
            true
        } else if let Some(stroke) = stroke(glyph.symbol, px, py) {
            write_stroke(stroke, &style, out);
            true
        } else {
            false
        };
        if drawn || word.style != style || word.cells != glyph.cells {
            word.end(base, out);
        }
        if !drawn {
            word.style = style;
            word.cells = glyph.cells;
            // One x for each character, except combining marks.
            for (i, c) in glyph.symbol.chars().enumerate() {
                if i == 0 || matches!(c, 'ﾞ' | 'ﾟ') {
                    let _ = write!(word.xs, "{} ", px + i as u16 * CELL.0);
                }
                word.text.push(c);
            }
        }
    }
    word.end(base, out);
}

/// Attributes and colour of a run.
type Run = (String, String);

/// Consecutive letters of one style and width.
#[derive(Default)]
struct Word {
    style: Run,
    cells: u16,
    text: String,
    xs: String,
}

impl Word {
    /// Writes the word, if there is one, and begins the next.
    fn end(&mut self, base: u16, out: &mut String) {
        let word = std::mem::take(self);
        if !word.text.is_empty() {
            let (attributes, fill) = word.style;
            // A wide letter is as wide as its two cells.
            let size = if word.cells > 1 { format!(" font-size=\"{}\"", LETTER.1) } else { String::new() };
            let _ = writeln!(
                out,
                "<text x=\"{}\" y=\"{base}\" fill=\"{fill}\"{size}{attributes}>{}</text>",
                word.xs.trim_end(),
                escape(&word.text)
            );
        }
    }
}

fn write_stroke(stroke: Stroke, (attributes, colour): &Run, out: &mut String) {
    let path = match stroke {
        Stroke::Straight((x, y), (to, _)) if to > x => format!("M{x} {y}h{}", to - x),
        Stroke::Straight((x, y), (_, to)) => format!("M{x} {y}v{}", to - y),
        Stroke::Corner((x, y), by, to) => format!("M{x} {y}Q{} {} {} {}", by.0, by.1, to.0, to.1),
    };
    let _ = writeln!(out, "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\"{attributes}/>");
}

fn write_dots(dots: &[(f64, f64)], (attributes, fill): &Run, out: &mut String) {
    let (length, thick) = DOT;
    let mut path = String::new();
    for (x, y) in dots {
        let _ = write!(path, "M{x:.2} {y:.2}h{length}");
    }
    let _ = writeln!(
        out,
        "<path d=\"{path}\" stroke=\"{fill}\" stroke-width=\"{thick}\" stroke-linecap=\"round\"{attributes}/>"
    );
}

/// Attributes of a run besides its colour.
fn attributes(glyph: &Glyph<'_>) -> String {
    match (glyph.bold, glyph.dim) {
        (true, _) => " font-weight=\"bold\"".to_owned(),
        (false, true) => format!(" opacity=\"{DIM}\""),
        (false, false) => String::new(),
    }
}

fn hex([r, g, b]: Rgb) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    use super::*;

    #[test]
    fn japanese_keeps_its_columns() {
        let mut frame = Buffer::empty(Rect::new(0, 0, 8, 1));
        frame.set_string(0, 0, "りa<", Style::new());
        let svg = draw(&frame, &[], "a & b");
        assert!(svg.contains("<text x=\"14\" y=\"58\" fill=\"#e7e0d6\" font-size=\"17\">り</text>"), "{svg}");
        assert!(svg.contains("<text x=\"32 41\" y=\"58\" fill=\"#e7e0d6\">a&lt;</text>"), "{svg}");
        assert!(svg.contains("<title>a &amp; b</title>"));
    }

    #[test]
    fn a_wide_letter_has_one_background() {
        let mut frame = Buffer::empty(Rect::new(0, 0, 8, 1));
        frame.set_string(1, 0, "進化", Style::new().add_modifier(ratatui::style::Modifier::REVERSED));
        let svg = draw(&frame, &[], "");
        assert!(
            svg.contains("<rect x=\"23\" y=\"44\" width=\"36\" height=\"19\" fill=\"#e7e0d6\"/>"),
            "{svg}"
        );
    }
}
