//! Foreign text in a message: one line, control characters escaped, long text shortened in the middle. Called wherever
//! an error quotes a file.

use crate::text::is_unsafe;

/// Most characters of a foreign text in a message.
const MAX_SHOWN_CHARS: usize = 1000;
/// Characters kept from the start and from the end of a longer text.
const SHOWN_ENDS: (usize, usize) = (700, 200);

/// Text from a file, formatted for a message: on one line, control characters as escapes, the middle of a long text
/// left out.
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
            // Joiners are escaped too: two names may differ only in them.
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
