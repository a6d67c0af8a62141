//! What clients of a running engine see: events from where they ask, watched answers, and tries.

use super::*;

#[test]
fn several_clients_see_one_run_from_where_they_ask() {
    let (_folder, home) = home();
    let engine = Engine::start(&home, WorkerKind::Function(toy(Duration::from_millis(3)))).unwrap();
    let (mut first, mut second) = (engine.connect().unwrap(), engine.connect().unwrap());
    let session = start(&mut first, CONFIG, None);
    // One run at a time.
    match second.call(Command::Start { config: CONFIG.into(), name: None }).unwrap() {
        Reply::Error(why) => assert!(why.contains("`toy` is running"), "{why}"),
        other => panic!("{other:?}"),
    }
    let all = follow(&mut first, &session, 1, ends);
    let late = follow(&mut second, &session, 17, ends);
    assert_eq!(late, all[16..]);
    assert!(late.iter().enumerate().all(|(i, r)| r.seq == 17 + i as u64));
    // The past ends with a boundary.
    second.send(Command::Subscribe { session: session.clone(), since: 20 }).unwrap();
    let next = loop {
        if let Message::Boundary { next, .. } = second.recv().unwrap() {
            break next;
        }
    };
    assert_eq!(next, all.len() as u64 + 1);
}

#[test]
fn a_watched_question_streams_while_it_runs() {
    let (_folder, home) = home();
    let engine = Engine::start(&home, WorkerKind::Function(toy(Duration::from_millis(5)))).unwrap();
    let mut client = engine.connect().unwrap();
    let session = start(&mut client, CONFIG, None);
    client.call(Command::Subscribe { session: session.clone(), since: 1 }).unwrap();
    let mut seen: HashMap<&str, u32> = HashMap::new();
    loop {
        match client.recv().unwrap() {
            Message::Live { live: Live::Watching { questions }, .. } => {
                assert_eq!(questions[0].question, "Train question 1");
                *seen.entry("watching").or_default() += 1;
            }
            Message::Live { live: Live::Token { question, text, .. }, .. } => {
                assert_eq!((question, text.as_str()), (1, "答"));
                *seen.entry("token").or_default() += 1;
            }
            Message::Live { live: Live::Rate { candidates_per_hour, .. }, .. } => {
                assert!(candidates_per_hour > 0.0);
                *seen.entry("rate").or_default() += 1;
            }
            Message::Event { record, .. } if ends(&record) => break,
            _ => {}
        }
    }
    assert!(seen["watching"] == 1 && seen["token"] > 10 && seen["rate"] > 10, "{seen:?}");
}

/// A task of one's own names no questions to watch, and its candidates are short: twenty a second.
#[test]
fn a_fast_run_streams_from_its_first_generation_also_where_nothing_is_named() {
    let (_folder, home) = home();
    let engine = Engine::start(&home, WorkerKind::Function(toy(Duration::from_millis(50)))).unwrap();
    let mut client = engine.connect().unwrap();
    let config = CONFIG.replace("watch = [1]\n", "").replace("evaluations = 20", "evaluations = 30");
    let session = start(&mut client, &config, None);
    client.call(Command::Subscribe { session: session.clone(), since: 1 }).unwrap();
    let (mut watching, mut tokens, mut generations) = (Vec::new(), 0, 0);
    loop {
        match client.recv().unwrap() {
            Message::Live { live: Live::Watching { questions }, .. } => {
                watching = questions.into_iter().map(|q| q.index).collect();
            }
            Message::Live { live: Live::Token { question, .. }, .. } => {
                assert!(watching.contains(&question));
                tokens += 1;
            }
            Message::Event { record, .. } => match record.event {
                Event::GenerationFinished { .. } => {
                    // Three a candidate, of five candidates.
                    assert!(tokens >= 15, "generation {generations}: {tokens} tokens");
                    (tokens, generations) = (0, generations + 1);
                }
                Event::Finished { .. } => break,
                _ => {}
            },
            _ => {}
        }
    }
    assert_eq!((watching, generations), (vec![0, 1, 2], 6));
}

#[test]
fn the_latest_try_wins_and_goes_before_the_run() {
    let (_folder, home) = home();
    let engine = Engine::start(&home, WorkerKind::Function(toy(Duration::from_millis(20)))).unwrap();
    let mut client = engine.connect().unwrap();
    start(&mut client, CONFIG, None);
    let ask = |w| Command::Try {
        target: Target::Recipe(Box::new(recipe(w, 0.1))),
        task: "toy".into(),
        split: Split::Train,
        questions: vec![0, 2],
    };
    let begin = Instant::now();
    let numbers: Vec<u64> = (0..5).map(|i| client.send(ask(0.1 * f64::from(i))).unwrap()).collect();
    let mut replies = HashMap::new();
    while replies.len() < 5 {
        if let Message::Reply { id, reply } = client.recv().unwrap() {
            replies.insert(id, reply);
        }
    }
    for number in &numbers[..4] {
        assert_eq!(replies[number], Reply::Superseded);
    }
    let Reply::Answers(answers) = &replies[&numbers[4]] else { panic!() };
    assert_eq!(answers.answers.iter().map(|a| a.index).collect::<Vec<_>>(), [0, 2]);
    // The run has some 35 candidates of 20 ms before it; the try waited for a few at most.
    assert!(begin.elapsed() < Duration::from_millis(300), "{:?}", begin.elapsed());
}
