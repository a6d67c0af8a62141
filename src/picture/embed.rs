//! A picture as a page or a drawing holds it: its bytes as they are if they are few, else made smaller.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::thumbnail;
use image::{ExtendedColorType, RgbImage};

use super::format::Format;
use super::{Picture, PictureError, PictureSource};

/// Most bytes that are embedded as they are.
const MOST: usize = 48 << 10;
/// Longest side in pixels, and quality, of what is made smaller.
const LONGEST_SIDE: u32 = 512;
const QUALITY: u8 = 82;

/// A picture to be embedded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Embedded {
    /// `image/png` and the like.
    pub kind: &'static str,
    pub bytes: Vec<u8>,
    /// Width and height in pixels, upright.
    pub size: (u32, u32),
}

impl Embedded {
    /// The picture as a `data:` URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("data:{};base64,{}", self.kind, STANDARD.encode(&self.bytes))
    }
}

impl PictureSource {
    /// The picture in a form that every browser shows: as it is stored if it is small, else as a smaller JPEG.
    ///
    /// # Errors
    /// As [`PictureSource::read`].
    pub fn embedded(&self) -> Result<Embedded, PictureError> {
        let bytes = self.encoded()?.into_owned();
        let whole = Self::Bytes { name: self.name(), bytes: bytes.into() };
        let size = whole.check()?;
        let bytes = whole.encoded()?;
        let kind = match Format::of(&bytes) {
            Ok(Format::Png) => "image/png",
            Ok(Format::Jpeg) => "image/jpeg",
            Ok(Format::Gif) => "image/gif",
            Ok(Format::WebP) => "image/webp",
            // Browsers show it, but it is not compressed.
            Ok(Format::Bmp) | Err(_) => "",
        };
        if bytes.len() <= MOST && !kind.is_empty() {
            return Ok(Embedded { kind, bytes: bytes.into_owned(), size });
        }
        smaller(whole.read()?, &self.name())
    }
}

/// A JPEG of at most [`LONGEST_SIDE`] pixels a side.
fn smaller(picture: Picture, name: &str) -> Result<Embedded, PictureError> {
    let damaged = |why: String| PictureError::Damaged { name: name.to_owned(), format: "picture", why };
    let Picture { width, height, rgb } = picture;
    let mut points = RgbImage::from_raw(width, height, rgb)
        .ok_or_else(|| damaged(format!("it is not {width} × {height} pixels")))?;
    let longest = width.max(height);
    if longest > LONGEST_SIDE {
        let share =
            |side: u32| (u64::from(side) * u64::from(LONGEST_SIDE) / u64::from(longest)).max(1) as u32;
        points = thumbnail(&points, share(width), share(height));
    }
    let size = points.dimensions();
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, QUALITY)
        .encode(&points, size.0, size.1, ExtendedColorType::Rgb8)
        .map_err(|why| damaged(why.to_string()))?;
    Ok(Embedded { kind: "image/jpeg", bytes, size })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::{DynamicImage, ImageFormat};

    use super::*;

    fn file(points: RgbImage, format: ImageFormat) -> PictureSource {
        let mut bytes = Cursor::new(Vec::new());
        DynamicImage::from(points).write_to(&mut bytes, format).unwrap();
        PictureSource::Bytes { name: "p".to_owned(), bytes: bytes.into_inner().into() }
    }

    #[test]
    fn few_bytes_are_embedded_as_they_are_and_many_made_smaller() {
        let small = file(RgbImage::from_pixel(8, 4, [1, 2, 3].into()), ImageFormat::Png);
        let embedded = small.embedded().unwrap();
        assert_eq!((embedded.kind, embedded.size), ("image/png", (8, 4)));
        assert_eq!(embedded.bytes, small.encoded().unwrap().as_ref());
        assert!(embedded.url().starts_with("data:image/png;base64,iVBOR"));
        let noise = RgbImage::from_fn(1200, 600, |x, y| {
            let n = x.wrapping_mul(2_654_435_761).wrapping_add(y.wrapping_mul(40_503)) >> 7;
            [n as u8, (n >> 8) as u8, (n >> 16) as u8].into()
        });
        let large = file(noise, ImageFormat::Png);
        assert!(large.encoded().unwrap().len() > MOST);
        let embedded = large.embedded().unwrap();
        assert_eq!((embedded.kind, embedded.size), ("image/jpeg", (512, 256)));
        let again = PictureSource::from_text(&embedded.url(), std::path::Path::new("/")).unwrap();
        assert_eq!(again.check().unwrap(), (512, 256));
        let plain = file(RgbImage::from_pixel(8, 4, [1, 2, 3].into()), ImageFormat::Bmp);
        assert_eq!(plain.embedded().unwrap().kind, "image/jpeg");
    }

    #[test]
    fn what_is_no_picture_is_not_embedded() {
        let text = PictureSource::Bytes { name: "p".to_owned(), bytes: b"<svg onload=x>".as_slice().into() };
        assert!(text.embedded().is_err());
    }
}
