//! Shows how far long work has come. Reports come in; on a terminal a bar goes out, in a log a line every ten seconds.
//! Commands that read, merge or write models pass [`observer`] to the work.

use std::io::IsTerminal;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::locale::speaks_unicode;
use crate::progress::{Headway, Observer, What};
use crate::text::visible_line;

/// Seconds between two lines in a log, unless `YOSEGI_PROGRESS` gives another number; 0: no line.
const EVERY: f64 = 10.0;

/// The longest time between two lines that can be asked for, in seconds.
const LONGEST: f64 = 1e9;

/// What is on the screen.
#[derive(Default)]
struct Shown {
    bar: Option<(What, ProgressBar)>,
    lines: Lines,
}

/// When the last line of a log was printed.
#[derive(Default)]
struct Lines {
    last: Option<Instant>,
}

static SHOWN: Mutex<Shown> = Mutex::new(Shown { bar: None, lines: Lines { last: None } });

/// Shows the work on stderr; the work ends soon after `stop` becomes true.
pub fn observer(stop: &AtomicBool) -> Observer<'_> {
    Observer::new(&tell, stop)
}

/// Shows one report.
pub fn tell(headway: Headway) {
    if std::io::stderr().is_terminal() {
        SHOWN.lock().unwrap_or_else(PoisonError::into_inner).draw(headway);
    } else if !headway.ended() && is_line_due() {
        eprintln!("{}", visible_line(&line(&headway)));
    }
}

/// Shows how many `units` are done: on a terminal at once, in a log with a line every ten seconds.
pub fn counted(units: &str, done: u64, of: u64) {
    if std::io::stderr().is_terminal() {
        let end = if done == of { "\n" } else { "" };
        eprint!("\r{done} of {of} {units}{end}");
    } else if done < of && is_line_due() {
        eprintln!("{done} of {of} {units}");
    }
}

/// Whether a line of a log is due, as the user wants them.
fn is_line_due() -> bool {
    let mut shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let every = every(std::env::var("YOSEGI_PROGRESS").ok().as_deref());
    every.is_some_and(|every| shown.lines.due(Instant::now(), every))
}

/// Prints something on stderr while a bar may stand there.
pub fn beside_bar(print: impl FnOnce()) {
    let shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
    match &shown.bar {
        Some((_, bar)) => bar.suspend(print),
        None => print(),
    }
}

impl Shown {
    fn draw(&mut self, headway: Headway) {
        if headway.ended() || self.bar.as_ref().is_some_and(|(what, _)| *what != headway.what) {
            self.clear();
        }
        if headway.ended() {
            return;
        }
        let (done, amount) = (headway.done, amount(&headway));
        let (_, bar) = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::new(headway.of).with_prefix(visible_line(&words(&headway.what)));
            let style = ProgressStyle::with_template("{prefix} {wide_bar} {msg}");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            bar.set_style(if speaks_unicode() { style } else { style.progress_chars("=> ") });
            (headway.what, bar)
        });
        bar.set_message(amount);
        bar.set_position(done);
    }

    fn clear(&mut self) {
        if let Some((_, bar)) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Lines {
    /// Whether a line is due: `every` after the last one, or after the first report.
    fn due(&mut self, now: Instant, every: Duration) -> bool {
        let last = *self.last.get_or_insert(now);
        let due = now.saturating_duration_since(last) >= every;
        if due {
            self.last = Some(now);
        }
        due
    }
}

/// The time between two lines; `None`: no lines.
fn every(asked: Option<&str>) -> Option<Duration> {
    let seconds = asked.and_then(|text| text.parse().ok()).unwrap_or(EVERY);
    (seconds > 0.0).then(|| Duration::from_secs_f64(f64::min(seconds, LONGEST)))
}

/// `loading org/name: 3.2 of 14.5 GB, about 2 min left`.
fn line(headway: &Headway) -> String {
    format!("{}: {}", words(&headway.what), amount(headway))
}

fn words(what: &What) -> String {
    match what {
        What::Fetching(file) => format!("fetching {file}"),
        What::Fingerprints => "taking fingerprints of the models, once".to_owned(),
        What::Checking => "reading the models".to_owned(),
        What::Distances => "measuring distances".to_owned(),
        What::Merging => "merging".to_owned(),
        What::Loading(model) => format!("loading {model}"),
        What::Writing(folder) => format!("writing {folder}"),
    }
}

/// `3.2 of 14.5 GB, about 2 min left`.
fn amount(headway: &Headway) -> String {
    let (done, of) = (headway.done as f64, headway.of as f64);
    let bytes = if of < 1e9 {
        format!("{:.0} of {:.0} MB", done / 1e6, of / 1e6)
    } else {
        format!("{:.1} of {:.1} GB", done / 1e9, of / 1e9)
    };
    headway.left_s.map_or_else(|| bytes.clone(), |left| format!("{bytes}, {}", time_left(left)))
}

/// `about 2 min left`, in steps that do not flicker.
fn time_left(seconds: u64) -> String {
    match seconds {
        0..5 => "a few seconds left".to_owned(),
        5..58 => format!("about {} s left", seconds.div_ceil(5) * 5),
        58..3570 => format!("about {} min left", (seconds + 30) / 60),
        _ => {
            let minutes = (seconds + 30) / 60;
            format!("about {} h {} min left", minutes / 60, minutes % 60)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headway(done: u64, of: u64, left_s: Option<u64>) -> Headway {
        Headway { what: What::Loading("org/name".to_owned()), done, of, left_s }
    }

    #[test]
    fn bytes_and_time_are_told_in_words() {
        let told = |done, of, left_s| line(&headway(done, of, left_s));
        assert_eq!(
            told(3_249_000_000, 14_480_000_000, Some(118)),
            "loading org/name: 3.2 of 14.5 GB, about 2 min left"
        );
        assert_eq!(told(12_000_000, 540_000_000, None), "loading org/name: 12 of 540 MB");
        let left = [4, 5, 31, 57, 58, 89, 90, 3569, 3570, 9000].map(time_left);
        assert_eq!(
            left.map(|text| text.replace("about ", "").replace(" left", "")),
            [
                "a few seconds",
                "5 s",
                "35 s",
                "60 s",
                "1 min",
                "1 min",
                "2 min",
                "59 min",
                "1 h 0 min",
                "2 h 30 min"
            ]
        );
    }

    #[test]
    fn a_log_has_a_line_every_ten_seconds_and_never_more() {
        let (mut lines, begin) = (Lines::default(), Instant::now());
        let every = every(None).unwrap();
        let at: Vec<u64> =
            (0..350).filter(|tenth| lines.due(begin + Duration::from_millis(100 * tenth), every)).collect();
        assert_eq!(at, [100, 200, 300]);
        assert_eq!(super::every(Some("0")), None);
        assert_eq!(super::every(Some("0.5")), Some(Duration::from_millis(500)));
        assert_eq!(super::every(Some("-1")), None);
        assert_eq!(super::every(Some("NaN")), None);
        assert_eq!(super::every(Some("soon")), Some(Duration::from_secs(10)));
    }
}
