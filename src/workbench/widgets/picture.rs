//! The pictures of a question, beside its text. Answers, Recipe's samples and Evolve's stream draw with it.

use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::session::protocol::ImageRef;
use crate::workbench::canvas::Canvas;
use crate::workbench::messages;
use crate::workbench::pictures::encode::{Encoded, Sent};
use crate::workbench::pictures::graphics::Protocol;
use crate::workbench::pictures::{PictureKey, Pictures, Placed, fit, named};
use crate::workbench::theme::Tone;

/// Least width and height of a text with pictures beside it.
const LEAST: (u16, u16) = (36, 3);
/// Columns between the pictures and the text.
const GAP: u16 = 2;

/// Draws a question's pictures at the left of `area` and returns the area beside them. Where there is no room for
/// pictures, or none are shown, their names are in the first line, and the area below it is returned.
pub fn beside(canvas: &mut Canvas<'_>, pictures: &Pictures, images: &[ImageRef], area: Rect) -> Rect {
    if images.is_empty() {
        return area;
    }
    let places = places(pictures, images, area);
    let Some(last) = places.last() else {
        let names: Vec<String> = images.iter().map(named).collect();
        let used = canvas.line(area, &names.join(" "), canvas.theme.tone(Tone::Dim));
        return Canvas::below(area, u16::from(used > 0));
    };
    let (right, bottom) = (last.right(), places.iter().map(|p| p.bottom()).max().unwrap_or(area.y));
    if images.len() > places.len() {
        let under = Rect { width: right - area.x, ..Canvas::below(area, bottom - area.y) };
        let more = messages::more_pictures(images.len() - places.len());
        canvas.line(under, &more, canvas.theme.tone(Tone::Dim));
    }
    for (image, place) in images.iter().zip(&places) {
        draw(canvas, pictures, image, *place);
    }
    Canvas::after(area, right - area.x + GAP)
}

/// Rows that a question's pictures take in `area`.
#[must_use]
pub fn rows(pictures: &Pictures, images: &[ImageRef], area: Rect) -> u16 {
    places(pictures, images, area).iter().map(|p| p.height).max().unwrap_or(u16::from(!images.is_empty()))
}

/// Columns that a question's pictures take in `area`, with the gap behind them.
#[must_use]
pub fn columns(pictures: &Pictures, images: &[ImageRef], area: Rect) -> u16 {
    places(pictures, images, area).last().map_or(0, |last| last.right() - area.x + GAP)
}

/// The pictures' places; none where there is no room.
fn places(pictures: &Pictures, images: &[ImageRef], area: Rect) -> Vec<Rect> {
    let Some(graphics) = pictures.graphics() else { return Vec::new() };
    if area.width < LEAST.0 || area.height < LEAST.1 {
        return Vec::new();
    }
    let sizes: Vec<(u32, u32)> = images.iter().map(|i| (i.width, i.height)).collect();
    fit::row(&sizes, Rect { width: area.width * 2 / 5, ..area }, graphics.cell)
}

fn draw(canvas: &mut Canvas<'_>, pictures: &Pictures, image: &ImageRef, area: Rect) {
    let key = PictureKey { source: image.path.clone(), columns: area.width, rows: area.height };
    let later = pictures.graphics().is_some_and(|g| g.protocol == Protocol::Screenshot);
    let (encoded, why) = match pictures.get(&key) {
        Some(Ok(encoded)) => (Some(encoded.clone()), None),
        Some(Err(why)) => (None, Some(why.clone())),
        None if later => {
            let cells = Buffer::empty(Rect::new(0, 0, area.width, area.height));
            (Some(Arc::new(Encoded { cells, sent: Sent::Over(String::new()) })), None)
        }
        None => (None, None),
    };
    let bad = why.is_some();
    canvas.picture(Placed { area, key, alternative: why.unwrap_or_else(|| named(image)), bad, encoded });
}
