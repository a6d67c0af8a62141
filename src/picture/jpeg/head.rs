//! What stands in a JPEG file before its first scan, sizes and metadata, and the types that scans are read with.

use super::huffman::Table;

/// What stands before the first scan.
pub(in super::super) struct Head<'a> {
    pub(in super::super) width: u32,
    pub(in super::super) height: u32,
    pub(super) progressive: bool,
    pub(super) components: Vec<Component>,
    pub(super) jfif: bool,
    /// The colour transform that Adobe's segment names.
    pub(super) adobe: Option<u8>,
    pub(in super::super) exif: Option<&'a [u8]>,
    pub(in super::super) xmp: Option<&'a [u8]>,
}

/// A component as the frame's header names it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Component {
    pub(super) id: u8,
    pub(super) across: usize,
    pub(super) down: usize,
    pub(super) table: usize,
}

/// Quantisation and Huffman tables, as last defined.
#[derive(Default)]
pub(super) struct Tables {
    pub(super) quant: [Option<[u16; 64]>; 4],
    pub(super) dc: [Option<Table>; 4],
    pub(super) ac: [Option<Table>; 4],
    pub(super) restart: usize,
}

pub(super) const CUT: &str = "a segment is cut short";
const EXIF: &[u8] = b"Exif\0\0";
const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";

/// The next segment from `at` on: its mark, its content, and where it ends. Marks without content have none.
pub(super) fn segment(bytes: &[u8], at: usize) -> Result<(u8, &[u8], usize), String> {
    let rest = bytes.get(at..).ok_or(CUT)?;
    let skip = rest.windows(2).position(|two| two[0] == 0xff && !matches!(two[1], 0 | 0xff)).ok_or(CUT)?;
    let (mark, start) = (rest[skip + 1], at + skip + 2);
    if matches!(mark, 0x01 | 0xd0..=0xd9) {
        return Ok((mark, &[], start));
    }
    let length = bytes.get(start..start + 2).ok_or(CUT)?;
    let end = start + usize::from(u16::from_be_bytes([length[0], length[1]]));
    let content = bytes.get(start + 2..end).ok_or(CUT)?;
    Ok((mark, content, end))
}

impl<'a> Head<'a> {
    /// Reads the segments before the first scan.
    pub(in super::super) fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let mut head = Self {
            width: 0,
            height: 0,
            progressive: false,
            components: Vec::new(),
            jfif: false,
            adobe: None,
            exif: None,
            xmp: None,
        };
        let mut at = 2;
        loop {
            let (mark, content, end) = segment(bytes, at)?;
            at = end;
            match mark {
                0xc0..=0xc2 if head.components.is_empty() => head.frame(content, mark == 0xc2)?,
                0xc0..=0xc2 => return Err("it has two frames".to_owned()),
                0xc3 | 0xc5..=0xc7 | 0xcd..=0xcf | 0xc9..=0xcb => {
                    return Err("lossless, hierarchical and arithmetic coding are not read".to_owned());
                }
                0xe0 if content.starts_with(b"JFIF\0") => head.jfif = true,
                0xe1 if head.exif.is_none() && content.starts_with(EXIF) => {
                    head.exif = content.get(EXIF.len()..);
                }
                0xe1 if head.xmp.is_none() && content.starts_with(XMP) => head.xmp = content.get(XMP.len()..),
                0xee if content.starts_with(b"Adobe") => head.adobe = content.get(11).copied(),
                0xda if head.components.is_empty() => {
                    return Err("it has no frame before its data".to_owned());
                }
                0xda => return Ok(head),
                0xd9 => return Err("it ends before its data".to_owned()),
                _ => {}
            }
        }
    }

    fn frame(&mut self, content: &[u8], progressive: bool) -> Result<(), String> {
        let wrong = || "its frame header is damaged".to_owned();
        let (fixed, rest) = content.split_at_checked(6).ok_or_else(wrong)?;
        if fixed[0] != 8 {
            return Err(format!("samples of {} bits are not read, only those of 8", fixed[0]));
        }
        let word = |at: usize| u32::from(u16::from_be_bytes([fixed[at], fixed[at + 1]]));
        (self.height, self.width, self.progressive) = (word(1), word(3), progressive);
        let component = |three: &[u8]| Component {
            id: three[0],
            across: usize::from(three[1] >> 4),
            down: usize::from(three[1] & 15),
            table: usize::from(three[2]),
        };
        self.components = rest.chunks_exact(3).map(component).collect();
        let count = usize::from(fixed[5]);
        let sound = |c: &Component| (1..=4).contains(&c.across) && (1..=4).contains(&c.down) && c.table < 4;
        if self.components.len() != count || !matches!(count, 1 | 3 | 4) || !self.components.iter().all(sound)
        {
            return Err(wrong());
        }
        Ok(())
    }
}

/// The order in which a block's coefficients are stored: the place of each in the block, line by line.
pub(super) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7,
    14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39,
    46, 53, 60, 61, 54, 47, 55, 62, 63,
];
