//! Reads values of parameters in all their forms. Tree nodes come in, [`Values`] go out; the readers of both notations
//! call it.

use super::node::{Node, Tree};
use super::{Read, Reader};
use crate::limits::FILTERS;
use crate::recipe::{Filter, Kind, Method, Param, ParamSpec, Parameters, Values};

const GROUPS: [&str; 3] = ["embed", "layers", "head"];
const FILTER: [&str; 2] = ["filter", "value"];

impl Reader<'_> {
    /// The parameters among the keys of a map; the caller handles the other keys.
    pub(in crate::recipe) fn parameters(&self, node: &Node, path: &str, method: Method) -> Read<Parameters> {
        let mut out = Parameters::new();
        for entry in node.entries() {
            let Some(param) = Param::from_name(&entry.key) else { continue };
            let Some(spec) = method.parameter(param) else { continue };
            out.set(param, self.values(&entry.value, &format!("{path}{}", entry.key), spec)?);
        }
        Ok(out)
    }

    /// A value in any form.
    fn values(&self, node: &Node, path: &str, spec: &ParamSpec) -> Read<Values> {
        self.note(path, node.line);
        match &node.tree {
            Tree::List(list) if list.iter().any(Node::is_map) => {
                if list.len() > FILTERS {
                    let problem = format!("has {} filters; {FILTERS} are the most", list.len());
                    return Err(self.bad(node.line, path, problem));
                }
                let filters =
                    list.iter().enumerate().map(|(i, n)| self.filter(n, &format!("{path}[{i}]"), spec));
                Ok(Values::Filters(filters.collect::<Read<_>>()?))
            }
            Tree::Map(_) if node.get("value").is_some() => {
                Ok(Values::Filters(vec![self.filter(node, path, spec)?]))
            }
            _ => self.plain(node, path, spec),
        }
    }

    /// A value in any form except filters.
    fn plain(&self, node: &Node, path: &str, spec: &ParamSpec) -> Read<Values> {
        match &node.tree {
            Tree::List(_) => Ok(Values::Gradient(self.numbers(node, path, spec)?)),
            Tree::Map(_) => {
                self.known_keys(node, &format!("{path}."), &GROUPS, None)?;
                let part = |key: &str| {
                    let path = format!("{path}.{key}");
                    node.get(key).ok_or_else(|| self.bad(node.line, &path, "is missing")).map(|n| (n, path))
                };
                let one = |key: &str| part(key).and_then(|(n, path)| self.number(n, &path, spec));
                let (layers, at) = part("layers")?;
                Ok(Values::Each {
                    embed: one("embed")?,
                    layers: self.numbers(layers, &at, spec)?,
                    head: one("head")?,
                })
            }
            _ => self.number(node, path, spec).map(Values::All),
        }
    }

    fn filter(&self, node: &Node, path: &str, spec: &ParamSpec) -> Read<Filter> {
        if !node.is_map() {
            let problem =
                "must be a table with filter and value; a list holds such tables or numbers, not both";
            return Err(self.bad(node.line, path, problem));
        }
        self.known_keys(node, &format!("{path}."), &FILTER, None)?;
        let value =
            node.get("value").ok_or_else(|| self.bad(node.line, &format!("{path}.value"), "is missing"))?;
        let filter = node.get("filter").filter(|n| !matches!(n.tree, Tree::Null));
        let filter = filter.map(|n| self.text_of(n, &format!("{path}.filter"))).transpose()?;
        let path = format!("{path}.value");
        self.note(&path, value.line);
        Ok(Filter { filter, value: self.plain(value, &path, spec)? })
    }

    fn numbers(&self, node: &Node, path: &str, spec: &ParamSpec) -> Read<Vec<f64>> {
        let Tree::List(list) = &node.tree else {
            return Err(self.bad(node.line, path, "must be a list, one number a layer"));
        };
        list.iter().enumerate().map(|(i, n)| self.number(n, &format!("{path}[{i}]"), spec)).collect()
    }

    /// One number, or one yes or no, that is allowed for the parameter.
    fn number(&self, node: &Node, path: &str, spec: &ParamSpec) -> Read<f64> {
        let value = match (spec.kind, &node.tree) {
            (Kind::Flag, Tree::Flag(flag)) => return Ok(f64::from(u8::from(*flag))),
            // mergekit's reader (pydantic) converts between these types.
            (Kind::Flag, Tree::Whole(0 | 1)) if self.yaml => node.number(),
            (Kind::Flag, Tree::Text(text)) if self.yaml && flag_in(text).is_some() => {
                flag_in(text).map(|flag| f64::from(u8::from(flag)))
            }
            (Kind::Number | Kind::Count, Tree::Flag(flag)) if self.yaml => Some(f64::from(u8::from(*flag))),
            (Kind::Flag, _) => return Err(self.bad(node.line, path, "must be true or false")),
            // PyYAML reads 1e-5 as a text, and mergekit turns it into a number.
            (_, Tree::Text(text)) if self.yaml => number_in(text).filter(|n| n.is_finite()),
            (Kind::Number | Kind::Count, _) => node.number(),
        };
        let value = value.ok_or_else(|| self.bad(node.line, path, "must be a finite number"))?;
        spec.problem(value).map_or(Ok(value), |problem| Err(self.bad(node.line, path, problem)))
    }
}

/// Parses a number that YAML reads as a text (`1e-3`), as Python's `float` does.
pub(in crate::recipe) fn number_in(text: &str) -> Option<f64> {
    let text = text.trim();
    let inside = text.split('_').all(|part| !part.is_empty()) || !text.contains('_');
    let digits = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
    if inside && digits { text.replace('_', "").parse().ok() } else { None }
}

/// Parses a yes or no from a text, as pydantic does.
fn flag_in(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "t" | "yes" | "y" | "on" => Some(true),
        "0" | "false" | "f" | "no" | "n" | "off" => Some(false),
        _ => None,
    }
}
