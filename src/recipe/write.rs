//! Recipe → TOML. Written over an existing text, comments, order and layout stay.

use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, TableLike, Value};

use super::{MaskStream, PerGroup, Recipe, Source};

impl Recipe {
    /// This recipe as TOML; reading it back gives the same recipe.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut document = DocumentMut::new();
        self.write_into(&mut document);
        document.to_string()
    }

    /// This recipe written over `original`: what did not change keeps its comments and layout.
    /// A text that is not TOML is replaced.
    #[must_use]
    pub fn write_back(&self, original: &str) -> String {
        let Ok(mut document) = original.parse::<DocumentMut>() else { return self.to_toml() };
        self.write_into(&mut document);
        document.to_string()
    }

    fn write_into(&self, document: &mut DocumentMut) {
        let table = document.as_table_mut();
        set(table, "method", self.method.name().into());
        set(table, "base", self.base.as_str().into());
        set_unless_default(table, "lambda", self.lambda.into(), self.lambda.to_bits() == 1_f64.to_bits());
        match self.normalize {
            Some(normalize) => set(table, "normalize", normalize.into()),
            None => {
                table.remove("normalize");
            }
        }
        let mask = match self.mask {
            MaskStream::Counter => "counter",
            MaskStream::Mergekit => "mergekit",
        };
        set_unless_default(table, "mask", mask.into(), self.mask == MaskStream::default());
        let seed = i64::try_from(self.seed).map_or_else(|_| self.seed.to_string().into(), Value::from);
        set_unless_default(table, "seed", seed, self.seed == 0);

        // An inline array of sources is kept if its length is; else it becomes [[source]] tables.
        if let Some(array) = table.get_mut("source").and_then(Item::as_array_mut)
            && array.len() == self.sources.len()
            && array.iter().all(Value::is_inline_table)
        {
            for (value, source) in array.iter_mut().zip(&self.sources) {
                if let Some(inline) = value.as_inline_table_mut() {
                    write_source(inline, source);
                }
            }
            return;
        }
        if !table.contains_array_of_tables("source") {
            table.insert("source", Item::ArrayOfTables(ArrayOfTables::new()));
        }
        if let Some(tables) = table.get_mut("source").and_then(Item::as_array_of_tables_mut) {
            write_sources(tables, &self.sources);
        }
    }
}

/// Existing tables follow their model, so that their comments stay with it.
fn write_sources(tables: &mut ArrayOfTables, sources: &[Source]) {
    let mut old: Vec<Option<Table>> = tables.iter().cloned().map(Some).collect();
    let named = |t: &Option<Table>, model: &str| {
        t.as_ref().is_some_and(|t| t.get("model").and_then(Item::as_str) == Some(model))
    };
    let unchanged = old.len() == sources.len() && old.iter().zip(sources).all(|(t, s)| named(t, &s.model));
    if unchanged {
        for (table, source) in tables.iter_mut().zip(sources) {
            write_source(table, source);
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
        // Written in the order of the array, not where it stood.
        table.set_position(None);
        write_source(&mut table, source);
        tables.push(table);
    }
}

fn write_source(table: &mut dyn TableLike, source: &Source) {
    set(table, "model", source.model.as_str().into());
    set_per_group(table, "weight", &source.weight);
    if source.density != PerGroup::All(1.0) || table.contains_key("density") {
        set_per_group(table, "density", &source.density);
    }
}

fn set_unless_default(table: &mut dyn TableLike, key: &str, value: Value, is_default: bool) {
    if !is_default || table.contains_key(key) {
        set(table, key, value);
    }
}

/// Sets `key`, keeping the space and comments around the value it had.
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

fn set_per_group(table: &mut dyn TableLike, key: &str, values: &PerGroup) {
    let (embed, layers, head) = match values {
        PerGroup::All(value) => return set(table, key, (*value).into()),
        PerGroup::Each { embed, layers, head } => (*embed, layers, *head),
    };
    let old = table.get_mut(key).and_then(Item::as_table_like_mut);
    if let Some(old) = old {
        set(old, "embed", embed.into());
        match old.get_mut("layers").and_then(Item::as_array_mut) {
            Some(array) if array.len() == layers.len() => {
                for (value, new) in array.iter_mut().zip(layers) {
                    replace(value, (*new).into());
                }
            }
            _ => set(old, "layers", Value::Array(layers.iter().copied().collect::<Array>())),
        }
        set(old, "head", head.into());
        return;
    }
    let mut inline = InlineTable::new();
    inline.insert("embed", embed.into());
    inline.insert("layers", Value::Array(layers.iter().copied().collect::<Array>()));
    inline.insert("head", head.into());
    set(table, key, Value::InlineTable(inline));
}
