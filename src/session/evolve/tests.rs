//! The run against a made-up fitness: the order of events, and replay from every prefix.

use super::*;
use crate::recipe::LayerGroup;
use crate::session::protocol::{Score, SplitScore};

const CONFIG: &str = r#"
name = "toy"
seed = 5
[pool]
base = "b"
sources = ["x", "y"]
[task]
use = "toy"
[space]
method = "task_arithmetic"
weight = { min = -0.5, max = 1.5 }
[baselines]
grid = [0.2, 0.6]
[search]
population = 5
sigma = 0.3
start = "grid"
[budget]
evaluations = 23
"#;

fn facts() -> Facts {
    Facts { layers: 2, train_questions: 10, test_questions: 10, ..Facts::default() }
}

/// Highest where every weight of x is 0.9 and every weight of y is 0.1; some candidates fail.
fn measure(work: &Work) -> Result<Vec<SplitScore>, String> {
    let fitness = match &work.candidate.target {
        Target::Model(name) => 0.1 * name.len() as f64,
        Target::Recipe(recipe) => {
            let want = [0.9, 0.1];
            let mut miss = 0.0;
            for (source, want) in recipe.sources.iter().zip(want) {
                miss +=
                    LayerGroup::all(2).map(|g| (source.weight().get(g).unwrap() - want).powi(2)).sum::<f64>();
            }
            (-miss).exp()
        }
    };
    if work.candidate.id % 7 == 6 && work.kind == WorkKind::Fitness {
        return Err("out of memory".into());
    }
    let fitness = if work.candidate.id % 11 == 10 { f64::NAN } else { fitness };
    let score = Score { fitness, acc: fitness, acc_ja: fitness, japanese: 1.0, n: 10 };
    Ok(work.splits.iter().map(|&split| SplitScore { split, score, tasks: Vec::new() }).collect())
}

/// What each question brings: right or wrong by a number that is the question's own, so that more
/// come right as the fitness rises; a block's fitness is their mean.
fn block(work: &Work) -> (Result<Vec<SplitScore>, String>, Vec<f64>) {
    let whole = Work { kind: WorkKind::Baseline, ..work.clone() };
    let fitness = match measure(&whole) {
        Ok(scores) => scores[0].score.fitness,
        Err(why) => return (Err(why), Vec::new()),
    };
    let questions = work.questions.as_deref().unwrap_or_default();
    let values: Vec<f64> =
        questions.iter().map(|q| if (q * 37 % 60) as f64 / 60.0 < fitness { 1.0 } else { 0.0 }).collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let score = Score { fitness: mean, acc: mean, acc_ja: mean, japanese: 1.0, n: values.len() as u64 };
    let scores = work.splits.iter().map(|&split| SplitScore { split, score, tasks: Vec::new() });
    (Ok(scores.collect()), values)
}

/// A journal in memory: what is applied is what was written.
fn store(records: &mut Vec<Record>, run: &mut Evolution, event: &Event) {
    let text = serde_json::to_string(event).unwrap();
    let event = serde_json::from_str(&text).unwrap();
    let record = Record { seq: records.len() as u64 + 1, at_ms: 0, cost: None, event };
    run.apply(&record).unwrap();
    records.push(record);
}

fn start(text: &str) -> (Vec<Record>, Evolution) {
    let config = Config::parse(text, "toy").unwrap();
    let event = created("toy", text, &config, &facts()).unwrap();
    let text = serde_json::to_string(&event).unwrap();
    let event = serde_json::from_str(&text).unwrap();
    let records = vec![Record { seq: 1, at_ms: 0, cost: None, event }];
    let run = Evolution::replay(&records).unwrap();
    (records, run)
}

/// Runs to the end; before the event with number `at`, a recipe is injected.
fn finish(mut records: Vec<Record>, mut run: Evolution, inject: Option<(usize, f64)>) -> Vec<Record> {
    for _ in 0..10_000 {
        if let Some((at, weight)) = inject
            && records.len() == at
            && !matches!(records.last().unwrap().event, Event::Injected { .. })
        {
            let event = run.inject(&run.config.global_recipe(&[weight, 0.1])).unwrap();
            store(&mut records, &mut run, &event);
        }
        match run.step().unwrap() {
            Next::Record(event) => store(&mut records, &mut run, &event),
            Next::Evaluate(work) if work.kind == WorkKind::Block => {
                let (scores, values) = block(&work);
                let event = run.measured_with(&work, scores, values);
                store(&mut records, &mut run, &event);
            }
            Next::Evaluate(work) => {
                let event = run.measured(&work, measure(&work));
                store(&mut records, &mut run, &event);
            }
            Next::Done => return records,
            Next::Wait => panic!("nobody paused"),
        }
    }
    panic!("no end");
}

#[test]
fn events_come_in_order_and_the_budget_holds() {
    let (records, run) = start(CONFIG);
    let records = finish(records, run, None);
    let mut state = SessionState::default();
    for record in &records {
        state.apply(record);
    }
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
    // Injected in the second generation, it is ranked with it: the third begins nearer to it.
    assert_eq!(alone[..2], helped[..2]);
    let distance = |mean: &[f64]| {
        let miss = |(x, i): (&f64, usize)| (x - if i < 3 { 0.9 } else { 0.1 }).powi(2);
        mean.iter().zip(0..).map(miss).sum::<f64>()
    };
    assert!(distance(&helped[2]) < distance(&alone[2]), "{:?}", helped[2]);
    assert!(distance(&helped[3]) < 0.5 * distance(&alone[3]), "{:?}", helped[3]);
    // A worse one is measured and ranks last: it changes nothing but the count.
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

fn racing(error: f64) -> String {
    CONFIG.replace("[search]", &format!("[racing]\nblock = 7\nerror = {error}\n[search]"))
}

fn start_with(text: &str, facts: &Facts) -> (Vec<Record>, Evolution) {
    let config = Config::parse(text, "toy").unwrap();
    let event = created("toy", text, &config, facts).unwrap();
    let records = vec![Record { seq: 1, at_ms: 0, cost: None, event }];
    let run = Evolution::replay(&records).unwrap();
    (records, run)
}

#[test]
fn a_race_answers_less_and_goes_on_from_any_event() {
    let many = Facts { train_questions: 60, ..facts() };
    let mut answered = Vec::new();
    for (error, inject) in [(0.0, None), (0.2, None), (0.2, Some((30, 0.88)))] {
        let (records, run) = start_with(&racing(error), &many);
        let whole = finish(records, run, inject);
        let mut state = SessionState::default();
        for record in &whole {
            state.apply(record);
        }
        answered.push(state.entries.iter().map(|e| e.values.len()).sum::<usize>());
        let stopped: Vec<&Entry> = state.entries.iter().filter(|e| e.stopped).collect();
        assert!(!stopped.is_empty());
        assert!(stopped.iter().all(|e| e.train().unwrap().n == e.values.len() as u64 && e.values.len() < 60));
        let best = state.best_entry().unwrap();
        assert!(!best.stopped && best.values.len() == 60);
        for cut in (1..whole.len()).step_by(3) {
            let part = whole[..cut].to_vec();
            let run = Evolution::replay(&part).unwrap();
            let again = inject.filter(|(at, _)| cut <= *at);
            assert_eq!(finish(part, run, again), whole, "cut after event {cut}");
        }
    }
    let all = 23 * 60;
    assert!(answered[0] < all && answered[1] < answered[0] * 3 / 4, "{answered:?} of {all}");
}

#[test]
fn a_race_needs_a_sum_and_one_task() {
    let says = |text: &str| Config::parse(text, "x").unwrap_err().to_string();
    assert!(says(&racing(0.7)).contains("from 0 to 0.5"));
    assert!(says(&racing(0.0).replace("block = 7", "block = 0")).contains("`racing.block` is 0"));
    let product = racing(0.0).replace("use = \"toy\"", "use = \"toy\"\nfitness = \"acc * japanese\"");
    assert!(says(&product).contains("weighted sum"));
    let bar = racing(0.0).replace("use = \"toy\"", "use = \"toy\"\nat_least = 0.2");
    assert!(says(&bar).contains("one [task]"));
}

/// The state that a run's events make.
fn folded(records: &[Record]) -> SessionState {
    let mut state = SessionState::default();
    for record in records {
        state.apply(record);
    }
    state
}

#[test]
fn whichever_limit_comes_first_ends_it_and_the_journal_says_which() {
    for (limit, words) in [
        ("target = 0.5", "fitness of 0.5 that was asked for"),
        ("stagnation = 1", "1 generations in a row found nothing better"),
        ("tokens = 0", "0 tokens"),
        ("seconds = 0.0", "0 seconds"),
    ] {
        let text = CONFIG.replace("evaluations = 23", &format!("evaluations = 400\n{limit}"));
        let (records, run) = start(&text);
        let whole = finish(records, run, None);
        let state = folded(&whole);
        assert!(state.reason.clone().unwrap().contains(words), "{limit}: {:?}", state.reason);
        assert!(state.evaluations < 400 && state.finished.is_some());
        let ends = whole.iter().filter(|r| matches!(r.event, Event::Ended { .. })).count();
        assert_eq!(ends, 1, "{limit}");
        let part = whole[..whole.len() - 1].to_vec();
        let run = Evolution::replay(&part).unwrap();
        assert_eq!(finish(part, run, None), whole, "{limit}");
    }
}

#[test]
fn an_extended_session_goes_where_a_longer_one_would_have_gone() {
    for text in [CONFIG.to_owned(), CONFIG.replace("[search]", "[search]\nalgorithm = \"sep-cma-es\"")] {
        let (records, run) = start(&text);
        let mut records = finish(records, run, None);
        let mut run = Evolution::replay(&records).unwrap();
        assert!(run.extend(23).unwrap_err().to_string().contains("has used 23 evaluations"));
        let event = run.extend(40).unwrap();
        store(&mut records, &mut run, &event);
        assert!(run.extend(50).unwrap_err().to_string().contains("has not finished"));
        let extended = finish(records, run, None);
        let (records, run) = start(&text.replace("evaluations = 23", "evaluations = 40"));
        let straight = finish(records, run, None);
        let points = |records: &[Record]| {
            let state = folded(records);
            let searched = |e: &&Entry| e.candidate.origin == Origin::Search;
            state.entries.iter().filter(searched).map(|e| e.candidate.genome.clone()).collect::<Vec<_>>()
        };
        assert_eq!(points(&extended).len(), 40);
        // Failures of this test's candidates go by their ids, which the first end has shifted by one.
        assert_eq!(points(&extended)[..25], points(&straight)[..25]);
        assert_eq!(
            folded(&extended).entries.iter().filter(|e| e.candidate.origin == Origin::Mean).count(),
            2
        );
        for cut in (20..extended.len()).step_by(5) {
            let part = extended[..cut].to_vec();
            let run = Evolution::replay(&part).unwrap();
            if folded(&part).status != Status::Finished {
                let again = finish(part.clone(), run, None);
                let same = again.iter().zip(&extended).take_while(|(a, b)| a == b).count();
                assert!(same >= cut, "cut after event {cut}");
            }
        }
    }
}

#[test]
fn a_search_starts_where_the_journal_says() {
    let config = Config::parse(&CONFIG.replace("start = \"grid\"", "start = \"session:old\""), "x").unwrap();
    assert_eq!(config.starts_elsewhere(), Some("session:old"));
    let text = CONFIG.replace("start = \"grid\"", "start = \"best.toml\"");
    let mut event = created("toy", &text, &Config::parse(&text, "x").unwrap(), &facts()).unwrap();
    let begin = vec![0.7, 0.8, 0.9, 0.2, 0.1, 0.0];
    if let Event::Created { begin: found, .. } = &mut event {
        let begin = crate::session::protocol::Begin { start: begin.clone(), overlap: 0 };
        *found = Some(Box::new(begin));
    }
    let records = vec![Record { seq: 1, at_ms: 0, cost: None, event }];
    let run = Evolution::replay(&records).unwrap();
    let state = folded(&finish(records, run, None));
    assert!(close(&state.generations[0].mean, &begin), "{:?}", state.generations[0].mean);
}

#[test]
fn the_smallest_sessions_have_an_end() {
    let small = [
        CONFIG.replace("population = 5", "population = 2"),
        CONFIG.replace("sources = [\"x\", \"y\"]", "sources = [\"x\"]"),
        CONFIG
            .replace("population = 5", "population = 2")
            .replace("start = \"grid\"", "start = \"grid\"\nalgorithm = \"bipop-cma-es\""),
        racing(0.3).replace("block = 7", "block = 1000"),
        racing(0.3).replace("population = 5", "population = 2"),
        CONFIG.replace("evaluations = 23", "evaluations = 1"),
    ];
    for text in &small {
        let one = Facts { train_questions: 1, test_questions: 1, ..facts() };
        for facts in [facts(), one] {
            let (records, run) = start_with(text, &facts);
            assert!(folded(&finish(records, run, None)).finished.is_some(), "{text}");
        }
    }
    let fixed = CONFIG.replace("weight = { min = -0.5, max = 1.5 }", "weight = 0.5");
    let why = Config::parse(&fixed, "x").unwrap_err().to_string();
    assert!(why.contains("every number of the search space is fixed"), "{why}");
}

#[test]
fn two_objectives_end_in_a_front() {
    let text =
        CONFIG.replace("[search]", "[search]\nalgorithm = \"nsga2\"\nobjectives = [\"acc\", \"japanese\"]");
    let text =
        text.replace("population = 5", "population = 6").replace("evaluations = 23", "evaluations = 36");
    let (mut records, mut run) = start(&text);
    loop {
        match run.step().unwrap() {
            Next::Record(event) => store(&mut records, &mut run, &event),
            Next::Evaluate(work) => {
                // Japanese falls where accuracy rises.
                let mut scores = measure(&work);
                for s in scores.iter_mut().flatten() {
                    s.score.japanese = 1.0 - s.score.acc * s.score.acc;
                }
                let event = run.measured(&work, scores);
                store(&mut records, &mut run, &event);
            }
            Next::Done => break,
            Next::Wait => panic!(),
        }
    }
    let state = folded(&records);
    assert!(state.front.len() > 3, "{:?}", state.front);
    let names = ["acc".to_owned(), "japanese".to_owned()];
    let rows: Vec<Vec<f64>> =
        state.front.iter().map(|&id| objectives(&names, state.entry(id).unwrap())).collect();
    for (i, a) in rows.iter().enumerate() {
        assert!(rows.iter().enumerate().all(|(j, b)| i == j || !crate::search::dominates(b, a)), "{rows:?}");
    }
    assert!(
        crate::session::report::text(&state).contains("no candidate beats these in all of acc, japanese")
    );
    let says = |from: &str, to: &str| Config::parse(&text.replace(from, to), "x").unwrap_err().to_string();
    assert!(says("\"japanese\"", "\"speed\"").contains("names \"speed\""));
    assert!(says("nsga2", "cma-es").contains("are for algorithm"));
}

#[test]
fn questions_that_stand_on_both_sides_are_counted() {
    use crate::session::journal::StoredQuestion;
    let question = |split, index, text: &str| StoredQuestion {
        split,
        index,
        id: String::new(),
        question: text.into(),
        gold: "1".into(),
    };
    let (train, test) = (Split::Train, Split::Test);
    let all = [
        question(train, 0, "a b"),
        question(train, 1, "c"),
        question(test, 0, "ab "),
        question(test, 1, "d"),
    ];
    assert_eq!(overlap(&all), (1, Some("ab ".into())));
    assert_eq!(overlap(&all[..2]), (0, None));
}
