//! The tables and scans of a JPEG file, segment by segment.

use super::frame::Frame;
use super::head::{CUT, Head, Tables, ZIGZAG, segment};
use super::huffman::Table;
use super::scan::Scan;

/// Most scans of a file: libjpeg's own encoder writes up to some dozens.
const SCANS: usize = 256;

/// Reads all tables and scans into the frame.
pub(super) fn scans(bytes: &[u8], head: &Head, frame: &mut Frame) -> Result<(), String> {
    let (mut tables, mut at, mut count) = (Tables::default(), 2, 0);
    loop {
        // What follows the last scan may be missing or foreign.
        let (mark, content, end) = match segment(bytes, at) {
            Ok(next) => next,
            Err(_) if count > 0 => return Ok(()),
            Err(why) => return Err(why),
        };
        at = end;
        match mark {
            0xc4 => huffman_tables(content, &mut tables)?,
            0xdb => quantisation(content, &mut tables)?,
            0xdd => {
                let two = content.first_chunk::<2>().ok_or(CUT)?;
                tables.restart = usize::from(u16::from_be_bytes(*two));
            }
            0xda => {
                count += 1;
                if count > SCANS {
                    return Err(format!("it has over {SCANS} scans"));
                }
                let scan = Scan::read(content, head)?;
                frame.latch(scan.parts.iter().map(|part| part.component), &tables)?;
                at = scan.run(bytes, end, &tables, frame)?;
            }
            0xd9 => return Ok(()),
            _ => {}
        }
    }
}

fn huffman_tables(mut content: &[u8], tables: &mut Tables) -> Result<(), String> {
    let wrong = || "a Huffman table is damaged".to_owned();
    while !content.is_empty() {
        let (fixed, rest) = content.split_first_chunk::<17>().ok_or_else(wrong)?;
        let counts = &fixed[1..];
        let total = counts.iter().map(|n| usize::from(*n)).sum();
        let (symbols, rest) = rest.split_at_checked(total).ok_or_else(wrong)?;
        let table = Table::new(counts, symbols).ok_or_else(wrong)?;
        let place = match fixed[0] {
            number @ 0..4 => &mut tables.dc[usize::from(number)],
            number @ 0x10..0x14 => &mut tables.ac[usize::from(number & 3)],
            _ => return Err(wrong()),
        };
        *place = Some(table);
        content = rest;
    }
    Ok(())
}

fn quantisation(mut content: &[u8], tables: &mut Tables) -> Result<(), String> {
    let wrong = || "a quantisation table is damaged".to_owned();
    while let Some((first, rest)) = content.split_first() {
        let (wide, number) = (first >> 4 != 0, usize::from(first & 15));
        let (values, rest) = rest.split_at_checked(if wide { 128 } else { 64 }).ok_or_else(wrong)?;
        let mut table = [0; 64];
        for (i, place) in ZIGZAG.iter().enumerate() {
            table[usize::from(*place)] = if wide {
                u16::from_be_bytes([values[2 * i], values[2 * i + 1]])
            } else {
                u16::from(values[i])
            };
        }
        *tables.quant.get_mut(number).ok_or_else(wrong)? = Some(table);
        content = rest;
    }
    Ok(())
}
