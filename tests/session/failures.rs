//! Crashed workers, killed sessions, a second writer, and journals that cannot be read.

use super::*;

#[test]
fn a_crashing_worker_costs_one_candidate() {
    let (_folder, home) = home();
    let calls = Arc::new(AtomicU64::new(0));
    let poison: Arc<Mutex<Option<f64>>> = Arc::default();
    let (inner, crashes, poisoned) = (toy(Duration::ZERO), Arc::clone(&calls), Arc::clone(&poison));
    let worker: Arc<WorkerFunction> = Arc::new(move |job, report| {
        if let Job::Run { target, .. } = job {
            let f = fitness(target);
            let n = crashes.fetch_add(1, Ordering::SeqCst);
            let mut poisoned = poisoned.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            // Call 12 crashes once; what call 16 asks for crashes every time.
            if n == 16 {
                *poisoned = Some(f);
            }
            let bad = n == 12 || *poisoned == Some(f);
            drop(poisoned);
            assert!(!bad, "crash on purpose");
        }
        inner(job, report);
    });
    let engine = Engine::start(&home, WorkerKind::Function(worker)).unwrap();
    let mut client = engine.connect().unwrap();
    let session = start(&mut client, CONFIG, None);
    let records = follow(&mut client, &session, 1, ends);
    let mut state = SessionState::default();
    for record in &records {
        state.apply(record);
    }
    assert_eq!(state.status, Status::Finished);
    let failed: Vec<_> = state
        .entries
        .iter()
        .filter(|e| matches!(&e.outcome, Some(yosegi::session::protocol::Outcome::Failed(_))))
        .collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
}

#[test]
fn a_killed_session_says_so_and_goes_on() {
    let (_folder, home) = home();
    let engine = Engine::start(&home, WorkerKind::Function(toy(Duration::from_millis(5)))).unwrap();
    let mut client = engine.connect().unwrap();
    let session = start(&mut client, CONFIG, None);
    follow(&mut client, &session, 1, |r| r.seq == 12);
    // Gone without a word, as after a kill: the journal has no end and nobody holds it.
    drop(engine);
    let engine = Engine::start(&home, WorkerKind::Function(toy(Duration::ZERO))).unwrap();
    let mut client = engine.connect().unwrap();
    let Reply::Sessions(rows) = client.call(Command::Sessions).unwrap() else { panic!() };
    assert_eq!((rows[0].status, rows[0].interrupted), (Status::Stopped, true));
    client.call(Command::Subscribe { session: session.clone(), since: 0 }).unwrap();
    loop {
        if let Message::Live { live: Live::Halted { reason, killed: true }, .. } = client.recv().unwrap() {
            assert!(reason.contains("killed"), "{reason}");
            break;
        }
    }
    assert_eq!(
        client.call(Command::Resume { session: session.clone() }).unwrap(),
        Reply::Started { session: session.clone() }
    );
    let records = follow(&mut client, &session, 1, |r| matches!(r.event, Event::Finished { .. }));
    assert_eq!(events(&records), events(&whole_run(Duration::ZERO)));
    let Reply::Sessions(rows) = client.call(Command::Sessions).unwrap() else { panic!() };
    assert!(!rows[0].interrupted && rows[0].best_train.is_some());
}

#[test]
fn one_writer_a_session() {
    let (_folder, home) = home();
    let engine = Engine::start(&home, WorkerKind::Function(toy(Duration::from_millis(20)))).unwrap();
    let mut client = engine.connect().unwrap();
    let session = start(&mut client, CONFIG, None);
    let other = Engine::start(&home, WorkerKind::Function(toy(Duration::ZERO))).unwrap();
    let mut second = other.connect().unwrap();
    let why = Journal::open(&home, &session).err().unwrap().to_string();
    assert!(why.contains("is being run by another process"), "{why}");
    // Who asks for it to go on is told that it does.
    assert_eq!(second.call(Command::Resume { session: session.clone() }).unwrap(), Reply::Done);
    // Reading is free.
    let seen = Reader::open(&home, &session).unwrap().records(1).unwrap();
    assert!(!seen.is_empty());
    drop(engine);
    assert!(matches!(client.recv_timeout(Duration::from_secs(5)), Ok(Some(_)) | Err(_)));
    assert_eq!(
        second.call(Command::Resume { session: session.clone() }).unwrap(),
        Reply::Started { session: session.clone() }
    );
    let records = follow(&mut second, &session, 1, ends);
    assert_eq!(events(&records), events(&whole_run(Duration::ZERO)));
}

#[test]
fn journals_that_cannot_be_read_say_so() {
    let (folder, home) = home();
    let says = |name: &str| Reader::open(&home, name).and_then(|r| r.state()).unwrap_err().to_string();
    {
        let engine = Engine::start(&home, WorkerKind::Function(toy(Duration::ZERO))).unwrap();
        let mut client = engine.connect().unwrap();
        let session = start(&mut client, CONFIG, None);
        follow(&mut client, &session, 1, ends);
    }
    let missing = says("tyo");
    assert!(missing.contains("no session `tyo`") && missing.contains("did you mean `toy`"), "{missing}");
    assert!(says("../toy").contains("no session name"));
    let make = |name: &str, bytes: &[u8]| {
        let dir = folder.path().join("sessions").join(name);
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("journal.db"), bytes).unwrap();
    };
    make(
        "garbage",
        b"this is no database, but it is long enough to be looked at as one....".repeat(30).as_slice(),
    );
    assert!(says("garbage").contains("cannot be read"), "{}", says("garbage"));
    let path = folder.path().join("sessions/toy/journal.db");
    let bytes = std::fs::read(&path).unwrap();
    make("cut", &bytes[..bytes.len() / 2]);
    assert!(says("cut").contains("cannot be read"), "{}", says("cut"));
    make("newer", &bytes);
    rusqlite::Connection::open(folder.path().join("sessions/newer/journal.db"))
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    assert!(says("newer").contains("newer Yosegi"), "{}", says("newer"));
    make("foreign", b"");
    rusqlite::Connection::open(folder.path().join("sessions/foreign/journal.db"))
        .unwrap()
        .execute_batch("CREATE TABLE t (x)")
        .unwrap();
    assert!(says("foreign").contains("no journal of Yosegi"), "{}", says("foreign"));
    // All are listed, each with what is the matter.
    let mut listed: Vec<(String, &str)> = yosegi::session::home::session_list::rows(&home)
        .unwrap()
        .into_iter()
        .map(|r| (r.name, r.problem.map_or("", |p| p.kind.name())))
        .collect();
    listed.sort();
    println!("{listed:?}");
    let of = |name: &str| listed.iter().find(|(n, _)| n == name).map(|(_, kind)| *kind);
    assert_eq!(of("toy"), Some(""));
    assert_eq!(of("newer"), Some("newer"));
    assert_eq!(of("foreign"), Some("foreign"));
}
