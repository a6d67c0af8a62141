//! A small canvas: filled shapes at twice the size, halved and posterised, as a palette PNG.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Result;
use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};

/// Width and height of a picture.
pub const SIDE: usize = 48;
const FINE: usize = 2 * SIDE;
/// Channels take the multiples of this value: flat areas and few colours, so that a picture is half a kilobyte.
const STEP: u32 = 17;

pub type Rgb = [u8; 3];

/// A colour moved towards another; 0 leaves it as it is.
pub fn mix(a: Rgb, b: Rgb, share: f32) -> Rgb {
    std::array::from_fn(|i| (f32::from(a[i]) * (1.0 - share) + f32::from(b[i]) * share).round() as u8)
}

/// The finished picture.
pub struct Drawn {
    /// Row by row.
    pub rgb: Vec<u8>,
    /// Which object each pixel belongs to, counted from 1; 0 is the background.
    pub owner: Vec<u8>,
}

pub struct Canvas {
    colours: Vec<Rgb>,
    owners: Vec<u8>,
    /// What is painted next belongs to this object.
    pub owner: u8,
}

impl Canvas {
    pub fn new(above: Rgb, below: Rgb, horizon: f32) -> Self {
        let row = |y: usize| if (y as f32) < horizon * FINE as f32 { above } else { below };
        let colours = (0..FINE * FINE).map(|i| row(i / FINE)).collect();
        Self { colours, owners: vec![0; FINE * FINE], owner: 0 }
    }

    /// Paints where `inside` holds, looked at in pixels of the finished picture, within a box of them.
    fn fill(&mut self, [x0, y0, x1, y1]: [f32; 4], colour: Rgb, inside: impl Fn(f32, f32) -> bool) {
        let clamp = |v: f32| v.clamp(0.0, FINE as f32) as usize;
        for y in clamp((2.0 * y0).floor())..clamp((2.0 * y1).ceil()) {
            for x in clamp((2.0 * x0).floor())..clamp((2.0 * x1).ceil()) {
                if inside(0.5 * x as f32 + 0.25, 0.5 * y as f32 + 0.25) {
                    self.colours[y * FINE + x] = colour;
                    self.owners[y * FINE + x] = self.owner;
                }
            }
        }
    }

    fn finish_pixel(&self, i: usize) -> (Rgb, u8) {
        let (x, y) = (2 * (i % SIDE), 2 * (i / SIDE));
        let places = [y * FINE + x, y * FINE + x + 1, (y + 1) * FINE + x, (y + 1) * FINE + x + 1];
        let colour = std::array::from_fn(|channel| {
            let sum: u32 = places.iter().map(|&at| u32::from(self.colours[at][channel])).sum();
            ((sum + 2 * STEP) / (4 * STEP) * STEP) as u8
        });
        (colour, places.iter().map(|&at| self.owners[at]).max().unwrap_or(0))
    }

    pub fn finish(&self) -> Drawn {
        let pixels: Vec<(Rgb, u8)> = (0..SIDE * SIDE).map(|i| self.finish_pixel(i)).collect();
        Drawn {
            rgb: pixels.iter().flat_map(|(colour, _)| *colour).collect(),
            owner: pixels.iter().map(|(_, owner)| *owner).collect(),
        }
    }
}

/// Draws a thing: its unit square, from −1 to 1, x to the right and y down, lies at a place of the canvas.
pub struct Pen<'a> {
    pub canvas: &'a mut Canvas,
    pub x: f32,
    pub y: f32,
    /// Half the side of the unit square, in pixels.
    pub size: f32,
}

impl Pen<'_> {
    pub fn ellipse(&mut self, x: f32, y: f32, rx: f32, ry: f32, colour: Rgb) {
        let (cx, cy) = (self.x + x * self.size, self.y + y * self.size);
        let (rx, ry) = (rx * self.size, ry * self.size);
        self.canvas.fill([cx - rx, cy - ry, cx + rx, cy + ry], colour, |px, py| {
            let (dx, dy) = ((px - cx) / rx, (py - cy) / ry);
            dx * dx + dy * dy <= 1.0
        });
    }

    pub fn rect(&mut self, x0: f32, y0: f32, x1: f32, y1: f32, colour: Rgb) {
        let at = |v: f32, centre: f32| centre + v * self.size;
        let (x0, x1, y0, y1) = (at(x0, self.x), at(x1, self.x), at(y0, self.y), at(y1, self.y));
        self.canvas.fill([x0, y0, x1, y1], colour, |px, py| px >= x0 && px < x1 && py >= y0 && py < y1);
    }

    /// A polygon by the even-odd rule.
    pub fn polygon(&mut self, points: &[(f32, f32)], colour: Rgb) {
        let points: Vec<(f32, f32)> =
            points.iter().map(|(x, y)| (self.x + x * self.size, self.y + y * self.size)).collect();
        let bound = |get: fn(&(f32, f32)) -> f32, pick: fn(f32, f32) -> f32, from: f32| {
            points.iter().map(get).fold(from, pick)
        };
        let area = [
            bound(|p| p.0, f32::min, f32::MAX),
            bound(|p| p.1, f32::min, f32::MAX),
            bound(|p| p.0, f32::max, f32::MIN),
            bound(|p| p.1, f32::max, f32::MIN),
        ];
        self.canvas.fill(area, colour, |px, py| {
            let mut inside = false;
            for (i, &(ax, ay)) in points.iter().enumerate() {
                let (bx, by) = points[(i + 1) % points.len()];
                if (ay > py) != (by > py) && px < (bx - ax) * (py - ay) / (by - ay) + ax {
                    inside = !inside;
                }
            }
            inside
        });
    }
}

fn chunk(out: &mut Vec<u8>, name: [u8; 4], data: &[u8]) {
    let mut crc = Crc::new();
    crc.update(&name);
    crc.update(data);
    out.extend((data.len() as u32).to_be_bytes());
    out.extend(name);
    out.extend(data);
    out.extend(crc.sum().to_be_bytes());
}

/// The picture as a PNG with a palette (a picture has far fewer than 256 colours).
pub fn png(rgb: &[u8]) -> Result<Vec<u8>> {
    let mut palette: BTreeMap<&[u8], u8> = BTreeMap::new();
    for colour in rgb.chunks_exact(3) {
        palette.insert(colour, 0);
    }
    anyhow::ensure!(palette.len() <= 256, "a picture has {} colours", palette.len());
    let mut table = Vec::new();
    for (i, (colour, place)) in palette.iter_mut().enumerate() {
        *place = i as u8;
        table.extend_from_slice(colour);
    }
    let depth = if palette.len() <= 16 { 4 } else { 8 };
    let mut rows = Vec::new();
    for row in rgb.chunks_exact(3 * SIDE) {
        rows.push(0);
        let places: Vec<u8> = row.chunks_exact(3).map(|colour| palette[colour]).collect();
        if depth == 4 {
            rows.extend(places.chunks_exact(2).map(|two| (two[0] << 4) | two[1]));
        } else {
            rows.extend(places);
        }
    }
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::best());
    packed.write_all(&rows)?;
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut head = Vec::new();
    head.extend((SIDE as u32).to_be_bytes());
    head.extend((SIDE as u32).to_be_bytes());
    head.extend([depth, 3, 0, 0, 0]);
    chunk(&mut out, *b"IHDR", &head);
    chunk(&mut out, *b"PLTE", &table);
    chunk(&mut out, *b"IDAT", &packed.finish()?);
    chunk(&mut out, *b"IEND", &[]);
    Ok(out)
}
