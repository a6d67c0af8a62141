//! A picture as squares of the tower's size: padded, resized, cropped, and for LLaVA-NeXT cut into tiles. The values that
//! the tower reads are a table: what each byte of each channel becomes when it is rescaled and normalised.

use super::grid::{Extent, best_size, fitted};
use super::resample::resize;
use super::settings::{Kind, Settings, Size};
use crate::checkpoint::VisionConfig;
use crate::limits::PICTURE_PIXELS;
use crate::lm::LmError;
use crate::picture::Picture;

/// A checkpoint's processor of pictures.
pub(super) struct Processor {
    settings: Settings,
    /// The side of a square.
    side: u32,
    /// The sizes that LLaVA-NeXT cuts pictures at; empty for one square a picture.
    cuts: Vec<Extent>,
    values: Box<[[f32; 256]; 3]>,
}

impl Processor {
    /// # Errors
    /// The settings give squares of another size than the tower takes.
    pub(super) fn new(settings: Settings, config: &VisionConfig) -> Result<Self, LmError> {
        let side = u32::try_from(config.image_size).unwrap_or(u32::MAX);
        let square = (side, side);
        if u64::from(side) * u64::from(side) > PICTURE_PIXELS {
            return Err(LmError::Config(format!("image_size = {side} is over what a picture may have")));
        }
        let given = match (settings.crop, settings.resize) {
            (Some(crop), _) => Some(crop),
            (None, Some(Size::Exact(size))) => Some(size),
            _ => None,
        };
        let tile = (settings.kind == Kind::LlavaNext).then(|| settings.tile());
        for (height, width) in given.into_iter().chain(tile) {
            if (height, width) != square {
                return Err(LmError::Files(format!(
                    "{} gives pictures of {height} × {width} pixels, and the tower takes {side} × {side}",
                    settings.file
                )));
            }
        }
        let cuts = if settings.kind == Kind::LlavaNext { config.grid_pinpoints.clone() } else { Vec::new() };
        Ok(Self { values: Box::new(settings.values()), settings, side, cuts })
    }

    /// What each byte of red, green and blue means to the tower.
    pub(super) fn values(&self) -> &[[f32; 256]; 3] {
        &self.values
    }

    /// The squares that the tower sees: one, or the whole picture and then its tiles, line by line.
    pub(super) fn squares(&self, picture: &Picture) -> Result<Vec<Picture>, LmError> {
        if self.cuts.is_empty() {
            return Ok(vec![self.square(picture)?]);
        }
        let extent = (picture.height, picture.width);
        let (height, width) = best_size(extent, &self.cuts);
        let inside = self.resized(picture, fitted(extent, (height, width)))?;
        let cut = framed(&inside, height, width, [0; 3], |outer, inner| (outer - inner) / 2);
        let whole = self.resized(picture, self.settings.whole())?;
        let mut out = vec![self.square(&whole)?];
        for top in (0..height).step_by(self.side as usize) {
            for left in (0..width).step_by(self.side as usize) {
                out.push(self.square(&part(&cut, top, left, self.side))?);
            }
        }
        Ok(out)
    }

    /// A picture as one square.
    fn square(&self, picture: &Picture) -> Result<Picture, LmError> {
        let settings = &self.settings;
        let mut square = match settings.background {
            Some(background) if picture.width != picture.height => padded(picture, background),
            _ => picture.clone(),
        };
        if let Some(size) = settings.resize {
            square = self.resized(&square, size.of((square.height, square.width)))?;
        }
        if let Some((height, width)) = settings.crop {
            square = cropped(&square, height, width);
        }
        if (square.width, square.height) == (self.side, self.side) {
            return Ok(square);
        }
        let (given, made) = ((picture.width, picture.height), (square.width, square.height));
        Err(LmError::Files(format!(
            "{} makes {} × {} pixels of a picture of {} × {}, and the tower takes {side} × {side}",
            settings.file,
            made.0,
            made.1,
            given.0,
            given.1,
            side = self.side,
        )))
    }

    fn resized(&self, picture: &Picture, (height, width): Extent) -> Result<Picture, LmError> {
        let pixels = |width: u32, height: u32| u64::from(width) * u64::from(height);
        // On the way the picture may have its new width and its old height.
        if pixels(width, height.max(picture.height)) > PICTURE_PIXELS || width == 0 || height == 0 {
            return Err(LmError::Files(format!(
                "{} asks for a picture of {} × {} pixels at {width} × {height}, which is out of bounds: \
                 give a picture that is less narrow",
                self.settings.file, picture.width, picture.height
            )));
        }
        Ok(resize(picture, width, height, self.settings.filter))
    }
}

/// The picture on a square of its longer side.
fn padded(picture: &Picture, background: [u8; 3]) -> Picture {
    let side = picture.width.max(picture.height);
    framed(picture, side, side, background, |outer, inner| (outer - inner) / 2)
}

/// The picture in a larger frame; `before` says how many pixels of the frame come before it.
fn framed(picture: &Picture, height: u32, width: u32, fill: [u8; 3], before: fn(u32, u32) -> u32) -> Picture {
    let mut rgb = fill.repeat(width as usize * height as usize);
    let (top, left) = (before(height, picture.height) as usize, before(width, picture.width) as usize);
    let line = picture.width as usize * 3;
    for (y, pixels) in picture.rgb.chunks_exact(line).enumerate() {
        let at = ((top + y) * width as usize + left) * 3;
        rgb[at..at + line].copy_from_slice(pixels);
    }
    Picture { width, height, rgb }
}

/// The middle of the picture; what it lacks is black.
fn cropped(picture: &Picture, height: u32, width: u32) -> Picture {
    let (outer_height, outer_width) = (height.max(picture.height), width.max(picture.width));
    let frame =
        framed(picture, outer_height, outer_width, [0; 3], |outer, inner| (outer - inner).div_ceil(2));
    // transformers rounds down where there is more than enough, and the padding up.
    let start = |inner: u32, wanted: u32, outer: u32| {
        let first = (i64::from(inner) - i64::from(wanted)).div_euclid(2);
        (first + i64::from((outer - inner).div_ceil(2))).max(0) as u32
    };
    let top = start(picture.height, height, outer_height);
    let left = start(picture.width, width, outer_width);
    window(&frame, top, left, height, width)
}

/// A tile.
fn part(picture: &Picture, top: u32, left: u32, side: u32) -> Picture {
    window(picture, top, left, side, side)
}

fn window(picture: &Picture, top: u32, left: u32, height: u32, width: u32) -> Picture {
    let lines = picture.rgb.chunks_exact(picture.width as usize * 3);
    let (start, length) = (left as usize * 3, width as usize * 3);
    let rgb = lines.skip(top as usize).take(height as usize).flat_map(|l| &l[start..start + length]);
    Picture { width, height, rgb: rgb.copied().collect() }
}
