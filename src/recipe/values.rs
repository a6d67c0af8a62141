//! The value of a parameter in all its forms: one number, one for each layer group, a gradient, filters by tensor name.
//! The readers make values; `recipe/resolve.rs` and the search read them.

use serde::{Deserialize, Serialize};

use super::LayerGroup;

/// A parameter's value: one number for all tensors, one for each layer group, or one of mergekit's forms.
///
/// In TOML: `weight = 0.5`, `weight = { embed = 0.3, layers = [0.5, 0.6], head = 1.0 }`,
/// `weight = [0.0, 1.0]`, `weight = [{ filter = "mlp", value = 0.5 }, { value = 1.0 }]`.
/// A yes or no is stored as 1 or 0 and written as `true` or `false`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Values {
    /// One value for every group.
    All(f64),
    /// One value for each group.
    Each {
        /// Value for the input embedding.
        embed: f64,
        /// Values for the decoder blocks, first to last.
        layers: Vec<f64>,
        /// Value for the final norm and LM head.
        head: f64,
    },
    /// Equally spaced points over the depth of a slice, joined by straight lines.
    Gradient(Vec<f64>),
    /// Tensors chosen by name; the first entry that matches applies.
    Filters(Vec<Filter>),
}

/// A value for the tensors whose name contains a text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Filter {
    /// The text in the tensor's name; `None` or `*` matches every tensor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// The value, in any form except another list of filters.
    pub value: Values,
}

impl Filter {
    /// Whether the filter matches a tensor with this name.
    #[must_use]
    pub fn matches(&self, tensor: &str) -> bool {
        match self.filter.as_deref() {
            None | Some("*") => true,
            Some(part) => tensor.contains(part),
        }
    }
}

/// A layer group's position on its slice's gradient: embedding, final norm and head are at 0, block `i` of `layers`
/// blocks is at i / (layers − 1), an only block at 1.
fn position(group: LayerGroup, layers: usize) -> f64 {
    match group {
        LayerGroup::Block(_) if layers <= 1 => 1.0,
        LayerGroup::Block(i) => i as f64 / (layers - 1) as f64,
        LayerGroup::Embedding | LayerGroup::Head => 0.0,
    }
}

/// Linear interpolation through equally spaced `points` at `t` in [0, 1], as mergekit 0.1.5 computes it
/// (`evaluate_setting`). `stepped` takes the point before `t` instead, as mergekit does for a yes or no.
fn interpolate(points: &[f64], t: f64, stepped: bool) -> Option<f64> {
    let last = points.len().checked_sub(1)?;
    let scaled = t * last as f64;
    let i = (scaled as usize).min(last);
    if stepped {
        return Some(points[i]);
    }
    let frac = scaled - i as f64;
    Some((1.0 - frac) * points[i] + frac * points[(i + 1).min(last)])
}

impl Values {
    /// The value for `group` if this is one number or one value for each group. `None` for a block without a value, and
    /// for gradients and filters (see [`Self::at`]).
    #[must_use]
    pub fn get(&self, group: LayerGroup) -> Option<f64> {
        match (self, group) {
            (Self::All(v), _) => Some(*v),
            (Self::Each { embed, .. }, LayerGroup::Embedding) => Some(*embed),
            (Self::Each { layers, .. }, LayerGroup::Block(i)) => layers.get(i).copied(),
            (Self::Each { head, .. }, LayerGroup::Head) => Some(*head),
            (Self::Gradient(_) | Self::Filters(_), _) => None,
        }
    }

    /// The value for a group of a decoder with `layers` blocks, merged as one slice. With filters it is the value of
    /// the entry for all tensors.
    #[must_use]
    pub fn at(&self, group: LayerGroup, layers: usize) -> Option<f64> {
        match self {
            Self::Gradient(points) => interpolate(points, position(group, layers), false),
            Self::Filters(list) => list.iter().find(|f| f.matches(""))?.value.at(group, layers),
            plain => plain.get(group),
        }
    }

    /// The value for one tensor, from its name, its group in the output, and its position `t` on the gradients of its
    /// slice. `stepped` is for a yes or no. `None` if no filter matches.
    #[must_use]
    pub fn resolve(&self, tensor: &str, group: LayerGroup, t: f64, stepped: bool) -> Option<f64> {
        match self {
            Self::Gradient(points) => interpolate(points, t, stepped),
            Self::Filters(list) => {
                list.iter().find(|f| f.matches(tensor))?.value.resolve(tensor, group, t, stepped)
            }
            plain => plain.get(group),
        }
    }

    /// Sets one group's value, after turning this into one value for each group (`layers + 2` values). With filters it
    /// sets the entry for all tensors.
    pub fn set(&mut self, group: LayerGroup, layers: usize, value: f64) {
        if let Self::Filters(list) = self {
            let at = list.iter().position(|f| f.matches("")).unwrap_or_else(|| {
                list.push(Filter { filter: None, value: Self::All(value) });
                list.len() - 1
            });
            return list[at].value.set(group, layers, value);
        }
        self.spread(layers);
        if let Self::Each { embed, layers, head } = self {
            match group {
                LayerGroup::Embedding => *embed = value,
                LayerGroup::Block(i) => {
                    if let Some(slot) = layers.get_mut(i) {
                        *slot = value;
                    }
                }
                LayerGroup::Head => *head = value,
            }
        }
    }

    /// Turns a single value or a gradient into one value for each group; filters do not change.
    pub fn spread(&mut self, layers: usize) {
        if matches!(self, Self::All(_) | Self::Gradient(_)) {
            let each = LayerGroup::all(layers).map(|g| self.at(g, layers).unwrap_or_default());
            *self = Self::from_slice(&each.collect::<Vec<_>>());
        }
    }

    /// Makes one value for each group, from values in group order (embedding, blocks, head); `values.len()` is at least
    /// 2.
    #[must_use]
    pub fn from_slice(values: &[f64]) -> Self {
        match values {
            [] => Self::All(0.0),
            [v] => Self::All(*v),
            [embed, layers @ .., head] => Self::Each { embed: *embed, layers: layers.to_vec(), head: *head },
        }
    }

    /// All numbers in this value, for range checks.
    #[must_use]
    pub fn values(&self) -> Vec<f64> {
        match self {
            Self::All(v) => vec![*v],
            Self::Each { embed, layers, head } => {
                let mut out = vec![*embed];
                out.extend_from_slice(layers);
                out.push(*head);
                out
            }
            Self::Gradient(points) => points.clone(),
            Self::Filters(list) => list.iter().flat_map(|f| f.value.values()).collect(),
        }
    }

    /// Changes every number in place and keeps the form.
    pub fn change_each(&mut self, change: &mut impl FnMut(&mut f64)) {
        match self {
            Self::All(v) => change(v),
            Self::Each { embed, layers, head } => {
                change(embed);
                layers.iter_mut().for_each(&mut *change);
                change(head);
            }
            Self::Gradient(points) => points.iter_mut().for_each(change),
            Self::Filters(list) => list.iter_mut().for_each(|f| f.value.change_each(change)),
        }
    }

    /// This value and the values inside it, each with its key path (`[1].value`).
    #[must_use]
    pub fn parts(&self) -> Vec<(String, &Self)> {
        let mut out = vec![(String::new(), self)];
        if let Self::Filters(list) = self {
            out.extend(list.iter().enumerate().map(|(i, f)| (format!("[{i}].value"), &f.value)));
        }
        out
    }
}
