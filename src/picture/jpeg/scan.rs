//! One scan: the coefficients, or some bits of them, of one or several components.

use super::bits::Bits;
use super::frame::{Frame, Plane};
use super::head::{Head, Tables, ZIGZAG};
use super::huffman::Table;

pub(super) struct Scan {
    /// Place of each component in the frame, with the numbers of its tables.
    pub(super) parts: Vec<Part>,
    /// The first and last coefficient, in the stored order.
    first: usize,
    last: usize,
    /// Bits that earlier scans have given, or 0, and that are left to later ones.
    before: u32,
    left: u32,
    progressive: bool,
}

/// The format's own bound on the blocks of an interleaved unit.
const BLOCKS: usize = 10;

#[derive(Clone, Copy)]
pub(super) struct Part {
    pub(super) component: usize,
    dc: usize,
    ac: usize,
}

/// What a scan keeps from block to block.
struct State {
    /// The last value of the first coefficient, of each component.
    values: [i32; 4],
    /// Blocks that have no further coefficients in this scan.
    empty: u32,
}

impl Scan {
    pub(super) fn read(content: &[u8], head: &Head) -> Result<Self, String> {
        let wrong = || "a scan header is damaged".to_owned();
        let (count, rest) = content.split_first().ok_or_else(wrong)?;
        let (list, rest) = rest.split_at_checked(usize::from(*count) * 2).ok_or_else(wrong)?;
        let [first, last, bits] = *rest.first_chunk::<3>().ok_or_else(wrong)?;
        let mut parts = Vec::new();
        for two in list.chunks_exact(2) {
            let component = head.components.iter().position(|c| c.id == two[0]).ok_or_else(wrong)?;
            if parts.iter().any(|part: &Part| part.component == component) {
                return Err(wrong());
            }
            parts.push(Part { component, dc: usize::from(two[1] >> 4), ac: usize::from(two[1] & 15) });
        }
        let (mut scan, progressive) = (
            Self { parts, first: 0, last: 63, before: 0, left: 0, progressive: head.progressive },
            head.progressive,
        );
        if progressive {
            (scan.first, scan.last) = (usize::from(first), usize::from(last));
            (scan.before, scan.left) = (u32::from(bits >> 4), u32::from(bits & 15));
        }
        let blocks =
            |part: &Part| head.components[part.component].across * head.components[part.component].down;
        if scan.parts.len() > 1 && scan.parts.iter().map(blocks).sum::<usize>() > BLOCKS {
            return Err(format!("its units hold over {BLOCKS} blocks"));
        }
        let sound = !scan.parts.is_empty()
            && scan.last < 64
            && scan.first <= scan.last
            && scan.left <= 13
            && (scan.before == 0 || scan.before == scan.left + 1)
            && (!progressive || (scan.first == 0) == (scan.last == 0))
            && (scan.first == 0 || scan.parts.len() == 1);
        if sound { Ok(scan) } else { Err(wrong()) }
    }

    /// Reads the scan's data from `start` on; returns where it ends.
    pub(super) fn run(
        &self,
        bytes: &[u8],
        start: usize,
        tables: &Tables,
        frame: &mut Frame,
    ) -> Result<usize, String> {
        let mut bits = Bits::new(bytes, start);
        let mut state = State { values: [0; 4], empty: 0 };
        let coders = self.coders(tables)?;
        let (across, down, interleaved) = match self.parts.as_slice() {
            [one] => {
                let plane = &frame.planes[one.component];
                (plane.own_across, plane.own_down, false)
            }
            _ => (frame.units_across, frame.units_down, true),
        };
        for unit in 0..across * down {
            if tables.restart > 0 && unit > 0 && unit % tables.restart == 0 {
                bits.restart();
                state = State { values: [0; 4], empty: 0 };
            }
            let (column, line) = (unit % across, unit / across);
            for (part, coder) in self.parts.iter().zip(&coders) {
                let plane = &mut frame.planes[part.component];
                let (wide, high) = if interleaved { (plane.across, plane.down) } else { (1, 1) };
                for block in 0..wide * high {
                    let (column, line) = (column * wide + block % wide, line * high + block / wide);
                    let block = plane.block(column, line);
                    self.block(block, &mut bits, &mut state, part.component, coder);
                }
            }
        }
        Ok(bits.place())
    }

    /// The tables of each part; those that the scan does not need may be missing.
    fn coders<'t>(&self, tables: &'t Tables) -> Result<Vec<Coder<'t>>, String> {
        let lacks = || "a Huffman table is missing".to_owned();
        let coder = |part: &Part| {
            let (dc, ac) = (tables.dc.get(part.dc), tables.ac.get(part.ac));
            let (dc, ac) = (dc.and_then(Option::as_ref), ac.and_then(Option::as_ref));
            let (needs_dc, needs_ac) = (self.first == 0 && self.before == 0, self.last > 0);
            if needs_dc && dc.is_none() || needs_ac && ac.is_none() {
                return Err(lacks());
            }
            Ok(Coder { dc, ac })
        };
        self.parts.iter().map(coder).collect()
    }

    fn block(
        &self,
        block: &mut [i16; 64],
        bits: &mut Bits,
        state: &mut State,
        component: usize,
        coder: &Coder,
    ) {
        match (self.progressive, self.first, self.before) {
            (false, ..) => {
                coder.dc(block, bits, &mut state.values[component], 0);
                coder.sequential(block, bits);
            }
            (true, 0, 0) => coder.dc(block, bits, &mut state.values[component], self.left),
            (true, 0, _) => block[0] |= (bits.take(1) << self.left) as i16,
            (true, _, 0) => self.ac_first(block, bits, state, coder),
            (true, ..) => self.ac_refine(block, bits, state, coder),
        }
    }

    /// The upper bits of a block's coefficients.
    fn ac_first(&self, block: &mut [i16; 64], bits: &mut Bits, state: &mut State, coder: &Coder) {
        if state.empty > 0 {
            state.empty -= 1;
            return;
        }
        let mut place = self.first;
        while place <= self.last {
            let (run, size) = coder.ac(bits);
            if size > 0 {
                place += run;
                let value = bits.signed(size) << self.left;
                if let Some(zigzag) = ZIGZAG.get(place) {
                    block[usize::from(*zigzag)] = value as i16;
                }
                place += 1;
            } else if run == 15 {
                place += 16;
            } else {
                state.empty = (1 << run) - 1 + bits.take(run as u32) as u32;
                return;
            }
        }
    }

    /// One more bit of a block's coefficients, and those that this bit makes the first time.
    fn ac_refine(&self, block: &mut [i16; 64], bits: &mut Bits, state: &mut State, coder: &Coder) {
        let bit = 1_i16 << self.left;
        let mut place = self.first;
        while state.empty == 0 && place <= self.last {
            let (mut run, size) = coder.ac(bits);
            let mut new = 0;
            if size > 0 {
                new = if bits.take(1) == 1 { bit } else { -bit };
            } else if run < 15 {
                state.empty = (1 << run) + bits.take(run as u32) as u32;
                break;
            }
            while place <= self.last {
                let at = usize::from(ZIGZAG[place]);
                place += 1;
                if block[at] != 0 {
                    refine(&mut block[at], bits, bit);
                } else if run == 0 {
                    block[at] = new;
                    break;
                } else {
                    run -= 1;
                }
            }
        }
        if state.empty > 0 {
            for zigzag in &ZIGZAG[place..=self.last.max(place.saturating_sub(1))] {
                let at = usize::from(*zigzag);
                if block[at] != 0 {
                    refine(&mut block[at], bits, bit);
                }
            }
            state.empty -= 1;
        }
    }
}

/// Adds the next bit to a coefficient that is not 0.
fn refine(value: &mut i16, bits: &mut Bits, bit: i16) {
    if bits.take(1) == 1 && *value & bit == 0 {
        *value = if *value >= 0 { value.wrapping_add(bit) } else { value.wrapping_sub(bit) };
    }
}

/// The tables of one component in one scan.
struct Coder<'t> {
    dc: Option<&'t Table>,
    ac: Option<&'t Table>,
}

impl Coder<'_> {
    /// The first coefficient: its difference to the last block's.
    fn dc(&self, block: &mut [i16; 64], bits: &mut Bits, last: &mut i32, left: u32) {
        let size = self.dc.map_or(0, |table| table.next(bits)).min(16);
        *last = last.wrapping_add(bits.signed(u32::from(size)));
        block[0] = (*last << left) as i16;
    }

    /// A run of zeros, and the size of the coefficient behind them.
    fn ac(&self, bits: &mut Bits) -> (usize, u32) {
        let symbol = self.ac.map_or(0, |table| table.next(bits));
        (usize::from(symbol >> 4), u32::from(symbol & 15))
    }

    fn sequential(&self, block: &mut [i16; 64], bits: &mut Bits) {
        let mut place = 1;
        while place < 64 {
            let (run, size) = self.ac(bits);
            if size > 0 {
                place += run;
                let value = bits.signed(size);
                if let Some(zigzag) = ZIGZAG.get(place) {
                    block[usize::from(*zigzag)] = value as i16;
                }
                place += 1;
            } else if run == 15 {
                place += 16;
            } else {
                return;
            }
        }
    }
}

impl Plane {
    fn block(&mut self, column: usize, line: usize) -> &mut [i16; 64] {
        let at = line * self.blocks_across + column;
        &mut self.blocks[at]
    }
}
