//! The way up that a picture names, in EXIF or else in XMP, and pixels turned by it.

use image::ImageDecoder;
use image::metadata::Orientation;

/// The orientation that a decoder finds. Metadata that cannot be read names none, as with Pillow.
pub(super) fn of(decoder: &mut impl ImageDecoder) -> Orientation {
    let exif = decoder.exif_metadata().ok().flatten();
    let xmp = decoder.xmp_metadata().ok().flatten();
    named(exif.as_deref(), xmp.as_deref())
}

/// The orientation that EXIF data names, or else XMP.
pub(super) fn named(exif: Option<&[u8]>, xmp: Option<&[u8]>) -> Orientation {
    let in_exif = exif.and_then(Orientation::from_exif_chunk);
    let named = in_exif.or_else(|| in_xmp(xmp?).and_then(Orientation::from_exif));
    named.unwrap_or(Orientation::NoTransforms)
}

/// The digit after `tiff:Orientation="` or `tiff:Orientation>`.
fn in_xmp(xmp: &[u8]) -> Option<u8> {
    const KEY: &[u8] = b"tiff:Orientation";
    xmp.windows(KEY.len() + 3).find_map(|part| match part.strip_prefix(KEY)? {
        [b'=', b'"', digit @ b'0'..=b'9'] | [b'>', digit @ b'0'..=b'9', _] => Some(digit - b'0'),
        _ => None,
    })
}

/// Whether width and height change places.
pub(super) fn swaps(orientation: Orientation) -> bool {
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    matches!(orientation, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH)
}

/// The pixels of an upright picture. In: the stored ones, `width` × `height`.
pub(super) fn upright(rgb: Vec<u8>, width: u32, height: u32, orientation: Orientation) -> Vec<u8> {
    let (width, height) = (width as usize, height as usize);
    let (columns, rows) = if swaps(orientation) { (height, width) } else { (width, height) };
    // Where the pixel at column x, row y of the upright picture is stored.
    let stored = |x: usize, y: usize| match orientation {
        Orientation::NoTransforms => (x, y),
        Orientation::FlipHorizontal => (width - 1 - x, y),
        Orientation::Rotate180 => (width - 1 - x, height - 1 - y),
        Orientation::FlipVertical => (x, height - 1 - y),
        Orientation::Rotate90FlipH => (y, x),
        Orientation::Rotate90 => (y, height - 1 - x),
        Orientation::Rotate270FlipH => (width - 1 - y, height - 1 - x),
        Orientation::Rotate270 => (width - 1 - y, x),
    };
    if orientation == Orientation::NoTransforms {
        return rgb;
    }
    let mut out = Vec::with_capacity(rgb.len());
    for y in 0..rows {
        for x in 0..columns {
            let (column, row) = stored(x, y);
            let at = (row * width + column) * 3;
            out.extend_from_slice(&rgb[at..at + 3]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orientation_stands_in_xmp_as_attribute_or_element() {
        assert_eq!(in_xmp(br#"<rdf:Description tiff:Orientation="6"/>"#), Some(6));
        assert_eq!(in_xmp(b"<tiff:Orientation>8</tiff:Orientation>"), Some(8));
        assert_eq!(in_xmp(b"tiff:Orientation"), None);
        assert_eq!(in_xmp(b"<tiff:Orientation>x"), None);
    }
}
