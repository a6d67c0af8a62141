//! Numbers that are not finite or far too large end no session.

use super::*;
use crate::search::{AnySpace, Space};
use crate::session::protocol::Outcome;

#[test]
fn a_fitness_that_is_no_number_fails_the_candidate_alone() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e308, -1e200] {
        let (records, run) = start(CONFIG);
        let answer = |run: &Evolution, work: &Work| {
            let every_third = work.candidate.id.is_multiple_of(3) && work.candidate.origin == Origin::Search;
            let fitness = if every_third { bad } else { 0.5 };
            run.measured(work, Ok(scores(work, fitness, 10)))
        };
        let whole = crate::session::toy::finish(records, run, |_, _| None, answer);
        let state = folded(&whole);
        assert!(state.finished.is_some());
        let failed: Vec<&str> = state
            .entries
            .iter()
            .filter_map(|e| match &e.outcome {
                Some(Outcome::Failed(why)) => Some(why.as_str()),
                _ => None,
            })
            .collect();
        assert!(failed.len() >= 5, "{bad}: {}", failed.len());
        assert!(failed.iter().all(|why| why.contains("the fitness is")), "{bad}: {failed:?}");
    }
    // The largest accepted number keeps means and variances finite, so that every stored value can be read back.
    let (records, run) = start(CONFIG);
    let answer = |run: &Evolution, work: &Work| {
        let sign = if work.candidate.id.is_multiple_of(2) { 1.0 } else { -1.0 };
        run.measured(work, Ok(scores(work, sign * crate::evaluate::FITNESS_MAX, 10)))
    };
    let whole = crate::session::toy::finish(records, run, |_, _| None, answer);
    assert!(folded(&whole).finished.is_some());
}

#[test]
fn a_search_beyond_all_numbers_ends_with_the_best_so_far() {
    let (records, mut run) = start(CONFIG);
    let AnySpace::Parameters(space) = &run.space else { panic!("weights are searched") };
    let mut config = space.config().clone();
    config.parameters.values_mut().for_each(|searched| searched.range.sigma = 1e308);
    run.space = AnySpace::Parameters(Space::new(config).unwrap());
    let answer = |run: &Evolution, work: &Work| run.measured(work, Ok(scores(work, 0.5, 10)));
    let whole = crate::session::toy::finish(records, run, |_, _| None, answer);
    let state = folded(&whole);
    assert!(state.reason.clone().unwrap().contains("run out of all numbers"), "{:?}", state.reason);
    assert!(state.finished.is_some());
}
