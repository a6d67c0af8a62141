//! What the engine and the workbench had to say: kept for the log overlay, counted until it is read.

use std::collections::VecDeque;

/// Lines that are kept.
const LINES: usize = 1000;

/// One thing said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Milliseconds since the Unix epoch; 0 where nobody looked at the clock.
    pub at_ms: u64,
    /// `info`, `note`, `warn`, `error`.
    pub level: String,
    pub text: String,
}

/// The lines, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    lines: VecDeque<Line>,
    unread: usize,
}

impl Log {
    /// Takes in a line; whether it is new and more than information. An engine tells its past again
    /// to who comes back, and a session says once more what it found when it began.
    pub fn add(&mut self, at_ms: u64, level: &str, text: &str) -> bool {
        let again = |l: &Line| l.text == text && (l.at_ms == at_ms || level == "note" && l.level == "note");
        if self.lines.iter().any(again) {
            return false;
        }
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(Line { at_ms, level: level.to_owned(), text: text.to_owned() });
        let matters = level != "info";
        self.unread += usize::from(matters);
        matters
    }

    /// All lines, oldest first.
    #[must_use]
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = &Line> {
        self.lines.iter()
    }

    /// Lines that are more than information and that nobody has looked at.
    #[must_use]
    pub fn unread(&self) -> usize {
        self.unread
    }

    /// Somebody looks at it.
    pub fn read(&mut self) {
        self.unread = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_again_stands_there_once() {
        let mut log = Log::default();
        assert!(!log.add(5, "info", "session `zoo` runs on cpu"));
        assert!(log.add(6, "note", "running on the CPU"));
        assert!(log.add(7, "warn", "g1 #2: it was killed"));
        // The engine's past after a reconnection, and the session's first event.
        assert!(!log.add(7, "warn", "g1 #2: it was killed"));
        assert!(!log.add(0, "note", "running on the CPU"));
        // The same trouble at another time is another line.
        assert!(log.add(9, "warn", "g1 #2: it was killed"));
        assert_eq!((log.lines().count(), log.unread()), (4, 3));
        log.read();
        assert_eq!(log.unread(), 0);
        for i in 0..2000 {
            log.add(i, "info", &i.to_string());
        }
        assert_eq!(log.lines().count(), LINES);
    }
}
