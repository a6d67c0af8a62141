//! Generations that race.

use super::*;

#[test]
fn a_race_answers_less_and_goes_on_from_any_event() {
    let many = SetupFacts { train_questions: 60, ..facts() };
    let mut answered = Vec::new();
    let more = |text: &str| racing(0.2).replace("[search]", &format!("{text}\n[search]"));
    for (text, inject) in [
        (racing(0.0), None),
        (racing(0.2), None),
        (racing(0.2), Some((30, 0.88))),
        (more("reliability = 0.6"), None),
        (more("reliability = 0.6"), Some((30, 0.88))),
        (more("order = \"fresh\""), None),
        (more("reliability = 0.6\norder = \"fresh\""), Some((30, 0.88))),
    ] {
        let (records, run) = start_with(&text, &many);
        let whole = finish(records, run, inject);
        let state = folded(&whole);
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
    assert!(answered[3] < answered[1], "{answered:?} of {all}");
}

#[test]
fn a_fresh_order_is_one_for_a_generation_and_compares_question_by_question() {
    let many = SetupFacts { train_questions: 60, ..facts() };
    let text = racing(0.2).replace("[search]", "order = \"fresh\"\n[search]");
    let (records, run) = start_with(&text, &many);
    let run = Evolution::replay(&finish(records, run, None)).unwrap();
    let searched: Vec<&Entry> =
        run.state.entries.iter().filter(|e| e.candidate.origin == Origin::Search).collect();
    let mut orders: Vec<Vec<usize>> = Vec::new();
    for generation in &run.state.generations {
        let of = |e: &&&Entry| generation.candidates.contains(&e.candidate.id);
        let all: Vec<Vec<usize>> = searched.iter().filter(of).map(|e| run.order_of(e)).collect();
        assert!(all.iter().all(|order| *order == all[0]));
        let mut questions = all[0].clone();
        questions.sort_unstable();
        assert_eq!(questions, (0..60).collect::<Vec<_>>());
        assert!(!orders.contains(&all[0]));
        orders.push(all[0].clone());
    }
    assert!(orders.len() > 3);
    // Two candidates that answered every question, each in its own order.
    let whole: Vec<&&Entry> = searched.iter().filter(|e| e.values.len() == 60).collect();
    let (a, b) = (whole[0], whole[whole.len() - 1]);
    assert_ne!(a.generation, b.generation);
    for (question, value) in run.order_of(a).into_iter().zip(run.as_answered_by(a, b)) {
        let at = run.order_of(b).into_iter().position(|q| q == question).unwrap();
        assert_eq!(value.to_bits(), b.values[at].to_bits());
    }
}

#[test]
fn a_race_needs_a_sum_and_one_task() {
    let says = |text: &str| Config::parse(text, "x").unwrap_err().to_string();
    assert!(says(&racing(0.7)).contains("from 0 to 0.5"));
    assert!(says(&racing(0.0).replace("block = 7", "block = 0")).contains("`racing.block` is 0"));
    let more = |error, text: &str| racing(error).replace("[search]", &format!("{text}\n[search]"));
    assert!(says(&more(0.2, "reliability = 1.0")).contains("from 0 to below 1"));
    assert!(says(&more(0.0, "reliability = 0.5")).contains("an `error` above 0"));
    assert!(says(&more(0.2, "reliability = 0.5\nsubset = 5")).contains("without a `subset`"));
    assert!(says(&more(0.2, "order = \"fresh\"\nsubset = 5")).contains("without a `subset`"));
    assert!(says(&more(0.2, "order = \"new\"")).contains("fresh"));
    let product = racing(0.0).replace("use = \"toy\"", "use = \"toy\"\nfitness = \"acc * japanese\"");
    assert!(says(&product).contains("weighted sum"));
    let bar = racing(0.0).replace("use = \"toy\"", "use = \"toy\"\nat_least = 0.2");
    assert!(says(&bar).contains("one [task]"));
}
