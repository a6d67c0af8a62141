//! The order of events, and replay from every prefix.

use super::*;

#[test]
fn events_come_in_order_and_the_budget_holds() {
    let (records, run) = start(CONFIG);
    let records = finish(records, run, None);
    let state = folded(&records);
    assert_eq!(state.evaluations, 23);
    let sizes: Vec<usize> = state.generations.iter().map(|g| g.candidates.len()).collect();
    assert_eq!(sizes, [5, 5, 5, 5, 3]);
    assert!(state.generations.iter().all(|g| g.complete));
    let origins: Vec<Origin> = state.entries.iter().take(8).map(|e| e.candidate.origin).collect();
    let grid = Origin::Grid;
    assert_eq!(
        origins,
        [Origin::Base, Origin::Source, Origin::Source, Origin::Uniform, grid, grid, grid, grid]
    );
    assert!(state.entries.iter().enumerate().all(|(i, e)| e.candidate.id == i as u64));
    let finish = state.finished.unwrap();
    assert!(finish.train.fitness > 0.5, "{finish:?}");
    assert!(finish.mean.is_some());
    let best = state.entries.iter().filter_map(Entry::train).map(|s| s.fitness).fold(0.0, f64::max);
    assert_eq!(finish.train.fitness.to_bits(), best.to_bits());
}

#[test]
fn a_run_cut_at_any_event_goes_on_as_if_nothing_had_happened() {
    for (budget, inject) in [(23, None), (23, Some((4, 0.9))), (23, Some((19, 0.88))), (0, None), (3, None)] {
        let text = CONFIG.replace("evaluations = 23", &format!("evaluations = {budget}"));
        let (records, run) = start(&text);
        let whole = finish(records, run, inject);
        for cut in 1..whole.len() {
            let part = whole[..cut].to_vec();
            let run = Evolution::replay(&part).unwrap();
            let again = inject.filter(|(at, _)| cut <= *at);
            assert_eq!(finish(part, run, again), whole, "cut after event {cut}");
        }
    }
}

#[test]
fn a_better_recipe_by_hand_moves_the_search() {
    let means = |inject| {
        let (records, run) = start(CONFIG);
        let records = finish(records, run, inject);
        let mean = |r: &Record| match &r.event {
            Event::GenerationStarted { mean, .. } => Some(mean.clone()),
            _ => None,
        };
        records.iter().filter_map(mean).collect::<Vec<_>>()
    };
    let (alone, helped) = (means(None), means(Some((19, 0.9))));
    // Injected in the second generation, the recipe is ranked with it, so the third begins nearer to the recipe.
    assert_eq!(alone[..2], helped[..2]);
    let distance = |mean: &[f64]| {
        let miss = |(x, i): (&f64, usize)| (x - if i < 3 { 0.9 } else { 0.1 }).powi(2);
        mean.iter().zip(0..).map(miss).sum::<f64>()
    };
    assert!(distance(&helped[2]) < distance(&alone[2]), "{:?}", helped[2]);
    assert!(distance(&helped[3]) < 0.5 * distance(&alone[3]), "{:?}", helped[3]);
    // A worse recipe is measured and ranks last: only the count changes.
    let worse = means(Some((19, -0.4)));
    assert_eq!(alone[..3], worse[..3]);
}

#[test]
fn pause_and_stop_wait_and_do_not_change_the_search() {
    let (records, run) = start(CONFIG);
    let whole = finish(records, run, None);
    let mut part = whole[..20].to_vec();
    let mut run = Evolution::replay(&part).unwrap();
    store(&mut part, &mut run, &Event::Paused);
    assert_eq!(run.step().unwrap(), Next::Wait);
    store(&mut part, &mut run, &Event::Resumed);
    let rest = finish(part, run, None);
    let events = |records: &[Record]| records.iter().map(|r| r.event.clone()).collect::<Vec<_>>();
    let mut without = events(&rest);
    without.drain(20..22);
    assert_eq!(without, events(&whole));
}

#[test]
fn a_recipe_of_other_models_is_refused() {
    let (_, run) = start(CONFIG);
    let mut recipe = run.config.global_recipe(&[0.5, 0.5]);
    recipe.sources[1].model = "z".into();
    assert!(run.inject(&recipe).unwrap_err().to_string().contains("not among the models"));
}

#[test]
fn a_search_starts_where_the_journal_says() {
    let config = Config::parse(&CONFIG.replace("start = \"grid\"", "start = \"session:old\""), "x").unwrap();
    assert_eq!(config.search.starts_elsewhere(), Some("session:old"));
    let text = CONFIG.replace("start = \"grid\"", "start = \"best.toml\"");
    let mut event = created("toy", &text, &Config::parse(&text, "x").unwrap(), &facts()).unwrap();
    let begin = vec![0.7, 0.8, 0.9, 0.2, 0.1, 0.0];
    if let Event::Created { begin: found, .. } = &mut event {
        let begin = crate::session::protocol::Begin { start: begin.clone(), ..Default::default() };
        *found = Some(Box::new(begin));
    }
    let (records, run) = start_from(&event);
    let state = folded(&finish(records, run, None));
    assert!(close(&state.generations[0].mean, &begin), "{:?}", state.generations[0].mean);
}
