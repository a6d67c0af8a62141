//! A compiled `MeCab` dictionary (UniDic-lite, IPADIC, …), memory-mapped: words by prefix, classes of unknown words,
//! costs. The formats are those of `MeCab` 0.996. Every offset is checked: a damaged file gives an error or no words,
//! never a panic. `lattice.rs` looks words up.

use std::path::Path;

use crate::limits::Mapped;

/// The context ids and the cost of a word.
#[derive(Clone, Copy, Debug)]
pub struct Token {
    pub left: u16,
    pub right: u16,
    pub cost: i16,
}

/// The entry of a character in `char.bin`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Class {
    /// One bit for each category of the character.
    pub kinds: u32,
    /// The category of unknown words that begin with this character.
    pub default: usize,
    /// Unknown words of up to this number of characters are tried.
    pub length: usize,
    /// Also tries a run of one category as one word.
    pub group: bool,
    /// Tries unknown words even if the dictionary has a word.
    pub invoke: bool,
}

/// The four files of a dictionary folder.
#[derive(Debug)]
pub struct Dictionary {
    words: Words,
    classes: Vec<Class>,
    pub space: Class,
    /// Tokens of unknown words, by category.
    unknown: Vec<Vec<Token>>,
    matrix: Mapped,
    /// Number of rows of the cost matrix.
    rights: usize,
}

/// A double array over words, and the tokens that its values point to (`sys.dic`, `unk.dic`).
#[derive(Debug)]
struct Words {
    map: Mapped,
    units: usize,
    tokens: usize,
    token_count: usize,
}

/// A `*.dic` file begins with this number, exclusive-or the file's size.
const MAGIC: u32 = 0xef71_8f77;
const HEADER: usize = 72;

impl Dictionary {
    /// Opens a folder with `sys.dic`, `unk.dic`, `char.bin` and `matrix.bin`. An error is one sentence without the
    /// folder's name.
    pub(in crate::task) fn open(folder: &Path) -> Result<Self, String> {
        let words = Words::open(&folder.join("sys.dic"))?;
        let unk = Words::open(&folder.join("unk.dic"))?;
        let (names, classes) = read_classes(&map(&folder.join("char.bin"))?).ok_or("char.bin is damaged")?;
        let unknown: Vec<Vec<Token>> = names.iter().map(|name| unk.exactly(name)).collect();
        if unknown.iter().any(Vec::is_empty) {
            return Err("unk.dic lacks a category of char.bin".into());
        }
        let matrix = map(&folder.join("matrix.bin"))?;
        let size = |at| u16_at(&matrix, at).map(usize::from);
        let (Some(rights), Some(lefts)) = (size(0), size(2)) else {
            return Err("matrix.bin is damaged".into());
        };
        if matrix.len() != 4 + 2 * rights * lefts {
            return Err("matrix.bin is damaged".into());
        }
        let space = classes[usize::from(b' ')];
        Ok(Self { words, classes, space, unknown, matrix, rights })
    }

    /// Calls `each` with the length in bytes and the token of every word that `text` begins with, in the dictionary's
    /// order, shorter words first.
    pub(in crate::task) fn prefixes(&self, text: &[u8], mut each: impl FnMut(usize, Token)) {
        self.words.prefixes(text, |length, value| {
            for token in self.words.tokens(value) {
                each(length, token);
            }
        });
    }

    /// The tokens of unknown words of a category.
    pub(in crate::task) fn unknown(&self, category: usize) -> &[Token] {
        self.unknown.get(category).map_or(&[], Vec::as_slice)
    }

    /// Cost of two adjacent words, from the right id of the first and the left id of the second.
    pub(in crate::task) fn transition(&self, right: u16, left: u16) -> i32 {
        let at = 4 + 2 * (usize::from(right) + self.rights * usize::from(left));
        self.matrix.get(at..at + 2).map_or(0, |b| i32::from(i16::from_le_bytes([b[0], b[1]])))
    }

    /// The class of the first character of `text`, and its length in bytes. `MeCab` knows no characters beyond U+FFFF:
    /// they get the class of U+0000.
    pub(in crate::task) fn class(&self, text: &str) -> (Class, usize) {
        let Some(c) = text.chars().next() else { return (Class::default(), 1) };
        let code = if c.len_utf8() == 4 { 0 } else { c as usize };
        (self.classes.get(code).copied().unwrap_or_default(), c.len_utf8())
    }
}

impl Words {
    fn open(path: &Path) -> Result<Self, String> {
        let map = map(path)?;
        let name = path.file_name().unwrap_or_default().display();
        let field = |i: usize| u32_at(&map, 4 * i).map(|v| v as usize);
        let sizes = (field(0), field(1), field(6), field(7), field(8));
        let (Some(magic), Some(version), Some(units), Some(tokens), Some(features)) = sizes else {
            return Err(format!("{name} is no MeCab dictionary"));
        };
        if magic != (MAGIC ^ map.len() as u32) as usize || version != 102 {
            return Err(format!("{name} is no MeCab dictionary"));
        }
        if HEADER + units + tokens + features != map.len() {
            return Err(format!("{name} is damaged"));
        }
        let charset = String::from_utf8_lossy(&map[40..HEADER]).to_ascii_lowercase();
        if !matches!(charset.trim_end_matches('\0'), "utf8" | "utf-8") {
            return Err(format!("{name} is not in UTF-8"));
        }
        Ok(Self { map, units: units / 8, tokens: HEADER + units, token_count: tokens / 16 })
    }

    /// A double array's unit: base and check.
    fn unit(&self, index: i64) -> Option<(i64, i64)> {
        let index = usize::try_from(index).ok().filter(|i| *i < self.units)?;
        let at = HEADER + 8 * index;
        Some((i64::from(u32_at(&self.map, at)?.cast_signed()), i64::from(u32_at(&self.map, at + 4)?)))
    }

    /// The value of the word that ends at a state.
    fn value(&self, state: i64) -> Option<u32> {
        let (base, check) = self.unit(state)?;
        (check == state && base < 0).then(|| (-base - 1) as u32)
    }

    fn prefixes(&self, text: &[u8], mut each: impl FnMut(usize, u32)) {
        let Some((mut state, _)) = self.unit(0) else { return };
        for (length, &byte) in text.iter().enumerate() {
            if let Some(value) = self.value(state) {
                each(length, value);
            }
            match self.unit(state + i64::from(byte) + 1) {
                Some((base, check)) if check == state => state = base,
                _ => return,
            }
        }
        if let Some(value) = self.value(state) {
            each(text.len(), value);
        }
    }

    fn exactly(&self, word: &[u8]) -> Vec<Token> {
        let mut found = Vec::new();
        self.prefixes(word, |length, value| {
            if length == word.len() {
                found = self.tokens(value).collect();
            }
        });
        found
    }

    /// The tokens of a value: it holds the first token's index and, in its last eight bits, the number of tokens.
    fn tokens(&self, value: u32) -> impl Iterator<Item = Token> {
        let first = (value >> 8) as usize;
        (first..first + (value & 0xff) as usize).filter(|i| *i < self.token_count).filter_map(|i| {
            let field = |k: usize| u16_at(&self.map, self.tokens + 16 * i + 2 * k);
            Some(Token { left: field(0)?, right: field(1)?, cost: field(3)?.cast_signed() })
        })
    }
}

/// Names of the categories, and the class of each character of the basic plane.
fn read_classes(bytes: &[u8]) -> Option<(Vec<Vec<u8>>, Vec<Class>)> {
    const NAME: usize = 32;
    let count = u32_at(bytes, 0)? as usize;
    let names = bytes.get(4..4 + NAME.checked_mul(count)?)?;
    let names = names.chunks(NAME).map(|n| n.split(|b| *b == 0).next().unwrap_or_default().to_vec());
    let class = |b: &[u8; 4]| {
        let bits = u32::from_le_bytes(*b);
        Class {
            kinds: bits & 0x3_ffff,
            default: (bits >> 18 & 0xff) as usize,
            length: (bits >> 26 & 0xf) as usize,
            group: bits >> 30 & 1 == 1,
            invoke: bits >> 31 == 1,
        }
    };
    let classes: Vec<Class> = bytes[4 + NAME * count..].as_chunks().0.iter().map(class).collect();
    (classes.len() == 0xffff && classes.iter().all(|c| c.default < count)).then(|| (names.collect(), classes))
}

fn map(path: &Path) -> Result<Mapped, String> {
    let name = path.file_name().unwrap_or_default().display();
    let mapped = Mapped::open(path).map_err(|e| format!("{name} can't be read ({e})"))?;
    mapped.ok_or_else(|| format!("{name} is no MeCab dictionary: it is empty"))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_le_bytes)
}
