//! Counts non-finite values. The pool checks its models with it; the passes check each chunk of their result while it
//! is in the cache.

use crate::checkpoint::Dtype;

/// Number of NaN or infinite values among little-endian values.
pub(crate) fn count(dtype: Dtype, data: &[u8]) -> usize {
    match dtype {
        Dtype::BF16 => narrow(data, 0x7f80),
        Dtype::F16 => narrow(data, 0x7c00),
        Dtype::F32 => {
            let magnitude = |e: &[u8; 4]| u32::from_le_bytes(*e) & 0x7fff_ffff;
            let elements = data.as_chunks::<4>().0;
            // Searches for the largest value first, which vectorises well.
            if elements.iter().fold(0, |most, e| most.max(magnitude(e) as i32)) < 0x7f80_0000 {
                return 0;
            }
            elements.iter().filter(|e| magnitude(e) >= 0x7f80_0000).count()
        }
    }
}

/// For 16-bit values: the first magnitude that is not finite.
fn narrow(data: &[u8], from: i16) -> usize {
    let magnitude = |e: &[u8; 2]| (u16::from_le_bytes(*e) & 0x7fff) as i16;
    let elements = data.as_chunks::<2>().0;
    if elements.iter().fold(0, |most, e| most.max(magnitude(e))) < from {
        return 0;
    }
    elements.iter().filter(|e| magnitude(e) >= from).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_counted_in_every_type() {
        let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -f32::NAN];
        for n in [0, 1, 31, 1000] {
            let mut values: Vec<f32> = (0..n).map(|i| i as f32 - 3.0).collect();
            values.extend([65504.0, -65504.0, 1e-7, 0.0]);
            for extra in [&odd[..0], &odd[..]] {
                let all: Vec<f32> = extra.iter().chain(&values).copied().collect();
                let wide: Vec<u8> = all.iter().flat_map(|v| v.to_le_bytes()).collect();
                let bf16: Vec<u8> = all.iter().flat_map(|v| half::bf16::from_f32(*v).to_le_bytes()).collect();
                let f16: Vec<u8> = all.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect();
                let found = [count(Dtype::F32, &wide), count(Dtype::BF16, &bf16), count(Dtype::F16, &f16)];
                assert_eq!(found, [extra.len(); 3], "{n}");
            }
        }
        assert_eq!(count(Dtype::F32, &f32::MAX.to_le_bytes()), 0);
    }
}
