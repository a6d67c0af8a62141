//! The optimisers in figures. `cargo bench --bench search` prints all tables, or those named:
//!
//! - `reference`: evaluations to 1e-8 beside those of pycma and of the Python package `cmaes`
//!   (`tests/golden/search/reference.json`), medians of 20 seeds;
//! - `time`: milliseconds a generation outside evaluation;
//! - `mixed`: switches and numbers together, with and without margin, on the benchmarks of Hamano
//!   et al. (arXiv 2205.13482, section 5), medians of 10 seeds;
//! - `conditional`: numbers that matter only while their switch is on, with and without being told.

#![allow(clippy::unwrap_used)] // a broken fixture should stop it

#[path = "../tests/mixed/problems.rs"]
mod problems;

use std::time::Instant;

use problems::{conditional, in_use, search, value};
use serde_json::Value;
use yosegi::search::{GeneInfo, Genome, Optimiser, Options};

fn main() {
    let named: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let tables: [(&str, fn()); 4] =
        [("reference", reference), ("time", time), ("mixed", mixed), ("conditional", told)];
    for (name, table) in tables {
        if named.is_empty() || named.iter().any(|n| n == name) {
            table();
        }
    }
}

fn gene(i: usize, low: f64, high: f64, start: f64, sigma: f64) -> GeneInfo {
    GeneInfo::number(format!("x{i}"), (low, high), start, sigma)
}

fn sphere(x: &[f64]) -> f64 {
    x.iter().map(|v| v * v).sum()
}

fn ellipsoid(x: &[f64]) -> f64 {
    let n = (x.len() - 1).max(1) as f64;
    x.iter().enumerate().map(|(i, v)| 10f64.powf(6.0 * i as f64 / n) * v * v).sum()
}

fn rosenbrock(x: &[f64]) -> f64 {
    x.windows(2).map(|w| 100.0 * (w[0] * w[0] - w[1]).powi(2) + (w[0] - 1.0).powi(2)).sum()
}

fn rastrigin(x: &[f64]) -> f64 {
    x.iter().map(|v| 10.0 + v * v - 10.0 * (2.0 * std::f64::consts::PI * v).cos()).sum()
}

/// Evaluations until `function` is below `target`; `None` where `limit` ends the search before, or,
/// with `stops`, a stopping criterion.
fn evaluations(
    search: &mut Optimiser,
    function: impl Fn(&[f64]) -> f64,
    target: f64,
    limit: usize,
    stops: bool,
) -> Option<usize> {
    let mut used = 0;
    while used < limit {
        let mut told = Vec::new();
        for point in search.ask() {
            let value = function(&point.0);
            used += 1;
            if value < target {
                return Some(used);
            }
            told.push(-value);
        }
        search.tell(&told);
        if stops && search.stopped().is_some() {
            return None;
        }
    }
    None
}

/// The median of the runs that arrived, and how many did.
fn median(runs: &[Option<usize>]) -> (f64, usize) {
    let mut arrived: Vec<usize> = runs.iter().copied().flatten().collect();
    arrived.sort_unstable();
    let n = arrived.len();
    let median = match n {
        0 => f64::NAN,
        n if n % 2 == 1 => arrived[n / 2] as f64,
        n => f64::midpoint(arrived[n / 2 - 1] as f64, arrived[n / 2] as f64),
    };
    (median, n)
}

fn reference() {
    let golden = include_str!("../tests/golden/search/reference.json");
    let golden: Value = serde_json::from_str(golden).unwrap();
    let limit = golden["limit"].as_u64().unwrap() as usize;
    println!("evaluations to 1e-8: median of the runs that arrived (how many of 20)");
    println!("{:<12}{:>4}{:>18}{:>18}{:>18}{:>10}", "", "n", "cma-es", "pycma", "cmaes", "to pycma");
    for case in golden["cases"].as_array().unwrap() {
        let number = |key: &str| case[key].as_f64().unwrap();
        let (name, n) = (case["function"].as_str().unwrap(), number("n") as usize);
        let function = match name {
            "sphere" => sphere,
            "ellipsoid" => ellipsoid,
            "rosenbrock" => rosenbrock,
            _ => rastrigin,
        };
        let genes: Vec<GeneInfo> =
            (0..n).map(|i| gene(i, -1e6, 1e6, number("start"), number("sigma"))).collect();
        let population = Some(number("population") as usize).filter(|p| *p > 0);
        let run = |seed| {
            let start = Genome(vec![number("start"); n]);
            let mut search = Optimiser::new(FULL, &genes, &start, population, seed).unwrap();
            evaluations(&mut search, function, 1e-8, limit, true)
        };
        let runs: Vec<Option<usize>> = (1..=20).map(run).collect();
        let ours = median(&runs);
        let theirs = |program: &str| {
            let case = &case[program];
            (case["median"].as_f64().unwrap_or(f64::NAN), case["arrived"].as_u64().unwrap() as usize)
        };
        let cell = |(median, arrived): (f64, usize)| format!("{median:.0} ({arrived})");
        let ratio = ours.0 / theirs("pycma").0;
        println!(
            "{name:<12}{n:>4}{:>18}{:>18}{:>18}{ratio:>10.2}",
            cell(ours),
            cell(theirs("pycma")),
            cell(theirs("cmaes"))
        );
    }
}

/// CMA-ES with the full matrix.
const FULL: &str = "cma-es";

fn time() {
    println!("\nmilliseconds a generation outside evaluation: the median of 21 (the longest)");
    let sizes = [
        (FULL, vec![20, 50, 100, 200]),
        ("margin-cma-es", vec![200]),
        ("sep-cma-es", vec![1072, 2144, 4288, 5000]),
        ("sep-margin-cma-es", vec![4288]),
    ];
    for (kind, sizes) in sizes {
        for n in sizes {
            let genes: Vec<GeneInfo> = (0..n).map(|i| gene(i, -5.0, 5.0, 0.7, 0.3)).collect();
            let mut search = Optimiser::new(kind, &genes, &Genome(vec![0.7; n]), None, 1).unwrap();
            let mut spent = Vec::new();
            for generation in 0..31 {
                let begin = Instant::now();
                let points = search.ask();
                let asked = begin.elapsed();
                let told: Vec<f64> = points.iter().map(|p| -sphere(&p.0)).collect();
                let begin = Instant::now();
                search.tell(&told);
                if generation >= 10 {
                    spent.push((asked + begin.elapsed()).as_secs_f64() * 1e3);
                }
            }
            spent.sort_by(f64::total_cmp);
            println!("{kind:<20} n {n:>5}  {:>8.2} ({:.2})", spent[10], spent[20]);
        }
    }
}

fn mixed() {
    println!("\nevaluations to 1e-10, 20 real variables and 20 switches: median (how many of 10)");
    let kinds = ["cma-es", "margin-cma-es", "sep-margin-cma-es", "cat-cma-es"];
    println!("{:<22}{:>20}{:>20}{:>20}{:>20}", "", "cma-es, threshold", kinds[1], kinds[2], kinds[3]);
    for name in ["SphereOneMax", "SphereLeadingOnes", "EllipsoidOneMax", "EllipsoidLeadingOnes"] {
        let mut line = format!("{name:<22}");
        for kind in kinds {
            let run = |seed| {
                let mut search = search(kind, 20, seed, None, &Options::new());
                evaluations(&mut search, |x| value(name, x), 1e-10, 100_000, false)
            };
            let (median, arrived) = median(&(1..=10).map(run).collect::<Vec<_>>());
            let cell = format!("{median:.0} ({arrived})");
            line = format!("{line}{cell:>20}");
        }
        println!("{line}");
    }
}

/// What it is worth to be told which numbers count.
fn told() {
    println!("\n20 scales, each in use while its switch is on, half of them to be on; to 1e-10");
    let active = in_use(20);
    let told = [
        ("cma-es, threshold", "cma-es", None),
        ("margin-cma-es", "margin-cma-es", None),
        ("margin-cma-es, told what is in use", "margin-cma-es", Some(&active)),
        ("sep-margin-cma-es", "sep-margin-cma-es", None),
        ("sep-margin-cma-es, told what is in use", "sep-margin-cma-es", Some(&active)),
        ("cat-cma-es", "cat-cma-es", None),
        ("cat-cma-es, told what is in use", "cat-cma-es", Some(&active)),
    ];
    for (name, kind, active) in told {
        let run = |seed| {
            let mut search = search(kind, 20, seed, active.cloned(), &Options::new());
            evaluations(&mut search, conditional, 1e-10, 100_000, false)
        };
        let (median, arrived) = median(&(1..=10).map(run).collect::<Vec<_>>());
        println!("{name:<42}{median:>8.0} ({arrived})");
    }
}
