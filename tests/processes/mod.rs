//! The program's processes as tests see them from outside: the children of a process, and what a headless run prints.
#![allow(dead_code, reason = "each test that has this module uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader};
use std::process::Child;
use std::sync::mpsc;

/// Processes whose parent is `pid`.
pub fn children(pid: u32) -> Vec<u32> {
    let parent = |child: u32| -> Option<u32> {
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).ok()?;
        stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()
    };
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|e| e.file_name().to_str()?.parse().ok()).filter(|&c| parent(c) == Some(pid)).collect()
}

/// The sequence numbers of the events that a headless run prints with `--json`, as they come.
pub fn event_numbers(child: &mut Child) -> mpsc::Receiver<u64> {
    let stdout = child.stdout.take().unwrap();
    let (tx, rx) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let value: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            if let Some(seq) = value["seq"].as_u64() {
                let _ = tx.send(seq);
            }
        }
    });
    rx
}
