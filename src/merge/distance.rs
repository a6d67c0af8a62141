//! How far fine-tunes lie from their base and from each other, layer group by layer group: the
//! length of each task vector relative to the base's weights, and the cosine between two.

use serde::{Deserialize, Serialize};

use crate::checkpoint::{Checkpoint, TensorView, Weights};
use crate::recipe::LayerGroup;

/// Elements read at once.
const BLOCK: usize = 4096;

/// Distances of sources from their base, over the layer groups from the input to the output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Distances {
    pub base: String,
    pub sources: Vec<String>,
    /// Decoder blocks of the base.
    pub layers: usize,
    /// For each source and group ‖source − base‖ / ‖base‖, all tensors of the group as one vector.
    pub norms: Vec<Vec<f64>>,
    /// For each two sources and group the cosine of the angle between their task vectors; 0 where
    /// one of them is zero.
    pub cosines: Vec<Pair>,
    /// Tensors that were left out since some source lacks them or has them in another shape.
    pub left_out: usize,
}

/// Two sources, by their place, and the cosine in each group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    pub first: usize,
    pub second: usize,
    pub cosines: Vec<f64>,
}

/// Sums over a layer group.
#[derive(Clone)]
struct Sums {
    base: f64,
    /// Products of task vectors, row by row: `n * i + j`.
    products: Vec<f64>,
}

/// Measures `sources` against `base`. Every tensor is read once; `stop` is asked after each.
#[must_use]
pub fn distances(base: &Checkpoint, sources: &[Checkpoint], stop: &dyn Fn() -> bool) -> Option<Distances> {
    let layers = base.config().num_hidden_layers;
    let n = sources.len();
    let mut groups = vec![Sums { base: 0.0, products: vec![0.0; n * n] }; LayerGroup::count(layers)];
    let mut left_out = 0;
    for name in base.names() {
        if stop() {
            return None;
        }
        let Some(sums) = LayerGroup::of_tensor(name).and_then(|g| groups.get_mut(g.index(layers))) else {
            left_out += 1;
            continue;
        };
        let Some(here) = base.tensor(name) else { continue };
        let there: Option<Vec<TensorView<'_>>> =
            sources.iter().map(|s| s.tensor(name).filter(|t| t.shape == here.shape)).collect();
        match there {
            Some(there) => add(sums, here, &there),
            None => left_out += 1,
        }
    }
    let length = |s: &Sums, i: usize| s.products[n * i + i].sqrt();
    let norm = |s: &Sums, i: usize| if s.base > 0.0 { length(s, i) / s.base.sqrt() } else { 0.0 };
    let cosine = |s: &Sums, i: usize, j: usize| {
        let both = length(s, i) * length(s, j);
        if both > 0.0 { (s.products[n * i + j] / both).clamp(-1.0, 1.0) } else { 0.0 }
    };
    let pairs = (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j)));
    Some(Distances {
        base: base.reference().to_owned(),
        sources: sources.iter().map(|s| s.reference().to_owned()).collect(),
        layers,
        norms: (0..n).map(|i| groups.iter().map(|s| norm(s, i)).collect()).collect(),
        cosines: pairs
            .map(|(first, second)| Pair {
                first,
                second,
                cosines: groups.iter().map(|s| cosine(s, first, second)).collect(),
            })
            .collect(),
        left_out,
    })
}

/// Adds one tensor's part.
fn add(sums: &mut Sums, base: TensorView<'_>, sources: &[TensorView<'_>]) {
    let n = sources.len();
    let mut here = vec![0.0_f32; BLOCK];
    let mut deltas = vec![vec![0.0_f32; BLOCK]; n];
    for at in (0..base.len()).step_by(BLOCK) {
        let len = BLOCK.min(base.len() - at);
        base.read_f32(at, &mut here[..len]);
        sums.base += dot(&here[..len], &here[..len]);
        for (delta, source) in deltas.iter_mut().zip(sources) {
            source.read_f32(at, &mut delta[..len]);
            for (d, b) in delta[..len].iter_mut().zip(&here) {
                *d -= b;
            }
        }
        for i in 0..n {
            for j in i..n {
                sums.products[n * i + j] += dot(&deltas[i][..len], &deltas[j][..len]);
            }
        }
    }
}

/// Σ a·b, in eight lanes of f64.
fn dot(a: &[f32], b: &[f32]) -> f64 {
    let mut lanes = [0.0_f64; 8];
    let (a8, b8) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    for (x, y) in a8.0.iter().zip(b8.0) {
        for (lane, (x, y)) in lanes.iter_mut().zip(x.iter().zip(y)) {
            *lane += f64::from(*x) * f64::from(*y);
        }
    }
    let rest: f64 = a8.1.iter().zip(b8.1).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
    lanes.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same by definition: task vectors of whole groups written out.
    #[test]
    fn distances_of_the_zoo_by_definition() {
        let open = |name: &str| Checkpoint::open(name).unwrap();
        let (base, ja, add) = (open("zoo:base"), open("zoo:ja"), open("zoo:math-add"));
        let group = |model: &Checkpoint, group: LayerGroup| -> Vec<f64> {
            let mut out = Vec::new();
            for name in base.names().into_iter().filter(|n| LayerGroup::of_tensor(n) == Some(group)) {
                let view = model.tensor(name).unwrap();
                let mut values = vec![0.0; view.len()];
                view.read_f32(0, &mut values);
                out.extend(values.into_iter().map(f64::from));
            }
            out
        };
        let length = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
        let found = distances(&base, &[ja, add], &|| false).unwrap();
        let (ja, add) = (open("zoo:ja"), open("zoo:math-add"));
        assert_eq!(found.left_out, 0);
        for (row, g) in LayerGroup::all(found.layers).enumerate() {
            let b = group(&base, g);
            let minus = |m: &Checkpoint| group(m, g).iter().zip(&b).map(|(x, y)| x - y).collect::<Vec<_>>();
            let (u, v) = (minus(&ja), minus(&add));
            let both = length(&u) * length(&v);
            let dot = u.iter().zip(&v).map(|(x, y)| x * y).sum::<f64>();
            let cosine = if both > 0.0 { dot / both } else { 0.0 };
            assert!((found.norms[0][row] - length(&u) / length(&b)).abs() < 1e-6);
            assert!((found.norms[1][row] - length(&v) / length(&b)).abs() < 1e-6);
            assert!((found.cosines[0].cosines[row] - cosine).abs() < 1e-6, "{g}");
        }
        assert_eq!(distances(&base, &[ja], &|| true), None);
    }

    #[test]
    fn a_source_that_equals_its_base_is_nowhere_apart() {
        let open = |name: &str| Checkpoint::open(name).unwrap();
        let found = distances(&open("zoo:base"), &[open("zoo:base"), open("zoo:ja")], &|| false).unwrap();
        assert!(found.norms[0].iter().all(|n| *n == 0.0));
        assert!(found.cosines[0].cosines.iter().all(|c| *c == 0.0));
        assert!(found.norms[1].iter().any(|n| *n > 0.0));
    }
}
