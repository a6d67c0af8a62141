//! Resizing as Pillow does it, to the bit: its filters, weights in 22 bits after the point, lines and columns one after
//! the other, each rounded to bytes. In: a picture and a size. Out: the resized picture.

use std::f64::consts::PI;

use crate::picture::Picture;

/// Pillow's filters, under the numbers that settings write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    Nearest,
    Lanczos,
    Bilinear,
    Bicubic,
    Box,
    Hamming,
}

impl Filter {
    pub(super) fn of(number: u64) -> Option<Self> {
        let all = [Self::Nearest, Self::Lanczos, Self::Bilinear, Self::Bicubic, Self::Box, Self::Hamming];
        all.get(usize::try_from(number).ok()?).copied()
    }

    /// How far it reaches, in pixels of the larger picture.
    fn support(self) -> f64 {
        match self {
            Self::Nearest | Self::Box => 0.5,
            Self::Bilinear | Self::Hamming => 1.0,
            Self::Bicubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }

    fn weight(self, x: f64) -> f64 {
        let sinc = |x: f64| if x == 0.0 { 1.0 } else { (x * PI).sin() / (x * PI) };
        let distance = x.abs();
        match self {
            Self::Nearest | Self::Box => f64::from(u8::from(x > -0.5 && x <= 0.5)),
            Self::Bilinear => (1.0 - distance).max(0.0),
            Self::Hamming if distance >= 1.0 => 0.0,
            Self::Hamming => sinc(distance) * (0.54 + 0.46 * (distance * PI).cos()),
            Self::Bicubic if distance < 1.0 => {
                ((-0.5 + 2.0) * distance - (-0.5 + 3.0)) * distance * distance + 1.0
            }
            Self::Bicubic if distance < 2.0 => (((distance - 5.0) * distance + 8.0) * distance - 4.0) * -0.5,
            Self::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
            Self::Bicubic | Self::Lanczos => 0.0,
        }
    }
}

/// Bits after the point of a weight.
const BITS: u32 = 22;

/// What one pixel of a resized line is made of: weights of neighbouring pixels from `start` on.
struct Taps {
    start: usize,
    weights: Vec<i32>,
}

/// For each pixel of a line of `to`, its share of the pixels of a line of `from`.
fn taps(from: u32, to: u32, filter: Filter) -> Vec<Taps> {
    let scale = f64::from(from) / f64::from(to);
    let spread = scale.max(1.0);
    let support = filter.support() * spread;
    let pixel = |index: u32| {
        let centre = (f64::from(index) + 0.5) * scale;
        let start = ((centre - support + 0.5) as i64).max(0);
        let end = ((centre + support + 0.5) as i64).min(i64::from(from));
        let shrink = 1.0 / spread;
        let shares: Vec<f64> =
            (start..end).map(|x| filter.weight((x as f64 - centre + 0.5) * shrink)).collect();
        let sum: f64 = shares.iter().sum();
        let fixed = |share: &f64| {
            let share = if sum == 0.0 { *share } else { share / sum };
            (share * f64::from(1 << BITS) + 0.5_f64.copysign(share)) as i32
        };
        Taps { start: start as usize, weights: shares.iter().map(fixed).collect() }
    };
    (0..to).map(pixel).collect()
}

fn byte(sum: i32) -> u8 {
    (sum >> BITS).clamp(0, 255) as u8
}

/// The picture at another size.
pub(super) fn resize(picture: &Picture, width: u32, height: u32, filter: Filter) -> Picture {
    let (old_width, old_height) = (picture.width, picture.height);
    let along = |rgb: &[u8]| by_lines(rgb, old_width, &taps(old_width, width, filter));
    let down = |rgb: &[u8], width: u32| by_columns(rgb, width, &taps(old_height, height, filter));
    let rgb = match (filter, width == old_width, height == old_height) {
        (_, true, true) => picture.rgb.clone(),
        (Filter::Nearest, ..) => nearest(picture, width, height),
        (_, false, true) => along(&picture.rgb),
        (_, true, false) => down(&picture.rgb, width),
        _ if columns_first((old_width, old_height), (width, height)) => along(&down(&picture.rgb, old_width)),
        _ => down(&along(&picture.rgb), width),
    };
    Picture { width, height, rgb }
}

/// Pillow 13 resizes the columns first where the height loses over twice as many pixels as the width; found on 2,431
/// random sizes whose two orders differ. Between the passes the values are rounded, so the order counts.
fn columns_first((width, height): (u32, u32), (new_width, new_height): (u32, u32)) -> bool {
    let lost = |old: u32, new: u32| i64::from(old) - i64::from(new);
    new_height < height && 2 * lost(width, new_width) < lost(height, new_height)
}

fn by_lines(rgb: &[u8], width: u32, taps: &[Taps]) -> Vec<u8> {
    let lines = rgb.chunks_exact(width as usize * 3);
    let mut out = Vec::with_capacity(lines.len() * taps.len() * 3);
    for line in lines {
        for tap in taps {
            let mut sums = [1_i32 << (BITS - 1); 3];
            let pixels = line[tap.start * 3..].chunks_exact(3);
            for (pixel, weight) in pixels.zip(&tap.weights) {
                for (sum, value) in sums.iter_mut().zip(pixel) {
                    *sum += i32::from(*value) * weight;
                }
            }
            out.extend(sums.map(byte));
        }
    }
    out
}

fn by_columns(rgb: &[u8], width: u32, taps: &[Taps]) -> Vec<u8> {
    let length = width as usize * 3;
    let mut out = Vec::with_capacity(length * taps.len());
    let mut sums = vec![0_i32; length];
    for tap in taps {
        sums.fill(1 << (BITS - 1));
        let lines = rgb[tap.start * length..].chunks_exact(length);
        for (line, weight) in lines.zip(&tap.weights) {
            for (sum, value) in sums.iter_mut().zip(line) {
                *sum += i32::from(*value) * weight;
            }
        }
        out.extend(sums.iter().map(|sum| byte(*sum)));
    }
    out
}

fn nearest(picture: &Picture, width: u32, height: u32) -> Vec<u8> {
    // Places are added up, as Pillow does: the rounding of the sum decides at a tie.
    let places = |from: u32, to: u32| {
        let step = f64::from(from) / f64::from(to);
        let mut at = step * 0.5;
        let mut next = move |_| {
            let place = (at as usize).min(from as usize - 1);
            at += step;
            place
        };
        (0..to).map(&mut next).collect::<Vec<usize>>()
    };
    let columns = places(picture.width, width);
    let mut out = Vec::with_capacity(width as usize * height as usize * 3);
    for line in places(picture.height, height) {
        for column in &columns {
            let at = (line * picture.width as usize + column) * 3;
            out.extend_from_slice(&picture.rgb[at..at + 3]);
        }
    }
    out
}
