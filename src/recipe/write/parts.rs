//! Writes slices, path, config settings, tokenizer, module and alignment as TOML. A part that has changed is written anew as a whole.
//! `write/mod.rs` calls it.

use toml_edit::{Array, ArrayOfTables, InlineTable, Item, Table, Value};

use super::set_parameters;
use crate::recipe::{
    Align, AlignBy, ConfigSettings, Method, Module, Rope, Slice, Step, TokenName, TokenOrigin, TokenSpec,
    TokenizerSource, TokenizerSpec, Window,
};

fn spaced(mut table: Table) -> Table {
    table.decor_mut().set_prefix("\n");
    table
}

pub(super) fn slices(slices: &[Slice], method: Method) -> Item {
    let mut out = ArrayOfTables::new();
    for slice in slices {
        let mut table = spaced(Table::new());
        if let Some(base) = &slice.base {
            table.insert("base", base.as_str().into());
        }
        set_parameters(&mut table, &slice.parameters, method);
        let mut sources = ArrayOfTables::new();
        for source in &slice.sources {
            let mut table = Table::new();
            table.insert("model", source.model.as_str().into());
            let (first, end) = source.layers;
            let layers: Array = [first as i64, end as i64].into_iter().collect();
            table.insert("layers", Item::Value(Value::Array(layers)));
            set_parameters(&mut table, &source.parameters, method);
            sources.push(table);
        }
        table.insert("source", Item::ArrayOfTables(sources));
        out.push(table);
    }
    Item::ArrayOfTables(out)
}

/// A path as TOML with one step on each line.
pub(super) fn path(steps: &[Step]) -> Item {
    let mut list = Array::new();
    for step in steps {
        let mut table = InlineTable::new();
        table.insert("model", step.model.as_str().into());
        table.insert("layer", (step.layer as i64).into());
        if step.scale.to_bits() != 1_f64.to_bits() {
            table.insert("scale", step.scale.into());
        }
        let mut value = Value::InlineTable(table);
        value.decor_mut().set_prefix("\n    ");
        list.push_formatted(value);
    }
    list.set_trailing("\n");
    list.set_trailing_comma(true);
    Item::Value(Value::Array(list))
}

pub(super) fn module(module: &Module, method: Method) -> Item {
    let mut table = spaced(Table::new());
    table.insert("name", module.name.as_str().into());
    set_parameters(&mut table, &module.parameters, method);
    Item::Table(table)
}

pub(super) fn align(align: &Align) -> Item {
    let by = match align.by {
        AlignBy::Weights => "weights",
        AlignBy::Activations => "activations",
    };
    if align.prompts.is_empty() {
        return by.into();
    }
    let mut table = spaced(Table::new());
    table.insert("by", by.into());
    table.insert("prompts", Item::Value(Value::Array(align.prompts.iter().map(String::as_str).collect())));
    Item::Table(table)
}

pub(super) fn config(settings: &ConfigSettings) -> Item {
    let mut table = spaced(Table::new());
    match &settings.rope {
        None => {}
        Some(Rope::Base(base)) => drop(table.insert("rope", (*base).into())),
        Some(Rope::Of(model)) => drop(table.insert("rope", model.as_str().into())),
    }
    match &settings.window {
        None => {}
        Some(Window::None) => drop(table.insert("window", "none".into())),
        Some(Window::Tokens(tokens)) => drop(table.insert("window", (*tokens as i64).into())),
        Some(Window::Of(model)) => drop(table.insert("window", model.as_str().into())),
    }
    Item::Table(table)
}

pub(super) fn tokenizer(spec: &TokenizerSpec) -> Item {
    let source = match &spec.source {
        TokenizerSource::Union => "union",
        TokenizerSource::Base => "base",
        TokenizerSource::Model(model) => model,
    };
    if spec.tokens.is_empty() && spec.pad_to_multiple_of.is_none() {
        return source.into();
    }
    let mut table = spaced(Table::new());
    table.insert("source", source.into());
    if let Some(multiple) = spec.pad_to_multiple_of {
        table.insert("pad_to_multiple_of", (multiple as i64).into());
    }
    if !spec.tokens.is_empty() {
        let mut tokens = spaced(Table::new());
        for (name, rule) in &spec.tokens {
            tokens.insert(name, Item::Value(Value::InlineTable(token(rule))));
        }
        table.insert("tokens", Item::Table(tokens));
    }
    Item::Table(table)
}

fn token(rule: &TokenSpec) -> InlineTable {
    let mut out = InlineTable::new();
    match &rule.source {
        None => {}
        Some(TokenOrigin::Model(model)) => {
            out.insert("source", model.as_str().into());
        }
        Some(TokenOrigin::Zero) => {
            let zero: InlineTable = [("kind", Value::from("zero"))].into_iter().collect();
            out.insert("source", Value::InlineTable(zero));
        }
        Some(TokenOrigin::ModelToken { model, token }) => {
            let mut origin = InlineTable::new();
            origin.insert("kind", "model_token".into());
            origin.insert("model", model.as_str().into());
            match token {
                TokenName::Text(text) => origin.insert("token", text.as_str().into()),
                TokenName::Id(id) => origin.insert("token_id", i64::from(*id).into()),
            };
            out.insert("source", Value::InlineTable(origin));
        }
    }
    if rule.force {
        out.insert("force", true.into());
    }
    out
}
