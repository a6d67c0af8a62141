//! Distances of fine-tunes from their base and from each other, per layer group: the length of each task vector
//! relative to the base's weights, and the cosine between two task vectors. Open checkpoints come in, [`Distances`] go
//! out; the engine calls it for the Models pane.

use serde::{Deserialize, Serialize};

use crate::checkpoint::{Checkpoint, TensorView, Weights};
use crate::progress::{Observer, What};
use crate::recipe::LayerGroup;

/// Elements read at once.
const READ_LEN: usize = 4096;

/// Distances of sources from their base, over the layer groups from the input to the output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Distances {
    pub base: String,
    pub sources: Vec<String>,
    /// Decoder blocks of the base.
    pub layers: usize,
    /// For each source and group: ‖source − base‖ / ‖base‖, with all tensors of the group as one vector.
    pub norms: Vec<Vec<f64>>,
    /// For each pair of sources and each group: the cosine of the angle between their task vectors; 0 if either is
    /// zero.
    pub cosines: Vec<Pair>,
    /// Tensors that were left out because some source lacks them or has them in another shape.
    pub left_out: usize,
    /// Number of non-finite values in each source; empty if all values are finite. A non-finite value counts as equal
    /// to the base's value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_finite: Vec<u64>,
    /// Number of non-finite values in the base. They count as zero, and every source counts as equal to the base there.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub base_not_finite: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde asks for it
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Two sources, by index, and their cosine in each group.
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
    /// Dot products of task vectors; sources i and j are at `n * i + j`.
    products: Vec<f64>,
}

/// Measures `sources` against `base`. Every tensor is read once; the observer may end the measurement after each:
/// `None`.
#[must_use]
pub fn distances(base: &Checkpoint, sources: &[Checkpoint], observer: &Observer<'_>) -> Option<Distances> {
    let layers = base.config().num_hidden_layers;
    let n = sources.len();
    let mut groups = vec![Sums { base: 0.0, products: vec![0.0; n * n] }; LayerGroup::count(layers)];
    let pictures = sources.iter().chain([base]).any(|model| model.vision_config().is_some());
    let mut left_out = 0;
    // Non-finite values: of the base, then of each source.
    let mut odd = vec![0_u64; n + 1];
    let bytes_of = |name: &str| base.tensor(name).map_or(0, |view| (n + 1) as u64 * view.data.len() as u64);
    let meter = observer.meter(What::Distances, base.names().into_iter().map(bytes_of).sum());
    for name in base.names() {
        if meter.stopped() {
            return None;
        }
        let Some(sums) = LayerGroup::of_tensor(name).and_then(|g| groups.get_mut(g.index(layers))) else {
            left_out += 1;
            continue;
        };
        let Some(here) = base.tensor(name) else { continue };
        let there: Option<Vec<TensorView<'_>>> = sources.iter().map(|s| s.tensor(name)).collect();
        let outside = !matches!(LayerGroup::of_tensor(name), Some(LayerGroup::Block(_)));
        match there.and_then(|there| comparable(here, there, pictures && outside)) {
            Some((here, there)) => add(sums, &mut odd, here, &there),
            None => left_out += 1,
        }
        meter.add(bytes_of(name));
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
        base_not_finite: odd[0],
        not_finite: if odd[1..].iter().all(|n| *n == 0) { Vec::new() } else { odd.split_off(1) },
    })
}

/// A base's tensor and the sources' if they have one shape. `cut`: of tensors with other numbers of rows, those that all
/// have; a merge with a LLaVA model merges these rows of the vocabulary.
fn comparable<'a>(
    here: TensorView<'a>,
    mut there: Vec<TensorView<'a>>,
    cut: bool,
) -> Option<(TensorView<'a>, Vec<TensorView<'a>>)> {
    if there.iter().all(|t| t.shape == here.shape) {
        return Some((here, there));
    }
    let [rows, columns] = *here.shape else { return None };
    let alike = |t: &TensorView<'_>| matches!(*t.shape, [_, other] if other == columns);
    if !cut || !there.iter().all(alike) {
        return None;
    }
    let least = there.iter().map(|t| t.shape[0]).fold(rows, usize::min);
    let first =
        |view: TensorView<'a>| TensorView { data: &view.data[..least * columns * view.dtype.size()], ..view };
    for view in &mut there {
        *view = first(*view);
    }
    Some((first(here), there))
}

/// Adds one tensor. Non-finite values are counted in `odd` (the base, then each source) and add nothing to the sums.
fn add(sums: &mut Sums, odd: &mut [u64], base: TensorView<'_>, sources: &[TensorView<'_>]) {
    let n = sources.len();
    let mut here = vec![0.0_f32; READ_LEN];
    let mut again = vec![0.0_f32; READ_LEN];
    let mut deltas = vec![vec![0.0_f32; READ_LEN]; n];
    for at in (0..base.len()).step_by(READ_LEN) {
        let len = READ_LEN.min(base.len() - at);
        let here = &mut here[..len];
        base.read_f32(at, here);
        let mut holes = Vec::new();
        if !all_finite(here) {
            holes.extend((0..len).filter(|k| !here[*k].is_finite()));
            for k in &holes {
                here[*k] = 0.0;
            }
            odd[0] += holes.len() as u64;
        }
        sums.base += dot(here, here);
        for ((delta, source), odd) in deltas.iter_mut().zip(sources).zip(&mut odd[1..]) {
            let delta = &mut delta[..len];
            source.read_f32(at, delta);
            for (d, b) in delta.iter_mut().zip(here.iter()) {
                *d -= b;
            }
            if !all_finite(delta) {
                source.read_f32(at, &mut again[..len]);
                for (d, s) in delta.iter_mut().zip(&again).filter(|(d, _)| !d.is_finite()) {
                    // The difference of two finite numbers can overflow f32.
                    *d = if s.is_finite() { f32::MAX.copysign(*d) } else { 0.0 };
                    *odd += u64::from(!s.is_finite());
                }
            }
            for k in &holes {
                delta[*k] = 0.0;
            }
        }
        for i in 0..n {
            for j in i..n {
                sums.products[n * i + j] += dot(&deltas[i][..len], &deltas[j][..len]);
            }
        }
    }
}

/// Whether all values are finite: a sum of zeros, which the compiler vectorises.
fn all_finite(values: &[f32]) -> bool {
    values.iter().map(|v| v * 0.0).sum::<f32>() == 0.0
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
    use std::sync::atomic::AtomicBool;

    use super::*;

    /// The same by definition, with the task vectors of whole groups written out.
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
        let found = distances(&base, &[ja, add], &Observer::none()).unwrap();
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
        assert_eq!(distances(&base, &[ja], &Observer::new(&|_| (), &AtomicBool::new(true))), None);
    }

    #[test]
    fn a_source_that_equals_its_base_is_nowhere_apart() {
        let open = |name: &str| Checkpoint::open(name).unwrap();
        let found =
            distances(&open("zoo:base"), &[open("zoo:base"), open("zoo:ja")], &Observer::none()).unwrap();
        assert!(found.norms[0].iter().all(|n| *n == 0.0));
        assert!(found.cosines[0].cosines.iter().all(|c| *c == 0.0));
        assert!(found.norms[1].iter().any(|n| *n > 0.0));
    }

    /// The zoo's `ja` with some values of one tensor replaced.
    fn changed(tensor: &str, at: &[(usize, f32)]) -> (tempfile::TempDir, Checkpoint) {
        let folder = tempfile::tempdir().unwrap();
        let written = crate::checkpoint::write_zoo(folder.path()).unwrap();
        let ja = written.iter().find(|w| w.ends_with("ja")).unwrap();
        let path = ja.join("model.safetensors");
        let mut bytes = std::fs::read(&path).unwrap();
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let head: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
        let from = head[tensor]["data_offsets"][0].as_u64().unwrap() as usize + 8 + length;
        assert_eq!(head[tensor]["dtype"], "BF16");
        for (k, value) in at {
            let two = half::bf16::from_f32(*value).to_le_bytes();
            bytes[from + 2 * k..from + 2 * k + 2].copy_from_slice(&two);
        }
        std::fs::write(&path, bytes).unwrap();
        let opened = Checkpoint::open(ja.to_str().unwrap()).unwrap();
        (folder, opened)
    }

    #[test]
    fn numbers_that_are_not_finite_are_counted_and_have_no_length() {
        let open = |name: &str| Checkpoint::open(name).unwrap();
        let tensor = "model.layers.1.mlp.down_proj.weight";
        let odd = [(0, f32::NAN), (5, f32::INFINITY), (9, f32::NEG_INFINITY)];
        let (_folder, model) = changed(tensor, &odd);
        let found = distances(&open("zoo:base"), &[model, open("zoo:math-add")], &Observer::none()).unwrap();
        assert_eq!((found.not_finite.as_slice(), found.base_not_finite), ([3, 0].as_slice(), 0));
        let mut all = found.norms.iter().flatten().chain(found.cosines.iter().flat_map(|p| &p.cosines));
        assert!(all.all(|v| v.is_finite()));
        // Apart from those three values, the distances are unchanged.
        let before =
            distances(&open("zoo:base"), &[open("zoo:ja"), open("zoo:math-add")], &Observer::none()).unwrap();
        assert_eq!((before.not_finite.len(), before.base_not_finite), (0, 0));
        let place = LayerGroup::Block(1).index(found.layers);
        for (row, (now, then)) in found.norms[0].iter().zip(&before.norms[0]).enumerate() {
            let near = row == place && (now - then).abs() < 0.05 * then;
            assert!(near || (now - then).abs() < 1e-12, "{row}: {now} {then}");
        }
        // The same values in the base; the largest finite value still counts as finite.
        let (_folder, model) = changed(tensor, &odd);
        let found = distances(&model, &[open("zoo:base")], &Observer::none()).unwrap();
        assert_eq!((found.not_finite.len(), found.base_not_finite), (0, 3));
        let (_folder, far) = changed(tensor, &[(0, 3.3e38), (1, -3.3e38)]);
        let (_other, near) = changed(tensor, &[(0, -3.3e38), (1, 3.3e38)]);
        let found = distances(&far, &[near, open("zoo:ja")], &Observer::none()).unwrap();
        assert!(found.norms.iter().flatten().all(|v| v.is_finite()) && found.not_finite.is_empty());
    }
}
