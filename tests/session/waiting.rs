//! What a client waits for: it sees how far that has come, and may give it up.

use std::sync::atomic::AtomicBool;

use super::*;
use yosegi::progress::{Headway, What};

/// As [`toy`], but the first session takes until `released` is set to open.
fn slow_to_open(released: Arc<AtomicBool>) -> Arc<WorkerFunction> {
    let (inner, opened) = (toy(Duration::ZERO), AtomicU64::new(0));
    Arc::new(move |job, report| {
        if let Job::Open { id, .. } = job
            && opened.fetch_add(1, Ordering::SeqCst) == 0
        {
            let headway = Headway {
                what: What::Fetching("org/b: model.safetensors".into()),
                done: 3,
                of: 10,
                left_s: Some(7),
            };
            report(Report::Headway { id: *id, headway });
            while !released.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        inner(job, report);
    })
}

#[test]
fn a_session_that_is_being_opened_is_given_up_at_once() {
    let (_folder, home) = home();
    let released = Arc::new(AtomicBool::new(false));
    let engine = Engine::start(&home, WorkerKind::Function(slow_to_open(Arc::clone(&released)))).unwrap();
    let mut client = engine.connect().unwrap();
    let asked = client.send(Command::Start { config: CONFIG.into(), name: None }).unwrap();
    let mut seen = Vec::new();
    let mut given_up = None;
    loop {
        match client.recv().unwrap() {
            Message::Live { session: None, live: Live::Headway(headway) } => {
                seen.push((headway.done, headway.of));
                if headway.ended() {
                    break;
                }
                given_up = Some(client.send(Command::GiveUp).unwrap());
            }
            Message::Reply { id, reply } if id == asked => assert_eq!(reply, Reply::Superseded),
            Message::Reply { id, reply } => assert_eq!((Some(id), reply), (given_up, Reply::Done)),
            _ => {}
        }
    }
    assert_eq!(seen, [(3, 10), (10, 10)]);
    // Nothing of it is left, and another session can start; the old worker is not listened to any more.
    released.store(true, Ordering::SeqCst);
    assert_eq!(client.call(Command::Sessions).unwrap(), Reply::Sessions(Vec::new()));
    let session = start(&mut client, CONFIG, None);
    follow(&mut client, &session, 1, ends);
}
