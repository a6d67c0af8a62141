//! Makes text from outside safe to print on a terminal or to write as JSON, TOML, Markdown or CSV. The text of a model,
//! a data set or a config comes in. The same text goes out without anything that could control the terminal or the
//! program that reads it. Every room that prints or writes such text calls it.

use std::borrow::Cow;
use std::fmt::Write as _;

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

/// [`visible_line`] for a grid of cells: zero-width characters are also written out, in the form `\u{202e}`.
#[must_use]
pub fn visible_cells(text: &str) -> Cow<'_, str> {
    if !text.chars().any(has_no_cell) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in visible_line(text).chars() {
        if has_no_cell(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Control characters and characters that draw nothing by themselves: a column of text must be exactly as wide as it
/// looks.
pub(crate) fn has_no_cell(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// The same JSON document with such characters written as JSON escapes. Only strings in the document can hold them.
#[must_use]
pub fn as_json(document: &str) -> String {
    escaped(document, |c, out| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a `String` cannot fail.
            let _ = write!(out, "\\u{unit:04x}");
        }
    })
}

/// The same for TOML and YAML: such characters become escapes inside double-quoted strings.
#[must_use]
pub fn as_toml(document: &str) -> String {
    escaped(document, |c, out| {
        let code = u32::from(c);
        let _ = if code > 0xffff { write!(out, "\\U{code:08x}") } else { write!(out, "\\u{code:04x}") };
    })
}

fn escaped(document: &str, escape: impl Fn(char, &mut String)) -> String {
    let mut out = String::with_capacity(document.len());
    for c in document.chars() {
        if c == '\u{7f}' || is_unsafe(c) {
            escape(c, &mut out);
        } else {
            out.push(c);
        }
    }
    out
}

/// A text as a fenced block of Markdown; the fence has more backticks than the text has in a row.
#[must_use]
pub fn fenced(kind: &str, text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}{kind}\n{}\n{fence}\n", visible(text.trim_end()))
}

/// A text as a cell of a CSV file. A spreadsheet evaluates a cell that begins like a formula; an apostrophe in front
/// makes the cell plain text. A number stays a number.
#[must_use]
pub fn as_cell(text: &str) -> Cow<'_, str> {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    if formula && !text.parse::<f64>().is_ok_and(f64::is_finite) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// C1 controls, bidi controls, invisible format characters, tags and line separators.
pub(crate) const fn is_unsafe(c: char) -> bool {
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
    fn a_block_of_code_cannot_be_left() {
        assert_eq!(fenced("toml", "a = 1\n"), "```toml\na = 1\n```\n");
        assert_eq!(fenced("", "```\n# x\u{1b}"), "````\n```\n# x␛\n````\n");
    }

    #[test]
    fn cells_compute_nothing() {
        for formula in
            ["=1+1", "+cmd|' /C calc'!A0", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "-", "-inf"]
        {
            assert_eq!(as_cell(formula), format!("'{formula}"));
        }
        for text in ["-5", "+3.5", "-1e-3", "5", "a=b", "", "答え", " =1"] {
            assert_eq!(as_cell(text), text);
        }
    }

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

        #[test]
        fn a_json_document_is_safe_and_the_same(text in "[\\PC\u{0}-\u{a0}\u{2028}\u{202e}\u{e0041}]*") {
            let document = serde_json::to_string(&[&text]).unwrap();
            let safe = as_json(&document);
            proptest::prop_assert!(safe.chars().all(|c| !c.is_control() && !is_unsafe(c)));
            proptest::prop_assert_eq!(serde_json::from_str::<Vec<String>>(&safe).unwrap(), vec![text]);
        }
    }
}
