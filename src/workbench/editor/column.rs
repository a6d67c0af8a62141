//! The columns of the editor's grid. A recipe comes in; its columns and their numbers go out to the editor and to the
//! widgets that draw it. A source has one column for each of its parameters, and a value given by tensor filters has
//! one for each filter. A parameter of the whole merge is a column if it has a value for each layer group.

use crate::recipe::{Kind, LayerGroup, Param, ParamSpec, Parameters, Recipe, Scope, Values};

/// A column of the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Index into the recipe's sources; `None` for a parameter of the whole merge.
    pub source: Option<usize>,
    pub param: Param,
    /// Index into the value's list of filters; `None` if the value has no filters.
    pub entry: Option<usize>,
}

/// Columns of a recipe's grid: source by source, then those parameters of the whole merge that have a value for each
/// layer group or lack a default (slerp's `t`).
#[must_use]
pub fn columns(recipe: &Recipe) -> Vec<Column> {
    let mut out = Vec::new();
    for (i, source) in recipe.sources.iter().enumerate() {
        for spec in recipe.method.per_model() {
            spread_out(&mut out, Some(i), spec.param, source.parameters.get(spec.param));
        }
    }
    for spec in global_specs(recipe).filter(|s| is_column(recipe, s)) {
        spread_out(&mut out, None, spec.param, recipe.parameters.get(spec.param));
    }
    out
}

/// Parameters of the whole merge with one number each. The strip above the grid shows them.
#[must_use]
pub fn globals(recipe: &Recipe) -> Vec<&'static ParamSpec> {
    if !recipe.path.is_empty() {
        return Vec::new();
    }
    global_specs(recipe).filter(|s| !is_column(recipe, s)).collect()
}

fn global_specs(recipe: &Recipe) -> impl Iterator<Item = &'static ParamSpec> {
    recipe.method.parameters().iter().filter(|s| s.scope == Scope::Global && !s.ignored)
}

fn is_column(recipe: &Recipe, spec: &ParamSpec) -> bool {
    let one = matches!(recipe.parameters.get(spec.param), None | Some(Values::All(_)));
    !one || (spec.kind == Kind::Number && spec.default.is_none())
}

fn spread_out(out: &mut Vec<Column>, source: Option<usize>, param: Param, values: Option<&Values>) {
    match values {
        Some(Values::Filters(list)) => {
            out.extend((0..list.len()).map(|k| Column { source, param, entry: Some(k) }));
        }
        _ => out.push(Column { source, param, entry: None }),
    }
}

impl Column {
    /// The method's declaration of the parameter.
    #[must_use]
    pub fn spec(self, recipe: &Recipe) -> Option<&'static ParamSpec> {
        recipe.method.parameter(self.param)
    }

    /// The value's list, if the recipe gives one.
    #[must_use]
    pub fn values(self, recipe: &Recipe) -> Option<&Values> {
        let given = self.parameters(recipe)?.get(self.param)?;
        match (self.entry, given) {
            (None, values) => Some(values),
            (Some(k), Values::Filters(list)) => list.get(k).map(|f| &f.value),
            (Some(_), _) => None,
        }
    }

    /// The value's list, mutable. If the recipe gives none, the method's default is inserted first.
    pub(super) fn values_mut(self, recipe: &mut Recipe) -> Option<&mut Values> {
        let default = recipe.method.parameter(self.param).and_then(|s| s.default).unwrap_or(1.0);
        let parameters = match self.source {
            Some(i) => &mut recipe.sources.get_mut(i)?.parameters,
            None => &mut recipe.parameters,
        };
        let given = parameters.entry(self.param, default);
        match (self.entry, given) {
            (None, values) => Some(values),
            (Some(k), Values::Filters(list)) => list.get_mut(k).map(|f| &mut f.value),
            (Some(_), _) => None,
        }
    }

    /// The filter of a column: a part of tensor names, or `Some(None)` for the tensors that no earlier filter matches.
    /// `None` if the value has no filters.
    #[must_use]
    pub fn filter(self, recipe: &Recipe) -> Option<Option<&str>> {
        let Values::Filters(list) = self.parameters(recipe)?.get(self.param)? else { return None };
        let entry = list.get(self.entry?)?;
        Some(entry.filter.as_deref().filter(|f| *f != "*"))
    }

    fn parameters(self, recipe: &Recipe) -> Option<&Parameters> {
        match self.source {
            Some(i) => recipe.sources.get(i).map(|s| &s.parameters),
            None => Some(&recipe.parameters),
        }
    }

    /// The same column in another recipe: the one with the same model, parameter and filter.
    #[must_use]
    pub fn in_other(self, recipe: &Recipe, other: &Recipe) -> Option<Self> {
        let source = match self.source {
            None => None,
            Some(i) => {
                let model = &recipe.sources.get(i)?.model;
                Some(other.sources.iter().position(|s| s.model == *model)?)
            }
        };
        let same =
            |c: &Self| c.source == source && c.param == self.param && c.filter(other) == self.filter(recipe);
        let all = columns(other);
        // A value without filters applies to the tensors of every filter.
        let whole = |c: &Self| c.source == source && c.param == self.param && c.entry.is_none();
        all.iter().copied().find(same).or_else(|| all.into_iter().find(whole))
    }
}

/// A recipe's number for a column and layer group of a decoder with `layers` blocks. If a source leaves the
/// parameter out, its number comes from the whole merge, else from the method's default.
#[must_use]
pub fn value(recipe: &Recipe, column: Column, group: LayerGroup, layers: usize) -> Option<f64> {
    if column.source.is_some_and(|i| i >= recipe.sources.len()) {
        return None;
    }
    let of_all = || recipe.parameters.get(column.param).and_then(|v| v.at(group, layers));
    let default = || column.spec(recipe).map(|s| s.default.unwrap_or(1.0));
    match column.values(recipe) {
        Some(values) => values.at(group, layers),
        None => of_all().or_else(default),
    }
}
