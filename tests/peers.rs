//! CMA-ES beside pycma and the Python package cmaes: evaluations to 1e-8, medians of 20 seeds as
//! `tests/golden/search/reference.json` has them.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use serde_json::Value;
use yosegi::search::{GeneInfo, Genome, Optimiser};

fn value(name: &str, x: &[f64]) -> f64 {
    let n = (x.len() - 1) as f64;
    match name {
        "sphere" => x.iter().map(|v| v * v).sum(),
        "ellipsoid" => x.iter().enumerate().map(|(i, v)| 10f64.powf(6.0 * i as f64 / n) * v * v).sum(),
        "rosenbrock" => {
            x.windows(2).map(|w| 100.0 * (w[0] * w[0] - w[1]).powi(2) + (w[0] - 1.0).powi(2)).sum()
        }
        "rastrigin" => x.iter().map(|v| 10.0 + v * v - 10.0 * (2.0 * std::f64::consts::PI * v).cos()).sum(),
        other => panic!("{other}"),
    }
}

/// Evaluations until the function is below 1e-8, unless a criterion of the search stops it before.
fn evaluations(case: &Value, seed: u64, limit: usize) -> Option<usize> {
    let number = |key: &str| case[key].as_f64().unwrap();
    let (n, start, sigma) = (number("n") as usize, number("start"), number("sigma"));
    let genes: Vec<GeneInfo> =
        (0..n).map(|i| GeneInfo::number(format!("x{i}"), (-1e6, 1e6), start, sigma)).collect();
    let population = Some(number("population") as usize).filter(|p| *p > 0);
    let mut search = Optimiser::new("cma-es", &genes, &Genome(vec![start; n]), population, seed).unwrap();
    let mut used = 0;
    while used < limit && search.stopped().is_none() {
        let mut told = Vec::new();
        for point in search.ask() {
            let value = value(case["function"].as_str().unwrap(), &point.0);
            used += 1;
            if value < 1e-8 {
                return Some(used);
            }
            told.push(-value);
        }
        search.tell(&told);
    }
    None
}

/// The median within 10% of that of pycma or below, and as many runs that arrived.
fn beside_the_peers(chosen: impl Fn(&str, u64) -> bool) {
    let golden: Value = serde_json::from_str(include_str!("golden/search/reference.json")).unwrap();
    let limit = golden["limit"].as_u64().unwrap() as usize;
    let mut seen = 0;
    for case in golden["cases"].as_array().unwrap() {
        let (name, n) = (case["function"].as_str().unwrap(), case["n"].as_u64().unwrap());
        if !chosen(name, n) {
            continue;
        }
        seen += 1;
        let mut found: Vec<usize> = (1..=20).filter_map(|seed| evaluations(case, seed, limit)).collect();
        found.sort_unstable();
        let arrived = found.len();
        let median = f64::midpoint(found[(arrived - 1) / 2] as f64, found[arrived / 2] as f64);
        let theirs = case["pycma"]["median"].as_f64().unwrap();
        let fewest = ["pycma", "cmaes"].map(|peer| case[peer]["arrived"].as_u64().unwrap() as usize);
        println!(
            "{name} n {n}: {median} ({arrived} of 20); pycma {theirs} ({}), cmaes {} ({})",
            fewest[0], case["cmaes"]["median"], fewest[1]
        );
        assert!(median <= 1.1 * theirs, "{name} {n}: {median} evaluations, pycma {theirs}");
        assert!(arrived >= fewest[0], "{name} {n}: {arrived} of 20 arrived, of pycma's {}", fewest[0]);
    }
    assert!(seen > 0);
}

/// The four functions at n = 10, and the sphere at 40.
#[test]
fn no_more_evaluations_than_pycma() {
    beside_the_peers(|name, n| n == 10 || name == "sphere");
}

/// The others at n = 40: `cargo test --release --test peers -- --ignored --nocapture`.
#[test]
#[ignore = "takes a minute"]
fn no_more_evaluations_than_pycma_with_40_variables() {
    beside_the_peers(|name, n| n == 40 && name != "sphere");
}
