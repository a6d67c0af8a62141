//! Writes a recipe as TOML. A recipe, and optionally an existing text, comes in; TOML text goes out. Written over an
//! existing text, its comments, order and layout stay. `recipe/recipe_file.rs` calls it.

mod parts;
mod values;

use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, TableLike, Value};

use super::{MaskStream, Method, Param, Parameters, Recipe, Source};
use values::{set_values, value_of};

impl Recipe {
    pub(super) fn to_document(&self) -> DocumentMut {
        let mut document = DocumentMut::new();
        self.write_into(&mut document, None);
        document
    }

    /// Writes the recipe over `document`, from which the recipe `old` was read.
    pub(super) fn write_into(&self, document: &mut DocumentMut, old: Option<&Self>) {
        let table = document.as_table_mut();
        set_text(table, "name", self.name.as_deref());
        set(table, "method", self.method.name().into());
        set_text(table, "base", self.base.as_deref());
        set_text(table, "dtype", self.dtype.map(super::Precision::name));
        set_text(table, "out_dtype", self.out_dtype.map(super::Precision::name));
        set_text(table, "chat_template", self.chat_template.as_deref());
        set_parameters(table, &self.parameters, self.method);
        let mask = match self.mask {
            MaskStream::Counter => "counter",
            MaskStream::Mergekit => "mergekit",
        };
        set_unless_default(table, "mask", mask.into(), self.mask == MaskStream::default());
        let seed = i64::try_from(self.seed).map_or_else(|_| self.seed.to_string().into(), Value::from);
        set_unless_default(table, "seed", seed, self.seed == 0);
        set_unless_default(
            table,
            "vision",
            if self.vision.is_keep() { "keep" } else { "merge" }.into(),
            self.vision.is_keep(),
        );
        if old.map(|o| &o.config) != Some(&self.config) {
            put(table, "config", (!self.config.is_empty()).then(|| parts::config(&self.config)));
        }
        if old.map(|o| &o.tokenizer) != Some(&self.tokenizer) {
            put(table, "tokenizer", self.tokenizer.as_ref().map(parts::tokenizer));
        }
        if old.map(|o| &o.align) != Some(&self.align) {
            put(table, "align", self.align.as_ref().map(parts::align));
        }
        if old.map(|o| (&o.module, o.method)) != Some((&self.module, self.method)) {
            put(table, "module", self.module.as_ref().map(|m| parts::module(m, self.method)));
        }
        if old.map(|o| &o.path) != Some(&self.path) {
            put(table, "path", (!self.path.is_empty()).then(|| parts::path(&self.path)));
        }
        if old.map(|o| (&o.slices, o.method)) != Some((&self.slices, self.method)) {
            let slices = (!self.slices.is_empty()).then(|| parts::slices(&self.slices, self.method));
            put(table, "slice", slices);
        }
        self.write_sources(table);
    }

    fn write_sources(&self, table: &mut Table) {
        if self.sources.is_empty() {
            table.remove("source");
            return;
        }
        // An inline array with the same number of sources stays inline; otherwise it becomes [[source]] tables.
        if let Some(array) = table.get_mut("source").and_then(Item::as_array_mut)
            && array.len() == self.sources.len()
            && array.iter().all(Value::is_inline_table)
        {
            for (value, source) in array.iter_mut().zip(&self.sources) {
                if let Some(inline) = value.as_inline_table_mut() {
                    write_source(inline, source, self.method);
                }
            }
            return;
        }
        if !table.contains_array_of_tables("source") {
            table.insert("source", Item::ArrayOfTables(ArrayOfTables::new()));
        }
        if let Some(tables) = table.get_mut("source").and_then(Item::as_array_of_tables_mut) {
            write_tables(tables, &self.sources, self.method);
        }
    }
}

/// Writes sources as tables. An existing table moves with its model, and so do the table's comments.
fn write_tables(tables: &mut ArrayOfTables, sources: &[Source], method: Method) {
    let mut old: Vec<Option<Table>> = tables.iter().cloned().map(Some).collect();
    let named = |t: &Option<Table>, model: &str| {
        t.as_ref().is_some_and(|t| t.get("model").and_then(Item::as_str) == Some(model))
    };
    let unchanged = old.len() == sources.len() && old.iter().zip(sources).all(|(t, s)| named(t, &s.model));
    if unchanged {
        for (table, source) in tables.iter_mut().zip(sources) {
            write_source(table, source, method);
        }
        return;
    }
    tables.clear();
    for source in sources {
        let found = old.iter().position(|t| named(t, &source.model));
        let mut table = found.and_then(|i| old[i].take()).unwrap_or_else(|| {
            let mut table = Table::new();
            table.decor_mut().set_prefix("\n");
            table
        });
        // Otherwise the table would be written at its old position.
        table.set_position(None);
        write_source(&mut table, source, method);
        tables.push(table);
    }
}

fn write_source(table: &mut dyn TableLike, source: &Source, method: Method) {
    set(table, "model", source.model.as_str().into());
    set_parameters(table, &source.parameters, method);
}

/// Writes the parameters that the method has, and removes all other parameters.
fn set_parameters(table: &mut dyn TableLike, parameters: &Parameters, method: Method) {
    for param in Param::ALL {
        match (parameters.get(param), method.parameter(param)) {
            (Some(values), Some(spec)) => set_values(table, param.name(), values, spec.kind),
            _ => {
                table.remove(param.name());
            }
        }
    }
}

fn put(table: &mut dyn TableLike, key: &str, item: Option<Item>) {
    match item {
        Some(item) => {
            table.remove(key);
            table.insert(key, item);
        }
        None => {
            table.remove(key);
        }
    }
}

fn set_text(table: &mut dyn TableLike, key: &str, text: Option<&str>) {
    match text {
        Some(text) => set(table, key, text.into()),
        None => {
            table.remove(key);
        }
    }
}

fn set_unless_default(table: &mut dyn TableLike, key: &str, value: Value, is_default: bool) {
    if !is_default || table.contains_key(key) {
        set(table, key, value);
    }
}

/// Sets `key` and keeps the space and comments around the old value.
fn set(table: &mut dyn TableLike, key: &str, value: Value) {
    match table.get_mut(key).and_then(Item::as_value_mut) {
        Some(old) => replace(old, value),
        None => {
            table.insert(key, Item::Value(value));
        }
    }
}

fn replace(old: &mut Value, mut new: Value) {
    let number = |v: &Value| v.as_float().or_else(|| v.as_integer().map(|i| i as f64)).map(f64::to_bits);
    let same = match (number(old), number(&new)) {
        (Some(a), Some(b)) => a == b,
        _ => {
            old.as_str().is_some_and(|a| new.as_str() == Some(a))
                || old.as_bool().is_some_and(|a| new.as_bool() == Some(a))
        }
    };
    if !same {
        *new.decor_mut() = old.decor().clone();
        *old = new;
    }
}

/// Sets numbers as an array. If the old array has the same length, unchanged numbers keep their comments.
fn set_numbers(table: &mut dyn TableLike, key: &str, numbers: &[f64], kind: super::Kind) {
    match table.get_mut(key).and_then(Item::as_array_mut) {
        Some(array) if array.len() == numbers.len() => {
            for (value, new) in array.iter_mut().zip(numbers) {
                replace(value, value_of(*new, kind));
            }
        }
        _ => {
            let array: Array = numbers.iter().map(|n| value_of(*n, kind)).collect();
            set(table, key, Value::Array(array));
        }
    }
}
