//! Stages: what one passes to the next, and replay from every prefix.

use super::*;
use crate::session::toy::STAGES;

/// A merge is best with x at 0.9. A path gains by each layer of y and loses by every other layer that it adds.
fn measure(work: &Work) -> Vec<SplitScore> {
    let fitness = match &work.candidate.target {
        Target::Model(_) => 0.05,
        Target::Recipe(recipe) if recipe.path.is_empty() => {
            let weights = recipe.sources[0].weight().values();
            let miss = weights.iter().sum::<f64>() / weights.len() as f64 - 0.9;
            0.4 * (-miss * miss).exp()
        }
        Target::Recipe(recipe) => {
            let of_y = recipe.path.iter().filter(|s| s.model == "y").count().min(2) as f64;
            let miss: f64 = recipe.path.iter().map(|s| (s.scale - 1.0).abs()).sum();
            0.4 + 0.2 * of_y - 0.02 * recipe.path.len() as f64 - 0.1 * miss
        }
    };
    scores(work, fitness, 10)
}

fn finish(records: Vec<Record>, run: Evolution) -> Vec<Record> {
    toy::finish(records, run, |_, _| None, |run, work| run.measured(work, Ok(measure(work))))
}

#[test]
fn the_winner_of_a_stage_is_a_model_of_the_next() {
    let (records, run) = start(STAGES);
    let records = finish(records, run);
    let state = folded(&records);
    assert_eq!((state.evaluations, state.budget), (32, 32));
    assert_eq!(state.stage_place(), Some((2, "2", 2)));
    let sizes: Vec<usize> = state.generations.iter().map(|g| g.candidates.len()).collect();
    assert_eq!(sizes, [5, 5, 2, 6, 6, 6, 2]);
    let begun = &state.begun[0];
    assert_eq!((begun.generation, begun.evaluations), (4, 12));
    assert_eq!(begun.recipe.as_ref().unwrap().name.as_deref(), Some("stage:1"));
    // The winner is the best merge of its stage, the mean included.
    let merges = state.entries[..begun.first as usize]
        .iter()
        .filter(|e| matches!(e.candidate.origin, Origin::Search | Origin::Mean));
    let best = merges.filter_map(Entry::train).map(|s| s.fitness).fold(0.0, f64::max);
    let winner = state.entry(begun.winner.unwrap()).unwrap();
    assert_eq!(winner.train().unwrap().fitness.to_bits(), best.to_bits());
    // Each stage has a mean. The second stage's candidates are paths through the winner and y.
    assert_eq!(state.entries.iter().filter(|e| e.candidate.origin == Origin::Mean).count(), 2);
    for entry in &state.entries[begun.first as usize..] {
        let Target::Recipe(recipe) = &entry.candidate.target else { panic!("{entry:?}") };
        assert_eq!((recipe.donor(), recipe.path[0].layer), ("stage:1", 0));
        assert!(recipe.path.iter().all(|s| s.model == "stage:1" || s.model == "y"));
    }
    assert!(state.genes.iter().any(|g| g.name == "y.1#2"), "{:?}", state.genes);
    let finish = state.finished.as_ref().unwrap();
    assert!(finish.train.fitness > 0.42 && !finish.recipe.path.is_empty(), "{finish:?}");
    let lines = crate::session::report::path_text::stage_lines(&state);
    assert!(lines[0].contains("weights: 12 evaluations") && lines[0].contains("is stage:1"), "{lines:?}");
    assert!(lines[1].ends_with("2: 20 evaluations"), "{lines:?}");
}

#[test]
fn a_run_cut_in_any_stage_goes_on_as_if_nothing_had_happened() {
    for text in [STAGES.to_owned(), STAGES.replace("evaluations = 12", "evaluations = 0")] {
        let (records, run) = start(&text);
        let whole = finish(records, run);
        for cut in 1..whole.len() {
            let part = whole[..cut].to_vec();
            let run = Evolution::replay(&part).unwrap();
            assert_eq!(finish(part, run), whole, "cut after event {cut}");
        }
    }
}

#[test]
fn a_stage_without_evaluations_hands_on_the_best_merge_there_is() {
    let (records, run) = start(&STAGES.replace("evaluations = 12", "evaluations = 0"));
    let state = folded(&finish(records, run));
    let winner = state.entry(state.begun[0].winner.unwrap()).unwrap();
    assert_eq!(winner.candidate.origin, Origin::Uniform);
    assert_eq!(state.evaluations, 20);
}

#[test]
fn a_path_made_by_hand_takes_part_and_one_of_other_models_does_not() {
    let text = STAGES.replace("evaluations = 12", "evaluations = 0");
    let (records, run) = start(&text);
    let whole = finish(records, run);
    let second = whole.iter().position(|r| matches!(r.event, Event::StageStarted { .. })).unwrap();
    let run = Evolution::replay(&whole[..=second]).unwrap();
    let mut recipe = run.space.to_recipe(&run.space.start());
    let Event::Injected { candidate } = run.inject(&recipe).unwrap() else {
        panic!("a path can be injected")
    };
    assert_eq!(candidate.genome.len(), run.space.genes().len());
    recipe.path[0].model = "z".into();
    assert!(run.inject(&recipe).unwrap_err().to_string().contains("passes z"));
}
