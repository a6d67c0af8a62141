//! Lost connections: the workbench goes, the engine and its run stay, nothing is missing afterwards.
//!
//! `YOSEGI_LOST=50 cargo test --release --test workbench lost -- --nocapture` loses fifty.

use std::thread;
use std::time::{Duration, Instant};

use yosegi::session::Home;
use yosegi::session::journal::Reader;
use yosegi::session::protocol::{Command, Message, Record, Reply, Status};
use yosegi::session::state::SessionState;

use super::place::{PATIENCE, Place, Terminal};

/// Lost connections in the suite.
const FEW: usize = 6;

fn fold(records: &[Record]) -> SessionState {
    let mut state = SessionState::default();
    for record in records {
        state.apply(record);
    }
    state
}

#[test]
fn a_lost_line_ends_the_workbench_and_not_the_run() {
    let times: usize = std::env::var("YOSEGI_LOST").ok().and_then(|n| n.parse().ok()).unwrap_or(FEW);
    let place = Place::new();
    let config = place.config(100_000);
    let mut terminal =
        Terminal::open(place.path(), &["evolve", config.to_str().expect("a plain path")], (40, 120));
    terminal.shows("Generation");
    let pid = place.client().pid;
    let mut slowest = Duration::ZERO;
    // Moments that a person does not choose: odd milliseconds, in any pane, with anything open.
    let keys = ["", "2+++", "4jj", "?", ":", "2w", "S", "L", "1j", "3jjj", "2v", "0.5"];
    for i in 0..times {
        terminal.press(keys[i % keys.len()]);
        thread::sleep(Duration::from_millis((i as u64 * 7919 + 7) % 311));
        let start = Instant::now();
        terminal.hang_up();
        terminal.ends(PATIENCE);
        slowest = slowest.max(start.elapsed());
        terminal = Terminal::open(place.path(), &["attach", "zoo"], (40, 120));
        // Every other time the line goes before anything is seen.
        if i % 2 == 0 {
            terminal.shows("zoo running");
        }
    }
    eprintln!("{times} lines lost, the workbench gone after {slowest:.0?} at most");
    let mut client = place.client();
    assert_eq!(client.pid, pid, "the engine is still the same");
    let Ok(Reply::Sessions(rows)) = client.call(Command::Sessions) else { panic!("no list of sessions") };
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].status, Status::Running);
    // The journal is whole, and who comes back is told exactly what it holds.
    client.call(Command::Subscribe { session: "zoo".to_owned(), since: 0 }).expect("the past");
    let mut told = Vec::new();
    loop {
        match client.recv().expect("the past, then a boundary") {
            Message::Event { record, .. } => told.push(record),
            Message::Boundary { .. } => break,
            _ => {}
        }
    }
    let stored = Reader::open(&Home::at(place.path()), "zoo").and_then(|r| r.records(1)).expect("a journal");
    assert!(stored.iter().enumerate().all(|(i, r)| r.seq == i as u64 + 1), "an event is missing");
    assert!(told.len() > 20 && stored.len() >= told.len());
    assert_eq!(fold(&told), fold(&stored[..told.len()]));
}
