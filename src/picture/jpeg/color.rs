//! From components to RGB: libjpeg's tables for YCbCr, and Pillow's way from CMYK.

use super::frame::Samples;
use super::head::Head;

/// What the components are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Space {
    Grey,
    Rgb,
    YCbCr,
    Cmyk,
    Ycck,
}

/// As libjpeg guesses it from the segments.
fn space(head: &Head) -> Space {
    let ids: Vec<u8> = head.components.iter().map(|c| c.id).collect();
    match (ids.len(), head.adobe) {
        (1, _) => Space::Grey,
        (3, _) if head.jfif => Space::YCbCr,
        (3, Some(0)) => Space::Rgb,
        (3, None) if ids == *b"RGB" => Space::Rgb,
        (3, _) => Space::YCbCr,
        (_, None | Some(0)) => Space::Cmyk,
        _ => Space::Ycck,
    }
}

/// The pixels of all components.
pub(super) fn rgb(head: &Head, planes: &[Samples]) -> Vec<u8> {
    let (width, height) = (head.width as usize, head.height as usize);
    let (space, tables) = (space(head), Tables::new());
    let mut out = Vec::with_capacity(width * height * 3);
    let mut lines = vec![Vec::new(); planes.len()];
    for y in 0..height {
        for (plane, line) in planes.iter().zip(&mut lines) {
            plane.upsampled(y, width, line);
        }
        match (space, lines.as_slice()) {
            (Space::Grey, [grey, ..]) => out.extend(grey.iter().flat_map(|g| [*g; 3])),
            (Space::Rgb, [r, g, b, ..]) => out.extend(zipped(r, g, b).flatten()),
            (Space::YCbCr, [y, cb, cr, ..]) => out.extend(zipped(y, cb, cr).flat_map(|p| tables.rgb(p))),
            (Space::Cmyk, [c, m, y, k]) => {
                out.extend(zipped(c, m, y).zip(k).flat_map(|(cmy, k)| without_black(cmy, *k)));
            }
            (Space::Ycck, [y, cb, cr, k]) => {
                let ink = |p: [u8; 3]| tables.rgb(p).map(|x| 255 - x);
                out.extend(zipped(y, cb, cr).zip(k).flat_map(|(p, k)| without_black(ink(p), *k)));
            }
            _ => {}
        }
    }
    out
}

fn zipped<'a>(a: &'a [u8], b: &'a [u8], c: &'a [u8]) -> impl Iterator<Item = [u8; 3]> + 'a {
    a.iter().zip(b).zip(c).map(|((a, b), c)| [*a, *b, *c])
}

/// RGB of inks. Files store them inverted, so `inks` and `black` are 255 where there is no ink.
fn without_black(inks: [u8; 3], black: u8) -> [u8; 3] {
    let most = i32::from(black);
    inks.map(|ink| {
        // Of the ink itself: ink · most / 255, rounded as Pillow does.
        let product = i32::from(255 - ink) * most + 128;
        (most - (((product >> 8) + product) >> 8)).clamp(0, 255) as u8
    })
}

/// What blue and red differences add to each colour, in 16 bits after the point for green.
struct Tables {
    red: [i32; 256],
    blue: [i32; 256],
    green_red: [i32; 256],
    green_blue: [i32; 256],
}

impl Tables {
    fn new() -> Self {
        let table = |factor: i32, round: i32, shift: u32| {
            std::array::from_fn(|i| (factor * (i as i32 - 128) + round) >> shift)
        };
        // 1.402, 1.772, 0.71414 and 0.34414 times 65,536.
        Self {
            red: table(91_881, 1 << 15, 16),
            blue: table(116_130, 1 << 15, 16),
            green_red: table(-46_802, 0, 0),
            green_blue: table(-22_554, 1 << 15, 0),
        }
    }

    fn rgb(&self, [y, cb, cr]: [u8; 3]) -> [u8; 3] {
        let (y, cb, cr) = (i32::from(y), usize::from(cb), usize::from(cr));
        let green = (self.green_blue[cb] + self.green_red[cr]) >> 16;
        [y + self.red[cr], y + green, y + self.blue[cb]].map(|x| x.clamp(0, 255) as u8)
    }
}
