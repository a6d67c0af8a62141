//! Problems of switches and numbers, and a search over them: for `tests/mixed.rs` and `benches/search.rs`.

use std::sync::Arc;

use yosegi::search::{ActiveGenes, GeneInfo, Genome, Optimiser, Options, Setup};

/// A search over half real numbers, which start between 1 and 3, and half undecided switches.
pub fn search(
    kind: &str,
    half: usize,
    seed: u64,
    active: Option<ActiveGenes>,
    options: &Options,
) -> Optimiser {
    let start = |i: usize| 1.0 + 2.0 * ((i as f64 * 0.618 + seed as f64 * 0.414) % 1.0);
    let real = |i: usize| GeneInfo::number(format!("x{i}"), (-1e6, 1e6), start(i), 1.0);
    let switch = |i: usize| GeneInfo::number(format!("b{i}"), (0.0, 1.0), 0.5, 1.0);
    let genes: Vec<GeneInfo> = (0..half).map(real).chain((0..half).map(switch)).collect();
    let binary: Vec<bool> = (0..2 * half).map(|i| i >= half).collect();
    let start = Genome(genes.iter().map(|g| g.start).collect());
    Optimiser::with(Setup {
        kind,
        genes: &genes,
        binary: &binary,
        active,
        start: &start,
        population: None,
        seed,
        options: options.clone(),
    })
    .unwrap()
}

/// A benchmark of Hamano et al. by its name: half of `x` real numbers, half switches.
pub fn value(name: &str, x: &[f64]) -> f64 {
    let (real, switches) = x.split_at(x.len() / 2);
    let axis =
        |i: usize| if name.starts_with("Sphere") { 0.0 } else { 6.0 * i as f64 / (real.len() - 1) as f64 };
    let first: f64 = real.iter().enumerate().map(|(i, v)| 10f64.powf(axis(i)) * v * v).sum();
    let right = if name.ends_with("LeadingOnes") {
        switches.iter().take_while(|b| **b > 0.5).count()
    } else {
        switches.iter().filter(|b| **b > 0.5).count()
    };
    first + (switches.len() - right) as f64
}

/// Numbers that count only while their switch is on, as a path's scales do: half of the switches should be on, and
/// each number that is in use lies at a place of its own.
pub fn conditional(x: &[f64]) -> f64 {
    let half = x.len() / 2;
    let one = |i: usize| {
        let (wanted, on) = (i.is_multiple_of(2), x[half + i] > 0.5);
        let miss = if on { (x[i] - 1.0 - 0.05 * i as f64).powi(2).min(0.9) } else { 0.0 };
        if on == wanted { miss } else { 1.0 + miss }
    };
    (0..half).map(one).sum()
}

/// Which genes are in use there: a number where its switch is on.
pub fn in_use(half: usize) -> ActiveGenes {
    Arc::new(move |x: &[f64]| (0..2 * half).map(|j| j >= half || x[half + j] > 0.5).collect())
}
