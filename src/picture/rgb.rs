//! A decoder's samples as RGB, as Pillow converts each of its modes: alpha is dropped, of 16 bits the upper eight are
//! taken, but a grey of 16 bits without alpha (Pillow's `I;16`) is cut off at 255.

use image::ColorType;

/// RGB of samples; those of 16 bits are in native order. `None` for a kind of sample that no decoder here gives.
pub(super) fn of(samples: Vec<u8>, color: ColorType) -> Option<Vec<u8>> {
    let wide = |at: &[u8]| u16::from_ne_bytes([at[0], at[1]]);
    let high = |at: &[u8]| wide(at).to_be_bytes()[0];
    Some(match color {
        ColorType::Rgb8 => samples,
        ColorType::L8 => samples.iter().flat_map(|grey| [*grey; 3]).collect(),
        ColorType::La8 => samples.chunks_exact(2).flat_map(|p| [p[0]; 3]).collect(),
        ColorType::Rgba8 => samples.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect(),
        ColorType::L16 => samples.chunks_exact(2).flat_map(|p| [wide(p).min(255) as u8; 3]).collect(),
        ColorType::La16 => samples.chunks_exact(4).flat_map(|p| [high(p); 3]).collect(),
        ColorType::Rgb16 => {
            samples.chunks_exact(6).flat_map(|p| [high(p), high(&p[2..]), high(&p[4..])]).collect()
        }
        ColorType::Rgba16 => {
            samples.chunks_exact(8).flat_map(|p| [high(p), high(&p[2..]), high(&p[4..])]).collect()
        }
        _ => return None,
    })
}
