//! The factors on the inputs of a path's layers. Genes come in, factors go out, and the reverse; `path/mod.rs` calls
//! it.

use serde::{Deserialize, Serialize};

use super::super::gene::{GeneInfo, GeneRange, nearest};
use super::super::layout::mean;
use super::{Hop, PathSpace, gene};

/// How the scales of a path are encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scales {
    /// No scale is searched: all are at their start.
    None,
    /// One for each slot, for the hop that enters the slot's layer, and one for the last layer: T numbers.
    #[default]
    Hop,
    /// `W[i][j]` for a hop from layer i to layer j (the paper's W): M² numbers.
    Matrix,
    /// The paper's alternative for large M: a feed-forward network of (i, j, t), whose weights are searched.
    Network,
}

/// Hidden units of the network.
const HIDDEN: usize = 4;
/// Number of weights of the network: three inputs, a bias and an output for each hidden unit, and one final bias.
const WIRES: usize = 5 * HIDDEN + 1;
/// Bounds of a weight. The input of a hidden unit lies in [0, 1].
const WIRE: GeneRange = GeneRange { low: -4.0, high: 4.0, start: 0.0, sigma: 0.5 };

impl PathSpace {
    fn searches_scales(&self) -> bool {
        self.config.scale.low < self.config.scale.high
    }

    pub(super) fn scale_count(&self) -> usize {
        let layers = self.all_layers();
        match self.config.scales {
            _ if !self.searches_scales() => 0,
            Scales::None => 0,
            // Without slots there is at most one hop: from the first layer to the last.
            Scales::Hop => self.slots.len() + usize::from(self.has_last_hop()),
            Scales::Matrix => layers.saturating_mul(layers),
            Scales::Network => WIRES,
        }
    }

    /// Whether any path has a hop into the last layer.
    fn has_last_hop(&self) -> bool {
        !self.slots.is_empty()
    }

    pub(super) fn lay_out_scales(&self, short: &[String], genes: &mut Vec<GeneInfo>) {
        let range = self.config.scale;
        let (_, last) = self.ends();
        let layer = |(model, layer): (usize, usize)| format!("{}.{layer}", short[model]);
        match self.config.scales {
            _ if self.scale_count() == 0 => {}
            Scales::None => {}
            Scales::Hop => {
                for (slot, &place) in self.slots.iter().enumerate() {
                    let name = format!("scale[{}{}]", layer(place), self.repeat_suffix(slot));
                    genes.push(gene(name, place, range));
                }
                genes.push(gene("scale[end]".to_owned(), last, range));
            }
            Scales::Matrix => {
                let all = || (0..short.len()).flat_map(|m| (0..self.config.layers[m]).map(move |l| (m, l)));
                for from in all() {
                    for to in all() {
                        genes.push(gene(format!("scale[{}>{}]", layer(from), layer(to)), to, range));
                    }
                }
            }
            Scales::Network => {
                genes.extend((0..WIRES).map(|k| gene(format!("wire[{k}]"), last, WIRE)));
            }
        }
    }

    /// Index of the gene that sets a hop's scale, if a single gene does.
    fn scale_gene(&self, from: &Hop, to: &Hop) -> Option<usize> {
        let slots = self.slots.len();
        match self.config.scales {
            _ if self.scale_count() == 0 => None,
            Scales::None | Scales::Network => None,
            Scales::Hop => Some(slots + to.slot.unwrap_or(slots)),
            Scales::Matrix => {
                Some(slots + self.number(from.place) * self.all_layers() + self.number(to.place))
            }
        }
    }

    /// Factor on the input of the `t`-th of `n` layers, for the hop from the layer before it.
    pub(super) fn scale(&self, genome: &[f64], from: &Hop, to: &Hop, t: usize, n: usize) -> f64 {
        if let Some(i) = self.scale_gene(from, to) {
            return genome[i];
        }
        let range = self.config.scale;
        if self.config.scales != Scales::Network || self.scale_count() == 0 {
            return range.start;
        }
        let whole = self.all_layers() as f64;
        let inputs = [
            self.number(from.place) as f64 / whole,
            self.number(to.place) as f64 / whole,
            t as f64 / n as f64,
        ];
        let out = network(&genome[self.slots.len()..], inputs);
        // If all weights are 0 the result is the start. The result never leaves the bounds.
        let room = if out < 0.0 { range.start - range.low } else { range.high - range.start };
        (range.start + room * out).clamp(range.low, range.high)
    }

    /// Marks the genes that set the scales of these hops.
    pub(super) fn mark_scales(&self, hops: &[Hop], out: &mut [bool]) {
        if self.config.scales == Scales::Network && hops.len() > 1 {
            out[self.slots.len()..].fill(true);
        }
        for pair in hops.windows(2) {
            if let Some(i) = self.scale_gene(&pair[0], &pair[1]) {
                out[i] = true;
            }
        }
    }

    /// Sets the genes to the scales of a path. A gene that serves several hops gets the mean of their scales.
    pub(super) fn put_scales(&self, hops: &[Hop], scales: &[f64], genome: &mut [f64]) -> Result<(), String> {
        let mut found: Vec<Vec<f64>> = vec![Vec::new(); genome.len()];
        for (t, pair) in hops.windows(2).enumerate() {
            let scale = scales[t + 1];
            if !scale.is_finite() {
                return Err(format!("the scale of its step {} is no finite number", t + 1));
            }
            match self.scale_gene(&pair[0], &pair[1]) {
                Some(i) => found[i].push(scale),
                None if (scale - self.config.scale.start).abs() < 1e-9 => {}
                None if self.config.scales == Scales::Network => {
                    return Err("the weights of a network can't be told from a path's scales".to_owned());
                }
                None => return Err("its scales are not searched here".to_owned()),
            }
        }
        for (i, scales) in found.iter().enumerate().filter(|(_, scales)| !scales.is_empty()) {
            genome[i] = nearest(mean(scales), &self.genes[i]);
        }
        Ok(())
    }
}

/// tanh of one hidden layer of tanh units; the value is in (−1, 1).
fn network(weights: &[f64], inputs: [f64; 3]) -> f64 {
    let hidden = |unit: &[f64]| {
        let sum: f64 = inputs.iter().zip(unit).map(|(x, w)| x * w).sum();
        unit[4] * libm::tanh(sum + unit[3])
    };
    let (units, bias) = weights.split_at(5 * HIDDEN);
    libm::tanh(units.chunks_exact(5).map(hidden).sum::<f64>() + bias[0])
}
