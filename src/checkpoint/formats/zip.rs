//! A ZIP archive whose files are stored uncompressed, as `PyTorch` writes them. In: the archive's bytes. Out: the byte
//! range of each file. Every number is checked against the archive's length before use.

use std::collections::HashMap;

/// Byte range of a file, from the start of the archive.
pub(super) type ByteRange = (usize, usize);

const DAMAGED: &str = "is no pickle of PyTorch in a ZIP archive, or is truncated";

/// Files of an archive by name. An error completes a sentence about the archive.
pub(super) fn places(bytes: &[u8]) -> Result<HashMap<String, ByteRange>, &'static str> {
    let end = end_record(bytes).ok_or(DAMAGED)?;
    let (mut count, mut at) = (u64::from(u16_at(bytes, end + 10)?), u64::from(u32_at(bytes, end + 16)?));
    if let Some(locator) = end.checked_sub(20).filter(|at| bytes[*at..].starts_with(b"PK\x06\x07")) {
        let record = usize::try_from(u64_at(bytes, locator + 8)?).map_err(|_| DAMAGED)?;
        if bytes.get(record..).is_some_and(|rest| rest.starts_with(b"PK\x06\x06")) {
            (count, at) = (u64_at(bytes, record + 32)?, u64_at(bytes, record + 48)?);
        }
    }
    let mut at = usize::try_from(at).map_err(|_| DAMAGED)?;
    let mut out = HashMap::new();
    for _ in 0..count {
        let entry = bytes.get(at..).filter(|rest| rest.starts_with(b"PK\x01\x02")).ok_or(DAMAGED)?;
        let length = |place| u16_at(entry, place).map(usize::from);
        let (name, extra, comment) = (length(28)?, length(30)?, length(32)?);
        let text = entry.get(46..46 + name).ok_or(DAMAGED)?;
        let extra_bytes = entry.get(46 + name..46 + name + extra).ok_or(DAMAGED)?;
        let wide = Wide::of(entry, extra_bytes)?;
        if u16_at(entry, 10)? != 0 || wide.packed != wide.size {
            return Err("is compressed, which PyTorch's own archives are not");
        }
        let place = data(bytes, &wide).ok_or(DAMAGED)?;
        out.insert(String::from_utf8_lossy(text).into_owned(), place);
        at += 46 + name + extra + comment;
    }
    Ok(out)
}

/// An entry's sizes and position; values beyond 4 GB come from its ZIP64 field.
struct Wide {
    size: u64,
    packed: u64,
    header: u64,
}

impl Wide {
    fn of(entry: &[u8], extra: &[u8]) -> Result<Self, &'static str> {
        let mut out = [u32_at(entry, 24)?, u32_at(entry, 20)?, u32_at(entry, 42)?].map(u64::from);
        let mut rest = extra;
        while rest.len() >= 4 {
            let (kind, length) = (u16_at(rest, 0)?, usize::from(u16_at(rest, 2)?));
            let field = rest.get(4..4 + length).ok_or(DAMAGED)?;
            if kind == 1 {
                let mut at = 0;
                for number in out.iter_mut().filter(|n| **n == u64::from(u32::MAX)) {
                    *number = u64_at(field, at)?;
                    at += 8;
                }
            }
            rest = &rest[4 + length..];
        }
        Ok(Self { size: out[0], packed: out[1], header: out[2] })
    }
}

/// The start of the bytes after an entry's local header.
fn data(bytes: &[u8], wide: &Wide) -> Option<ByteRange> {
    let header = usize::try_from(wide.header).ok()?;
    let local = bytes.get(header..).filter(|rest| rest.starts_with(b"PK\x03\x04"))?;
    let skip = 30 + usize::from(u16_at(local, 26).ok()?) + usize::from(u16_at(local, 28).ok()?);
    let start = header.checked_add(skip)?;
    let end = start.checked_add(usize::try_from(wide.size).ok()?)?;
    (end <= bytes.len()).then_some((start, end))
}

/// The last record; only a comment may follow it.
fn end_record(bytes: &[u8]) -> Option<usize> {
    let last = bytes.len().checked_sub(22)?;
    let first = last.saturating_sub(usize::from(u16::MAX));
    (first..=last).rev().find(|at| bytes[*at..].starts_with(b"PK\x05\x06"))
}

fn take<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], &'static str> {
    bytes.get(at..).and_then(|rest| rest.first_chunk::<N>()).copied().ok_or(DAMAGED)
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, &'static str> {
    take(bytes, at).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, &'static str> {
    take(bytes, at).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Result<u64, &'static str> {
    take(bytes, at).map(u64::from_le_bytes)
}
