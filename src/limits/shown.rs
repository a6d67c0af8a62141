//! Foreign text in a message: one line, controls written out, long text shortened in the middle. Called wherever an error
//! quotes a file.

use crate::text::is_unsafe;

/// Characters of a foreign text that a message shows.
const MAX_SHOWN_CHARS: usize = 1000;
/// Characters that are shown of a longer text, from its start and from its end.
const SHOWN_ENDS: (usize, usize) = (700, 200);

/// A text from a file as a message shows it: on one line, control characters as escapes, the middle of a long
/// one left out.
#[must_use]
pub fn shown(text: &str) -> String {
    let count = text.chars().count();
    if count <= MAX_SHOWN_CHARS {
        return plain(text.chars());
    }
    let (start, end) = (text.chars().take(SHOWN_ENDS.0), text.chars().skip(count - SHOWN_ENDS.1));
    format!("{} … {}", plain(start), plain(end))
}

fn plain(text: impl Iterator<Item = char>) -> String {
    let mut out = String::new();
    for c in text {
        match c {
            // Joiners too: a name may differ from another by them alone.
            c if is_unsafe(c) || matches!(c, '\u{200c}' | '\u{200d}') => out.extend(c.escape_unicode()),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_short_and_on_one_line() {
        assert_eq!(shown("りんご \"x\""), "りんご \"x\"");
        assert_eq!(shown("a\nb\u{1b}[31m\u{202e}"), "a\\nb\\u{1b}[31m\\u{202e}");
        let long = shown(&"長い".repeat(1000));
        assert!(long.chars().count() < MAX_SHOWN_CHARS && long.contains(" … "), "{long}");
    }
}
