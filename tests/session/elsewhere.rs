//! Two engines over one home, as two processes are: whoever runs a session, both show the same and
//! take the same commands.

use super::*;

/// Lets so many candidates through and holds the next, so that a test chooses the moment and not
/// the machine.
struct Gate(Arc<AtomicU64>);

/// All that come.
const ALL: u64 = u64::MAX;

impl Gate {
    fn lets(&self, candidates: u64) {
        self.0.store(candidates, Ordering::SeqCst);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        // A worker that waits would wait for ever.
        self.lets(ALL);
    }
}

/// An engine whose worker signs what it answers, and whose candidates wait at a gate, closed at first.
fn engine(home: &Home, sign: &'static str) -> (Engine, Gate) {
    let inner = toy(Duration::from_millis(1));
    let left = Arc::new(AtomicU64::new(0));
    let gate = Gate(Arc::clone(&left));
    let worker: Arc<WorkerFunction> = Arc::new(move |job, report| {
        let passes = |n: u64| n.checked_sub(u64::from(n < ALL));
        while matches!(job, Job::Run { .. })
            && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, passes).is_err()
        {
            std::thread::sleep(Duration::from_millis(1));
        }
        inner(job, &mut |told| {
            report(match told {
                Report::Token { id, question, .. } => Report::Token { id, question, text: sign.into() },
                Report::Done { id, splits, cost, .. } => {
                    Report::Done { id, device: sign.into(), splits, cost }
                }
                other => other,
            });
        });
    });
    (Engine::start(home, WorkerKind::Function(worker)).unwrap(), gate)
}

/// Waits until the run elsewhere has been reached: its watched questions come from there.
fn is_reached(client: &mut Client) -> Vec<Record> {
    let mut records = Vec::new();
    loop {
        match next(client) {
            Message::Live { live: Live::Watching { .. }, .. } => return records,
            Message::Event { record, .. } => records.push(record),
            _ => {}
        }
    }
}

fn done(client: &mut Client, command: Command) {
    assert_eq!(client.call(command).unwrap(), Reply::Done);
}

fn next(client: &mut Client) -> Message {
    client.recv_timeout(Duration::from_secs(20)).unwrap().expect("something is told")
}

/// What is told until an event ends the run.
fn told(client: &mut Client) -> (Vec<Record>, Vec<Live>) {
    let (mut records, mut lives) = (Vec::new(), Vec::new());
    loop {
        match next(client) {
            Message::Event { record, .. } => {
                let last = ends(&record);
                records.push(record);
                if last {
                    return (records, lives);
                }
            }
            Message::Live { live, .. } => lives.push(live),
            _ => {}
        }
    }
}

fn has(lives: &[Live], what: fn(&Live) -> bool) -> bool {
    lives.iter().any(what)
}

#[test]
fn a_run_elsewhere_is_seen_as_if_it_were_here() {
    let (_folder, home) = home();
    let ((a, gate), (b, _)) = (engine(&home, "a"), engine(&home, "b"));
    let (mut runs, mut looks) = (a.connect().unwrap(), b.connect().unwrap());
    let session = start(&mut runs, CONFIG, None);
    done(&mut looks, Command::Subscribe { session: session.clone(), since: 1 });
    let mut records = is_reached(&mut looks);
    // Who comes later is told how it stands, although that was said before.
    let mut second = b.connect().unwrap();
    done(&mut second, Command::Subscribe { session: session.clone(), since: 1 });
    gate.lets(ALL);
    let (rest, lives) = told(&mut looks);
    records.extend(rest);
    assert_eq!(records, Reader::open(&home, &session).unwrap().records(1).unwrap());
    assert!(matches!(records.last().unwrap().event, Event::Finished { .. }));
    // Not its events alone.
    assert!(has(&lives, |l| matches!(l, Live::Token { text, .. } if text == "a")), "{lives:?}");
    assert!(has(&lives, |l| matches!(l, Live::Rate { .. })));
    assert!(!has(&lives, |l| matches!(l, Live::Halted { .. })));
    let (again, lives) = told(&mut second);
    assert_eq!(again, records);
    assert!(matches!(lives[0], Live::Runs { .. }) && matches!(lives[1], Live::Watching { .. }), "{lives:?}");
    assert!(has(&lives, |l| matches!(l, Live::Token { text, .. } if text == "a")), "{lives:?}");
    // Who comes after its end sees the same, and no more.
    let mut late = b.connect().unwrap();
    done(&mut late, Command::Subscribe { session: session.clone(), since: 1 });
    assert_eq!(told(&mut late).0, records);
}

#[test]
fn commands_reach_the_process_that_runs_the_session() {
    let (_folder, home) = home();
    let ((a, gate), (b, _)) = (engine(&home, "a"), engine(&home, "b"));
    let (mut runs, mut looks) = (a.connect().unwrap(), b.connect().unwrap());
    let session = start(&mut runs, &CONFIG.replace("evaluations = 20", "evaluations = 100000"), None);
    done(&mut looks, Command::Subscribe { session: session.clone(), since: 1 });
    is_reached(&mut looks);
    gate.lets(ALL);
    // Other samples.
    done(&mut looks, Command::Watch { session: session.clone(), questions: vec![2, 3] });
    loop {
        if let Message::Live { live: Live::Token { question: 3, text, .. }, .. } = next(&mut looks) {
            assert_eq!(text, "a");
            break;
        }
    }
    // A try is done where the models are open, streams back, and the latest wins.
    let ask = |w| Command::Try {
        target: Target::Recipe(Box::new(recipe(w, 0.1))),
        task: "toy".into(),
        split: Split::Train,
        questions: vec![0],
    };
    gate.lets(0);
    let old = looks.send(ask(0.3)).unwrap();
    let new = looks.send(ask(0.5)).unwrap();
    let (mut streamed, mut superseded) = (false, false);
    loop {
        match next(&mut looks) {
            Message::Live { live: Live::TryToken { request, text, .. }, .. } if request == new => {
                assert_eq!(text, "a");
                streamed = true;
            }
            Message::Reply { id, reply } if id == old => {
                superseded = reply == Reply::Superseded;
                gate.lets(ALL);
            }
            Message::Reply { id, reply } if id == new => {
                assert!(matches!(reply, Reply::Answers(_)), "{reply:?}");
                break;
            }
            _ => {}
        }
    }
    assert!(streamed && superseded);
    // A recipe by hand, with the refusal of what does not fit.
    done(&mut looks, Command::Inject { session: session.clone(), recipe: Box::new(recipe(0.9, 0.1)) });
    let strange = Box::new(Recipe { base: Some("other".into()), ..recipe(0.9, 0.1) });
    let refused = looks.call(Command::Inject { session: session.clone(), recipe: strange }).unwrap();
    assert!(matches!(refused, Reply::Error(_)), "{refused:?}");
    done(&mut looks, Command::Pause { session: session.clone() });
    assert_eq!(told(&mut looks).0.last().unwrap().event, Event::Paused);
    let records = Reader::open(&home, &session).unwrap().records(1).unwrap();
    assert!(records.iter().any(|r| matches!(r.event, Event::Injected { .. })));
}

#[test]
fn a_session_is_followed_from_one_process_to_the_next() {
    let (_folder, home) = home();
    let ((a, gate_a), (b, gate_b)) = (engine(&home, "a"), engine(&home, "b"));
    let (mut runs, mut looks) = (a.connect().unwrap(), b.connect().unwrap());
    let session = start(&mut runs, CONFIG, None);
    done(&mut runs, Command::Subscribe { session: session.clone(), since: 1 });
    done(&mut looks, Command::Subscribe { session: session.clone(), since: 1 });
    let mut seen = is_reached(&mut looks);
    gate_a.lets(7);
    while seen.len() < 8 {
        if let Message::Event { record, .. } = next(&mut looks) {
            seen.push(record);
        }
    }
    // Paused by the one that looks on, and resumed there.
    done(&mut looks, Command::Pause { session: session.clone() });
    gate_a.lets(1);
    seen.extend(told(&mut looks).0);
    assert_eq!(seen.last().unwrap().event, Event::Paused);
    let (begin, _) = told(&mut runs);
    assert_eq!(begin, seen);
    let started = Reply::Started { session: session.clone() };
    assert_eq!(looks.call(Command::Resume { session: session.clone() }).unwrap(), started);
    // The first looks on now, and then its engine goes; the other's client sees it to its end.
    is_reached(&mut runs);
    gate_b.lets(ALL);
    loop {
        match next(&mut runs) {
            Message::Live { live: Live::Token { text, .. }, .. } => {
                assert_eq!(text, "b");
                break;
            }
            Message::Event { record, .. } => assert!(!ends(&record), "it ended before anything streamed"),
            _ => {}
        }
    }
    drop(a);
    seen.extend(told(&mut looks).0);
    let stored = Reader::open(&home, &session).unwrap().records(1).unwrap();
    assert_eq!(seen, stored);
    assert!(matches!(stored.last().unwrap().event, Event::Finished { .. }));
}

#[test]
fn a_run_that_ends_without_an_event_says_so_and_is_followed_when_it_goes_on() {
    let (_folder, home) = home();
    let ((a, gate_a), (b, _)) = (engine(&home, "a"), engine(&home, "b"));
    let (mut runs, mut looks) = (a.connect().unwrap(), b.connect().unwrap());
    let session = start(&mut runs, CONFIG, None);
    done(&mut looks, Command::Subscribe { session: session.clone(), since: 1 });
    let mut seen = is_reached(&mut looks);
    gate_a.lets(7);
    while seen.len() < 8 {
        if let Message::Event { record, .. } = next(&mut looks) {
            seen.push(record);
        }
    }
    drop(a);
    loop {
        match next(&mut looks) {
            Message::Live { live: Live::Halted { .. }, .. } => break,
            Message::Event { record, .. } => seen.push(record),
            _ => {}
        }
    }
    let (c, gate_c) = engine(&home, "c");
    let mut resumes = c.connect().unwrap();
    let started = Reply::Started { session: session.clone() };
    assert_eq!(resumes.call(Command::Resume { session: session.clone() }).unwrap(), started);
    seen.extend(is_reached(&mut looks));
    gate_c.lets(ALL);
    let (records, lives) = told(&mut looks);
    seen.extend(records);
    assert!(has(&lives, |l| matches!(l, Live::Token { text, .. } if text == "c")), "{lives:?}");
    // Its end was told once.
    assert!(!has(&lives, |l| matches!(l, Live::Halted { .. })), "{lives:?}");
    assert_eq!(events(&seen), events(&whole_run(Duration::ZERO)));
}

#[test]
fn a_client_that_does_not_read_is_let_go_and_costs_little() {
    use std::io::{BufRead, BufReader, Write};
    let (_folder, home) = home();
    let (a, gate) = engine(&home, "a");
    gate.lets(ALL);
    let mut client = a.connect().unwrap();
    let session = start(&mut client, CONFIG, None);
    follow(&mut client, &session, 1, ends);
    let socket = std::fs::read_dir(home.root().join("run")).unwrap().flatten();
    let socket = socket.map(|e| e.path()).find(|p| p.extension().is_some_and(|e| e == "sock")).unwrap();
    let mut rude = std::os::unix::net::UnixStream::connect(socket).unwrap();
    rude.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    // It asks for the whole past, again and again, and reads none of it: soon nothing is taken of it.
    let line = serde_json::to_string(&yosegi::session::protocol::Request {
        id: 1,
        command: Command::Subscribe { session: session.clone(), since: 1 },
    });
    let line = line.unwrap() + "\n";
    let taken = (0..100_000).take_while(|_| rude.write_all(line.as_bytes()).is_ok()).count();
    assert!(taken < 100_000, "everything was taken from a client that reads nothing");
    // Others are served meanwhile, and it too, once it reads.
    assert!(matches!(client.call(Command::Sessions).unwrap(), Reply::Sessions(_)));
    let mut lines = BufReader::new(rude).lines();
    let first: Message = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(first, Message::Reply { id: 1, reply: Reply::Done });
    let second: Message = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert!(matches!(second, Message::Event { record: Record { seq: 1, .. }, .. }), "{second:?}");
}
