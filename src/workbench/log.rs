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
    /// The session that it is about, where it is about one.
    pub session: Option<String>,
    /// More than information, and nobody has looked at it.
    unread: bool,
}

/// The lines, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    lines: VecDeque<Line>,
}

impl Log {
    /// Takes in a line; whether it is new and more than information. An engine tells its past again
    /// to who comes back, and a session says once more what it found when it began.
    pub fn add(&mut self, at_ms: u64, level: &str, text: &str) -> bool {
        self.add_of(None, at_ms, level, text)
    }

    /// The same of a session.
    pub fn add_of(&mut self, session: Option<&str>, at_ms: u64, level: &str, text: &str) -> bool {
        let again = |l: &Line| l.text == text && (l.at_ms == at_ms || level == "note" && l.level == "note");
        if self.lines.iter().any(again) {
            return false;
        }
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        let matters = level != "info";
        let (level, text, session) = (level.to_owned(), text.to_owned(), session.map(str::to_owned));
        self.lines.push_back(Line { at_ms, level, text, session, unread: matters });
        matters
    }

    /// All lines, oldest first.
    #[must_use]
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = &Line> {
        self.lines.iter()
    }

    /// Lines that are more than information and that nobody has looked at. What is about a session
    /// other than the one shown is no news.
    #[must_use]
    pub fn unread(&self, shown: Option<&str>) -> usize {
        let news = |l: &&Line| l.unread && l.session.as_deref().is_none_or(|s| Some(s) == shown);
        self.lines.iter().filter(news).count()
    }

    /// Somebody looks at it.
    pub fn read(&mut self) {
        self.lines.iter_mut().for_each(|l| l.unread = false);
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
        assert_eq!((log.lines().count(), log.unread(None)), (4, 3));
        log.read();
        assert_eq!(log.unread(None), 0);
        for i in 0..2000 {
            log.add(i, "info", &i.to_string());
        }
        assert_eq!(log.lines().count(), LINES);
    }
}
