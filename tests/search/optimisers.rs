//! Each optimiser does what its source says.

use super::*;

/// The genomes of some generations on the sphere.
fn trace(search: &mut Optimiser, generations: usize) -> Vec<Vec<Genome>> {
    (0..generations)
        .map(|_| {
            let points = search.ask();
            assert_eq!(points, search.ask(), "asked twice, it is the same generation");
            search.tell(&points.iter().map(|p| -sphere(&p.0)).collect::<Vec<_>>());
            points
        })
        .collect()
}

#[test]
fn the_seed_and_the_fitness_rebuild_every_optimiser() {
    for kind in OPTIMISER_NAMES.iter() {
        let first = trace(&mut optimiser(kind, 6, None, 42), 30);
        assert_eq!(first[0].len(), if *kind == "nsga2" { 100 } else { default_population(6) });
        assert_eq!(first, trace(&mut optimiser(kind, 6, None, 42), 30), "{kind}");
        assert_ne!(first[0], trace(&mut optimiser(kind, 6, None, 43), 1)[0], "{kind}");
        // Told without having asked, nothing happens.
        let mut idle = optimiser(kind, 6, None, 42);
        idle.tell(&[1.0]);
        assert_eq!(first[0], idle.ask());
    }
}

#[test]
fn the_points_asked_for_are_the_ones_that_cma_es_learns_from() {
    // With one good point a generation and the rest failed, the mean moves towards that point.
    let mut search = optimiser("cma-es", 4, Some(8), 3);
    for _ in 0..5 {
        let (before, points) = (search.mean(), search.ask());
        let mut fitness = vec![f64::NEG_INFINITY; points.len()];
        fitness[3] = 1.0;
        search.tell(&fitness);
        let toward: f64 =
            (0..4).map(|i| (points[3].0[i] - before.0[i]) * (search.mean().0[i] - before.0[i])).sum();
        assert!(toward > 0.0);
    }
    // Exactly: the mean of a generation is the weighted sum of its better half (Hansen, eq. 41-42).
    let mut search = optimiser("cma-es", 4, Some(8), 3);
    let mut points = search.ask();
    search.tell(&points.iter().map(|p| -sphere(&p.0)).collect::<Vec<_>>());
    points.sort_by(|a, b| sphere(&a.0).total_cmp(&sphere(&b.0)));
    let raw: Vec<f64> = (1..=4).map(|i| 4.5f64.ln() - f64::from(i).ln()).collect();
    let sum: f64 = raw.iter().sum();
    for i in 0..4 {
        let mean: f64 = raw.iter().zip(&points).map(|(w, p)| w / sum * p.0[i]).sum();
        assert!((mean - search.mean().0[i]).abs() < 1e-12);
    }
}

#[test]
fn equal_and_failed_fitness_let_cma_es_go_on() {
    for value in [0.0, f64::NEG_INFINITY, f64::NAN] {
        let mut search = optimiser("cma-es", 10, None, 5);
        for _ in 0..100 {
            let n = search.ask().len();
            search.tell(&vec![value; n]);
        }
        assert_eq!(search.generation(), 100);
        assert!(search.sigma() > 0.0 && search.sigma().is_finite());
        // And it still finds its way.
        let mut best = f64::INFINITY;
        for _ in 0..150 {
            let values: Vec<f64> = search.ask().iter().map(|p| -sphere(&p.0)).collect();
            best = values.iter().fold(best, |b, v| b.min(-v));
            search.tell(&values);
        }
        assert!(best < 1e-6, "{value}: {best}");
    }
    // Far beyond convergence it neither stops nor panics.
    let mut search = optimiser("cma-es", 2, Some(4), 5);
    trace(&mut search, 500);
    assert!(search.sigma().is_finite());
}

#[test]
fn simple_es_is_one_parent_with_a_fixed_step_and_the_best_child_follows() {
    let mut search = optimiser("simple-es", 5, Some(10), 9);
    for _ in 0..20 {
        let points = search.ask();
        let best = points.iter().min_by(|a, b| sphere(&a.0).total_cmp(&sphere(&b.0))).unwrap().clone();
        search.tell(&points.iter().map(|p| -sphere(&p.0)).collect::<Vec<_>>());
        assert_eq!(search.mean(), best);
        assert!((search.sigma() - 0.3).abs() < 1e-12);
    }
    // A generation that failed altogether leaves the parent.
    let parent = search.mean();
    search.ask();
    search.tell(&[f64::NAN; 10]);
    assert_eq!(search.mean(), parent);
    // The samples are N(μ, σ²): 4,000 of them have its moments.
    let mut search = optimiser("simple-es", 4, Some(1000), 1);
    let all: Vec<f64> = search.ask().into_iter().flat_map(|g| g.0).collect();
    let mean = all.iter().sum::<f64>() / all.len() as f64;
    let deviation = (all.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / all.len() as f64).sqrt();
    assert!((mean - 0.7).abs() < 0.02 && (deviation - 0.3).abs() < 0.02, "{mean} {deviation}");
}

#[test]
fn random_search_covers_the_bounds_and_remembers_the_best() {
    let mut search = optimiser("random", 3, Some(200), 1);
    let points = search.ask();
    let all: Vec<f64> = points.iter().flat_map(|g| g.0.clone()).collect();
    assert!(all.iter().any(|x| *x < -4.5) && all.iter().any(|x| *x > 4.5));
    search.tell(&points.iter().map(|p| -sphere(&p.0)).collect::<Vec<_>>());
    let best = points.iter().min_by(|a, b| sphere(&a.0).total_cmp(&sphere(&b.0))).unwrap();
    assert_eq!(&search.mean(), best);
}

#[test]
fn genes_with_different_steps_start_with_them() {
    let mut genes = genes(2, 0.5, 0.1);
    genes[1].sigma = 1.0;
    let mut search = Optimiser::new("cma-es", &genes, &Genome(vec![0.5, 0.5]), Some(400), 1).unwrap();
    let points = search.ask();
    let deviation = |i: usize| (points.iter().map(|p| (p.0[i] - 0.5).powi(2)).sum::<f64>() / 400.0).sqrt();
    assert!((deviation(0) - 0.1).abs() < 0.02 && (deviation(1) - 1.0).abs() < 0.2);
    assert!((search.sigma() - 0.55).abs() < 1e-12);
}

#[test]
fn what_cannot_be_searched_is_refused() {
    let genes = genes(3, 0.5, 0.1);
    let start = Genome(vec![0.5; 3]);
    let error = |kind: &str, genes: &[GeneInfo], start: &Genome, population| {
        Optimiser::new(kind, genes, start, population, 1).err().unwrap().to_string()
    };
    let unknown = error("cma", &genes, &start, None);
    assert!(
        unknown.starts_with("there is no optimiser \"cma\", did you mean \"cma-es\"? (known: cma-es, "),
        "{unknown}"
    );
    assert!(
        error("cma-es", &genes, &start, Some(1))
            .contains("population of 1 is too small for cma-es: give at least 2")
    );
    assert!(error("random", &genes, &start, Some(0)).contains("population of 0"));
    assert!(error("cma-es", &[], &Genome(vec![]), None).contains("no genes"));
    assert!(error("cma-es", &genes, &Genome(vec![0.5]), None).contains("start has 1 numbers"));
    let mut still = genes.clone();
    still[1].sigma = f64::NAN;
    assert!(error("cma-es", &still, &start, None).contains("gene x1"));
}
