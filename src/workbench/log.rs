//! The log: lines from the engine and from the workbench itself. The log overlay shows them, and the footer counts
//! those that nobody has read.

use std::collections::VecDeque;

/// The greatest number of lines kept.
const LINES: usize = 1000;

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Milliseconds since the Unix epoch; 0 if the time is not known.
    pub at_ms: u64,
    /// `info`, `note`, `warn`, `error`.
    pub level: String,
    pub text: String,
    /// The session that the line is about, if any.
    pub session: Option<String>,
    /// The line's level is above `info`, and the log has not been opened since the line arrived.
    unread: bool,
}

/// The lines, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    lines: VecDeque<LogLine>,
}

impl Log {
    /// Adds a line. Returns whether it is new and above `info`. Repeated lines are dropped: the engine resends earlier
    /// lines after a reconnection, and a session repeats the notes of its start.
    pub fn add(&mut self, at_ms: u64, level: &str, text: &str) -> bool {
        self.add_of(None, at_ms, level, text)
    }

    /// Adds a line about a session, as [`Self::add`] does.
    pub fn add_of(&mut self, session: Option<&str>, at_ms: u64, level: &str, text: &str) -> bool {
        let again =
            |l: &LogLine| l.text == text && (l.at_ms == at_ms || level == "note" && l.level == "note");
        if self.lines.iter().any(again) {
            return false;
        }
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        let matters = level != "info";
        let (level, text, session) = (level.to_owned(), text.to_owned(), session.map(str::to_owned));
        self.lines.push_back(LogLine { at_ms, level, text, session, unread: matters });
        matters
    }

    /// All lines, oldest first.
    #[must_use]
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = &LogLine> {
        self.lines.iter()
    }

    /// Number of unread lines above `info`. Lines about a session other than `shown` do not count.
    #[must_use]
    pub fn unread(&self, shown: Option<&str>) -> usize {
        let news = |l: &&LogLine| l.unread && l.session.as_deref().is_none_or(|s| Some(s) == shown);
        self.lines.iter().filter(news).count()
    }

    /// Marks all lines as read.
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
        // The engine resends earlier lines after a reconnection, and the session's first event repeats a note.
        assert!(!log.add(7, "warn", "g1 #2: it was killed"));
        assert!(!log.add(0, "note", "running on the CPU"));
        // The same text at another time is another line.
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
