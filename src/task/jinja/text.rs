//! Python's methods of texts, lists and dicts, where minijinja lacks them or differs. `jinja/mod.rs` registers them.

use minijinja::value::{Kwargs, Value, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State};
use minijinja_contrib::pycompat;

use super::{pay, wrong};

/// minijinja calls this for a method that it does not know.
pub(super) fn method(state: &mut State, value: &Value, name: &str, args: &[Value]) -> Result<Value, Error> {
    if matches!(name, "format" | "format_map" | "join") {
        for arg in args {
            pay_text(state, arg)?;
        }
    }
    let found = match (value.as_str(), value.kind()) {
        (Some(text), _) => of_text(state, text, name, args)?,
        (None, ValueKind::Map | ValueKind::Seq) if name == "copy" => Some(value.clone()),
        (None, ValueKind::Seq) if name == "index" => {
            let (what,): (&Value,) = from_args(args)?;
            let place = value.try_iter()?.position(|item| item == *what);
            Some(Value::from(place.ok_or_else(|| wrong(format!("{what} is not in the list")))?))
        }
        _ => None,
    };
    found.map_or_else(|| pycompat::unknown_method_callback(state, value, name, args), Ok)
}

/// Charges for the text of a list or dict before a method makes that text.
fn pay_text(state: &mut State, value: &Value) -> Result<(), Error> {
    if matches!(value.kind(), ValueKind::Map | ValueKind::Seq | ValueKind::Iterable) {
        string(state, &value.try_iter()?.collect::<Value>())?;
        if value.kind() == ValueKind::Map {
            string(state, &value.try_iter()?.filter_map(|key| value.get_item(&key).ok()).collect::<Value>())?;
        }
    }
    Ok(())
}

/// A value's text. Its bytes are charged as they are made, because a list may contain another list many times.
pub(super) fn string(state: &mut State, value: &Value) -> Result<String, Error> {
    if let Some(text) = value.as_str() {
        return Ok(text.to_owned());
    }
    if let Some(text) = float(value) {
        return Ok(text);
    }
    let text = state.apply_filter("string", std::slice::from_ref(value))?;
    Ok(text.as_str().unwrap_or_default().to_owned())
}

/// Python's `repr`.
pub(super) fn repr(state: &mut State, value: &Value, ascii: bool) -> Result<String, Error> {
    let list = string(state, &Value::from(vec![value.clone()]))?;
    let inner = list.strip_prefix('[').and_then(|l| l.strip_suffix(']')).unwrap_or(&list);
    Ok(if ascii { escape(inner) } else { inner.to_owned() })
}

/// A float as Python's `str` writes it; `None` for any other value.
pub(super) fn float(value: &Value) -> Option<String> {
    if !value.is_number() || value.is_integer() {
        return None;
    }
    let number = f64::try_from(value.clone()).ok()?;
    if !number.is_finite() {
        return Some(number.to_string().to_lowercase());
    }
    // These are Python's thresholds; its exponent has a sign and two digits.
    let text = format!("{number:?}");
    Some(match text.split_once('e') {
        Some((digits, power)) => format!("{digits}e{:+03}", power.parse::<i32>().unwrap_or_default()),
        None => text,
    })
}

/// Escapes characters beyond ASCII as Python's `ascii` does.
fn escape(text: &str) -> String {
    use std::fmt::Write;
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        let _ = match c as u32 {
            0..0x80 => write!(out, "{c}"),
            code @ 0x80..0x100 => write!(out, "\\x{code:02x}"),
            code @ 0x100..0x1_0000 => write!(out, "\\u{code:04x}"),
            code => write!(out, "\\U{code:08x}"),
        };
        out
    })
}

/// The text methods that this file implements; `None` for any other method.
fn of_text(state: &State, text: &str, name: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    let out = match name {
        "split" | "rsplit" => split(text, args, name == "rsplit")?,
        "strip" | "lstrip" | "rstrip" => {
            let (chars,): (Option<&str>,) = from_args(args)?;
            Value::from(strip(text, chars, name != "rstrip", name != "lstrip"))
        }
        "center" | "ljust" | "rjust" => {
            let (width, fill): (i64, Option<char>) = from_args(args)?;
            let place = match name {
                "ljust" => Place::Left,
                "rjust" => Place::Right,
                _ => Place::Center,
            };
            Value::from(pad(state, text, width, fill.unwrap_or(' '), place)?)
        }
        "zfill" => {
            let (width,): (i64,) = from_args(args)?;
            let digits = text.trim_start_matches(['+', '-']);
            let sign = &text[..text.len() - digits.len().max(text.len().saturating_sub(1))];
            let width = width - sign.len() as i64;
            Value::from(format!("{sign}{}", pad(state, &text[sign.len()..], width, '0', Place::Right)?))
        }
        "partition" | "rpartition" => {
            let (separator,): (&str,) = from_args(args)?;
            if separator.is_empty() {
                return Err(wrong("empty separator"));
            }
            let cut =
                if name == "partition" { text.split_once(separator) } else { text.rsplit_once(separator) };
            let parts = match cut {
                Some((left, right)) => [left, separator, right],
                None if name == "partition" => [text, "", ""],
                None => ["", "", text],
            };
            Value::from(minijinja::value::Tuple::from(parts.map(Value::from)))
        }
        "removeprefix" => {
            let (prefix,): (&str,) = from_args(args)?;
            Value::from(text.strip_prefix(prefix).unwrap_or(text))
        }
        "removesuffix" => {
            let (suffix,): (&str,) = from_args(args)?;
            Value::from(text.strip_suffix(suffix).unwrap_or(text))
        }
        "swapcase" => {
            let swap = |c: char| {
                if c.is_uppercase() { c.to_lowercase().to_string() } else { c.to_uppercase().to_string() }
            };
            Value::from(text.chars().map(swap).collect::<String>())
        }
        "casefold" => Value::from(text.to_lowercase().replace('ß', "ss")),
        "title" => Value::from(title(text)),
        "capitalize" => {
            let mut chars = text.chars();
            let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
            Value::from(first + &chars.as_str().to_lowercase())
        }
        "splitlines" => {
            let (keep, named): (Option<bool>, Kwargs) = from_args(args)?;
            let keep = keep.or(named.get("keepends")?).unwrap_or(false);
            named.assert_all_used()?;
            lines(text, keep)
        }
        "isdecimal" => Value::from(!text.is_empty() && text.chars().all(|c| c.is_ascii_digit())),
        "istitle" => Value::from(text.chars().any(char::is_alphabetic) && title(text) == text),
        "isidentifier" => {
            let first = text.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_');
            Value::from(first && text.chars().all(|c| c.is_alphanumeric() || c == '_'))
        }
        "find" | "rfind" | "index" | "rindex" | "count" => search(text, name, args)?,
        "startswith" | "endswith" if args.len() > 1 => {
            let (what, start, end): (Value, Option<i64>, Option<i64>) = from_args(args)?;
            let (part, _) = slice(text, start, end);
            return method_of(state, part, name, &what).map(Some);
        }
        "expandtabs" => {
            let (size,): (Option<usize>,) = from_args(args)?;
            Value::from(expand_tabs(state, text, size.unwrap_or(8))?)
        }
        "format" | "format_map" => {
            for number in widths(text) {
                pay(state, number)?;
            }
            return Ok(None);
        }
        _ => return Ok(None),
    };
    Ok(Some(out))
}

/// Widths and precisions in the fields of Python's `format`, to be charged before the text is made.
fn widths(text: &str) -> Vec<usize> {
    let (mut depth, mut after_colon) = (0_usize, false);
    let mut numbers = vec![String::new()];
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '{' if depth == 0 && rest.next_if_eq(&'{').is_some() => {}
            '{' => depth += 1,
            '}' => {
                depth = depth.saturating_sub(1);
                after_colon &= depth > 0;
            }
            ':' if depth > 0 => after_colon = true,
            _ => {}
        }
        match numbers.last_mut() {
            Some(number) if after_colon && c.is_ascii_digit() => number.push(c),
            Some(number) if !number.is_empty() => numbers.push(String::new()),
            _ => {}
        }
    }
    numbers.iter().filter(|n| !n.is_empty()).map(|n| n.parse().unwrap_or(usize::MAX / 2)).collect()
}

/// Replaces each tab by spaces up to the next multiple of `size` columns.
fn expand_tabs(state: &State, text: &str, size: usize) -> Result<String, Error> {
    pay(state, text.matches('\t').count().saturating_mul(size))?;
    let mut column = 0;
    let expand = text.chars().map(|c| match c {
        '\t' if size > 0 => {
            let fill = size - column % size;
            column += fill;
            " ".repeat(fill)
        }
        '\t' => String::new(),
        '\n' | '\r' => {
            column = 0;
            c.to_string()
        }
        _ => {
            column += 1;
            c.to_string()
        }
    });
    Ok(expand.collect())
}

/// `startswith` and `endswith` of a part.
fn method_of(_: &State, part: &str, name: &str, what: &Value) -> Result<Value, Error> {
    let is = |what: &str| if name == "startswith" { part.starts_with(what) } else { part.ends_with(what) };
    if let Some(what) = what.as_str() {
        return Ok(Value::from(is(what)));
    }
    for one in what.try_iter()? {
        if is(one.as_str().ok_or_else(|| wrong(format!("{name} takes a text or a tuple of texts")))?) {
            return Ok(Value::from(true));
        }
    }
    Ok(Value::from(false))
}

/// Whitespace as Python's `str` defines it.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

fn strip<'t>(text: &'t str, chars: Option<&str>, left: bool, right: bool) -> &'t str {
    let gone = |c: char| chars.map_or_else(|| is_space(c), |chars| chars.contains(c));
    let text = if left { text.trim_start_matches(gone) } else { text };
    if right { text.trim_end_matches(gone) } else { text }
}

fn split(text: &str, args: &[Value], from_right: bool) -> Result<Value, Error> {
    let (separator, most, named): (Option<&str>, Option<i64>, Kwargs) = from_args(args)?;
    let separator = match separator {
        Some(separator) => Some(separator),
        None => named.get::<Option<&str>>("sep")?,
    };
    let most = most.or(named.get("maxsplit")?).and_then(|n| usize::try_from(n).ok());
    named.assert_all_used()?;
    let parts: Vec<Value> = match (separator, from_right) {
        (Some(""), _) => return Err(wrong("empty separator")),
        (Some(separator), false) => {
            text.splitn(most.unwrap_or(usize::MAX - 1) + 1, separator).map(Value::from).collect()
        }
        (Some(separator), true) => {
            let parts = text.rsplitn(most.unwrap_or(usize::MAX - 1) + 1, separator).map(Value::from);
            let mut parts: Vec<Value> = parts.collect();
            parts.reverse();
            parts
        }
        (None, _) => words(text, most, from_right).into_iter().map(Value::from).collect(),
    };
    Ok(Value::from(parts))
}

/// Splits a text at whitespace; after `most` cuts the rest is one part.
fn words(text: &str, most: Option<usize>, from_right: bool) -> Vec<&str> {
    let mut rest = strip(text, None, true, true);
    let mut out = Vec::new();
    while !rest.is_empty() {
        if most.is_some_and(|most| out.len() >= most) {
            // The last part keeps the whitespace at its outer end.
            let start = rest.as_ptr() as usize - text.as_ptr() as usize;
            out.push(if from_right { &text[..start + rest.len()] } else { &text[start..] });
            break;
        }
        let cut = if from_right { rest.rfind(is_space) } else { rest.find(is_space) };
        let Some(cut) = cut else {
            out.push(rest);
            break;
        };
        let size = rest[cut..].chars().next().map_or(1, char::len_utf8);
        let (left, right) = (&rest[..cut], &rest[cut + size..]);
        let (word, left_over) = if from_right { (right, left) } else { (left, right) };
        out.push(word);
        rest = strip(left_over, None, !from_right, from_right);
    }
    if from_right {
        out.reverse();
    }
    out
}

/// Which side a padded text is on.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Place {
    Left,
    Right,
    Center,
}

/// Pads a text to a width in characters.
pub(super) fn pad(state: &State, text: &str, width: i64, fill: char, place: Place) -> Result<String, Error> {
    let length = text.chars().count();
    let Some(missing) = usize::try_from(width).ok().and_then(|w| w.checked_sub(length)) else {
        return Ok(text.to_owned());
    };
    pay(state, missing.saturating_mul(fill.len_utf8()))?;
    let left = match place {
        Place::Left => 0,
        Place::Right => missing,
        // As in CPython: an odd fill character goes left where the width is odd.
        Place::Center => missing / 2 + (missing & width as usize & 1),
    };
    let fills = |n: usize| std::iter::repeat_n(fill, n);
    Ok(fills(left).chain(text.chars()).chain(fills(missing - left)).collect())
}

fn title(text: &str) -> String {
    let mut inside = false;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if inside {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
        inside = c.is_alphabetic();
    }
    out
}

/// Splits a text into lines at every line end that Python knows.
fn lines(text: &str, keep: bool) -> Value {
    let mut out = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c| {
            matches!(
                c,
                '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
            )
        });
        let Some(end) = end else {
            out.push(Value::from(rest));
            break;
        };
        let size = if rest[end..].starts_with("\r\n") {
            2
        } else {
            rest[end..].chars().next().map_or(1, char::len_utf8)
        };
        out.push(Value::from(&rest[..if keep { end + size } else { end }]));
        rest = &rest[end + size..];
    }
    Value::from(out)
}

/// The characters `start..end` of a Python slice, and how many come before them.
fn slice(text: &str, start: Option<i64>, end: Option<i64>) -> (&str, usize) {
    let length = text.chars().count();
    let place = |i: i64| if i < 0 { (length as i64 + i).max(0) as usize } else { (i as usize).min(length) };
    let (start, end) = (place(start.unwrap_or(0)), place(end.unwrap_or(i64::MAX)));
    let byte = |n: usize| text.char_indices().nth(n).map_or(text.len(), |(at, _)| at);
    if start >= end { ("", start) } else { (&text[byte(start)..byte(end)], start) }
}

fn search(text: &str, name: &str, args: &[Value]) -> Result<Value, Error> {
    let (what, start, end): (&str, Option<i64>, Option<i64>) = from_args(args)?;
    let (part, before) = slice(text, start, end);
    if name == "count" {
        let count = if what.is_empty() { part.chars().count() + 1 } else { part.matches(what).count() };
        return Ok(Value::from(count));
    }
    let found = if name.starts_with('r') { part.rfind(what) } else { part.find(what) };
    match found {
        Some(at) => Ok(Value::from(before + part[..at].chars().count())),
        None if name.ends_with("index") => {
            Err(Error::new(ErrorKind::InvalidOperation, "substring not found"))
        }
        None => Ok(Value::from(-1)),
    }
}
