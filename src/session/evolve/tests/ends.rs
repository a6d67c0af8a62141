//! When a session ends, how it continues, and the smallest sessions.

use super::*;

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
        // This test's candidates fail by their ids, and the first end has shifted the ids by one.
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
        let one = SetupFacts { train_questions: 1, test_questions: 1, ..facts() };
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
                // The Japanese score falls where the accuracy rises.
                let mut scores = measure(&work);
                for s in scores.iter_mut().flatten() {
                    s.score.in_language = 1.0 - s.score.acc * s.score.acc;
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
    use crate::evaluate::StoredQuestion;
    let question = |split, index, text: &str| StoredQuestion {
        split,
        index,
        id: String::new(),
        question: text.into(),
        gold: "1".into(),
        images: Vec::new(),
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
