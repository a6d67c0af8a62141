//! A picture as PNG: the SVG drawn with this machine's fonts.

use anyhow::{Context, bail};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{self, fontdb};
use skrifa::{FontRef, MetadataProvider};

/// Pixels for each of the SVG's.
const SCALE: f32 = 2.0;

/// Draws an SVG picture as PNG.
///
/// # Errors
/// No font here has Japanese letters, or the SVG is none of ours.
pub fn png(svg: &str) -> anyhow::Result<Vec<u8>> {
    let mut options = usvg::Options::default();
    options.fontdb_mut().load_system_fonts();
    if svg.chars().any(is_japanese) && !options.fontdb.faces().any(|face| has(&options.fontdb, face.id, 'あ'))
    {
        bail!(
            "no font on this machine has Japanese letters: install one (Debian: fonts-noto-cjk), or take the SVG"
        );
    }
    let tree = usvg::Tree::from_str(svg, &options).context("drawing the picture")?;
    let size = tree.size().to_int_size();
    let scaled = |n: u32| (n as f32 * SCALE) as u32;
    let mut map =
        Pixmap::new(scaled(size.width()), scaled(size.height())).context("the picture has no size")?;
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut map.as_mut());
    map.encode_png().context("writing the picture as PNG")
}

fn is_japanese(c: char) -> bool {
    matches!(c, '\u{3041}'..='\u{30ff}' | '\u{4e00}'..='\u{9fff}')
}

/// Whether a face has a shape for `letter`.
fn has(fonts: &fontdb::Database, face: fontdb::ID, letter: char) -> bool {
    let found = fonts.with_face_data(face, |data, index| {
        FontRef::from_index(data, index).is_ok_and(|font| font.charmap().map(letter).is_some())
    });
    found.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use crate::workbench::recording::{RECORDED, Recording};

    #[test]
    fn a_pane_becomes_a_png_or_the_font_is_named() {
        let recording = Recording::from_lines(RECORDED).unwrap();
        let pictures = recording.pictures();
        match super::png(&pictures[0].1) {
            Ok(bytes) => assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 10_000),
            Err(why) => assert!(why.to_string().contains("fonts-noto-cjk"), "{why:#}"),
        }
    }
}
