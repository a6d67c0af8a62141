//! The claims of a Parquet file, read before anything is unpacked: the depth of its schema, and the size and number of
//! values of every page. A few bytes can claim gigabytes. The file's bytes come in; `parquet/mod.rs` calls it.

/// Reads the part of Thrift's compact protocol that page headers and schemas use.
struct Thrift<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Types of Thrift's compact protocol.
const BOOLS: [u8; 2] = [1, 2];
const BYTE: u8 = 3;
const INTS: [u8; 3] = [4, 5, 6];
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LISTS: [u8; 2] = [9, 10];
const MAP: u8 = 11;
const STRUCT: u8 = 12;

/// Maximum nesting of Thrift structs, and of groups in a schema.
const MAX_DEPTH: usize = 32;

impl Thrift<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut out = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            out |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(out);
            }
        }
        None
    }

    fn int(&mut self) -> Option<i64> {
        let n = self.varint()?;
        Some((n >> 1) as i64 ^ -((n & 1) as i64))
    }

    /// Element type and length of a list. Each element takes at least one byte.
    fn list(&mut self) -> Option<(u8, usize)> {
        let head = self.byte()?;
        let size = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
        (size <= (self.bytes.len() - self.at) as u64).then_some((head & 15, size as usize))
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        match kind {
            k if BOOLS.contains(&k) => {}
            BYTE => {
                self.byte()?;
            }
            k if INTS.contains(&k) => {
                self.varint()?;
            }
            DOUBLE => self.at = self.at.checked_add(8)?,
            BINARY => {
                let length = usize::try_from(self.varint()?).ok()?;
                self.at = self.at.checked_add(length)?;
            }
            k if LISTS.contains(&k) => {
                let (element, size) = self.list()?;
                for _ in 0..size {
                    // Inside a list a boolean takes a byte.
                    let kind = if BOOLS.contains(&element) { BYTE } else { element };
                    self.skip(kind, depth + 1)?;
                }
            }
            MAP => {
                let size = self.varint()?;
                if size > 0 {
                    let kinds = self.byte()?;
                    for _ in 0..size {
                        for kind in [kinds >> 4, kinds & 15] {
                            self.skip(if BOOLS.contains(&kind) { BYTE } else { kind }, depth + 1)?;
                        }
                    }
                }
            }
            STRUCT => self.fields(|_, _, _| Some(false), depth + 1)?,
            _ => return None,
        }
        (self.at <= self.bytes.len()).then_some(())
    }

    /// Reads a struct's fields. `each` gets the field's id and type, and returns whether it has read the value.
    fn fields(
        &mut self,
        mut each: impl FnMut(i64, u8, &mut Self) -> Option<bool>,
        depth: usize,
    ) -> Option<()> {
        let mut id = 0;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Some(());
            }
            id = if head >> 4 == 0 { self.int()? } else { id + i64::from(head >> 4) };
            if !each(id, head & 15, self)? {
                self.skip(head & 15, depth)?;
            }
        }
    }
}

/// The header of one page.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    /// Size in bytes after unpacking.
    pub size: u64,
    pub values: u64,
    /// Each value is stored as a common prefix with the previous value and a rest, so `size` does not limit its length.
    pub by_prefix: bool,
}

const DELTA_BYTE_ARRAY: i64 = 7;

/// The page headers of a column chunk in `bytes[start..end]`; `None` if they can't be read.
pub(super) fn pages(bytes: &[u8], start: usize, end: usize) -> Option<Vec<Page>> {
    let bytes = bytes.get(..end)?;
    let mut at = start;
    let mut out = Vec::new();
    while at < end {
        let mut thrift = Thrift { bytes, at };
        let mut page = Page::default();
        let mut packed = 0;
        let one = |id: i64, kind: u8, t: &mut Thrift| {
            match (id, kind) {
                (2, 5) => page.size = u64::try_from(t.int()?).ok()?,
                (3, 5) => packed = usize::try_from(t.int()?).ok()?,
                (5 | 7 | 8, STRUCT) => {
                    let encoding = if id == 8 { 4 } else { 2 };
                    let inner = |inner: i64, kind: u8, t: &mut Thrift| {
                        match (inner, kind) {
                            (1, 5) => page.values = u64::try_from(t.int()?).ok()?,
                            (n, 5) if n == encoding => page.by_prefix |= t.int()? == DELTA_BYTE_ARRAY,
                            _ => return Some(false),
                        }
                        Some(true)
                    };
                    t.fields(inner, 1)?;
                }
                _ => return Some(false),
            }
            Some(true)
        };
        thrift.fields(one, 0)?;
        at = thrift.at.checked_add(packed).filter(|at| *at <= end)?;
        out.push(page);
    }
    Some(out)
}

/// Whether the schema in a file's footer is shallow enough for a recursive reader.
pub(super) fn is_shallow(file: &[u8]) -> Option<bool> {
    let (rest, tail) = file.split_last_chunk::<8>()?;
    let length = u32::from_le_bytes(*tail.first_chunk()?) as usize;
    let mut thrift = Thrift { bytes: rest, at: rest.len().checked_sub(length)? };
    let mut shallow = true;
    let mut open: Vec<i64> = Vec::new();
    let footer = |id: i64, kind: u8, t: &mut Thrift| {
        if (id, kind) != (2, 9) {
            return Some(false);
        }
        let (element, size) = t.list()?;
        if element != STRUCT {
            return None;
        }
        for _ in 0..size {
            let mut children = 0;
            let child = |id: i64, kind: u8, t: &mut Thrift| {
                if (id, kind) == (5, 5) {
                    children = t.int()?;
                    return Some(true);
                }
                Some(false)
            };
            t.fields(child, 1)?;
            while open.last() == Some(&0) {
                open.pop();
            }
            if let Some(left) = open.last_mut() {
                *left -= 1;
            }
            if children > 0 {
                open.push(children);
            }
            shallow &= open.len() <= MAX_DEPTH;
        }
        Some(true)
    };
    thrift.fields(footer, 0)?;
    Some(shallow)
}
