//! More than a person can do: sizes that change all the time, thousands of events a second, pasted
//! megabytes.

use std::time::Duration;

use yosegi::session::protocol::{Candidate, Event, Origin, Outcome, Record, Score};
use yosegi::workbench::messages;
use yosegi::workbench::recording::{RECORDED, Recording};

use super::place::{PATIENCE, Place, Terminal};

/// Numbers that are the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u16) -> u16 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % u64::from(end)) as u16
    }
}

#[test]
fn two_hundred_sizes_while_a_session_plays() {
    let place = Place::new();
    let mut terminal = Terminal::open(place.path(), &["replay", "--speed", "20"], (24, 80));
    terminal.shows("replay x20");
    let mut chance = Chance(7);
    for i in 0..200 {
        terminal.resize((1 + chance.below(60), 1 + chance.below(200)));
        if i % 10 == 0 {
            terminal.press(["1", "2", "3", "4", "?", "\x1b"][i / 10 % 6]);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    // The last key may have opened help.
    terminal.press("\x1b");
    terminal.resize((30, 100));
    terminal.press("3");
    terminal.cells("whole again", |s| {
        let rows: Vec<String> = s.rows(0, 100).collect();
        rows[0].contains("3 Evolve") && rows[0].contains("replay") && rows[29].contains("q quit")
    });
    terminal.press("q");
    assert_eq!(terminal.ends(PATIENCE), 0);
}

/// The recorded session, followed by generations at 5,000 events a second.
fn storm(events: u64) -> String {
    let mut recording = Recording::from_lines(RECORDED).expect("the recording");
    let begun = recording.records.iter().position(|r| matches!(r.event, Event::GenerationStarted { .. }));
    let first = begun.expect("a generation");
    // Events of each kind to make others from.
    let like = |kind: fn(&Event) -> bool| {
        recording.records.iter().map(|r| r.event.clone()).find(kind).expect("recorded")
    };
    let started = recording.records[first].event.clone();
    let evaluated = like(|e| matches!(e, Event::Evaluated { .. }));
    let finished = like(|e| matches!(e, Event::GenerationFinished { .. }));
    let Event::GenerationStarted { candidates, .. } = &started else { unreachable!("it was found by that") };
    let pattern = candidates[0].clone();
    recording.records.truncate(first);
    // What came before is over at once.
    let begin = recording.records[0].at_ms;
    recording.records.iter_mut().for_each(|r| r.at_ms = begin);
    let start = recording.records[first - 1].clone();
    let (mut seq, mut id, mut generation) = (start.seq, pattern.id, 0);
    let end = seq + events;
    let mut add = |seq: &mut u64, event: Event| {
        *seq += 1;
        let at_ms = start.at_ms + (*seq - start.seq) / 5;
        recording.records.push(Record { seq: *seq, at_ms, cost: None, event });
    };
    while seq < end {
        generation += 1;
        let fresh: Vec<Candidate> = (0..500)
            .map(|k| Candidate {
                id: id + k,
                label: format!("g{generation} #{}", k + 1),
                origin: Origin::Search,
                ..pattern.clone()
            })
            .collect();
        let mut event = started.clone();
        if let Event::GenerationStarted { generation: g, candidates, .. } = &mut event {
            (*g, *candidates) = (generation, fresh);
        }
        add(&mut seq, event);
        for k in 0..500 {
            let mut event = evaluated.clone();
            if let Event::Evaluated { id: i, generation: g, outcome, .. } = &mut event {
                let fitness = 0.5 + (generation * 500 + k) as f64 * 1e-6;
                (*i, *g) = (id + k, generation);
                *outcome = Outcome::Scored(Score {
                    fitness,
                    acc: 0.5,
                    acc_in_language: 0.5,
                    in_language: 1.0,
                    n: 300,
                });
            }
            add(&mut seq, event);
        }
        id += 500;
        let mut event = finished.clone();
        if let Event::GenerationFinished { generation: g, best, evaluations, .. } = &mut event {
            (*g, *best, *evaluations) = (generation, id - 1, generation * 500);
        }
        add(&mut seq, event);
    }
    recording.to_lines().expect("lines")
}

#[test]
fn five_thousand_events_a_second() {
    let place = Place::new();
    let file = place.path().join("storm.jsonl");
    std::fs::write(&file, storm(15_000)).expect("a file");
    let mut terminal =
        Terminal::open(place.path(), &["replay", file.to_str().expect("a plain path")], (40, 120));
    terminal.shows("Generation");
    // Keys are served while it pours.
    for pane in ["1", "2", "4", "3"] {
        terminal.press("?");
        terminal.shows("What can be done");
        terminal.press("\x1b");
        terminal.until("closed", |s| !s.contains("What can be done"));
        terminal.press(pane);
    }
    terminal.shows("replay ended");
    terminal.shows("Generation 30");
    terminal.press("q");
    assert_eq!(terminal.ends(PATIENCE), 0);
}

#[test]
fn pasted_megabytes() {
    let place = Place::new();
    let mut terminal = Terminal::open(place.path(), &[], (24, 80));
    terminal.shows("zoo:math-mul");
    let paste = |text: &str| format!("\x1b[200~{text}\x1b[201~");
    // Where nothing is typed it goes nowhere.
    terminal.press(&paste(&"りんごは何個？q\n".repeat(60_000)));
    terminal.press("2");
    terminal.shows("embed");
    // Into a line it goes without its line ends, as far as a line goes.
    terminal.press("w");
    terminal.shows(messages::prompt_save());
    terminal.press(&paste(&"x\x07y\n".repeat(700_000)));
    terminal.until("pasted", |s| s.contains("xyxyxyxyxy"));
    terminal.press("\x1b");
    terminal.until("closed", |s| !s.contains(messages::prompt_save()));
    // As keys, from a terminal that does not mark what is pasted.
    terminal.press(&"zZ".repeat(50_000));
    terminal.press("\x1b1");
    terminal.shows("zoo:math-mul");
    terminal.press("q");
    assert_eq!(terminal.ends(PATIENCE), 0);
}
