//! Every reader against broken input: valid files are changed in small and in large ways, and whatever
//! comes is read or refused in one sentence that names the file; nothing panics, hangs, or takes more
//! memory or time than the file's size allows.
//!
//! `YOSEGI_MUTANTS` sets the number of changed files (20,000). One that failed is read alone again with
//! `YOSEGI_MUTANT=reader:number`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod alloc;
mod llava;
mod mutate;
mod readers;
mod seeds;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use readers::{COUNT, Lab, READERS, Reader};
use seeds::Seeds;

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

/// Memory that reading may take: so much, and so many times the file's size.
const MEMORY: (usize, usize) = (64 << 20, 512);
/// Processor time that reading may take, and more for each megabyte.
const TIME: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(2));
/// After so long a reader hangs.
const HANGS: Duration = Duration::from_mins(2);
/// Threads have this stack, as those of the program do.
const STACK: usize = 2 << 20;
const WORKERS: usize = 2;

/// One changed file.
#[derive(Clone, Copy, Debug)]
struct Mutant {
    reader: usize,
    number: u64,
}

impl Mutant {
    fn name(self) -> String {
        format!("{}:{}", READERS[self.reader].name, self.number)
    }
}

/// The work: each reader's share of the number, in turns.
fn mutants() -> Vec<Mutant> {
    if let Ok(one) = std::env::var("YOSEGI_MUTANT") {
        let (name, number) = one.split_once(':').expect("reader:number");
        let reader = READERS.iter().position(|r| r.name == name).expect("a reader's name");
        return vec![Mutant { reader, number: number.parse().expect("a number") }];
    }
    let asked = std::env::var("YOSEGI_MUTANTS").ok().and_then(|n| n.parse().ok()).unwrap_or(20_000_u64);
    let all: u64 = READERS.iter().map(|r| r.share).sum();
    let count = |r: &Reader| (asked * r.share).div_ceil(all);
    let mut out: Vec<(u64, Mutant)> = Vec::new();
    for (reader, r) in READERS.iter().enumerate() {
        out.extend((0..count(r)).map(|number| (number * all / r.share, Mutant { reader, number })));
    }
    out.sort_by_key(|(turn, _)| *turn);
    out.into_iter().map(|(_, mutant)| mutant).collect()
}

/// Of each reader, how many it refused and how many it took.
static TALLY: [[AtomicUsize; 2]; COUNT] = [const { [const { AtomicUsize::new(0) }; 2] }; COUNT];

/// What a worker is at, for whoever watches.
type At = Arc<Mutex<Option<(Mutant, Instant)>>>;

#[test]
fn no_input_breaks_a_reader() {
    let mutants = Arc::new(mutants());
    let next = Arc::new(AtomicUsize::new(0));
    let failures = Arc::new(Mutex::new(Vec::new()));
    let seeds = Arc::new(Seeds::make());
    let ats: Vec<At> = (0..WORKERS.min(mutants.len())).map(|_| At::default()).collect();
    let threads: Vec<_> = ats
        .iter()
        .cloned()
        .map(|at| {
            let (mutants, next, failures, seeds) =
                (mutants.clone(), next.clone(), failures.clone(), seeds.clone());
            let work = move || {
                let mut lab = Lab::new(&seeds);
                while let Some(mutant) = mutants.get(next.fetch_add(1, Ordering::Relaxed)) {
                    *at.lock().unwrap() = Some((*mutant, Instant::now()));
                    match try_one(*mutant, &seeds, &mut lab) {
                        Ok(taken) => {
                            TALLY[mutant.reader][usize::from(taken)].fetch_add(1, Ordering::Relaxed);
                        }
                        Err(why) => failures.lock().unwrap().push(format!("{}: {why}", mutant.name())),
                    }
                }
                *at.lock().unwrap() = None;
            };
            std::thread::Builder::new().stack_size(STACK).spawn(work).unwrap()
        })
        .collect();
    while threads.iter().any(|t| !t.is_finished()) {
        std::thread::sleep(Duration::from_millis(50));
        for at in &ats {
            if let Some((mutant, since)) = *at.lock().unwrap()
                && since.elapsed() > HANGS
            {
                panic!("{} hangs", mutant.name());
            }
        }
    }
    for thread in threads {
        thread.join().unwrap();
    }
    let failures = failures.lock().unwrap();
    assert!(
        failures.is_empty(),
        "{} of {} changed files were not read or refused as they should be:\n{}",
        failures.len(),
        mutants.len(),
        failures.iter().take(100).cloned().collect::<Vec<_>>().join("\n")
    );
    // Changes that are all too large, or all too small, would try nothing.
    for (reader, [refused, taken]) in READERS.iter().zip(&TALLY) {
        let (refused, taken) = (refused.load(Ordering::Relaxed), taken.load(Ordering::Relaxed));
        eprintln!("{}: {refused} refused, {taken} read", reader.name);
        assert!(
            mutants.len() < 10_000 || refused > 0 && taken > 0,
            "{}: {refused} refused, {taken} read",
            reader.name
        );
    }
}

/// Makes and reads one: whether it was read, or else refused. An error says what went wrong.
fn try_one(mutant: Mutant, seeds: &Seeds, lab: &mut Lab) -> Result<bool, String> {
    let reader = &READERS[mutant.reader];
    let mut rng = ChaCha8Rng::seed_from_u64((mutant.reader as u64) << 32 | mutant.number);
    let bytes = (reader.change)(&mut rng, seeds);
    let keep = |why: String| {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(mutant.name().replace(':', "-"));
        let _ = std::fs::write(&file, &bytes);
        format!("{why} [{} bytes in {}]", bytes.len(), file.display())
    };
    alloc::label(&mutant.name());
    let before = alloc::cpu_time();
    let (outcome, peak) = alloc::measure(|| catch_unwind(AssertUnwindSafe(|| (reader.read)(lab, &bytes))));
    let took = alloc::cpu_time().saturating_sub(before);
    let Ok(outcome) = outcome else { return Err(keep("panicked".to_owned())) };
    let most = MEMORY.0 + MEMORY.1 * bytes.len();
    if peak > most {
        return Err(keep(format!("took {peak} bytes of memory where {most} are allowed")));
    }
    let most = TIME.0 + TIME.1 * (bytes.len() >> 20) as u32;
    if took > most {
        return Err(keep(format!("took {took:?} where {most:?} are allowed")));
    }
    let taken = outcome.is_ok();
    for sentence in outcome.err().into_iter().flatten() {
        let show = || sentence.chars().take(300).collect::<String>();
        is_sentence(&sentence, reader.place)
            .map_err(|why| keep(format!("says {:?}, which {why}", show())))?;
    }
    Ok(taken)
}

/// Whether an error is one that a person can read: some text without control characters that names the place.
fn is_sentence(text: &str, place: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err("is empty".to_owned());
    }
    if let Some(c) = text.chars().find(|c| c.is_control()) {
        return Err(format!("holds the control character {c:?}"));
    }
    if text.len() > 10_000 {
        return Err(format!("has {} bytes", text.len()));
    }
    if !text.contains(place) {
        return Err(format!("does not name {place}"));
    }
    Ok(())
}

/// Unchanged, every file is read.
#[test]
fn whole_files_are_read() {
    let seeds = Seeds::make();
    let mut lab = Lab::new(&seeds);
    mutate::WHOLE.set(true);
    for reader in &READERS {
        for number in 0..20 {
            let bytes = (reader.change)(&mut ChaCha8Rng::seed_from_u64(number), &seeds);
            let outcome = (reader.read)(&mut lab, &bytes);
            assert!(outcome.is_ok(), "{}: {outcome:?} of\n{}", reader.name, String::from_utf8_lossy(&bytes));
        }
    }
}

/// The most memory that a text of a format takes, in times its size: docs/limits.md says so too.
#[test]
fn reading_a_text_takes_a_multiple_of_its_size() {
    let seeds = Seeds::make();
    let mut lab = Lab::new(&seeds);
    let size = 1 << 18;
    let rows = |row: &str| row.repeat(size / row.len());
    let numbered = |row: &dyn Fn(usize) -> String, rows: usize| (0..rows).map(row).collect::<String>();
    let list = format!("[{}0]", "[0],".repeat(size / 4));
    let vocabulary: Vec<String> = (0..60_000).map(|i| format!("\"{i:x}\":{i}")).collect();
    let tokenizer = String::from_utf8(seeds.tokenizers[2].clone()).unwrap();
    let texts = [
        ("jsonl", rows("{\"question\":\"a\",\"answer\":1}\n"), 96),
        ("jsonl", format!("{{\"question\":\"a\",\"answer\":1,\"x\":{list}}}\n"), 96),
        ("csv", format!("question,answer\n{}", rows("a,1\n")), 512),
        ("tsv", format!("question\tanswer\n{}", rows("a\t1\n")), 512),
        ("recipe", numbered(&|i| format!("a{i}=1\n"), 10_000), 192),
        ("recipe", format!("a = [{}]", rows("[],")), 192),
        ("config", format!("a = [{}]", rows("[],")), 192),
        ("yaml", format!("a: [{}]", rows("[],")), 96),
        ("yaml", numbered(&|i| format!("a{i}: 1\n"), 10_000), 96),
        ("index", format!("{{\"weight_map\":{list}}}"), 96),
        ("tokenizer", tokenizer.replace("\"<s>\":0,", &format!("\"<s>\":0,{},", vocabulary.join(","))), 64),
    ];
    let mut beyond = Vec::new();
    for (name, text, most) in texts {
        let reader = READERS.iter().find(|r| r.name == name).unwrap();
        let (_, peak) = alloc::measure(|| (reader.read)(&mut lab, text.as_bytes()));
        let times = peak / text.len();
        eprintln!("{name}: {times} times {} bytes", text.len());
        beyond.extend((times > most).then(|| format!("{name}: {times} times its size")));
    }
    assert!(beyond.is_empty(), "{beyond:?}");
}

/// The measure itself: what it would let pass it must see.
#[test]
fn the_measure_sees_memory_and_sentences() {
    let (kept, peak) = alloc::measure(|| {
        drop(vec![1_u8; 5 << 20]);
        vec![1_u8; 1 << 20].len()
    });
    assert!(kept == 1 << 20 && (5 << 20..6 << 20).contains(&peak), "{peak}");
    assert!(is_sentence("a.toml: no", "a.toml").is_ok());
    for bad in ["", "no", "a.toml: \u{1b}[31m", "a.toml:\nno"] {
        assert!(is_sentence(bad, "a.toml").is_err(), "{bad:?}");
    }
}
