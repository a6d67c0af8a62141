//! The plan of a session, asked of an engine.

use super::*;

#[test]
fn a_plan_counts_and_times_without_starting_anything() {
    let (_folder, home) = home();
    let engine = Engine::start(&home, WorkerKind::Function(toy(Duration::ZERO))).unwrap();
    let mut client = engine.connect().unwrap();
    let mut plan =
        |config: &str, measure| client.call(Command::Plan { config: config.into(), measure }).unwrap();
    let Reply::Plan(counted) = plan(CONFIG, false) else { panic!("no plan") };
    let stage = &counted.stages[0];
    assert_eq!((stage.population, stage.generations, stage.evaluations), (Some(5), Some(4), 20));
    // Base, two sources, uniform and four of the grid; then 20 candidates and the mean.
    assert_eq!((counted.work.baselines, counted.work.train_runs), (8, 8 + 20 + 1));
    assert_eq!((counted.work.test_runs.least, counted.work.test_runs.most), (4 + 1 + 1 + 1, 4 + 1 + 1 + 4));
    assert_eq!(counted.work.tokens, Some(100 * (29 + 10)));
    assert!(counted.time.is_none());
    let Reply::Plan(timed) = plan(CONFIG, true) else { panic!("no plan") };
    let time = timed.time.unwrap();
    assert!((time.candidate_s - 4.0).abs() < 1e-9 && time.whole_s > 29.0 * 4.0, "{time:?}");
    // With the measured texts the journal is smaller than at most.
    assert!(timed.disk.journal < counted.disk.journal, "{:?} {:?}", timed.disk, counted.disk);
    match plan(&CONFIG.replace("population = 5", "population = 1"), false) {
        Reply::Error(why) => assert!(why.contains("[search]"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert!(home.session_names().is_empty());
}

#[test]
fn a_start_does_not_wait_for_a_plan() {
    let (_folder, home) = home();
    let engine = Engine::start(&home, WorkerKind::Function(toy(Duration::from_secs(1)))).unwrap();
    let mut client = engine.connect().unwrap();
    let first = client.send(Command::Plan { config: CONFIG.into(), measure: true }).unwrap();
    let session = start(&mut client, CONFIG, None);
    let reply = loop {
        if let Message::Reply { id, reply } = client.recv().unwrap()
            && id == first
        {
            break reply;
        }
    };
    assert!(matches!(reply, Reply::Superseded), "{reply:?}");
    match client.call(Command::Plan { config: CONFIG.into(), measure: false }).unwrap() {
        Reply::Error(why) => assert!(why.contains("session `toy` is running"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert!(matches!(client.call(Command::Stop { session }).unwrap(), Reply::Done));
}
