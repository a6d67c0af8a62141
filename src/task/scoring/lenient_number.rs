//! The number in an answer as a person would read it. An answer's text comes in; the number with its value and position
//! goes out. The judge calls it for every answer.
//!
//! After NFKC (full-width digits, ①, ½): thousands commas (`1,234`), signs (`-5`, `−5`, `マイナス5`),
//! fractions (`3/4`), kanji units behind digits (`1万2000`, `3億`, `1.5万`) and kanji numerals (`十八`,
//! `二〇二四`). The last number is taken, with two exceptions:
//! - a number in brackets is skipped in favour of a number before it in the same sentence: `18ドル(1ヶ月)` is 18;
//! - a lone kanji numeral such as the 一 of `一つの方法` is more often a word than a number. It counts only in a text without
//!   any other number. Kanji numerals of every length count only if a counter, a particle or punctuation follows and no
//!   kanji precedes.

use unicode_normalization::{UnicodeNormalization, char::canonical_combining_class};

/// The number as it is written in the normalised text, and its value.
pub(in crate::task) fn last(text: &str) -> Option<(String, f64)> {
    let (chars, found) = find(text)?;
    Some((chars[found.start..found.end].iter().collect(), found.value))
}

/// The byte range of that number in the original text. `None` if the characters of the normalised text can't be traced
/// to those of the original (conjoining Hangul).
pub(in crate::task) fn span(text: &str) -> Option<(usize, usize)> {
    let (chars, found) = find(text)?;
    let (mut start, mut end, mut at) = (None, None, 0);
    for (place, piece) in pieces(text) {
        let n = piece.nfkc().count();
        if !piece.nfkc().eq(chars.iter().skip(at).take(n).copied()) {
            return None;
        }
        if (at..at + n).contains(&found.start) {
            start = Some(place);
        }
        if (at..at + n).contains(&(found.end - 1)) {
            end = Some(place + piece.len());
        }
        at += n;
    }
    start.zip(end)
}

/// Each character with the combining marks that follow it, and its byte position. NFKC changes each such piece
/// independently.
fn pieces(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mark = |c: char| canonical_combining_class(c) != 0 || matches!(c, '\u{ff9e}' | '\u{ff9f}');
    let starts: Vec<usize> =
        text.char_indices().filter(|(i, c)| *i == 0 || !mark(*c)).map(|(i, _)| i).collect();
    let ends: Vec<usize> = starts.iter().skip(1).copied().chain([text.len()]).collect();
    starts.into_iter().zip(ends).map(move |(start, end)| (start, &text[start..end]))
}

/// The normalised text and the number found in it.
fn find(text: &str) -> Option<(Vec<char>, Found)> {
    let chars: Vec<char> = text.nfkc().collect();
    let depth = bracket_depth(&chars);
    let (mut best, mut weak): (Option<Found>, Option<Found>) = (None, None);
    let mut at = 0;
    while at < chars.len() {
        let Some(found) = number_at(&chars, at) else {
            at += 1;
            continue;
        };
        at = found.end;
        let slot = if found.is_word_like { &mut weak } else { &mut best };
        let remark = depth[found.start] > 0
            && slot
                .as_ref()
                .is_some_and(|b| depth[b.start] == 0 && same_sentence(&chars[b.end..found.start]));
        if !remark {
            *slot = Some(found);
        }
    }
    let found = best.or(weak)?;
    Some((chars, found))
}

/// Whether two numbers are equal up to rounding: an answer of 0.1 + 0.2 equals 0.3.
pub(in crate::task) fn equal(found: Option<f64>, gold: Option<f64>) -> bool {
    matches!((found, gold), (Some(a), Some(b)) if (a - b).abs() <= 1e-9 * b.abs().max(1.0))
}

struct Found {
    start: usize,
    end: usize,
    value: f64,
    /// The number is a single kanji numeral, which is more often a word.
    is_word_like: bool,
}

/// For each character, how many closed pairs of brackets enclose it.
fn bracket_depth(chars: &[char]) -> Vec<u32> {
    let mut depth = vec![0; chars.len()];
    let mut open = Vec::new();
    for (i, c) in chars.iter().enumerate() {
        match c {
            '(' => open.push(i),
            ')' => {
                if let Some(start) = open.pop() {
                    depth[start..i].iter_mut().for_each(|d| *d += 1);
                }
            }
            _ => {}
        }
    }
    depth
}

fn same_sentence(between: &[char]) -> bool {
    !between.iter().any(|c| matches!(c, '。' | '\n' | '!' | '?'))
}

fn number_at(chars: &[char], start: usize) -> Option<Found> {
    let mut scan = Scan { chars, at: start };
    let first = chars[start];
    let point_first = first == '.' && chars.get(start + 1).is_some_and(char::is_ascii_digit);
    if !(first.is_ascii_digit() || point_first) {
        return kanji_number_at(chars, start);
    }
    let mut value = scan.mixed()?;
    // Reads a fraction, but not a date such as 2024/5/1.
    if let Some('/' | '⁄') = scan.peek()
        && !chars[..start].ends_with(&['/'])
        && chars.get(scan.at + 1).is_some_and(char::is_ascii_digit)
    {
        let before = scan.at;
        scan.at += 1;
        match scan.digits() {
            Some(under) if under != 0.0 && scan.peek() != Some('/') => value /= under,
            _ => scan.at = before,
        }
    }
    let (start, negative) = sign_before(chars, start);
    let value = if negative { -value } else { value };
    Some(Found { start, end: scan.at, value, is_word_like: false })
}

fn kanji_number_at(chars: &[char], start: usize) -> Option<Found> {
    if kanji_digit(chars[start]).is_none() && unit(chars[start]).is_none_or(|u| u >= 1e4) {
        return None;
    }
    let before = start.checked_sub(1).map(|i| chars[i]);
    let in_word =
        before.is_some_and(|c| is_kanji(c) && !matches!(c, '計' | '約' | '全' | '残' | '各' | '円'));
    // 万が一 means "by any chance".
    if in_word || chars[..start].ends_with(&['万', 'が']) {
        return None;
    }
    let mut scan = Scan { chars, at: start };
    let value = scan.mixed()?;
    let end = scan.at;
    if !ends_well(&chars[end..]) {
        return None;
    }
    let (signed, negative) = sign_before(chars, start);
    let value = if negative { -value } else { value };
    Some(Found { start: signed, end, value, is_word_like: end - start == 1 })
}

/// Start of the number including its sign, and whether the sign is a minus. A minus between two numbers or words is an
/// operator or a hyphen, not a sign.
fn sign_before(chars: &[char], start: usize) -> (usize, bool) {
    let currency = start > 0 && matches!(chars[start - 1], '$' | '¥' | '€' | '£');
    let number = if currency { start - 1 } else { start };
    if chars[..number].ends_with(&['マ', 'イ', 'ナ', 'ス']) {
        return (number - 4, true);
    }
    let minus = number > 0 && matches!(chars[number - 1], '-' | '−');
    let operator = number > 1 && {
        let c = chars[number - 2];
        c.is_ascii_alphanumeric() || matches!(c, ')' | '-' | '−')
    };
    if minus && !operator { (number - 1, true) } else { (start, false) }
}

/// Whether a kanji numeral can be a number, judged by the text after it.
fn ends_well(rest: &[char]) -> bool {
    const COUNTERS: &str =
        "個円人本枚冊匹台杯回時分秒日週月年歳才つ羽頭足箱袋皿切階点問倍割組名件ヶがをとはだ";
    const WORDS: [&str; 15] = [
        "か月",
        "ドル",
        "セント",
        "キロ",
        "グラム",
        "メートル",
        "センチ",
        "リットル",
        "ポンド",
        "マイル",
        "ページ",
        "パーセント",
        "です",
        "である",
        "にな",
    ];
    let Some(&next) = rest.first() else { return true };
    let starts = |word: &str| word.chars().enumerate().all(|(i, c)| rest.get(i) == Some(&c));
    // 十分に and 十分な mean "enough".
    let enough = starts("分に") || starts("分な");
    let mark = next.is_whitespace() || (next.is_ascii() && !next.is_ascii_alphanumeric());
    !enough
        && (mark
            || "、。」』】・".contains(next)
            || COUNTERS.contains(next)
            || WORDS.iter().any(|w| starts(w)))
}

fn is_kanji(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '々')
}

fn kanji_digit(c: char) -> Option<f64> {
    let index = "〇一二三四五六七八九".chars().position(|k| k == c).or((c == '零').then_some(0))?;
    Some(index as f64)
}

fn unit(c: char) -> Option<f64> {
    Some(match c {
        '十' => 1e1,
        '百' => 1e2,
        '千' => 1e3,
        '万' => 1e4,
        '億' => 1e8,
        '兆' => 1e12,
        _ => return None,
    })
}

/// Reads a number from left to right.
struct Scan<'a> {
    chars: &'a [char],
    at: usize,
}

impl Scan<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    /// Reads digits and kanji; each unit multiplies the number before it: `1万2000`, `千五百`, `二〇二四`.
    fn mixed(&mut self) -> Option<f64> {
        // `total`: value of the parts from 万 up. `section`: value below 万. `current`: digits that no unit has
        // multiplied yet.
        let (mut total, mut section, mut current) = (0.0, 0.0, None::<f64>);
        let mut after_digits = false;
        let start = self.at;
        while let Some(c) = self.peek() {
            if c.is_ascii_digit() || (c == '.' && current.is_none()) {
                if current.is_some() {
                    break;
                }
                let Some(value) = self.digits() else { break };
                current = Some(value);
                after_digits = true;
                continue;
            }
            if let Some(digit) = kanji_digit(c) {
                if after_digits && current.is_some() {
                    break;
                }
                current = Some(current.map_or(digit, |v| v * 10.0 + digit));
            } else if let Some(unit) = unit(c) {
                if unit < 1e4 {
                    section += current.take().unwrap_or(1.0) * unit;
                } else if section > 0.0 || current.is_some() {
                    total += (section + current.take().unwrap_or(0.0)) * unit;
                    section = 0.0;
                } else {
                    break;
                }
                after_digits = false;
            } else {
                break;
            }
            self.at += 1;
        }
        (self.at > start).then(|| total + section + current.unwrap_or(0.0))
    }

    /// Reads ASCII digits with thousands commas and a decimal part.
    fn digits(&mut self) -> Option<f64> {
        let mut text = String::new();
        let digit = |i: usize| self.chars.get(i).copied().filter(char::is_ascii_digit);
        let mut at = self.at;
        while let Some(c) = digit(at) {
            text.push(c);
            at += 1;
            let group = (1..=3).all(|i| digit(at + i).is_some()) && digit(at + 4).is_none();
            if self.chars.get(at) == Some(&',') && group && (text.len() <= 3 || self.chars[at - 4] == ',') {
                at += 1;
            }
        }
        if self.chars.get(at) == Some(&'.') && digit(at + 1).is_some() {
            text.push('.');
            at += 1;
            while let Some(c) = digit(at) {
                text.push(c);
                at += 1;
            }
        }
        let value = text.parse().ok()?;
        self.at = at;
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_again_in_the_text_as_given() {
        for (text, number) in [
            ("答えは18個です", "18"),
            ("答えは１，２３４円です。", "１，２３４"),
            ("ﾊﾞﾅﾅは3本、ﾍﾟﾝは-5本", "-5"),
            ("か\u{3099}くせい①人", "①"),
            ("合計は1万2000円", "1万2000"),
        ] {
            let (start, end) = span(text).unwrap();
            assert_eq!(&text[start..end], number, "{text}");
        }
        assert_eq!(span("なし"), None);
    }
}
