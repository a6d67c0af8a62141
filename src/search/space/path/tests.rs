//! Tests that paths become genomes and genomes become paths, for all kinds of numbers.

use proptest::prelude::*;

use super::*;

fn config(scales: Scales) -> PathSpaceConfig {
    PathSpaceConfig {
        models: vec!["zoo:base".into(), "zoo:ja".into()],
        layers: vec![3, 2],
        repeats: 2,
        scales,
        scale: GeneRange { low: 0.5, high: 1.5, start: 1.0, sigma: 0.1 },
        likely: 0.9,
        seldom: 0.1,
        longest: 0,
    }
}

fn space(scales: Scales) -> PathSpace {
    PathSpace::new(config(scales)).unwrap()
}

const ALL: [Scales; 4] = [Scales::None, Scales::Hop, Scales::Matrix, Scales::Network];

fn route(recipe: &Recipe) -> Vec<(&str, usize)> {
    recipe.path.iter().map(|s| (s.model.as_str(), s.layer)).collect()
}

#[test]
fn genes_are_named_and_counted() {
    let names: Vec<String> = space(Scales::Hop).genes().iter().map(|g| g.name.clone()).collect();
    let switches = ["base.1#1", "base.2#1", "ja.0#1", "ja.1#1", "base.0#2"];
    assert_eq!(names[..5], switches);
    assert_eq!(names[9], "scale[base.1#1]");
    assert_eq!(names.last().unwrap(), "scale[end]");
    let count = |scales| space(scales).dim();
    assert_eq!(ALL.map(count), [9, 19, 9 + 25, 9 + 21]);
    assert_eq!(space(Scales::Matrix).genes()[9 + 7].name, "scale[base.1>base.2]");
    assert_eq!(space(Scales::Hop).binary().iter().filter(|b| **b).count(), 9);
}

#[test]
fn the_likeliest_path_of_the_start_is_the_first_model() {
    for scales in ALL {
        let space = space(scales);
        let recipe = space.to_recipe(&space.start());
        assert_eq!(route(&recipe), [("zoo:base", 0), ("zoo:base", 1), ("zoo:base", 2)]);
        assert!(recipe.path.iter().all(|s| (s.scale - 1.0).abs() < 1e-12), "{scales:?}");
        assert_eq!(recipe.donor(), "zoo:base");
        // The recipe of any path can be written and read back.
        let text = recipe.to_toml();
        assert_eq!(Recipe::from_toml(&text, "path").unwrap(), recipe);
    }
}

#[test]
fn a_scale_is_of_its_hop() {
    let mut genome = space(Scales::Matrix).start();
    genome.0[..9].copy_from_slice(&[0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    // From base.0 to ja.1, and from there to base.2.
    genome.0[9 + 4] = 1.2;
    genome.0[9 + 4 * 5 + 2] = 0.7;
    let space = space(Scales::Matrix);
    let recipe = space.to_recipe(&genome);
    assert_eq!(route(&recipe), [("zoo:base", 0), ("zoo:ja", 1), ("zoo:base", 2)]);
    assert_eq!(recipe.path.iter().map(|s| s.scale).collect::<Vec<_>>(), [1.0, 1.2, 0.7]);
    let active = space.active()(&genome.0);
    assert!(active[..9].iter().all(|a| *a));
    let scales: Vec<usize> = (9..space.dim()).filter(|&i| active[i]).collect();
    assert_eq!(scales, [9 + 4, 9 + 22]);
}

#[test]
fn a_path_is_no_longer_than_its_bound() {
    let bounded = PathSpace::new(PathSpaceConfig { longest: 4, ..config(Scales::Hop) }).unwrap();
    let genome = Genome(vec![1.0; bounded.dim()]);
    let recipe = bounded.to_recipe(&genome);
    assert_eq!(route(&recipe), [("zoo:base", 0), ("zoo:base", 1), ("zoo:base", 2), ("zoo:base", 2)]);
    // Slots after the path is full have no effect.
    let active = bounded.active()(&genome.0);
    assert_eq!(active[..9], [true, true, false, false, false, false, false, false, false]);
    assert_eq!(active.iter().filter(|a| **a).count(), 2 + 3);
    let unbounded = space(Scales::Hop);
    assert_eq!(unbounded.to_recipe(&genome).path.len(), 11);
    let error = bounded.from_recipe(&unbounded.to_recipe(&genome)).unwrap_err().to_string();
    assert!(error.contains("4 layers are the most"), "{error}");
    let two = PathSpace::new(PathSpaceConfig { longest: 2, ..config(Scales::Hop) }).unwrap();
    assert_eq!(two.to_recipe(&genome).path.len(), 2);
}

#[test]
fn the_smallest_spaces_are_defined() {
    let one = |repeats, scales| {
        let base = config(scales);
        PathSpace::new(PathSpaceConfig { models: vec!["a".into()], layers: vec![1], repeats, ..base })
    };
    // One layer passed once leaves nothing to search. Passed twice, it gives a path of one layer.
    for scales in [Scales::None, Scales::Hop] {
        assert_eq!(one(1, scales).unwrap_err(), PathError::NothingToSearch);
    }
    let space = one(2, Scales::Hop).unwrap();
    assert_eq!(space.dim(), 3);
    let alone = space.to_recipe(&Genome(vec![0.0, 1.2, 1.3]));
    assert_eq!((route(&alone), alone.path[0].scale), (vec![("a", 0)], 1.0));
    assert_eq!(space.active()(&[0.0, 1.2, 1.3]), [true, false, false]);
    let back = space.from_recipe(&alone).unwrap();
    assert_eq!(back.0, [0.0, 1.0, 1.0]);
    let both = space.to_recipe(&Genome(vec![1.0, 1.2, 1.3]));
    assert_eq!(both.path.iter().map(|s| s.scale).collect::<Vec<_>>(), [1.0, 1.2, 1.3]);
    assert_eq!(space.from_recipe(&both).unwrap().0, [1.0, 1.2, 1.3]);
}

#[test]
fn what_makes_no_space_is_refused_in_a_sentence() {
    let says = |config: PathSpaceConfig| PathSpace::new(config).unwrap_err().to_string();
    let base = || config(Scales::Hop);
    assert!(
        says(PathSpaceConfig { models: Vec::new(), layers: Vec::new(), ..base() }).contains("at least one")
    );
    assert!(says(PathSpaceConfig { models: vec!["x".into(); 2], ..base() }).contains("stands twice"));
    assert!(says(PathSpaceConfig { layers: vec![3, 0], ..base() }).contains("zoo:ja has no layers"));
    assert!(says(PathSpaceConfig { repeats: 0, ..base() }).contains("give 1 or more"));
    assert!(says(PathSpaceConfig { repeats: usize::MAX, ..base() }).contains("slots"));
    let wide = GeneRange { low: -0.5, high: 1.5, start: 1.0, sigma: 0.1 };
    assert!(says(PathSpaceConfig { scale: wide, ..base() }).contains("one side of 0"));
    assert!(says(PathSpaceConfig { seldom: 0.0, ..base() }).contains("seldom is 0"));
    assert!(says(PathSpaceConfig { longest: 1, ..base() }).contains("give 2 or more"));
}

#[test]
fn a_path_by_hand_that_does_not_fit_is_refused() {
    let space = space(Scales::Hop);
    let good = space.to_recipe(&space.start());
    let says = |change: &dyn Fn(&mut Recipe)| {
        let mut recipe = good.clone();
        change(&mut recipe);
        space.from_recipe(&recipe).unwrap_err().to_string()
    };
    assert!(says(&|r| r.path[1].model = "zoo:other".into()).contains("not in it"));
    assert!(says(&|r| r.path[1].layer = 7).contains("layer 7"));
    assert!(says(&|r| r.path.truncate(2)).contains("begin and end"));
    assert!(says(&|r| r.path.clear()).contains("a path with base zoo:base"));
    assert!(says(&|r| r.path[0].scale = 2.0).contains("first layer has no scale"));
    assert!(says(&|r| r.path[1].scale = f64::NAN).contains("no finite number"));
    let back = |r: &mut Recipe| {
        let one = r.path[1].clone();
        r.path.splice(1..1, [one.clone(), one.clone(), one]);
    };
    assert!(says(&back).contains("more than 2 repeats"));
    let scaled = |r: &mut Recipe| r.path[1].scale = 1.2;
    let mut recipe = good.clone();
    scaled(&mut recipe);
    let error = super::PathSpace::new(config(Scales::Network)).unwrap().from_recipe(&recipe).unwrap_err();
    assert!(error.to_string().contains("can't be told"), "{error}");
}

proptest! {
    /// Any numbers give a path, and the space turns that path's recipe into the same path again. A change to an
    /// inactive gene changes nothing.
    #[test]
    fn any_genome_is_a_path_and_comes_back(
        numbers in prop::collection::vec(prop_oneof![8 => -3.0..3.0f64, 1 => Just(f64::NAN)], 40),
        other in prop::collection::vec(0.0..1.0f64, 40),
        which in 0..4usize, repeats in 1..4usize, layers in prop::collection::vec(1..4usize, 1..4),
        longest in prop_oneof![Just(0usize), 2..8usize],
    ) {
        let models = (0..layers.len()).map(|i| format!("m{i}")).collect();
        let made = PathSpace::new(PathSpaceConfig { models, layers, repeats, longest, ..config(ALL[which]) });
        prop_assume!(made.is_ok());
        let space = made.unwrap();
        let genome = Genome(numbers.iter().copied().cycle().take(space.dim()).collect());
        let recipe = space.to_recipe(&genome);
        let (first, last) = (recipe.path.first().unwrap(), recipe.path.last().unwrap());
        prop_assert_eq!((first.model.as_str(), first.layer, first.scale), ("m0", 0, 1.0));
        prop_assert_eq!((last.model.as_str(), last.layer), ("m0", space.config().layers[0] - 1));
        prop_assert!(recipe.path.iter().all(|s| (0.5..=1.5).contains(&s.scale)));
        prop_assert!(longest == 0 || recipe.path.len() <= longest);
        prop_assert_eq!(&space.to_recipe(&space.reflect(&genome)), &recipe);
        if ALL[which] != Scales::Network {
            let back = space.from_recipe(&recipe).unwrap();
            prop_assert_eq!(&space.to_recipe(&back), &recipe);
            prop_assert_eq!(&space.from_recipe(&space.to_recipe(&back)).unwrap(), &back);
        }
        let folded = space.reflect(&genome).0;
        let active = space.active()(&folded);
        prop_assert_eq!(active.len(), space.dim());
        let mixed = folded.iter().zip(&active).zip(other.iter().cycle());
        let mixed = mixed.zip(space.genes()).map(|(((x, a), o), g)| if *a { *x } else { g.low + o * (g.high - g.low) });
        prop_assert_eq!(&space.to_recipe(&Genome(mixed.collect())), &recipe);
    }
}
