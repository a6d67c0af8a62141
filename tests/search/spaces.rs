//! The search space: genomes and recipes, both ways.

use super::*;

const WEIGHT: GeneRange = GeneRange { low: -0.3, high: 1.8, start: 0.5, sigma: 0.25 };
const DENSITY: GeneRange = GeneRange { low: 0.1, high: 1.0, start: 0.5, sigma: 0.15 };

fn config(method: Method, groups: Groups) -> SpaceConfig {
    let ranges = [(Param::Weight, WEIGHT), (Param::Density, DENSITY)];
    let ranges = ranges.into_iter().filter(|(param, _)| method.uses(*param));
    SpaceConfig {
        method,
        groups,
        tie_ends: false,
        parameters: ranges.map(|(param, range)| (param, range.into())).collect(),
        base: "zoo:base".into(),
        sources: vec!["zoo:ja".into(), "zoo:math-add".into()],
        layers: 3,
        mask: MaskStream::Counter,
        seed: 7,
    }
}

/// The config with another range for one parameter.
fn with(mut config: SpaceConfig, param: Param, range: GeneRange) -> SpaceConfig {
    config.parameters.insert(param, range.into());
    config
}

fn space(method: Method, groups: Groups) -> Space {
    Space::new(config(method, groups)).unwrap()
}

fn groupings() -> Vec<Groups> {
    let filters = ["mlp", "self_attn", "*"].map(str::to_owned).to_vec();
    let counted = [Groups::Bands(2), Groups::Smooth(2), Groups::Smooth(3), Groups::Filters(filters)];
    [Groups::Layer, Groups::Global, Groups::Halves].into_iter().chain(counted).collect()
}

/// For every method a space in which each number that it declares is searched, in every grouping.
fn spaces() -> Vec<Space> {
    let mut out = Vec::new();
    for method in Method::ALL {
        let spec = method.spec();
        let mut parameters = std::collections::BTreeMap::new();
        for p in method.parameters().iter().filter(|p| !p.ignored) {
            let range = match (p.kind, p.gene) {
                (Kind::Number, Some((low, high))) => {
                    let sigma = (high - low) / 6.0;
                    GeneRange { low, high, start: f64::midpoint(low, high), sigma }
                }
                (Kind::Number, None) => GeneRange { low: 0.1, high: 0.9, start: 0.5, sigma: 0.1 },
                (Kind::Flag | Kind::Count, _) => GeneRange::fixed(p.default.unwrap()),
            };
            parameters.insert(p.param, range.into());
        }
        let searched = method.parameters().iter().any(|p| p.kind == Kind::Number && !p.ignored);
        for groups in groupings() {
            for tie_ends in [false, true] {
                let mut config = SpaceConfig { tie_ends, ..config(method, groups.clone()) };
                config.parameters.clone_from(&parameters);
                config.sources.truncate(spec.sources.1.unwrap_or(2));
                match Space::new(config) {
                    Ok(space) => out.push(space),
                    Err(why) => assert!(!searched, "{}: {why}", method.name()),
                }
            }
        }
    }
    out
}

#[test]
fn genes_are_named_and_counted() {
    let names = |space: &Space| space.genes().iter().map(|g| g.name.clone()).collect::<Vec<_>>();
    let layered = space(Method::TaskArithmetic, Groups::Layer);
    assert_eq!(layered.dim(), 2 * (3 + 2));
    assert_eq!(
        names(&layered)[..6],
        [
            "ja.weight[embed]",
            "ja.weight[0]",
            "ja.weight[1]",
            "ja.weight[2]",
            "ja.weight[head]",
            "math-add.weight[embed]"
        ]
    );
    assert_eq!(
        names(&space(Method::DareTies, Groups::Global)),
        ["ja.weight", "ja.density", "math-add.weight", "math-add.density"]
    );
    let tied =
        Space::new(SpaceConfig { tie_ends: true, ..config(Method::TaskArithmetic, Groups::Layer) }).unwrap();
    assert_eq!(names(&tied)[..4], ["ja.weight[embed+head]", "ja.weight[0]", "ja.weight[1]", "ja.weight[2]"]);
    // The paper's: three sources, 33 groups, weight and density.
    let paper = SpaceConfig {
        sources: vec!["a/x@main".into(), "b/x".into(), "/models/y/".into()],
        layers: 32,
        tie_ends: true,
        ..config(Method::DareTies, Groups::Layer)
    };
    let paper = Space::new(paper).unwrap();
    assert_eq!(paper.dim(), 198);
    assert_eq!(paper.genes()[0].name, "a/x@main.weight[embed+head]");
    assert_eq!(paper.genes()[132].name, "y.weight[embed+head]");
    assert_eq!(default_population(198), 19);
    // A fixed density is no gene, but stands in the recipes.
    let fixed = with(config(Method::Ties, Groups::Layer), Param::Density, GeneRange::fixed(0.4));
    let fixed = Space::new(fixed).unwrap();
    assert_eq!(fixed.dim(), 10);
    assert_eq!(fixed.to_recipe(&fixed.start()).sources[0].density(), &Values::All(0.4));
    let recipe = layered.to_recipe(&layered.global(&[0.25, 0.25]));
    assert_eq!(recipe.sources[1].weight().get(LayerGroup::Head), Some(0.25));
    assert_eq!(recipe.sources[1].density(), &Values::All(1.0));
    let recipe = layered.to_recipe(&layered.global(&[0.3, 0.9]));
    assert_eq!(recipe.sources[0].weight().get(LayerGroup::Block(2)), Some(0.3));
    assert_eq!(recipe.sources[1].weight().get(LayerGroup::Embedding), Some(0.9));
}

#[test]
fn a_space_that_makes_no_sense_is_refused() {
    let error = |config: SpaceConfig| Space::new(config).unwrap_err().to_string();
    let good = config(Method::Ties, Groups::Layer);
    let range = |low, high, start, sigma| GeneRange { low, high, start, sigma };
    assert!(error(SpaceConfig { sources: vec![], ..good.clone() }).contains("no sources"));
    assert!(
        error(SpaceConfig { sources: vec!["a".into(), "a".into()], ..good.clone() })
            .contains("a stands twice")
    );
    for bad in [
        range(0.0, 1.0, 2.0, 0.1),
        range(0.0, 1.0, 0.5, 0.0),
        range(1.0, 0.0, 0.5, 0.1),
        range(0.0, f64::NAN, 0.0, 0.1),
    ] {
        assert!(
            error(with(good.clone(), Param::Weight, bad)).starts_with("weight of the search space runs from")
        );
    }
    for bad in [range(0.0, 1.0, 0.5, 0.1), range(0.1, 1.5, 0.5, 0.1)] {
        assert!(error(with(good.clone(), Param::Density, bad)).contains("above 0 and at most 1"));
    }
    assert!(error(with(good.clone(), Param::T, WEIGHT)).contains("ties has no t"));
    let count = config(Method::Karcher, Groups::Layer);
    assert!(
        error(with(count, Param::MaxIter, range(1.0, 9.0, 2.0, 1.0))).contains("give the search space one")
    );
    assert!(error(config(Method::Slerp, Groups::Layer)).contains("slerp needs t"));
    let three = with(config(Method::Slerp, Groups::Layer), Param::T, range(0.0, 1.0, 0.5, 0.1));
    assert!(error(three).contains("makes no recipe"));
    let fixed = with(good, Param::Weight, GeneRange::fixed(1.0));
    let fixed = with(fixed, Param::Density, GeneRange::fixed(0.5));
    assert!(error(fixed).contains("every number of the search space is fixed"));
}

#[test]
fn a_hand_made_recipe_is_projected_or_refused() {
    let space = space(Method::TaskArithmetic, Groups::Global);
    let mut recipe = space.to_recipe(&space.start());
    *recipe.sources[0].weight_mut() = Values::Each { embed: 0.0, layers: vec![0.5, 1.0, 1.5], head: 0.5 };
    *recipe.sources[1].weight_mut() = Values::All(9.0);
    assert_eq!(space.from_recipe(&recipe).unwrap().0, [0.7, 1.8]);
    // Order does not matter, and a source left out has weight 0.
    recipe.sources.remove(0);
    assert_eq!(space.from_recipe(&recipe).unwrap().0, [0.0, 1.8]);

    let refuse = |change: &dyn Fn(&mut yosegi::recipe::Recipe), words: &str| {
        let mut recipe = space.to_recipe(&space.start());
        change(&mut recipe);
        let error = space.from_recipe(&recipe).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    refuse(&|r| r.method = Method::Ties, "method is ties, this search space's is task_arithmetic");
    refuse(&|r| r.base = Some("zoo:ja".into()), "base is zoo:ja");
    refuse(&|r| r.parameters.set(Param::Lambda, 0.5), "lambda is 0.5");
    refuse(&|r| r.parameters.set(Param::Normalize, true), "normalize is true");
    refuse(&|r| r.sources[0].model = "zoo:math-mul".into(), "merges zoo:math-mul, which is not a source");
    refuse(
        &|r| *r.sources[0].weight_mut() = Values::All(f64::NAN),
        "weight of zoo:ja is not a finite number",
    );
    refuse(
        &|r| *r.sources[0].weight_mut() = Values::from_slice(&[0.1; 4]),
        "values for 2 blocks, the models have 3",
    );
}

fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![4 => -3.0..3.0, 2 => any::<f64>(), 1 => Just(f64::NAN), 1 => Just(f64::INFINITY), 1 => Just(1e300)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_genome_becomes_a_recipe_inside_the_bounds_and_comes_back(
        numbers in prop::collection::vec(any_number(), 0..60)
    ) {
        for space in spaces() {
            let genome = Genome(numbers.clone());
            let recipe = space.to_recipe(&genome);
            prop_assert!(recipe.check(3).is_ok());
            let back = space.from_recipe(&recipe).unwrap();
            let folded = space.reflect(&genome);
            // Points with lines between come back by least squares, all else to the bit.
            if let Groups::Smooth(_) = space.config().groups {
                prop_assert!(back.0.iter().zip(&folded.0).all(|(a, b)| (a - b).abs() < 1e-9));
            } else {
                prop_assert_eq!(&back, &folded);
                prop_assert_eq!(space.to_recipe(&back), recipe);
            }
        }
    }

    #[test]
    fn folding_is_a_mirror(x in -50.0..50.0f64, step in 1e-6..0.1f64) {
        let gene = &genes(1, 0.0, 0.3)[0];
        let gene = &GeneInfo { low: -0.3, high: 1.8, ..gene.clone() };
        let inside = reflect(x, gene);
        prop_assert!((-0.3..=1.8).contains(&inside));
        prop_assert_eq!(reflect(inside, gene).to_bits(), inside.to_bits());
        // Continuous, and the same from the other side of a mirror.
        prop_assert!((reflect(x + step, gene) - inside).abs() <= step + 1e-9);
        prop_assert!((reflect(2.0 * 1.8 - x, gene) - inside).abs() < 1e-9);
    }

    #[test]
    fn no_fitness_breaks_an_optimiser(
        kind in prop::sample::select(OPTIMISER_NAMES.clone()),
        rows in prop::collection::vec(prop::collection::vec(any_number(), 0..9), 1..12),
    ) {
        let genes = genes(3, 0.5, 0.2);
        let mut search = Optimiser::new(kind, &genes, &Genome(vec![0.5; 3]), None, 1).unwrap();
        for row in &rows {
            for point in search.ask() {
                prop_assert!(point.0.iter().all(|x| (-5.0..=5.0).contains(x)));
            }
            search.tell(row);
        }
        prop_assert!(search.mean().0.iter().all(|x| (-5.0..=5.0).contains(x)));
        prop_assert!(search.sigma().is_finite());
    }
}
