//! Ways to change a file: bytes, and the parts of a text that a reader looks at.

use std::cell::Cell;
use std::ops::Range;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// What a text is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notation {
    Json,
    Toml,
    Yaml,
    Lines,
}

const NUMBERS: [&str; 27] = [
    "0",
    "-0",
    "-1",
    "1",
    "2",
    "255",
    "65536",
    "1000000",
    "16777216",
    "268435456",
    "2147483647",
    "2147483648",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "18446744073709551615",
    "99999999999999999999999999",
    "0.5",
    "1e-400",
    "1e300",
    "-1e300",
    "1e999",
    "nan",
    "inf",
    "0x10",
];
const VALUES: [&str; 13] = [
    "null",
    "true",
    "false",
    "[]",
    "{}",
    "\"\"",
    "\"x\"",
    "[1]",
    "[[]]",
    "{\"a\":1}",
    "1",
    "-1.5",
    "1979-05-27T07:32:00Z",
];
const TEXTS: [&str; 16] = [
    "",
    " ",
    "\u{1b}[31mred",
    "a\u{7}b",
    "\u{202e}abc",
    "../../../etc/passwd",
    "/dev/zero",
    "zoo:base",
    "zoo:nobody",
    "org/name",
    "{{ 1 / 0 }}",
    "{% for i in range(9999) %}x{% endfor %}",
    "\\u0000",
    "\u{2028}",
    "(a{1000}){1000}",
    "\u{fdfa}\u{fdfa}",
];
const DEPTHS: [usize; 5] = [3, 64, 130, 2000, 60_000];

thread_local! {
    /// Nothing is changed.
    pub static WHOLE: Cell<bool> = const { Cell::new(false) };
}

/// A text with some changes.
pub fn text(rng: &mut ChaCha8Rng, seed: &[u8], notation: Notation) -> Vec<u8> {
    let mut out = seed.to_vec();
    if WHOLE.get() {
        return out;
    }
    for _ in 0..=rng.random_range(0..3_usize) {
        out = change(rng, out, notation);
    }
    out
}

fn change(rng: &mut ChaCha8Rng, mut out: Vec<u8>, notation: Notation) -> Vec<u8> {
    match rng.random_range(0..16) {
        0..2 => return bytes_once(rng, out),
        2..6 => {
            let numbers = spans(&out, |b| b.is_ascii_digit() || b"-+.".contains(b));
            if let Some(at) = pick(rng, &numbers) {
                let number = NUMBERS[rng.random_range(0..NUMBERS.len())];
                out.splice(at, number.bytes());
            }
        }
        6..8 => {
            let values = values(&out);
            if let Some(at) = pick(rng, &values) {
                let value = VALUES[rng.random_range(0..VALUES.len())];
                out.splice(at, value.bytes());
            }
        }
        8..10 => {
            let quoted = quoted(&out);
            if let Some(at) = pick(rng, &quoted) {
                let text = match rng.random_range(0..6) {
                    0 => "long ".repeat(1 << rng.random_range(4..14)),
                    1 => out[at.clone()].iter().map(|b| char::from(*b)).rev().collect(),
                    _ => TEXTS[rng.random_range(0..TEXTS.len())].to_owned(),
                };
                out.splice(at, text.bytes());
            }
        }
        10 => {
            let values = values(&out);
            let at = pick(rng, &values).unwrap_or(0..0);
            let nest = nested(rng, notation);
            out.splice(at, nest);
        }
        11..13 => {
            // Keys and rows doubled.
            let lines = spans(&out, |b| *b != b'\n' && *b != b',');
            if let Some(at) = pick(rng, &lines) {
                let between = if out.get(at.end) == Some(&b',') { b"," } else { b"\n" };
                let times = if rng.random_range(0..8) == 0 { 1 << rng.random_range(1..9) } else { 1 };
                let copy = [&out[at.clone()], between.as_slice()].concat().repeat(times);
                out.splice(at.start..at.start, copy);
            }
        }
        13 => {
            let lines = spans(&out, |b| *b != b'\n' && *b != b',');
            if let Some(at) = pick(rng, &lines) {
                out.drain(at.start..(at.end + 1).min(out.len()));
            }
        }
        14 => {
            let at = rng.random_range(0..=out.len());
            let odd: [&[u8]; 8] = [
                b"\xff",
                b"\xc3\x28",
                b"\xed\xa0\x80",
                b"\xef\xbb\xbf",
                b"\r\n",
                b"\0",
                b"\xe2\x80\xa8",
                b"\t",
            ];
            out.splice(at..at, odd[rng.random_range(0..odd.len())].iter().copied());
        }
        _ => own(rng, &mut out, notation),
    }
    out
}

/// One text of many.
fn texts(of: std::ops::Range<usize>, text: impl Fn(usize) -> String) -> String {
    of.map(text).collect::<Vec<_>>().concat()
}

/// What only this notation has.
fn own(rng: &mut ChaCha8Rng, out: &mut Vec<u8>, notation: Notation) {
    let many = 1 << rng.random_range(1..12);
    let added = match (notation, rng.random_range(0..4)) {
        (Notation::Toml, 0) => format!("{} = 1\n", vec!["a"; many].join(".")),
        (Notation::Toml, 1) => format!("[{}]\n", vec!["a"; many].join(".")),
        (Notation::Toml, 2) => format!("a = {}1{}\n", "{a = ".repeat(many), "}".repeat(many)),
        (Notation::Toml, _) => texts(0..many, |i| format!("[[stage]]\nname = \"{i}\"\n")),
        (Notation::Yaml, 0) => {
            let all = |i: usize| vec![format!("*b{i}"); 10].join(",");
            let mut bomb = "b0: &b0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
            bomb += &texts(0..many.min(12), |i| format!("b{}: &b{} [{}]\n", i + 1, i + 1, all(i)));
            bomb + &format!("models: *b{}\n", many.min(12))
        }
        (Notation::Yaml, 1) => {
            format!("a: &a {}\nb: [{}]\n", "y".repeat(many * 16), vec!["*a"; many].join(","))
        }
        (Notation::Yaml, 2) => "? [complex]\n: !!binary aGk=\n<<: *none\n".to_owned(),
        (Notation::Yaml, _) => "---\n%YAML 1.2\n--- |\n text\n...\n".repeat(many),
        (Notation::Json, 0) => "{\"a\":".repeat(many),
        (Notation::Json, 1) => format!(",\"x\":[{}]", vec!["0"; many].join(",")),
        (Notation::Json, _) | (Notation::Lines, 0..2) => "\n\n{}\n[]\n\"".repeat(many.min(64)),
        (Notation::Lines, _) => format!("\"{}\n", "a,b\t".repeat(many)),
    };
    let at = if rng.random_range(0..2) == 0 { 0 } else { out.len() };
    out.splice(at..at, added.bytes());
}

fn nested(rng: &mut ChaCha8Rng, notation: Notation) -> Vec<u8> {
    let deep = DEPTHS[rng.random_range(0..DEPTHS.len())];
    let (open, close) = match (notation, rng.random_range(0..3)) {
        (Notation::Json | Notation::Lines, 0) => ("{\"a\":", "}"),
        (Notation::Toml, 0) => ("{a=", "}"),
        (Notation::Yaml, 0) => ("{a: ", "}"),
        (Notation::Yaml, 1) => ("- ", ""),
        _ => ("[", "]"),
    };
    let closed = if rng.random_range(0..4) == 0 { 0 } else { deep };
    format!("{}1{}", open.repeat(deep), close.repeat(closed)).into_bytes()
}

fn pick(rng: &mut ChaCha8Rng, spans: &[Range<usize>]) -> Option<Range<usize>> {
    (!spans.is_empty()).then(|| spans[rng.random_range(0..spans.len())].clone())
}

/// The longest runs of bytes that are `part`.
fn spans(bytes: &[u8], part: impl Fn(&u8) -> bool) -> Vec<Range<usize>> {
    let mut out: Vec<Range<usize>> = Vec::new();
    for at in (0..bytes.len()).filter(|at| part(&bytes[*at])) {
        match out.last_mut() {
            Some(last) if last.end == at => last.end += 1,
            _ => out.push(at..at + 1),
        }
    }
    out
}

/// What stands between quotes.
fn quoted(bytes: &[u8]) -> Vec<Range<usize>> {
    let marks: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] == b'"').collect();
    marks.chunks_exact(2).map(|pair| pair[0] + 1..pair[1]).collect()
}

/// Words, numbers and texts with their quotes.
fn values(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut out: Vec<Range<usize>> = quoted(bytes).into_iter().map(|q| q.start - 1..q.end + 1).collect();
    out.extend(spans(bytes, |b| b.is_ascii_alphanumeric() || b"-+._".contains(b)));
    out
}

/// Bytes with some changes.
pub fn bytes(rng: &mut ChaCha8Rng, seed: &[u8]) -> Vec<u8> {
    let mut out = seed.to_vec();
    if WHOLE.get() {
        return out;
    }
    for _ in 0..=rng.random_range(0..4_usize) {
        out = bytes_once(rng, out);
    }
    out
}

fn bytes_once(rng: &mut ChaCha8Rng, mut out: Vec<u8>) -> Vec<u8> {
    if out.is_empty() {
        return out;
    }
    let at = rng.random_range(0..out.len());
    let end = (at + (1 << rng.random_range(0..12_usize))).min(out.len());
    match rng.random_range(0..9) {
        0 => out[at] ^= 1 << rng.random_range(0..8),
        1 => out[at] = [0, 0xff, 0x7f, 0x80, b'{', b'"', b'9'][rng.random_range(0..7)],
        2 => out.truncate(at),
        3 => drop(out.drain(at..end)),
        4 => {
            let copy = out[at..end].to_vec();
            out.splice(at..at, copy);
        }
        5 => {
            let copy = out[at..end].to_vec();
            let to = rng.random_range(0..=out.len());
            out.splice(to..to, copy);
        }
        6 => out[at..end].fill(if rng.random_range(0..2) == 0 { 0 } else { 0xff }),
        7 => {
            let numbers = [0_u64, 1, 0x7fff_ffff, 0xffff_ffff, u64::MAX, 1 << 40, 1 << 63];
            let number = numbers[rng.random_range(0..numbers.len())];
            let width = [2, 4, 8][rng.random_range(0..3)].min(out.len() - at);
            let bytes = if rng.random_range(0..2) == 0 { number.to_le_bytes() } else { number.to_be_bytes() };
            out[at..at + width].copy_from_slice(&bytes[..width]);
        }
        _ => {
            let noise: Vec<u8> = (0..rng.random_range(1..40)).map(|_| rng.random()).collect();
            out.splice(at..at, noise);
        }
    }
    out
}
