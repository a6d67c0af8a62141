//! A Huffman table: from the lengths of its codes to the symbol of the next bits.

use super::bits::Bits;

/// Codes up to this length are looked up at once.
const SHORT: u32 = 9;

#[derive(Clone)]
pub(super) struct Table {
    /// For each beginning of a code: its length and symbol; length 0 if it is longer.
    short: Vec<(u8, u8)>,
    /// For each length: the code behind the last one of that length, shifted to 16 bits.
    ends: [u32; 17],
    /// For each length: what a code's number is less its symbol's place.
    shifts: [i32; 17],
    symbols: Vec<u8>,
}

impl Table {
    /// `counts` says how many codes there are of each length from 1 to 16. `None` if they do not fit.
    pub(super) fn new(counts: &[u8], symbols: &[u8]) -> Option<Self> {
        let mut table = Self {
            short: vec![(0, 0); 1 << SHORT],
            ends: [0; 17],
            shifts: [0; 17],
            symbols: symbols.to_vec(),
        };
        let (mut code, mut place) = (0_u32, 0_usize);
        for (length, count) in (1_u32..).zip(counts) {
            table.shifts[length as usize] = code as i32 - place as i32;
            for _ in 0..*count {
                if length <= SHORT {
                    let first = (code << (SHORT - length)) as usize;
                    let entry = (length as u8, *symbols.get(place)?);
                    table.short.get_mut(first..first + (1 << (SHORT - length)))?.fill(entry);
                }
                (code, place) = (code + 1, place + 1);
            }
            if code > 1 << length {
                return None;
            }
            table.ends[length as usize] = code << (16 - length);
            code <<= 1;
        }
        Some(table)
    }

    /// The symbol of the next bits; 0 where they are no code, as in libjpeg.
    #[inline]
    pub(super) fn next(&self, bits: &mut Bits) -> u8 {
        let next = bits.peek(16);
        let (length, symbol) = self.short[(next >> (16 - SHORT)) as usize];
        if length > 0 {
            bits.skip(u32::from(length));
            return symbol;
        }
        let Some(length) = (SHORT + 1..=16).find(|length| next < self.ends[*length as usize]) else {
            bits.skip(16);
            return 0;
        };
        bits.skip(length);
        let place = (next >> (16 - length)) as i32 - self.shifts[length as usize];
        usize::try_from(place).ok().and_then(|place| self.symbols.get(place)).copied().unwrap_or(0)
    }
}
