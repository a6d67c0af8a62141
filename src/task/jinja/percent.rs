//! Python's format operator: `'%s: %5.2f' % (name, value)`, `'%(name)s' % row`. A format and its values come in, the
//! formatted text goes out; `jinja/mod.rs` calls it.

use std::fmt::Write;

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, State};

use super::text::{repr, string};
use super::{pay, wrong};

/// One `%…` of a format: its key, its flags with width and precision, its letter.
struct Field<'a> {
    key: Option<&'a str>,
    flags: &'a str,
    width: Measure,
    precision: Option<Measure>,
    letter: char,
    /// Length in bytes, without the `%`.
    len: usize,
}

/// A width or a precision.
enum Measure {
    Number(usize),
    /// `*`: taken from the next value.
    Next,
}

/// The values of a format, used one after another.
struct Values<'a> {
    list: Vec<Value>,
    taken: usize,
    map: Option<&'a Value>,
}

impl Values<'_> {
    fn next(&mut self) -> Result<Value, Error> {
        self.taken += 1;
        self.list.get(self.taken - 1).cloned().ok_or_else(|| wrong("not enough arguments for format string"))
    }

    fn measure(&mut self, measure: &Measure) -> Result<usize, Error> {
        match measure {
            Measure::Number(n) => Ok(*n),
            Measure::Next => usize::try_from(self.next()?).map_err(|_| wrong("* wants a number from 0 up")),
        }
    }
}

/// `format % right`.
pub(super) fn format(state: &mut State, format: &str, right: &Value) -> Result<Value, Error> {
    let map = (right.kind() == ValueKind::Map).then_some(right);
    let list = if right.is_tuple() { right.try_iter()?.collect() } else { vec![right.clone()] };
    let mut values = Values { list, taken: 0, map };
    let mut out = String::new();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let field = field(&rest[at + 1..])?;
        rest = &rest[at + 1 + field.len..];
        one(state, field, &mut values, &mut out)?;
    }
    out.push_str(rest);
    if values.taken < values.list.len() && map.is_none() {
        return Err(wrong("not all arguments converted during string formatting"));
    }
    Ok(Value::from(out))
}

fn one(state: &mut State, field: Field<'_>, values: &mut Values<'_>, out: &mut String) -> Result<(), Error> {
    if field.letter == '%' {
        out.push('%');
        return Ok(());
    }
    let mut spec = format!("%{}", field.flags);
    let width = values.measure(&field.width)?;
    pay(state, width)?;
    if width > 0 {
        spec.push_str(&width.to_string());
    }
    if let Some(precision) = field.precision {
        let precision = values.measure(&precision)?;
        pay(state, precision)?;
        let _ = write!(spec, ".{precision}");
    }
    let value = match (field.key, values.map) {
        (Some(key), Some(map)) => {
            let value = map.get_attr(key)?;
            if value.is_undefined() {
                return Err(wrong(format!("%({key}) names no key of what is formatted")));
            }
            value
        }
        (Some(_), None) => return Err(wrong("format requires a mapping")),
        (None, _) => values.next()?,
    };
    let (letter, value) = match field.letter {
        'r' | 'a' => ('s', Value::from(repr(state, &value, field.letter == 'a')?)),
        's' => ('s', Value::from(string(state, &value)?)),
        'i' | 'u' => ('d', value),
        letter @ ('d' | 'x' | 'X' | 'o' | 'e' | 'E' | 'f' | 'F' | 'g' | 'G' | 'c') => (letter, value),
        other => return Err(wrong(format!("unsupported format character {other:?}"))),
    };
    // Python drops the fraction of a float for `%d`.
    let value = match (letter, f64::try_from(value.clone())) {
        ('d', Ok(number)) if !value.is_integer() && value.is_number() => Value::from(number.trunc() as i128),
        _ => value,
    };
    spec.push(letter);
    let text = state.apply_filter("format", &[Value::from(spec), value])?;
    out.push_str(text.as_str().unwrap_or_default());
    Ok(())
}

/// Reads the field after a `%`.
fn field(text: &str) -> Result<Field<'_>, Error> {
    let incomplete = || wrong("incomplete format");
    let mut rest = text;
    let mut key = None;
    if let Some(inner) = rest.strip_prefix('(') {
        let end = inner.find(')').ok_or_else(|| wrong("incomplete format key"))?;
        key = Some(&inner[..end]);
        rest = &inner[end + 1..];
    }
    let after = rest.trim_start_matches(['-', '+', ' ', '0', '#']);
    let flags = &rest[..rest.len() - after.len()];
    let (width, after) = measure(after)?;
    let (precision, after) = match after.strip_prefix('.') {
        Some(after) => {
            let (precision, after) = measure(after)?;
            (Some(precision), after)
        }
        None => (None, after),
    };
    let after = after.trim_start_matches(['h', 'l', 'L']);
    let letter = after.chars().next().ok_or_else(incomplete)?;
    let len = text.len() - after.len() + letter.len_utf8();
    Ok(Field { key, flags, width, precision, letter, len })
}

fn measure(text: &str) -> Result<(Measure, &str), Error> {
    if let Some(after) = text.strip_prefix('*') {
        return Ok((Measure::Next, after));
    }
    let after = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = &text[..text.len() - after.len()];
    if digits.is_empty() {
        return Ok((Measure::Number(0), after));
    }
    let number = digits.parse().map_err(|_| wrong("a width of a format is too large"))?;
    Ok((Measure::Number(number), after))
}
