//! Finds the type of a plain YAML scalar by YAML 1.1 as `PyYAML` does, because mergekit reads with `PyYAML`. A scalar's
//! text comes in, a tree node goes out; `yaml/parse.rs` and `yaml/emit.rs` call it.

use std::sync::LazyLock;

use regex::Regex;

use crate::recipe::read::{Tree, number_in};

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a constant pattern")
}

/// `PyYAML`'s patterns (`resolver.py`), without the words, which are in [`scalar`].
static FLOAT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*)$",
    )
});
static WHOLE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$",
    )
});
static DATE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{4}-[0-9][0-9]?-[0-9][0-9]?(?:[Tt]|[ \t]+)[0-9][0-9]?:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?(?:[ \t]*(?:Z|[-+][0-9][0-9]?(?::[0-9]{2})?))?)$",
    )
});

/// A plain scalar without a tag.
pub(super) fn scalar(text: &str) -> Tree {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Tree::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Tree::Flag(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => return Tree::Flag(false),
        ".nan" | ".NaN" | ".NAN" => return Tree::Number(f64::NAN),
        // `<<` is a special key, and PyYAML has no value for `=`.
        "<<" | "=" => return Tree::Other,
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')) {
        return Tree::Text(text.to_owned());
    }
    let (sign, digits) = match text.split_at(1) {
        ("-", rest) => (-1.0, rest),
        ("+", rest) => (1.0, rest),
        _ => (1.0, text),
    };
    if matches!(digits, ".inf" | ".Inf" | ".INF") {
        return Tree::Number(sign * f64::INFINITY);
    }
    let bare = digits.replace('_', "");
    if FLOAT.is_match(text) {
        return sexagesimal(&bare).map_or_else(|| Tree::Text(text.to_owned()), |n| Tree::Number(sign * n));
    }
    if WHOLE.is_match(text) {
        return whole(&bare, sign < 0.0).unwrap_or_else(|| Tree::Text(text.to_owned()));
    }
    if DATE.is_match(text) { Tree::Other } else { Tree::Text(text.to_owned()) }
}

/// A scalar with one of YAML's own tags, by the tag's short name. `None` if the text does not fit the tag, or if no
/// recipe can have this tag.
pub(super) fn tagged(tag: &str, text: &str) -> Option<Tree> {
    Some(match (tag, scalar(text)) {
        ("str", _) => Tree::Text(text.to_owned()),
        ("null", _) => Tree::Null,
        ("bool", flag @ Tree::Flag(_)) => flag,
        ("int", whole @ Tree::Whole(_)) => whole,
        ("int", Tree::Text(text)) => Tree::Whole(text.trim().parse().ok()?),
        ("float", Tree::Whole(n)) => Tree::Number(n as f64),
        ("float", number @ Tree::Number(_)) => number,
        ("float", Tree::Text(text)) => Tree::Number(number_in(&text)?),
        _ => return None,
    })
}

/// Reads numbers in base 60: `1:30` is 90, and 1.5 is 1.5.
fn sexagesimal(text: &str) -> Option<f64> {
    let mut out = 0.0;
    for part in text.split(':') {
        out = out * 60.0 + part.parse::<f64>().ok()?;
    }
    Some(out)
}

fn whole(digits: &str, negative: bool) -> Option<Tree> {
    let magnitude = if let Some(bits) = digits.strip_prefix("0b") {
        u128::from_str_radix(bits, 2)
    } else if let Some(hex) = digits.strip_prefix("0x") {
        u128::from_str_radix(hex, 16)
    } else if digits.len() > 1 && digits.starts_with('0') {
        u128::from_str_radix(digits, 8)
    } else if digits.contains(':') {
        return sexagesimal(digits).map(|n| Tree::Whole(if negative { -n as i64 } else { n as i64 }));
    } else {
        digits.parse()
    };
    let Ok(magnitude) = magnitude else {
        // The text has more digits than fit in any integer type here.
        return digits.parse().ok().map(|n: f64| Tree::Number(if negative { -n } else { n }));
    };
    let signed = i128::try_from(magnitude).ok()? * if negative { -1 } else { 1 };
    Some(i64::try_from(signed).map_or(Tree::Number(signed as f64), Tree::Whole))
}
