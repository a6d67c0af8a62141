//! What a person waits for: the first frame, a key while an evolution runs, answers to an edited cell.
//! The real binary in a real pseudo-terminal; prints figures.
//!
//! `cargo bench --bench workbench`

#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../tests/workbench/place.rs"]
mod place;

use std::thread;
use std::time::{Duration, Instant};

use place::{PATIENCE, Place, Terminal};

fn main() {
    let place = Place::new();
    let config = place.config(100_000);
    let quick = |terminal: &Terminal, holds: &dyn Fn(&str) -> bool| {
        let start = Instant::now();
        while !holds(&terminal.screen()) && start.elapsed() < PATIENCE {
            thread::sleep(Duration::from_micros(200));
        }
        start.elapsed()
    };
    for engine in ["started", "running"] {
        let terminal = Terminal::open(place.path(), &[], (40, 120));
        let first = quick(&terminal, &|s| s.contains("1 Models"));
        let models = first + quick(&terminal, &|s| s.contains("zoo:math-mul"));
        println!("engine {engine}: first frame {first:.1?}, models listed {models:.1?}");
    }
    let mut terminal =
        Terminal::open(place.path(), &["evolve", config.to_str().expect("a plain path")], (40, 120));
    terminal.shows("Generation");
    let mut times: Vec<Duration> = (0..100)
        .map(|_| {
            terminal.press("?");
            let open = quick(&terminal, &|s| s.contains("What can be done"));
            terminal.press("\x1b");
            quick(&terminal, &|s| !s.contains("What can be done"));
            thread::sleep(Duration::from_millis(30));
            open
        })
        .collect();
    times.sort();
    println!("key to frame while evolving: median {:.1?}, p99 {:.1?}", times[50], times[98]);
    terminal.press("2");
    terminal.until("answered", |s| !s.contains("answering") && s.contains("answer "));
    let mut times: Vec<Duration> = (0..20)
        .map(|i| {
            terminal.press(if i % 4 < 2 { "+" } else { "-" });
            quick(&terminal, &|s| s.contains("answering"));
            quick(&terminal, &|s| !s.contains("answering"))
        })
        .collect();
    times.sort();
    println!(
        "edited cell to three new answers while evolving: median {:.0?}, worst {:.0?}",
        times[10], times[19]
    );
}
