//! A run from its start to its end: the same events for one seed, and pause, resume, stop and inject.

use super::*;

#[test]
fn two_runs_with_one_seed_tell_the_same_events() {
    let (a, b) = (whole_run(Duration::ZERO), whole_run(Duration::from_millis(2)));
    assert_eq!(events(&a), events(&b));
    assert!(matches!(a.last().unwrap().event, Event::Finished { .. }));
    let other = CONFIG.replace("seed = 3", "seed = 4");
    let (_folder, home) = home();
    let engine = Engine::start(&home, WorkerKind::Function(toy(Duration::ZERO))).unwrap();
    let mut client = engine.connect().unwrap();
    let session = start(&mut client, &other, None);
    assert_ne!(events(&a), events(&follow(&mut client, &session, 1, ends)));
}

#[test]
fn the_journal_is_what_was_sent() {
    let (_folder, home) = home();
    let engine = Engine::start(&home, WorkerKind::Function(toy(Duration::ZERO))).unwrap();
    let mut client = engine.connect().unwrap();
    let session = start(&mut client, CONFIG, None);
    let sent = follow(&mut client, &session, 1, ends);
    let reader = Reader::open(&home, &session).unwrap();
    assert_eq!(reader.records(1).unwrap(), sent);
    let state = reader.state().unwrap();
    assert_eq!((state.status, state.evaluations), (Status::Finished, 20));
    assert_eq!((state.device.as_str(), state.dtype.as_str()), ("toy", "f32"));
    for entry in &state.entries {
        assert_eq!(reader.answers(entry.candidate.id, Split::Train).unwrap().len(), 4);
    }
    let best = state.best.unwrap();
    let Reply::Answers(answers) = client
        .call(Command::Answers { session: session.clone(), candidate: best, split: Split::Test })
        .unwrap()
    else {
        panic!("no answers")
    };
    assert_eq!(answers.answers.len(), 4);
    assert_eq!(answers.score, state.entry(best).unwrap().test.unwrap());
    assert_eq!(answers.answers[2].question, "Test question 2");
    // A second session of that name gets a name of its own, or a clear word.
    assert_eq!(start(&mut client, CONFIG, None), "toy-2");
    follow(&mut client, "toy-2", 1, ends);
    match client.call(Command::Start { config: CONFIG.into(), name: Some("toy".into()) }).unwrap() {
        Reply::Error(why) => assert!(why.contains("exists already") && why.contains("--resume"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn pause_resume_stop_and_inject() {
    let straight = whole_run(Duration::ZERO);
    let (_folder, home) = home();
    let engine = Engine::start(&home, WorkerKind::Function(toy(Duration::from_millis(5)))).unwrap();
    let mut client = engine.connect().unwrap();
    let session = start(&mut client, CONFIG, None);
    let is = |n: u64| move |r: &Record| r.seq == n;
    follow(&mut client, &session, 1, is(14));
    assert_eq!(client.call(Command::Pause { session: session.clone() }).unwrap(), Reply::Done);
    follow(&mut client, &session, 15, |r| r.event == Event::Paused);
    // It is not running now.
    assert!(matches!(client.call(Command::Pause { session: session.clone() }).unwrap(), Reply::Error(_)));
    let Reply::Sessions(rows) = client.call(Command::Sessions).unwrap() else { panic!() };
    assert_eq!(rows[0].status, Status::Paused);

    let started = Reply::Started { session: session.clone() };
    assert_eq!(client.call(Command::Resume { session: session.clone() }).unwrap(), started);
    assert_eq!(client.call(Command::Stop { session: session.clone() }).unwrap(), Reply::Done);
    assert_eq!(client.call(Command::Resume { session: session.clone() }).unwrap(), started);
    let records = follow(&mut client, &session, 1, |r| matches!(r.event, Event::Finished { .. }));
    let told: Vec<Event> = events(&records)
        .into_iter()
        .filter(|e| !matches!(e, Event::Paused | Event::Resumed | Event::Stopped { .. }))
        .collect();
    assert_eq!(told, events(&straight));
    assert_eq!(records.len(), straight.len() + 4);

    // Another run, with the best recipe there is put in by hand.
    let session = start(&mut client, CONFIG, Some("helped"));
    follow(&mut client, &session, 1, is(12));
    let inject = Command::Inject { session: session.clone(), recipe: Box::new(recipe(0.9, 0.1)) };
    assert_eq!(client.call(inject).unwrap(), Reply::Done);
    let records = follow(&mut client, &session, 1, |r| matches!(r.event, Event::Finished { .. }));
    let mut state = SessionState::default();
    for record in &records {
        state.apply(record);
    }
    assert_eq!(state.evaluations, 20);
    let best = state.entry(state.finished.as_ref().unwrap().best).unwrap();
    assert_eq!(best.candidate.label, "by hand 1");
    let strange = Recipe { base: Some("other".into()), ..recipe(0.9, 0.1) };
    match client.call(Command::Inject { session, recipe: Box::new(strange) }).unwrap() {
        Reply::Error(why) => assert!(why.contains("not running"), "{why}"),
        other => panic!("{other:?}"),
    }
}
