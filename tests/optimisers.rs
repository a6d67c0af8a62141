//! Every optimiser of the table behind one ask/tell: what replay rebuilds, injected genomes,
//! switches, restarts, several objectives, and the smallest sizes.

#![allow(clippy::unwrap_used, clippy::float_cmp)]

use std::sync::Arc;

use yosegi::search::{
    ActiveGenes, GeneInfo, Genome, OPTIMISER_NAMES, OPTIMISERS, Optimiser, Options, Setup, dominates,
    optimisers_help,
};

fn genes(n: usize, low: f64, high: f64) -> Vec<GeneInfo> {
    (0..n).map(|i| GeneInfo::number(format!("x{i}"), (low, high), 0.7, 0.3)).collect()
}

/// An optimiser over numbers between −5 and 5.
fn plain(kind: &str, n: usize, population: Option<usize>, seed: u64) -> Optimiser {
    Optimiser::new(kind, &genes(n, -5.0, 5.0), &Genome(vec![0.7; n]), population, seed).unwrap()
}

fn setup<'a>(kind: &'a str, genes: &'a [GeneInfo], start: &'a Genome, binary: &'a [bool]) -> Setup<'a> {
    Setup { kind, genes, binary, active: None, start, population: None, seed: 1, options: Options::new() }
}

fn sphere(x: &[f64]) -> f64 {
    x.iter().map(|v| v * v).sum()
}

/// Runs some generations; the best value seen.
fn run(search: &mut Optimiser, generations: usize, value: impl Fn(&[f64]) -> f64) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..generations {
        let told: Vec<f64> = search.ask().iter().map(|p| -value(&p.0)).collect();
        best = told.iter().fold(best, |b, v| b.min(-v));
        search.tell(&told);
    }
    best
}

#[test]
fn the_table_says_what_there_is() {
    for (i, row) in OPTIMISERS.iter().enumerate() {
        assert!(OPTIMISERS[..i].iter().all(|other| other.name != row.name));
        assert!(optimisers_help().contains(row.name) && OPTIMISER_NAMES.contains(&row.name));
        for p in row.parameters {
            assert!((p.low..=p.high).contains(&p.default), "{} {}", row.name, p.name);
        }
        // Each begins with its default population, and refuses one below its least.
        let mut search = plain(row.name, 3, None, 1);
        assert_eq!(search.ask().len(), (row.population)(3));
        let small =
            Optimiser::new(row.name, &genes(3, 0.0, 1.0), &Genome(vec![0.5; 3]), Some(row.least - 1), 1);
        assert!(small.err().unwrap().to_string().contains("too small"));
    }
    let genes = genes(3, 0.0, 1.0);
    let start = Genome(vec![0.5; 3]);
    let error = |kind, name: &str, value| {
        let options = Options::from([(name.to_owned(), value)]);
        Optimiser::with(Setup { options, ..setup(kind, &genes, &start, &[]) }).err().unwrap().to_string()
    };
    assert_eq!(error("grid", "point", 4.0), "grid has no parameter \"point\": did you mean \"points\"?");
    assert!(error("simple-es", "sigma", 1.0).ends_with("it takes none"));
    assert_eq!(error("grid", "points", 0.5), "points of grid is 0.5: give a number from 1 to 1000");
}

/// How a session resumes: the optimiser is made again and told what the journal holds.
#[test]
fn told_the_same_again_it_goes_on_to_the_bit() {
    for row in OPTIMISERS {
        let mut first = plain(row.name, 5, Some(8), 11);
        let mut history = Vec::new();
        for generation in 0..12 {
            let asked = first.ask();
            let told: Vec<f64> = asked.iter().map(|p| -sphere(&p.0)).collect();
            first.tell(&told);
            if generation == 8 {
                first.inject(&Genome(vec![0.01; 5]), &[-0.0005]);
            }
            history.push((asked, told));
        }
        let mut second = plain(row.name, 5, Some(8), 11);
        for (generation, (asked, told)) in history.iter().enumerate() {
            assert_eq!(&second.ask(), asked, "{} {generation}", row.name);
            second.tell(told);
            if generation == 8 {
                second.inject(&Genome(vec![0.01; 5]), &[-0.0005]);
            }
        }
        for generation in 0..40 {
            let asked = first.ask();
            assert_eq!(asked, second.ask(), "{} {generation}", row.name);
            let told: Vec<f64> = asked.iter().map(|p| -sphere(&p.0)).collect();
            first.tell(&told);
            second.tell(&told);
        }
        assert_eq!(first.sigma().to_bits(), second.sigma().to_bits());
        assert_eq!(first.mean(), second.mean());
    }
}

#[test]
fn the_smallest_sizes_are_searched() {
    for row in OPTIMISERS {
        let none = Optimiser::new(row.name, &[], &Genome(vec![]), None, 1).err().unwrap();
        assert!(none.to_string().contains("no genes"));
        let mut search = plain(row.name, 1, Some(row.least), 3);
        let best = run(&mut search, 150, sphere);
        assert!(best < 0.5, "{}: {best}", row.name);
        // Every value the same, or none at all.
        for value in [1.0, f64::NAN, f64::NEG_INFINITY] {
            for _ in 0..30 {
                let n = search.ask().len();
                search.tell(&vec![value; n]);
            }
        }
        assert!(search.mean().0[0].abs() <= 5.0 && search.sigma().is_finite(), "{}", row.name);
        // One answer missing is a failure of that candidate alone.
        search.ask();
        search.tell(&[]);
        assert!(search.ask().iter().all(|p| p.0[0].abs() <= 5.0));
    }
}

#[test]
fn without_a_difference_the_distribution_stays() {
    for kind in ["cma-es", "sep-cma-es", "margin-cma-es", "cat-cma-es"] {
        let mut search = plain(kind, 4, None, 1);
        run(&mut search, 5, sphere);
        let (mean, sigma, points) = (search.mean(), search.sigma(), search.ask());
        search.tell(&vec![0.25; points.len()]);
        assert_eq!((search.mean(), search.sigma()), (mean, sigma));
        assert_ne!(search.ask(), points, "{kind}");
    }
}

#[test]
fn an_injected_genome_ranks_with_the_others() {
    for kind in ["cma-es", "sep-cma-es", "simple-es", "random", "nsga2"] {
        let value = |x: &[f64]| x.iter().map(|v| (v + 3.0).powi(2)).sum::<f64>();
        let target = Genome(vec![-3.0; 6]);
        let distance =
            |search: &Optimiser| search.mean().0.iter().map(|m| (m + 3.0).powi(2)).sum::<f64>().sqrt();
        let mut alone = plain(kind, 6, None, 4);
        let mut helped = plain(kind, 6, None, 4);
        helped.inject(&target, &[0.0]);
        run(&mut alone, 6, value);
        run(&mut helped, 6, value);
        assert!(distance(&helped) < 0.8 * distance(&alone), "{kind}");
        // A bad one changes nothing for long, nor does one that failed.
        for bad in [-1e9, f64::NAN] {
            let mut search = plain(kind, 6, None, 4);
            search.inject(&Genome(vec![5.0; 6]), &[bad]);
            let best = run(&mut search, 150, value);
            assert!(best < if kind == "random" { 60.0 } else { 1.0 }, "{kind}: {best}");
        }
    }
}

#[test]
fn a_grid_visits_every_point_once_before_the_first_again() {
    let (genes, start) = (genes(3, 0.0, 1.0), Genome(vec![0.5; 3]));
    let mut search = Optimiser::with(Setup {
        population: Some(6),
        ..setup("grid", &genes, &start, &[false, true, false])
    })
    .unwrap();
    let mut seen = Vec::new();
    for _ in 0..3 {
        let points = search.ask();
        search.tell(&vec![0.0; points.len()]);
        seen.extend(points.iter().map(|p| p.0.iter().map(|x| (x * 2.0) as u8).collect::<Vec<_>>()));
    }
    assert!(seen.iter().all(|p| p[1] != 1), "a switch is on or off");
    let mut unique = seen.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), 3 * 2 * 3);
    let big = self::genes(60, 0.0, 1.0);
    let error = Optimiser::new("grid", &big, &Genome(vec![0.5; 60]), None, 1).err().unwrap();
    assert!(error.to_string().contains("3 values for each of 60 genes"), "{error}");
}

/// Half real numbers, half switches.
fn halves(half: usize) -> (Vec<GeneInfo>, Vec<bool>, Genome) {
    let mut genes = genes(2 * half, 0.0, 1.0);
    genes[..half].iter_mut().for_each(|g| (g.low, g.high) = (-5.0, 5.0));
    let start = (0..2 * half).map(|i| if i < half { 0.7 } else { 0.5 }).collect();
    (genes, (0..2 * half).map(|i| i >= half).collect(), Genome(start))
}

#[test]
fn a_margin_keeps_every_switch_alive() {
    let (genes, binary, start) = halves(6);
    let value = |x: &[f64]| sphere(&x[..6]) + x[6..].iter().map(|b| 1.0 - b).sum::<f64>();
    for kind in ["margin-cma-es", "sep-margin-cma-es", "cat-cma-es", "sep-cat-cma-es"] {
        let mut search = Optimiser::with(setup(kind, &genes, &start, &binary)).unwrap();
        let best = run(&mut search, 400, value);
        assert!(best < 1e-9, "{kind}: {best}");
        assert_eq!(search.mean().0[6..], [1.0; 6]);
        // What was decided is taken back when the wind turns.
        let turned = |x: &[f64]| sphere(&x[..6]) + x[6..].iter().sum::<f64>();
        let best = run(&mut search, 400, turned);
        assert!(best < 1e-6, "{kind}: {best}");
        assert!(search.ask().iter().all(|p| p.0[6..].iter().all(|b| *b == 0.0 || *b == 1.0)));
    }
}

#[test]
fn a_switch_starts_with_the_probability_that_it_is_given() {
    let (genes, binary, mut start) = halves(3);
    start.0[3..].copy_from_slice(&[0.1, 0.5, 0.8]);
    for kind in ["cma-es", "margin-cma-es", "sep-margin-cma-es", "cat-cma-es"] {
        let setup = Setup { population: Some(2000), ..setup(kind, &genes, &start, &binary) };
        let points = Optimiser::with(setup).unwrap().ask();
        for (j, p) in [(3, 0.1), (4, 0.5), (5, 0.8)] {
            let on = points.iter().map(|x| x.0[j]).sum::<f64>() / 2000.0;
            assert!((on - p).abs() < 0.04, "{kind}: {on} for {p}");
        }
    }
}

#[test]
fn a_number_that_is_seldom_in_use_does_not_disturb_the_others() {
    // The first number matters only while the first switch is on, and that is punished.
    let (genes, binary, start) = halves(3);
    let active: ActiveGenes = Arc::new(|x: &[f64]| vec![x[3] > 0.5, true, true, true, true, true]);
    let value = |x: &[f64]| sphere(&x[1..3]) + 3.0 * x[3] + x[3] * (x[0] - 4.0).powi(2);
    for kind in ["margin-cma-es", "sep-margin-cma-es", "cat-cma-es"] {
        let setup = Setup { active: Some(active.clone()), ..setup(kind, &genes, &start, &binary) };
        let mut search = Optimiser::with(setup).unwrap();
        let best = run(&mut search, 200, value);
        assert!(best < 1e-8, "{kind}: {best}");
    }
}

#[test]
fn restarts_find_what_one_run_misses() {
    let rastrigin = |x: &[f64]| {
        x.iter().map(|v| 10.0 + v * v - 10.0 * (2.0 * std::f64::consts::PI * v).cos()).sum::<f64>()
    };
    let mut genes = genes(3, -5.0, 5.0);
    let start = Genome(vec![3.0; 3]);
    let mut single = Optimiser::with(setup("cma-es", &genes, &start, &[])).unwrap();
    assert!(run(&mut single, 150, rastrigin) > 0.5, "one run ends in a local optimum here");
    assert!(single.stopped().is_some());
    for gene in &mut genes {
        gene.sigma = 2.0;
    }
    for kind in ["ipop-cma-es", "bipop-cma-es"] {
        let mut search = Optimiser::with(setup(kind, &genes, &start, &[])).unwrap();
        let (mut best, mut sizes) = (f64::INFINITY, Vec::new());
        for _ in 0..2500 {
            best = best.min(run(&mut search, 1, rastrigin));
            if sizes.last() != Some(&search.population()) {
                sizes.push(search.population());
            }
            if best < 1e-8 {
                break;
            }
        }
        assert!(best < 1e-8, "{kind}: {best}, populations {sizes:?}");
        assert!(sizes.len() > 1 && sizes[1] == 2 * sizes[0], "{kind}: {sizes:?}");
    }
}

/// The benchmarks of Zitzler, Deb & Thiele 2000 with 10 variables, as maximisation.
fn zdt(number: usize, x: &[f64]) -> Vec<f64> {
    let g = 1.0 + 9.0 * x[1..].iter().sum::<f64>() / (x.len() - 1) as f64;
    vec![-x[0], -g * shape(number, x[0], g)]
}

/// h(f₁, g).
fn shape(number: usize, f: f64, g: f64) -> f64 {
    match number {
        1 => 1.0 - (f / g).sqrt(),
        2 => 1.0 - (f / g) * (f / g),
        _ => 1.0 - (f / g).sqrt() - f / g * (10.0 * std::f64::consts::PI * f).sin(),
    }
}

#[test]
fn nsga2_lays_its_front_along_the_true_one() {
    for number in 1..=3 {
        let genes = genes(10, 0.0, 1.0);
        let mut search =
            Optimiser::new("nsga2", &genes, &Genome(vec![0.5; 10]), Some(60), number as u64).unwrap();
        for _ in 0..200 {
            let told: Vec<Vec<f64>> = search.ask().iter().map(|p| zdt(number, &p.0)).collect();
            search.tell_all(&told);
        }
        let front = search.front();
        assert!(front.len() > 40, "zdt{number}: {}", front.len());
        let miss = |o: &[f64]| -o[1] - shape(number, -o[0], 1.0);
        let mean = front.iter().map(|(_, o)| miss(o)).sum::<f64>() / front.len() as f64;
        assert!((0.0..0.02).contains(&mean), "zdt{number}: {mean} above the true front");
        let mut first: Vec<f64> = front.iter().map(|(_, o)| -o[0]).collect();
        first.sort_by(f64::total_cmp);
        assert!(first[0] < 0.02 && *first.last().unwrap() > 0.8, "zdt{number}: {first:?}");
        // ZDT3's front has holes of up to 0.19.
        let gap = first.windows(2).map(|w| w[1] - w[0]).fold(0.0, f64::max);
        assert!(gap < if number == 3 { 0.25 } else { 0.1 }, "zdt{number}: {gap}");
        assert!(front.iter().all(|(_, a)| front.iter().all(|(_, b)| !dominates(a, b))));
        assert!(front.iter().all(|(x, o)| &zdt(number, &x.0) == o));
    }
}
