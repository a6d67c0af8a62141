//! The number in an answer by two published rules: the one of the published evaluation, and lm-evaluation-harness's for
//! MGSM. An answer's text comes in, the number goes out; the judge and the data reader call it.

use std::sync::OnceLock;

use regex::Regex;

/// The last match of `\d*\.?\d+` with its value, as Python's `re.findall` and `float` give them (evomerge's
/// `extract_answer_number`). Digits are Unicode's (category Nd), so `１８` is 18. Commas, signs and kanji numerals are
/// ignored: `1,234円` is 234, `-5` is 5, `十八` gives no number.
pub(in crate::task) fn last(text: &str) -> Option<(&str, f64)> {
    static PATTERN: OnceLock<Regex> = OnceLock::new();
    let pattern = PATTERN.get_or_init(|| Regex::new(r"\d*\.?\d+").expect("a constant pattern"));
    let found = pattern.find_iter(text).last()?.as_str();
    Some((found, value(found)?))
}

/// A gold answer's value; its thousands commas are removed.
pub(in crate::task) fn gold(text: &str) -> Option<f64> {
    let plain: String = text.trim().chars().filter(|c| *c != ',').collect();
    plain.parse::<f64>().ok().filter(|v| v.is_finite())
}

fn value(digits: &str) -> Option<f64> {
    if digits.is_ascii() {
        return digits.parse().ok();
    }
    let ascii: Option<String> =
        digits.chars().map(|c| if c == '.' { Some('.') } else { ascii_digit(c) }).collect();
    ascii?.parse().ok()
}

/// The ASCII digit with the same value. Unicode's decimal digits are in unbroken rows of ten (The Unicode Standard,
/// 4.6), so the distance to the row's first digit is the value.
fn ascii_digit(c: char) -> Option<char> {
    static DIGIT: OnceLock<Regex> = OnceLock::new();
    let digit = DIGIT.get_or_init(|| Regex::new(r"^\d$").expect("a constant pattern"));
    let is_digit = |code: u32| {
        let mut buffer = [0; 4];
        char::from_u32(code).is_some_and(|c| digit.is_match(c.encode_utf8(&mut buffer)))
    };
    let code = c as u32;
    let before = (1..=code).take_while(|back| is_digit(code - back)).count() as u32;
    char::from_digit(before % 10, 10)
}

/// The harness's rule for MGSM: the last match of `(\-?[0-9\.\,]+)`, with dots removed at both ends and commas removed,
/// and its value if that is a whole number.
pub(in crate::task) fn harness(text: &str) -> Option<(&str, Option<f64>)> {
    static PATTERN: OnceLock<Regex> = OnceLock::new();
    let pattern = PATTERN.get_or_init(|| Regex::new(r"-?[0-9.,]+").expect("a constant pattern"));
    let found = pattern.find_iter(text).last()?.as_str();
    let plain: String = found.trim_matches('.').chars().filter(|c| *c != ',').collect();
    Some((found, plain.parse::<f64>().ok().filter(|v| v.is_finite() && v.fract() == 0.0)))
}
