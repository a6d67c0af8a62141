//! The search space goes both ways, and each optimiser does what its source says.

#![allow(clippy::unwrap_used)]

mod optimisers;
mod spaces;

use proptest::prelude::*;
use yosegi::recipe::{Kind, LayerGroup, MaskStream, Method, Param, Values};
use yosegi::search::{
    GeneInfo, GeneRange, Genome, Groups, OPTIMISER_NAMES, Optimiser, Space, SpaceConfig, default_population,
    reflect,
};

fn genes(n: usize, start: f64, sigma: f64) -> Vec<GeneInfo> {
    (0..n).map(|i| GeneInfo::number(format!("x{i}"), (-5.0, 5.0), start, sigma)).collect()
}

fn optimiser(kind: &str, n: usize, population: Option<usize>, seed: u64) -> Optimiser {
    Optimiser::new(kind, &genes(n, 0.7, 0.3), &Genome(vec![0.7; n]), population, seed).unwrap()
}

fn sphere(x: &[f64]) -> f64 {
    x.iter().map(|v| v * v).sum()
}
