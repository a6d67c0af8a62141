//! How finely a parameter is searched: one gene for each layer, for a band of layers, for the whole model, and so on.
//! Genes come in, the parameter's value for every tensor goes out, and the reverse. `parameters.rs` calls it. A new way
//! to group layers is a variant of [`Groups`] and its arms here.

use crate::limits::CURVE;
use serde::{Deserialize, Serialize};

use crate::recipe::{Filter, LayerGroup, Values};

/// How fine the genes of a parameter are. Except in [`Self::Global`] and [`Self::Filters`], the embedding and the head
/// (final norm and LM head) have separate numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Groups {
    /// One number for each decoder block.
    #[default]
    Layer,
    /// One number for the whole model.
    Global,
    /// Two numbers for each decoder block: one for its attention, one for its MLP.
    Halves,
    /// One number for each band of adjacent blocks; this is the number of bands.
    Bands(usize),
    /// One number for each of this many points, spaced evenly from the first block to the last and joined by straight
    /// lines.
    Smooth(usize),
    /// One number for each text, for the tensors whose name contains that text. The first text that matches applies;
    /// the last text is `*`, for all other tensors.
    Filters(Vec<String>),
}

impl Groups {
    /// The least number of decoder blocks that these groups need.
    #[must_use]
    pub fn least_layers(&self) -> usize {
        match self {
            Self::Bands(n) => *n,
            Self::Smooth(n) => (*n).min(CURVE),
            Self::Layer | Self::Global | Self::Halves | Self::Filters(_) => 1,
        }
    }
}

/// The genes of one parameter, for models with `layers` blocks.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::search) struct Layout {
    groups: Groups,
    /// The embedding and the head share one number.
    tie_ends: bool,
    layers: usize,
}

/// Name parts of a block's tensors; those of its attention half come first.
const ATTENTION: [&str; 5] = [
    "self_attn.q_proj.weight",
    "self_attn.k_proj.weight",
    "self_attn.v_proj.weight",
    "self_attn.o_proj.weight",
    "input_layernorm.weight",
];
const MLP: [&str; 4] =
    ["mlp.gate_proj.weight", "mlp.up_proj.weight", "mlp.down_proj.weight", "post_attention_layernorm.weight"];

impl Layout {
    pub(in crate::search) fn new(groups: &Groups, tie_ends: bool, layers: usize) -> Result<Self, String> {
        let problem = match groups {
            Groups::Bands(n) | Groups::Smooth(n) if *n == 0 || *n > layers => Some(format!(
                "groups asks for {n} numbers over {layers} blocks: give from 1 to {layers}, or \"layer\""
            )),
            Groups::Smooth(n) if *n > CURVE => Some(format!(
                "groups asks for a curve through {n} points: give {CURVE} or less, or \"layer\""
            )),
            Groups::Filters(filters) if filters.last().is_none_or(|f| f != "*") => Some(
                "the last of groups.filters must be \"*\", which stands for all other tensors".to_owned(),
            ),
            Groups::Filters(filters) => (1..filters.len())
                .find(|&i| filters[..i].contains(&filters[i]))
                .map(|i| format!("groups.filters names \"{}\" twice: name each part once", filters[i])),
            _ => None,
        };
        match problem {
            Some(problem) => Err(problem),
            None => Ok(Self { groups: groups.clone(), tie_ends, layers }),
        }
    }

    /// The suffix of each gene's name; it says what the gene covers: `[3]`, `[embed+head]`. It is empty for the whole
    /// model.
    pub(in crate::search) fn labels(&self) -> Vec<String> {
        let layers = self.layers;
        let middle: Vec<String> = match &self.groups {
            Groups::Global => return vec![String::new()],
            Groups::Filters(filters) => return filters.iter().map(|f| format!("[{f}]")).collect(),
            Groups::Layer => (0..layers).map(|i| format!("[{i}]")).collect(),
            Groups::Halves => {
                (0..layers).flat_map(|i| [format!("[{i}.attn]"), format!("[{i}.mlp]")]).collect()
            }
            Groups::Bands(n) => (0..*n)
                .map(|band| {
                    let blocks: Vec<usize> = (0..layers).filter(|&i| i * n / layers == band).collect();
                    match blocks.as_slice() {
                        [first, .., last] => format!("[{first}-{last}]"),
                        one => format!("[{}]", one.first().copied().unwrap_or(band)),
                    }
                })
                .collect(),
            Groups::Smooth(n) => (0..*n).map(|i| format!("[point {i}]")).collect(),
        };
        let (first, last) = if self.tie_ends { ("[embed+head]", None) } else { ("[embed]", Some("[head]")) };
        let ends = |name: &str| name.to_owned();
        std::iter::once(ends(first)).chain(middle).chain(last.map(ends)).collect()
    }

    /// The parameter's value for the given genes; `numbers` has the length of [`Self::labels`].
    pub(in crate::search) fn values(&self, numbers: &[f64]) -> Values {
        let each = |layers: Vec<f64>| {
            let head = if self.tie_ends { numbers[0] } else { numbers[numbers.len() - 1] };
            Values::Each { embed: numbers[0], layers, head }
        };
        let middle = || &numbers[1..numbers.len() - usize::from(!self.tie_ends)];
        match &self.groups {
            Groups::Global => Values::All(numbers[0]),
            Groups::Filters(filters) => {
                let entry = |(name, &value): (&String, &f64)| Filter {
                    filter: Some(name.clone()).filter(|n| n != "*"),
                    value: Values::All(value),
                };
                Values::Filters(filters.iter().zip(numbers).map(entry).collect())
            }
            Groups::Halves => {
                let half = |of: usize| each(middle().iter().skip(of).step_by(2).copied().collect());
                let part =
                    |name: Option<&str>, of| Filter { filter: name.map(str::to_owned), value: half(of) };
                // A Llama block has two norms: the first precedes attention, the other the MLP.
                Values::Filters(vec![
                    part(Some("self_attn"), 0),
                    part(Some("input_layernorm"), 0),
                    part(None, 1),
                ])
            }
            Groups::Layer | Groups::Bands(_) | Groups::Smooth(_) => {
                each((0..self.layers).map(|i| dot(&self.shares(i), middle())).collect())
            }
        }
    }

    /// The genes nearest to a parameter's value. Each is the mean over the tensors that it covers; for points joined by
    /// lines it is the least-squares fit. If `values` has one value for each block, their number is that of the models'
    /// blocks. NaN if the value leaves a tensor out.
    pub(in crate::search) fn numbers(&self, values: &Values) -> Vec<f64> {
        let embed = resolved(values, "model.embed_tokens.weight", LayerGroup::Embedding, self.layers);
        let head = [
            resolved(values, "model.norm.weight", LayerGroup::Head, self.layers),
            resolved(values, "lm_head.weight", LayerGroup::Head, self.layers),
        ];
        let part = |i: usize, names: &[&str]| -> Vec<f64> {
            let one = |n: &&str| {
                let name = format!("model.layers.{i}.{n}");
                resolved(values, &name, LayerGroup::Block(i), self.layers)
            };
            names.iter().map(one).collect()
        };
        let block = |i: usize| mean(&[part(i, &ATTENTION), part(i, &MLP)].concat());
        let blocks = || (0..self.layers).map(block).collect::<Vec<f64>>();
        let middle = match &self.groups {
            Groups::Global => {
                let all = [vec![embed], blocks(), vec![mean(&head)]].concat();
                return vec![mean(&all)];
            }
            Groups::Filters(filters) => {
                return filters.iter().map(|f| self.filtered(values, filters, f)).collect();
            }
            Groups::Layer => blocks(),
            Groups::Halves => {
                (0..self.layers).flat_map(|i| [mean(&part(i, &ATTENTION)), mean(&part(i, &MLP))]).collect()
            }
            Groups::Bands(n) => {
                let of = |band: usize| (0..self.layers).filter(move |i| i * n / self.layers == band);
                (0..*n).map(|band| mean(&of(band).map(block).collect::<Vec<_>>())).collect()
            }
            Groups::Smooth(n) => {
                let rows: Vec<Vec<f64>> = (0..self.layers).map(|i| self.shares(i)).collect();
                least_squares(&rows, &blocks(), *n)
            }
        };
        let (first, last) =
            if self.tie_ends { (mean(&[embed, mean(&head)]), None) } else { (embed, Some(mean(&head))) };
        std::iter::once(first).chain(middle).chain(last).collect()
    }

    /// For each gene of the blocks, its share in the value of block `i`.
    fn shares(&self, i: usize) -> Vec<f64> {
        let (n, layers) = match self.groups {
            Groups::Bands(n) | Groups::Smooth(n) => (n, self.layers),
            Groups::Global | Groups::Filters(_) | Groups::Layer | Groups::Halves => {
                (self.layers, self.layers)
            }
        };
        let mut out = vec![0.0; n];
        if let Groups::Smooth(_) = self.groups {
            let at = if layers > 1 { (i * (n - 1)) as f64 / (layers - 1) as f64 } else { 0.0 };
            let (below, share) = (at as usize, at.fract());
            out[below.min(n - 1)] = 1.0 - share;
            if share > 0.0 {
                out[below + 1] = share;
            }
        } else {
            out[i * n / layers] = 1.0;
        }
        out
    }

    /// Mean over the tensors for which `filter` is the first filter that matches.
    fn filtered(&self, values: &Values, filters: &[String], filter: &str) -> f64 {
        let mut names = vec![
            (LayerGroup::Embedding, "model.embed_tokens.weight".to_owned()),
            (LayerGroup::Head, "model.norm.weight".to_owned()),
            (LayerGroup::Head, "lm_head.weight".to_owned()),
        ];
        for i in 0..self.layers {
            let of = |n: &&str| (LayerGroup::Block(i), format!("model.layers.{i}.{n}"));
            names.extend(ATTENTION.iter().chain(&MLP).map(of));
        }
        let first = |name: &str| filters.iter().find(|f| *f == "*" || name.contains(f.as_str()));
        let of = |(group, name): &(LayerGroup, String)| resolved(values, name, *group, self.layers);
        let here: Vec<f64> =
            names.iter().filter(|(_, n)| first(n).is_some_and(|f| f == filter)).map(of).collect();
        // No known tensor has this part in its name (only some families have it), so take the filter's own value.
        if here.is_empty() {
            return resolved(values, filter, LayerGroup::Block(0), self.layers);
        }
        mean(&here)
    }
}

/// The value for one tensor; NaN if no filter matches it.
fn resolved(values: &Values, tensor: &str, group: LayerGroup, layers: usize) -> f64 {
    let place = match group {
        LayerGroup::Block(_) if layers <= 1 => 1.0,
        LayerGroup::Block(i) => i as f64 / (layers - 1) as f64,
        LayerGroup::Embedding | LayerGroup::Head => 0.0,
    };
    values.resolve(tensor, group, place, false).unwrap_or(f64::NAN)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    // A single term is returned unchanged, to the bit.
    let parts = a.iter().zip(b).filter(|(share, _)| **share != 0.0);
    parts.map(|(share, x)| share * x).reduce(|s, x| s + x).unwrap_or(0.0)
}

pub(in crate::search) fn mean(values: &[f64]) -> f64 {
    // A value that all tensors share is returned unchanged, to the bit, so that a recipe survives the way to a genome
    // and back.
    match values {
        [first, rest @ ..] if rest.iter().all(|v| v.to_bits() == first.to_bits()) => *first,
        _ => values.iter().sum::<f64>() / values.len() as f64,
    }
}

/// The x (n numbers) with the least ‖A x − b‖², by the normal equations. They are well conditioned, because the shares
/// belong to neighbours, and positive definite, because every gene covers a block (n ≤ blocks).
fn least_squares(rows: &[Vec<f64>], b: &[f64], n: usize) -> Vec<f64> {
    let mut m = vec![vec![0.0; n + 1]; n];
    for (row, b) in rows.iter().zip(b) {
        for i in 0..n {
            for j in 0..n {
                m[i][j] += row[i] * row[j];
            }
            m[i][n] += row[i] * b;
        }
    }
    for i in 0..n {
        let pivot = m[i].clone();
        for row in m.iter_mut().skip(i + 1) {
            let factor = row[i] / pivot[i];
            row.iter_mut().zip(&pivot).for_each(|(x, p)| *x -= factor * p);
        }
    }
    let mut x = vec![0.0; n];
    for i in (0..n).rev() {
        let known: f64 = (i + 1..n).map(|j| m[i][j] * x[j]).sum();
        x[i] = (m[i][n] - known) / m[i][i];
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_lie_on_the_first_and_the_last_block() {
        let layout = Layout::new(&Groups::Smooth(3), false, 5).unwrap();
        assert_eq!(layout.labels().len(), 5);
        let values = layout.values(&[9.0, 0.0, 1.0, 0.0, 8.0]);
        let Values::Each { embed, layers, head } = &values else { panic!() };
        assert_eq!((*embed, *head), (9.0, 8.0));
        assert_eq!(layers, &[0.0, 0.5, 1.0, 0.5, 0.0]);
        let one = Layout::new(&Groups::Smooth(1), true, 3).unwrap();
        assert_eq!(one.values(&[2.0, 0.5]), Values::Each { embed: 2.0, layers: vec![0.5; 3], head: 2.0 });
        assert!(Layout::new(&Groups::Smooth(4), true, 3).unwrap_err().contains("over 3 blocks"));
    }

    #[test]
    fn a_value_of_another_shape_is_met_in_the_mean() {
        let bands = Layout::new(&Groups::Bands(2), true, 4).unwrap();
        assert_eq!(bands.labels(), ["[embed+head]", "[0-1]", "[2-3]"]);
        let each = Values::Each { embed: 0.0, layers: vec![0.0, 1.0, 2.0, 4.0], head: 3.0 };
        assert_eq!(bands.numbers(&each), [1.5, 0.5, 3.0]);
        let halves = Layout::new(&Groups::Halves, true, 1).unwrap();
        let both = Values::Filters(vec![
            Filter { filter: Some("mlp".into()), value: Values::All(0.2) },
            Filter { filter: None, value: Values::All(0.6) },
        ]);
        let numbers = halves.numbers(&both);
        assert_eq!(numbers[..2], [0.6, 0.6]);
        assert!((numbers[2] - 0.3).abs() < 1e-12, "three of four tensors of the half: {numbers:?}");
        let filters = Groups::Filters(vec!["mlp".into(), "*".into()]);
        let filters = Layout::new(&filters, true, 2).unwrap();
        assert_eq!(filters.numbers(&both), [0.2, 0.6]);
        assert!(Layout::new(&Groups::Filters(vec!["mlp".into()]), true, 2).is_err());
    }
}
