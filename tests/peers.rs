//! CMA-ES beside its peers: evaluations to 1e-8, medians of 20 seeds. Those of pycma and of the Python package cmaes
//! are in `tests/golden/search/reference.json`; the Rust crate `cmaes` runs here.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::cell::Cell;

use cmaes::{CMAESOptions, DVector};
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

/// The same with the crate `cmaes`, from the same start and with the same population.
fn evaluations_of_the_crate(case: &Value, seed: u64, limit: usize) -> Option<usize> {
    let number = |key: &str| case[key].as_f64().unwrap();
    let name = case["function"].as_str().unwrap();
    let (used, arrived) = (Cell::new(0), Cell::new(None));
    let objective = |x: &DVector<f64>| {
        used.set(used.get() + 1);
        let value = value(name, x.as_slice());
        if value < 1e-8 && arrived.get().is_none() {
            arrived.set(Some(used.get()));
        }
        value
    };
    let mut options = CMAESOptions::new(vec![number("start"); number("n") as usize], number("sigma"))
        .fun_target(1e-8)
        .max_function_evals(limit)
        .seed(seed);
    if number("population") > 0.0 {
        options = options.population_size(number("population") as usize);
    }
    options.build(objective).unwrap().run();
    arrived.get()
}

/// The median of what arrived, and how many did.
fn median(mut found: Vec<usize>) -> (f64, usize) {
    found.sort_unstable();
    let n = found.len();
    if n == 0 {
        return (f64::INFINITY, 0);
    }
    (f64::midpoint(found[(n - 1) / 2] as f64, found[n / 2] as f64), n)
}

/// Our median within 10% of that of the crate `cmaes` or below, and as many runs that arrived but for two.
fn beside_the_crate(chosen: impl Fn(&str, u64) -> bool) {
    let golden: Value = serde_json::from_str(include_str!("golden/search/reference.json")).unwrap();
    let limit = golden["limit"].as_u64().unwrap() as usize;
    let mut seen = 0;
    for case in golden["cases"].as_array().unwrap() {
        let (name, n) = (case["function"].as_str().unwrap(), case["n"].as_u64().unwrap());
        if !chosen(name, n) {
            continue;
        }
        seen += 1;
        let (ours, arrived) = median((1..=20).filter_map(|s| evaluations(case, s, limit)).collect());
        let (theirs, of_them) =
            median((1..=20).filter_map(|s| evaluations_of_the_crate(case, s, limit)).collect());
        println!("{name} n {n}: {ours} ({arrived} of 20); crate {theirs} ({of_them})");
        assert!(ours <= 1.1 * theirs, "{name} {n}: {ours} evaluations, the crate {theirs}");
        assert!(arrived + 2 >= of_them, "{name} {n}: {arrived} of 20 arrived, of the crate's {of_them}");
    }
    assert!(seen > 0);
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
        let (median, arrived) = median((1..=20).filter_map(|s| evaluations(case, s, limit)).collect());
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

/// The sphere and the ellipsoid at n = 10.
#[test]
fn no_more_evaluations_than_the_crate() {
    beside_the_crate(|name, n| n == 10 && matches!(name, "sphere" | "ellipsoid"));
}

/// Every function with one valley, at n = 10 and 40: `cargo test --release --test peers -- --ignored --nocapture`.
#[test]
#[ignore = "takes minutes"]
fn no_more_evaluations_than_the_crate_on_all_functions() {
    beside_the_crate(|name, _| name != "rastrigin");
}
