//! Generations whose fitness is estimated from the answers to some of the questions.

use super::*;
use crate::session::protocol::Outcome;

/// A race with an estimator over 60 questions; every candidate answers 12 of them.
fn estimating(error: f64) -> String {
    let race = format!("[racing]\nblock = 8\nerror = {error}\nsubset = 12\nfull = 2\n[search]");
    CONFIG.replace("[search]", &race).replace("evaluations = 23", "evaluations = 43")
}

/// Baselines with what each question added to the fitness, as an engine measures them.
fn answer_all(run: &Evolution, work: &Work) -> Event {
    if work.kind == WorkKind::Baseline {
        let all = Work { questions: Some((0..60).collect()), ..work.clone() };
        let (scores, values) = block(&all);
        return run.measured_with(work, scores, values);
    }
    answer(run, work)
}

fn finish_all(records: Vec<Record>, run: Evolution, inject: Option<usize>) -> Vec<Record> {
    let between = |records: &[Record], run: &Evolution| {
        let _ = inject.filter(|at| records.len() == *at)?;
        Some(run.inject(&run.config.global_recipe(&[0.88, 0.1])).unwrap())
    };
    toy::finish(records, run, between, answer_all)
}

#[test]
fn everybody_answers_a_part_and_the_best_answer_all() {
    let many = SetupFacts { train_questions: 60, ..facts() };
    let (records, run) = start_with(&estimating(0.0), &many);
    let whole = finish_all(records, run, None);
    let state = folded(&whole);
    let searched: Vec<&Entry> = state
        .entries
        .iter()
        .filter(|e| e.candidate.origin == Origin::Search && e.train().is_some())
        .collect();
    assert!(searched.iter().all(|e| e.values.len() >= 12 && e.estimate.is_some()));
    // A stopped candidate has an estimate as its fitness, and the journal says after how many answers.
    let (stopped, full): (Vec<&Entry>, Vec<&Entry>) = searched.iter().copied().partition(|e| e.stopped);
    assert!(stopped.len() > 20 && full.len() >= 2, "{} {}", stopped.len(), full.len());
    for entry in &stopped {
        assert_eq!(entry.train().unwrap().n, entry.values.len() as u64);
    }
    let least = stopped.iter().filter(|e| e.values.len() == 12).count();
    assert!(least * 2 > stopped.len(), "{least} of {} answered no more than the part", stopped.len());
    // The reported best has answered every question: its fitness is the mean of its values.
    let best = state.best_entry().unwrap();
    assert!(!best.stopped && best.values.len() == 60);
    assert!((best.values.iter().sum::<f64>() / 60.0 - best.train().unwrap().fitness).abs() < 1e-12);
    assert!(
        state.finished.as_ref().unwrap().train.n == 60 || state.best == state.finished.as_ref().unwrap().mean
    );
    // All candidates of a generation have answered the same first questions; a later generation answers others.
    let orders: Vec<&Vec<usize>> = state.generations.iter().map(|g| &g.order).collect();
    assert!(orders.iter().all(|order| order.len() == 60));
    assert!(orders.windows(2).any(|w| w[0][..12] != w[1][..12]));
    // Events and report say how far off the estimates were.
    let off = state.off().unwrap();
    assert_eq!(off.candidates, full.len() as u64);
    let miss = |e: &&Entry| (e.estimate.unwrap() - e.train().unwrap().fitness).abs();
    let most = full.iter().map(miss).fold(0.0, f64::max);
    assert!((off.most - most).abs() < 1e-15 && off.mean <= most && off.mean < 0.15, "{off:?}");
    let last = whole.iter().rev().find_map(|r| match &r.event {
        Event::Estimated { off, .. } => *off,
        _ => None,
    });
    assert!(last.unwrap().candidates <= off.candidates && last.unwrap().candidates > 0);
    let report = crate::session::report::text(&state);
    assert!(report.contains("have an estimate for their fitness; of "), "{report}");
    assert!(crate::session::report::document(&state)["estimates_off"]["most"].is_number());
}

#[test]
fn estimates_go_on_from_any_event() {
    let many = SetupFacts { train_questions: 60, ..facts() };
    for (error, inject) in [(0.0, None), (0.16, None), (0.16, Some(60))] {
        let (records, run) = start_with(&estimating(error), &many);
        let whole = finish_all(records, run, inject);
        assert!(folded(&whole).finished.is_some());
        for cut in (1..whole.len()).step_by(3) {
            let part = whole[..cut].to_vec();
            let run = Evolution::replay(&part).unwrap();
            let again = inject.filter(|at| cut <= *at);
            assert_eq!(finish_all(part, run, again), whole, "cut after event {cut}");
        }
    }
}

#[test]
fn an_estimate_of_anything_has_an_end() {
    for (text, questions) in [
        (estimating(0.0), 1),
        (estimating(0.16), 10),
        (estimating(0.16).replace("population = 5", "population = 2"), 60),
        (estimating(0.0).replace("subset = 12", "subset = 600"), 60),
        (estimating(0.5).replace("evaluations = 43", "evaluations = 0"), 60),
        (estimating(0.5).replace("evaluations = 43", "evaluations = 1"), 60),
        (estimating(0.5).replace("full = 2", "full = 100"), 60),
    ] {
        let facts = SetupFacts { train_questions: questions, ..facts() };
        let (records, run) = start_with(&text, &facts);
        // Baselines without values for single questions, as another program would store them.
        let state = folded(&finish(records, run, None));
        assert!(state.finished.is_some(), "{text}");
        if questions <= 12 || text.contains("subset = 600") {
            assert!(state.entries.iter().all(|e| !e.stopped), "{text}");
        }
    }
    let says = |text: &str| Config::parse(text, "x").unwrap_err().to_string();
    assert!(says(&estimating(0.0).replace("full = 2", "full = 0")).contains("`racing.full` is 0"));
}

#[test]
fn one_that_fails_ranks_last_beside_estimates() {
    let many = SetupFacts { train_questions: 60, ..facts() };
    let (records, run) = start_with(&estimating(0.0), &many);
    let fails = |run: &Evolution, work: &Work| match work.kind {
        WorkKind::Block if work.candidate.id.is_multiple_of(3) => {
            run.measured(work, Err("out of memory".into()))
        }
        _ => answer_all(run, work),
    };
    let state = folded(&toy::finish(records, run, |_, _| None, fails));
    let failed = state.entries.iter().filter(|e| matches!(e.outcome, Some(Outcome::Failed(_)))).count();
    assert!(failed > 8 && state.finished.is_some(), "{failed}");
    assert!(state.best_entry().unwrap().values.len() == 60);
}
