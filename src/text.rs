//! Text that came from a model, a data set or a config must not drive the terminal.

/// The text with every character that could move the cursor, recolour, hide or reorder shown as
/// a visible symbol: `␛` for escape, `␍` for carriage return, `\u{202e}` for a bidi override.
/// Line feeds and tabs stay as they are.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            '\u{0}'..='\u{1f}' => out.push(char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}')),
            '\u{7f}' => out.push('\u{2421}'),
            _ if is_unsafe(c) => out.extend(c.escape_unicode()),
            _ => out.push(c),
        }
    }
    out
}

/// [`visible`] on one line: line feeds show as `␊`, tabs as a space.
#[must_use]
pub fn visible_line(text: &str) -> String {
    visible(text).replace('\n', "\u{240a}").replace('\t', " ")
}

/// C1 controls, bidi controls, invisible format characters, tags and line separators.
const fn is_unsafe(c: char) -> bool {
    matches!(c,
        '\u{80}'..='\u{9f}'
        | '\u{61c}'
        | '\u{200b}' | '\u{200e}' | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_but_text() {
        assert_eq!(visible("a\u{1b}[31mb\u{7}\r\nc"), "a␛[31mb␇␍\nc");
        assert_eq!(visible("x\u{9b}2J\u{202e}y\u{7f}"), "x\\u{9b}2J\\u{202e}y␡");
        assert_eq!(visible("答えは18個です。"), "答えは18個です。");
        assert_eq!(visible_line("a\nb\tc"), "a␊b c");
    }

    proptest::proptest! {
        #[test]
        fn every_text_is_made_safe(text in ".*") {
            let shown = visible_line(&text);
            proptest::prop_assert!(shown.chars().all(|c| !c.is_control() && !is_unsafe(c)));
        }
    }
}
