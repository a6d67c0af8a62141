//! Draws a frame as PNG with this machine's fonts. It returns the file's bytes and the letters that no font has.
//! `screenshot/mod.rs` calls it.

use std::collections::BTreeSet;
use std::io::Write;

use ab_glyph::{Font, PxScale, point};
use anyhow::{Context, bail};
use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use image::RgbImage;
use image::imageops::{FilterType, resize};
use ratatui::buffer::Buffer;

use crate::picture::{Embedded, PictureSource};

use super::{
    ASCENT, BACKGROUND, BUTTON, CELL, DIM, DOT, Embed, Fonts, Glyph, LETTER, ROUND, Rgb, Screenshot, Stroke,
    backgrounds, buttons, dots, glyphs, place, stroke,
};

/// Points of the raster for each pixel of the layout.
const SCALE: u16 = 2;
/// Thickness of a frame's line in pixels.
const LINE: f64 = 1.0;
/// Straight pieces that make up a corner.
const PIECES: u32 = 8;

/// A picture, and the letters that no font of this machine has. Boxes are drawn in their place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PngScreenshot {
    pub bytes: Vec<u8>,
    pub missing: BTreeSet<char>,
}

pub(super) fn draw(frame: &Buffer, pictures: &[Embed], fonts: &mut Fonts) -> anyhow::Result<PngScreenshot> {
    if fonts.is_empty() {
        bail!(
            "no font was found on this machine: install some (Debian: fonts-dejavu-core, and fonts-noto-cjk for \
             Japanese), or take the SVG"
        );
    }
    let (width, height) = Screenshot::size(frame);
    let mut raster = Raster::new(width, height);
    raster.window(ROUND);
    for ((x, y), fill) in buttons() {
        let centre = (f64::from(x), f64::from(y));
        raster.along(&[centre, centre], 2.0 * f64::from(BUTTON.0), fill, 1.0);
    }
    let mut missing = BTreeSet::new();
    for y in 0..frame.area().height {
        for (x, cells, fill) in backgrounds(frame, y) {
            let at = place(x, y);
            raster.fill(at, (cells * CELL.0, CELL.1), fill);
        }
        for (x, glyph) in glyphs(frame, y) {
            cell(&mut raster, place(x, y), &glyph, fonts, &mut missing);
        }
    }
    for embed in pictures {
        raster.picture(embed)?;
    }
    Ok(PngScreenshot { bytes: raster.encode()?, missing })
}

/// The content of one cell.
fn cell(
    raster: &mut Raster,
    at: (u16, u16),
    glyph: &Glyph<'_>,
    fonts: &mut Fonts,
    missing: &mut BTreeSet<char>,
) {
    let opacity = if glyph.dim { DIM } else { 1.0 };
    if glyph.symbol == " " {
        return;
    }
    if let Some(dots) = dots(glyph.symbol, at.0, at.1) {
        for (x, y) in dots {
            raster.along(&[(x, y), (x + DOT.0, y)], DOT.1, glyph.ink, opacity);
        }
        return;
    }
    if let Some(stroke) = stroke(glyph.symbol, at.0, at.1) {
        raster.clip = Some((at, (at.0 + CELL.0, at.1 + CELL.1)));
        raster.along(&points(stroke), LINE, glyph.ink, opacity);
        raster.clip = None;
        return;
    }
    let mut x = at.0;
    for (i, c) in glyph.symbol.chars().enumerate() {
        // A half-width voicing mark takes a cell. Other marks combine with their letter.
        if i > 0 && matches!(c, 'ﾞ' | 'ﾟ') {
            x += CELL.0;
        }
        let cells = if i == 0 { glyph.cells } else { 1 };
        if let Some(font) = fonts.font_for(c, glyph.bold) {
            raster.letter(font, c, (x, at.1), cells, glyph.ink, opacity);
        } else {
            missing.insert(c);
            raster.hollow((x + 1, at.1 + 3), (cells * CELL.0 - 2, ASCENT - 2), glyph.ink);
        }
    }
}

fn points(stroke: Stroke) -> Vec<(f64, f64)> {
    match stroke {
        Stroke::Straight(from, to) => vec![from, to],
        Stroke::Corner(from, by, to) => (0..=PIECES)
            .map(|i| {
                let t = f64::from(i) / f64::from(PIECES);
                let at =
                    |a: f64, b: f64, c: f64| (1.0 - t) * (1.0 - t) * a + 2.0 * (1.0 - t) * t * b + t * t * c;
                (at(from.0, by.0, to.0), at(from.1, by.1, to.1))
            })
            .collect(),
    }
}

/// Points as red, green, blue and opacity.
struct Raster {
    width: usize,
    height: usize,
    rgba: Vec<u8>,
    /// Upper left and lower right corner, in pixels, of the area that drawing is limited to.
    clip: Option<((u16, u16), (u16, u16))>,
}

impl Raster {
    fn new(width: u16, height: u16) -> Self {
        let (width, height) = (usize::from(width * SCALE), usize::from(height * SCALE));
        Self { width, height, rgba: vec![0; width * height * 4], clip: None }
    }

    fn blend(&mut self, x: i64, y: i64, colour: Rgb, share: f32) {
        if let Some((from, to)) = self.clip {
            let inside = |v: i64, a: u16, b: u16| (i64::from(a * SCALE)..i64::from(b * SCALE)).contains(&v);
            if !inside(x, from.0, to.0) || !inside(y, from.1, to.1) {
                return;
            }
        }
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { return };
        if x >= self.width || y >= self.height || share <= 0.0 {
            return;
        }
        let dot = &mut self.rgba[(y * self.width + x) * 4..][..4];
        let below = f32::from(dot[3]) / 255.0 * (1.0 - share);
        let whole = share + below;
        for (old, new) in dot.iter_mut().zip(colour) {
            *old = ((f32::from(new) * share + f32::from(*old) * below) / whole).round() as u8;
        }
        dot[3] = (whole * 255.0).round() as u8;
    }

    /// Fills the window: the whole raster except its corners.
    fn window(&mut self, round: u16) {
        let r = f64::from(round * SCALE);
        let (w, h) = (self.width as f64, self.height as f64);
        for y in 0..self.height {
            for x in 0..self.width {
                let (px, py) = (x as f64 + 0.5, y as f64 + 0.5);
                let (dx, dy) = ((r - px).max(px - (w - r)).max(0.0), (r - py).max(py - (h - r)).max(0.0));
                let share = (r - dx.hypot(dy) + 0.5).clamp(0.0, 1.0);
                self.blend(x as i64, y as i64, BACKGROUND, share as f32);
            }
        }
    }

    fn fill(&mut self, (x, y): (u16, u16), (w, h): (u16, u16), colour: Rgb) {
        for py in y * SCALE..(y + h) * SCALE {
            for px in x * SCALE..(x + w) * SCALE {
                self.blend(px.into(), py.into(), colour, 1.0);
            }
        }
    }

    /// A picture, each point of the raster in the colour of the nearest of its pixels, or in the mean of those that
    /// the point covers.
    fn picture(&mut self, embed: &Embed) -> anyhow::Result<()> {
        let Embedded { bytes, .. } = &embed.picture;
        let source = PictureSource::Bytes { name: embed.alternative.clone(), bytes: bytes.as_slice().into() };
        let picture = source.read()?;
        let points = RgbImage::from_raw(picture.width, picture.height, picture.rgb)
            .context("a picture has another size than its header says")?;
        let ((x, y), (width, height)) = embed.place();
        let (width, height) = (u32::from(width * SCALE), u32::from(height * SCALE));
        let filter = if embed.is_enlarged() { FilterType::Nearest } else { FilterType::Triangle };
        let (left, top) = (i64::from(x * SCALE), i64::from(y * SCALE));
        for (px, py, point) in resize(&points, width, height, filter).enumerate_pixels() {
            self.blend(left + i64::from(px), top + i64::from(py), point.0, 1.0);
        }
        Ok(())
    }

    /// The outline of a box.
    fn hollow(&mut self, (x, y): (u16, u16), (w, h): (u16, u16), colour: Rgb) {
        for (x, y, w, h) in [(x, y, w, 1), (x, y + h - 1, w, 1), (x, y, 1, h), (x + w - 1, y, 1, h)] {
            self.fill((x, y), (w, h), colour);
        }
    }

    /// A line along `points`, in pixels, with round ends.
    fn along(&mut self, points: &[(f64, f64)], thick: f64, colour: Rgb, opacity: f32) {
        let scale = f64::from(SCALE);
        let points: Vec<(f64, f64)> = points.iter().map(|p| (p.0 * scale, p.1 * scale)).collect();
        let reach = thick * scale / 2.0;
        let bound = |of: fn(&(f64, f64)) -> f64| {
            let (low, high) = points
                .iter()
                .map(of)
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
            (low - reach - 1.0).floor() as i64..=(high + reach + 1.0).ceil() as i64
        };
        for y in bound(|p| p.1) {
            for x in bound(|p| p.0) {
                let at = (x as f64 + 0.5, y as f64 + 0.5);
                let near = points.windows(2).map(|p| distance(at, p[0], p[1])).fold(f64::INFINITY, f64::min);
                let share = (reach - near + 0.5).clamp(0.0, 1.0);
                self.blend(x, y, colour, share as f32 * opacity);
            }
        }
    }

    /// Draws one letter. It is narrowed if it is wider than its cells.
    fn letter(
        &mut self,
        font: &impl Font,
        letter: char,
        at: (u16, u16),
        cells: u16,
        colour: Rgb,
        opacity: f32,
    ) {
        let em = f32::from(if cells > 1 { LETTER.1 } else { LETTER.0 } * SCALE);
        let Some(units) = font.units_per_em() else { return };
        let tall = em * font.height_unscaled() / units;
        let id = font.glyph_id(letter);
        let advance = font.h_advance_unscaled(id) * em / units;
        let room = f32::from(cells * CELL.0 * SCALE);
        let narrow = if advance > room * 1.02 { room / advance } else { 1.0 };
        let scale = PxScale { x: tall * narrow, y: tall };
        let base = point(f32::from(at.0 * SCALE), f32::from((at.1 + ASCENT) * SCALE));
        let Some(outline) = font.outline_glyph(id.with_scale_and_position(scale, base)) else { return };
        let corner = outline.px_bounds().min;
        let (left, top) = (corner.x as i64, corner.y as i64);
        outline.draw(|x, y, share| {
            self.blend(left + i64::from(x), top + i64::from(y), colour, share.min(1.0) * opacity);
        });
    }

    /// The file: signature, header, one compressed run of rows, end.
    fn encode(&self) -> anyhow::Result<Vec<u8>> {
        let mut rows = ZlibEncoder::new(Vec::new(), Compression::default());
        for row in self.rgba.chunks(self.width * 4) {
            // Each row is stored without a filter.
            rows.write_all(&[0])?;
            rows.write_all(row)?;
        }
        let mut header = Vec::new();
        header.extend((self.width as u32).to_be_bytes());
        header.extend((self.height as u32).to_be_bytes());
        // Eight bits a channel, four channels, and the standard's only compression and filter methods, not interlaced.
        header.extend([8, 6, 0, 0, 0]);
        let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
        for (kind, body) in [(b"IHDR", header), (b"IDAT", rows.finish()?), (b"IEND", Vec::new())] {
            out.extend((body.len() as u32).to_be_bytes());
            let mut crc = Crc::new();
            for part in [kind.as_slice(), &body] {
                crc.update(part);
                out.extend(part);
            }
            out.extend(crc.sum().to_be_bytes());
        }
        Ok(out)
    }
}

/// Distance from a point to a straight piece.
fn distance(at: (f64, f64), from: (f64, f64), to: (f64, f64)) -> f64 {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx * dx + dy * dy;
    let along = (at.0 - from.0) * dx + (at.1 - from.1) * dy;
    let t = if length > 0.0 { (along / length).clamp(0.0, 1.0) } else { 0.0 };
    (at.0 - from.0 - t * dx).hypot(at.1 - from.1 - t * dy)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::ZlibDecoder;
    use ratatui::layout::Rect;
    use ratatui::style::{Color, Style};

    use super::*;

    /// Width, height and points of a PNG that this module wrote. Each part of the file is checked.
    fn decode(png: &[u8]) -> (usize, usize, Vec<u8>) {
        assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
        let (mut at, mut size, mut rows) = (8, (0, 0), Vec::new());
        while at < png.len() {
            let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap()) as usize;
            let length = number(at);
            let mut crc = Crc::new();
            crc.update(&png[at + 4..at + 8 + length]);
            assert_eq!(crc.sum() as usize, number(at + 8 + length));
            let body = &png[at + 8..at + 8 + length];
            match &png[at + 4..at + 8] {
                b"IHDR" => size = (number(at + 8), number(at + 12)),
                b"IDAT" => drop(ZlibDecoder::new(body).read_to_end(&mut rows).unwrap()),
                other => assert_eq!(other, b"IEND"),
            }
            at += 12 + length;
        }
        let points = rows.chunks(size.0 * 4 + 1).flat_map(|row| row[1..].to_vec()).collect();
        (size.0, size.1, points)
    }

    /// Fraction of a cell's points that have this colour.
    fn share(points: &[u8], width: usize, cell: (u16, u16), colour: Rgb) -> f64 {
        let (x, y) = place(cell.0, cell.1);
        let mut found = 0;
        for py in y * SCALE..(y + CELL.1) * SCALE {
            for px in x * SCALE..(x + CELL.0) * SCALE {
                let at = (usize::from(py) * width + usize::from(px)) * 4;
                found += usize::from(points[at..at + 3] == colour);
            }
        }
        found as f64 / f64::from(CELL.0 * CELL.1 * SCALE * SCALE)
    }

    #[test]
    fn letters_frames_and_backgrounds_are_where_their_cells_are() {
        let mut frame = Buffer::empty(Rect::new(0, 0, 8, 2));
        let red = Style::new().bg(Color::Rgb(200, 0, 0));
        frame.set_string(0, 0, "A─ ⣿", Style::new());
        frame.set_string(4, 1, "  ", red);
        let mut fonts = Fonts::of_this_machine();
        if fonts.is_empty() {
            let why = draw(&frame, &[], &mut fonts).unwrap_err().to_string();
            assert!(why.contains("take the SVG"), "{why}");
            return;
        }
        let drawn = draw(&frame, &[], &mut fonts).unwrap();
        let (width, height, points) = decode(&drawn.bytes);
        assert_eq!((width, height), (200, 192));
        assert!(drawn.missing.is_empty(), "{:?}", drawn.missing);
        for x in [0, 1, 3] {
            let ink = share(&points, width, (x, 0), super::super::FOREGROUND);
            assert!((0.02..0.6).contains(&ink), "cell {x}: {ink}");
        }
        // The line fills its two rows of points and nothing else.
        let line = share(&points, width, (1, 0), super::super::FOREGROUND);
        assert!((line - 1.0 / f64::from(CELL.1)).abs() < 1e-9, "{line}");
        assert!((share(&points, width, (4, 1), [200, 0, 0]) - 1.0).abs() < 1e-9);
        assert!((share(&points, width, (6, 1), BACKGROUND) - 1.0).abs() < 1e-9);
        // The corner is cut off, the middle of the edge is not.
        assert_eq!((points[3], points[(height / 2 * width) * 4 + 3]), (0, 255));
    }

    #[test]
    fn a_letter_without_a_font_is_a_box_and_is_named() {
        let mut frame = Buffer::empty(Rect::new(0, 0, 4, 1));
        frame.set_string(0, 0, "\u{10fffd}", Style::new());
        let mut fonts = Fonts::of_this_machine();
        if fonts.is_empty() {
            return;
        }
        let drawn = draw(&frame, &[], &mut fonts).unwrap();
        assert_eq!(drawn.missing.into_iter().collect::<Vec<_>>(), ['\u{10fffd}']);
        let (width, _, points) = decode(&drawn.bytes);
        assert!(share(&points, width, (0, 0), super::super::FOREGROUND) > 0.1);
    }

    #[test]
    fn no_font_at_all_has_its_sentence() {
        let frame = Buffer::empty(Rect::new(0, 0, 4, 1));
        let why = draw(&frame, &[], &mut Fonts::in_folders([])).unwrap_err().to_string();
        assert!(why.contains("no font was found on this machine"), "{why}");
    }
}
