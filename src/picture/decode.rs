//! From bytes to pixels: the header, held against every bound, then the decoder, under the same bounds.

use std::io::{Cursor, ErrorKind};

use image::error::LimitErrorKind;
use image::metadata::Orientation;
use image::{ColorType, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use super::complete::cut_short;
use super::format::Format;
use super::jpeg::{self, Head};
use super::{Picture, PictureError, gif_frame, orientation, rgb};
use crate::limits::{
    PICTURE_FREE_PIXELS, PICTURE_MEMORY, PICTURE_PIXELS, PICTURE_PIXELS_A_BYTE, PICTURE_SIDE, guarded,
};

/// The byte of a PNG's header that says whether it is grey, in colours, of a palette, and with alpha.
const PNG_COLOR_TYPE: usize = 25;

/// What stands before the pixels.
pub(super) struct Header {
    format: Format,
    /// As stored.
    width: u32,
    height: u32,
    orientation: Orientation,
}

impl Header {
    /// Width and height of the upright picture.
    pub(super) fn upright(&self) -> (u32, u32) {
        if orientation::swaps(self.orientation) {
            (self.height, self.width)
        } else {
            (self.width, self.height)
        }
    }
}

/// The header of an encoded picture that is whole and within the bounds.
pub(super) fn header(bytes: &[u8], name: &str) -> Result<Header, PictureError> {
    let format = Format::of(bytes).map_err(|found| PictureError::Format { name: name.to_owned(), found })?;
    let place = Place { name, format, bytes };
    // The size first: a header that is beyond all bounds is named as that, whatever follows it.
    let (width, height, orientation) = match format {
        Format::Gif => {
            let layout = gif_frame::layout(bytes).ok_or_else(|| place.cut())?;
            (layout.width, layout.height, Orientation::NoTransforms)
        }
        Format::Jpeg => {
            let head = Head::read(bytes).map_err(|why| place.damaged(why))?;
            (head.width, head.height, orientation::named(head.exif, head.xmp))
        }
        Format::Png | Format::WebP | Format::Bmp => {
            let mut decoder = place.guard(|| reader(bytes, format))?;
            let (width, height) = decoder.dimensions();
            within(width, height, &place)?;
            // Before the metadata, whose length a decoder takes as it is named.
            if cut_short(bytes, format) {
                return Err(place.cut());
            }
            let orientation = guarded(|| orientation::of(&mut decoder));
            (width, height, orientation.unwrap_or(Orientation::NoTransforms))
        }
    };
    within(width, height, &place)?;
    if cut_short(bytes, format) {
        return Err(place.cut());
    }
    Ok(Header { format, width, height, orientation })
}

/// The pixels of an encoded picture.
pub(super) fn decode(bytes: &[u8], name: &str) -> Result<Picture, PictureError> {
    let header = header(bytes, name)?;
    let place = Place { name, format: header.format, bytes };
    let rgb = match header.format {
        Format::Gif => {
            let layout = gif_frame::layout(bytes).ok_or_else(|| place.cut())?;
            place.guard(|| gif_frame::decode(bytes, &layout).map_err(gif_error))?
        }
        Format::Jpeg => {
            let head = Head::read(bytes).map_err(|why| place.damaged(why))?;
            jpeg::decode(bytes, &head).map_err(|why| place.damaged(why))?
        }
        Format::Png | Format::WebP | Format::Bmp => place.guard(|| pixels(bytes, header.format))?,
    };
    let (width, height) = header.upright();
    if rgb.len() as u64 != u64::from(width) * u64::from(height) * 3 {
        return Err(place.damaged("its pixels are not as many as its header says".to_owned()));
    }
    let rgb = orientation::upright(rgb, header.width, header.height, header.orientation);
    Ok(Picture { width, height, rgb })
}

fn within(width: u32, height: u32, place: &Place) -> Result<(), PictureError> {
    let (name, length) = (place.name.to_owned(), place.bytes.len());
    let pixels = u64::from(width) * u64::from(height);
    match () {
        () if pixels == 0 => Err(place.damaged(format!("its size is {width} × {height}"))),
        () if width.max(height) > PICTURE_SIDE || pixels > PICTURE_PIXELS => {
            Err(PictureError::Large { name, width, height })
        }
        () if pixels > PICTURE_FREE_PIXELS + PICTURE_PIXELS_A_BYTE * length as u64 => {
            Err(PictureError::Dense { name, width, height, length })
        }
        () => Ok(()),
    }
}

fn reader(bytes: &[u8], format: Format) -> Result<impl ImageDecoder + '_, ImageError> {
    let format = match format {
        Format::WebP => ImageFormat::WebP,
        Format::Bmp => ImageFormat::Bmp,
        // The two others have decoders of their own here.
        Format::Png | Format::Jpeg | Format::Gif => ImageFormat::Png,
    };
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    // Sides and pixels are checked here, so that the sentence names them.
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(PICTURE_MEMORY);
    reader.limits(limits);
    reader.into_decoder()
}

fn pixels(bytes: &[u8], format: Format) -> Result<Vec<u8>, ImageError> {
    let decoder = reader(bytes, format)?;
    let mut color = decoder.color_type();
    let mut samples = vec![0; decoder.total_bytes() as usize];
    decoder.read_image(&mut samples)?;
    // Transparency that a PNG names as one grey makes an alpha channel here, and none in Pillow.
    if color == ColorType::La16 && bytes.get(PNG_COLOR_TYPE) == Some(&0) {
        (samples, color) = (samples.chunks_exact(4).flat_map(|p| [p[0], p[1]]).collect(), ColorType::L16);
    }
    rgb::of(samples, color).ok_or_else(|| {
        ImageError::IoError(std::io::Error::new(ErrorKind::InvalidData, "its samples are floats"))
    })
}

fn gif_error(error: gif::DecodingError) -> ImageError {
    match error {
        gif::DecodingError::Io(error) => ImageError::IoError(error),
        other => ImageError::IoError(std::io::Error::new(ErrorKind::InvalidData, other.to_string())),
    }
}

/// What an error names.
struct Place<'a> {
    name: &'a str,
    format: Format,
    bytes: &'a [u8],
}

impl Place<'_> {
    fn cut(&self) -> PictureError {
        PictureError::Truncated {
            name: self.name.to_owned(),
            format: self.format.name(),
            length: self.bytes.len(),
        }
    }

    /// What is damaged may only be cut short.
    fn damaged(&self, why: String) -> PictureError {
        if cut_short(self.bytes, self.format) {
            return self.cut();
        }
        PictureError::Damaged { name: self.name.to_owned(), format: self.format.name(), why }
    }

    /// The result of a decoder, whose panic is an error too.
    fn guard<T>(&self, work: impl FnOnce() -> Result<T, ImageError>) -> Result<T, PictureError> {
        match guarded(work) {
            Some(Ok(done)) => Ok(done),
            Some(Err(error)) => Err(self.error(&error)),
            None => Err(self.damaged("the decoder gave up".to_owned())),
        }
    }

    fn error(&self, error: &ImageError) -> PictureError {
        match error {
            ImageError::IoError(e) if e.kind() == ErrorKind::UnexpectedEof => self.cut(),
            ImageError::Limits(e) if matches!(e.kind(), LimitErrorKind::InsufficientMemory) => {
                self.damaged(format!("it needs over {} MiB of memory", PICTURE_MEMORY >> 20))
            }
            other => self.damaged(other.to_string()),
        }
    }
}
