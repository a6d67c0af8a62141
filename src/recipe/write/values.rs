//! Writes values of parameters as TOML. [`Values`] come in, TOML items go out; `write/mod.rs` calls it.

use toml_edit::{Array, InlineTable, Item, TableLike, Value};

use super::{set, set_numbers};
use crate::recipe::{Kind, Values};

/// One number in the form of its parameter: a yes or no, a whole number, or a number.
pub(super) fn value_of(number: f64, kind: Kind) -> Value {
    match kind {
        Kind::Flag => (number != 0.0).into(),
        Kind::Count if number.fract() == 0.0 && number.abs() < 1e15 => (number as i64).into(),
        _ => number.into(),
    }
}

/// Writes a value under `key`. Unchanged values keep their text.
pub(super) fn set_values(table: &mut dyn TableLike, key: &str, values: &Values, kind: Kind) {
    match values {
        Values::All(value) => replace_whole(table, key, value_of(*value, kind)),
        Values::Each { embed, layers, head } => {
            let old = table.get_mut(key).and_then(Item::as_table_like_mut);
            if let Some(old) = old.filter(|t| t.contains_key("layers")) {
                set(old, "embed", value_of(*embed, kind));
                set_numbers(old, "layers", layers, kind);
                set(old, "head", value_of(*head, kind));
            } else {
                replace_whole(table, key, inline(values, kind));
            }
        }
        Values::Gradient(points) => {
            let plain = |v: &Value| !v.is_inline_table();
            let old = table.get(key).and_then(Item::as_array);
            if old.is_some_and(|a| a.len() == points.len() && a.iter().all(plain)) {
                set_numbers(table, key, points, kind);
            } else {
                replace_whole(table, key, inline(values, kind));
            }
        }
        Values::Filters(_) => {
            let new = inline(values, kind);
            let same = |old: &Value| old.to_string().trim() == new.to_string().trim();
            if !table.get(key).and_then(Item::as_value).is_some_and(same) {
                replace_whole(table, key, new);
            }
        }
    }
}

/// Sets a value, even if the old value is a separate table.
fn replace_whole(table: &mut dyn TableLike, key: &str, value: Value) {
    if table.get(key).is_some_and(|i| !i.is_value()) {
        table.remove(key);
    }
    set(table, key, value);
}

/// A value on one line.
pub(super) fn inline(values: &Values, kind: Kind) -> Value {
    let numbers = |list: &[f64]| Value::Array(list.iter().map(|n| value_of(*n, kind)).collect::<Array>());
    match values {
        Values::All(value) => value_of(*value, kind),
        Values::Each { embed, layers, head } => {
            let mut table = InlineTable::new();
            table.insert("embed", value_of(*embed, kind));
            table.insert("layers", numbers(layers));
            table.insert("head", value_of(*head, kind));
            Value::InlineTable(table)
        }
        Values::Gradient(points) => numbers(points),
        Values::Filters(list) => {
            let entry = |f: &crate::recipe::Filter| {
                let mut table = InlineTable::new();
                if let Some(filter) = &f.filter {
                    table.insert("filter", filter.as_str().into());
                }
                table.insert("value", inline(&f.value, kind));
                Value::InlineTable(table)
            };
            Value::Array(list.iter().map(entry).collect::<Array>())
        }
    }
}
