//! How far long work has come, and whether it should end. Work that reads or writes gigabytes takes an [`Observer`] and
//! counts its bytes with a [`Meter`]; a [`Headway`] goes out, at most ten times a second. Work that ends within a second
//! tells nothing. Every room that reads models takes one; commands print it, and a worker sends it to the workbench.

mod time_left;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use time_left::TimeLeft;

/// Work that is younger than this tells nothing.
const QUIET: Duration = Duration::from_secs(1);

/// The shortest time between two reports.
const EVERY: Duration = Duration::from_millis(100);

/// What the work is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// This file of this model comes from the hub: `org/name: model.safetensors`.
    Fetching(String),
    /// The models' files are read for their fingerprints.
    Fingerprints,
    /// The models are read for the first time: are all values finite?
    Checking,
    /// The distances of models are measured.
    Distances,
    /// A candidate is merged.
    Merging,
    /// The weights of this model are put onto the device.
    Loading(String),
    /// A merge is written to this folder.
    Writing(String),
}

/// How far a piece of work has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Headway {
    pub what: What,
    /// Bytes done so far. Work that was told of ends with `done` = `of`, also where it failed.
    pub done: u64,
    /// Bytes in all.
    pub of: u64,
    /// Seconds that are left, by the speed of the last few seconds; `None` while nothing moves.
    pub left_s: Option<u64>,
}

impl Headway {
    /// Whether the work has ended.
    #[must_use]
    pub const fn ended(&self) -> bool {
        self.done >= self.of
    }
}

/// Who wants to know how far long work is, and the flag that ends it.
#[derive(Clone, Copy)]
pub struct Observer<'a> {
    tell: &'a (dyn Fn(Headway) + Sync),
    stop: &'a AtomicBool,
}

/// Nobody sets this flag.
static GOES_ON: AtomicBool = AtomicBool::new(false);

impl<'a> Observer<'a> {
    /// Reports go to `tell`; the work ends soon after `stop` becomes true.
    #[must_use]
    pub fn new(tell: &'a (dyn Fn(Headway) + Sync), stop: &'a AtomicBool) -> Self {
        Self { tell, stop }
    }

    /// Reports go to `tell`, and the work goes on to its end.
    #[must_use]
    pub fn telling(tell: &'a (dyn Fn(Headway) + Sync)) -> Self {
        Self { tell, stop: &GOES_ON }
    }

    /// Nobody wants to know, and the work goes on to its end.
    #[must_use]
    pub fn none() -> Self {
        Self { tell: &|_| (), stop: &GOES_ON }
    }

    /// Whether the work should end.
    #[must_use]
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Begins a piece of work of `of` bytes.
    #[must_use]
    pub fn meter(&self, what: What, of: u64) -> Meter<'a> {
        Meter {
            observer: *self,
            what,
            of,
            began: Instant::now(),
            done: AtomicU64::new(0),
            told: Mutex::default(),
        }
    }
}

/// Counts the bytes of one piece of work; any thread may add to it. Its end tells that the work has ended.
pub struct Meter<'a> {
    observer: Observer<'a>,
    what: What,
    of: u64,
    began: Instant,
    done: AtomicU64,
    told: Mutex<Told>,
}

/// The last report.
#[derive(Default)]
struct Told {
    /// When it was made, after the begin of the work.
    at: Option<Duration>,
    ended: bool,
    left: TimeLeft,
}

impl Meter<'_> {
    /// Adds bytes that are done, and tells of it if it is time.
    pub fn add(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if let Some(headway) = self.due(self.began.elapsed(), done) {
            (self.observer.tell)(headway);
        }
    }

    /// Bytes that are done.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Bytes in all.
    #[must_use]
    pub const fn of(&self) -> u64 {
        self.of
    }

    /// Whether the work should end.
    #[must_use]
    pub fn stopped(&self) -> bool {
        self.observer.stopped()
    }

    /// The report that is due at this time after the begin.
    fn due(&self, now: Duration, done: u64) -> Option<Headway> {
        if now < QUIET || self.of == 0 {
            return None;
        }
        // One thread tells at a time; the others need not wait for it.
        let mut told = self.told.try_lock().ok()?;
        if told.ended || told.at.is_some_and(|at| now < at + EVERY) {
            return None;
        }
        told.at = Some(now);
        let done = done.min(self.of);
        told.ended = done == self.of;
        let left_s = told.left.after(now.as_secs_f64(), done, self.of);
        Some(Headway { what: self.what.clone(), done, of: self.of, left_s })
    }
}

impl Drop for Meter<'_> {
    fn drop(&mut self) {
        if self.told.get_mut().is_ok_and(|told| told.at.is_some() && !told.ended) {
            let (what, of) = (self.what.clone(), self.of);
            (self.observer.tell)(Headway { what, done: of, of, left_s: Some(0) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_work_is_silent_and_long_work_tells_ten_times_a_second() {
        let meter = Observer::none().meter(What::Merging, 1000);
        let due = |ms, done| meter.due(Duration::from_millis(ms), done).map(|h| (h.done, h.left_s));
        assert_eq!(due(0, 10), None);
        assert_eq!(due(999, 100), None);
        // 100 bytes a second: 900 are left.
        assert_eq!(due(1000, 100), Some((100, Some(9))));
        assert_eq!(due(1099, 110), None);
        assert_eq!(due(1100, 110), Some((110, Some(9))));
        // The last report is that of the end, whoever counted too much.
        assert_eq!(due(9000, 1001).map(|told| told.0), Some(1000));
        assert_eq!(due(9500, 1001), None);
    }

    #[test]
    fn work_that_was_told_of_and_fails_is_told_to_have_ended() {
        let told = Mutex::new(Vec::new());
        let tell = |headway: Headway| told.lock().unwrap().push((headway.done, headway.ended()));
        let stop = AtomicBool::new(false);
        let observer = Observer::new(&tell, &stop);
        drop(observer.meter(What::Distances, 50));
        assert!(told.lock().unwrap().is_empty());
        let meter = observer.meter(What::Distances, 50);
        assert!(meter.due(QUIET, 20).is_some_and(|headway| !headway.ended()));
        assert!(!meter.stopped());
        stop.store(true, Ordering::Relaxed);
        assert!(meter.stopped());
        drop(meter);
        assert_eq!(*told.lock().unwrap(), [(50, true)]);
    }
}
