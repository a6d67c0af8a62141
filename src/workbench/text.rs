//! Text for the terminal: control characters become visible, widths are counted in cells, lines break by Unicode's
//! and Japanese rules, and numbers get short forms. The canvas and all drawing code call it.

use std::borrow::Cow;

use ratatui::buffer::CellWidth;
use textwrap::WordSeparator;
use unicode_segmentation::UnicodeSegmentation;

use super::messages;
use crate::text::visible_cells;

/// The greatest number of characters of one text that are laid out in a frame.
const LONGEST: usize = 20_000;

/// Characters that may not start a line.
const NOT_AT_START: &str = "。、」』）】〉》．，！？ー・々ぁぃぅぇぉっゃゅょァィゥェォッャュョ｡､｣ﾞﾟ.,!?)]}:;%";

/// Characters that may not end a line.
const NOT_AT_END: &str = "「『（【〈《([{";

/// Width of `text` in terminal cells; half-width voicing marks count as one each.
#[must_use]
pub fn width(text: &str) -> usize {
    text.graphemes(true).map(grapheme_width).sum()
}

fn grapheme_width(grapheme: &str) -> usize {
    if grapheme.chars().any(char::is_control) { 0 } else { usize::from(grapheme.cell_width()) }
}

/// The beginning of `text` that fits in `cells`. A final `~` marks a cut.
#[must_use]
pub fn clip(text: &str, cells: usize) -> Cow<'_, str> {
    // Fast path: in ASCII each byte is one cell.
    if text.is_ascii() && text.len() <= cells {
        return Cow::Borrowed(text);
    }
    let mut used = 0;
    let mut fits = 0;
    for (at, grapheme) in text.grapheme_indices(true) {
        let w = grapheme_width(grapheme);
        if used + w > cells {
            return if cells == 0 { Cow::Borrowed("") } else { Cow::Owned(format!("{}~", &text[..fits])) };
        }
        used += w;
        if used < cells {
            fits = at + grapheme.len();
        }
    }
    Cow::Borrowed(text)
}

/// `text` in lines of at most `cells`, with control characters made visible. Lines break where Unicode and Japanese
/// typesetting allow it; a run without such a place is broken between any two letters.
#[must_use]
pub fn wrap(text: &str, cells: usize) -> Vec<String> {
    let cells = cells.max(2);
    let end = text.char_indices().nth(LONGEST).map_or(text.len(), |(at, _)| at);
    let mut out = Vec::new();
    for line in text[..end].trim_end().split('\n') {
        let line = visible_cells(line.strip_suffix('\r').unwrap_or(line));
        wrap_line(&line, cells, &mut out);
    }
    if end < text.len() {
        out.push(messages::more_letters(text[end..].chars().count()));
    }
    out
}

fn wrap_line(line: &str, cells: usize, out: &mut Vec<String>) {
    let mut current = String::new();
    let mut used = 0;
    for word in WordSeparator::UnicodeBreakProperties.find_words(line) {
        let w = width(&word);
        if used + w > cells && used > 0 && w <= cells {
            out.push(std::mem::take(&mut current).trim_end().to_owned());
            used = 0;
        }
        if used + w <= cells {
            current.push_str(&word);
            used += w;
        } else {
            (current, used) = force(&current, &word, cells, out);
        }
        let gap = width(word.whitespace).min(cells.saturating_sub(used));
        current.extend(std::iter::repeat_n(' ', gap));
        used += gap;
    }
    out.push(current.trim_end().to_owned());
}

/// Breaks a word that is longer than a line between letters, and returns the last, unfinished line.
fn force(before: &str, word: &str, cells: usize, out: &mut Vec<String>) -> (String, usize) {
    let mut line: Vec<&str> = before.graphemes(true).collect();
    let mut used = width(before);
    for grapheme in word.graphemes(true) {
        let w = grapheme_width(grapheme);
        if used + w > cells && !line.is_empty() {
            // Move letters to the next line until the line's end and the next line's start are allowed in Japanese.
            let mut keep = line.len();
            let mut first = grapheme;
            let mut taken = w;
            while keep > 1 && taken < cells && !may_break(line[keep - 1], first) {
                keep -= 1;
                first = line[keep];
                taken += grapheme_width(first);
            }
            if taken > cells || !may_break(line[keep - 1], first) {
                keep = line.len();
            }
            let rest = line.split_off(keep);
            out.push(line.concat().trim_end().to_owned());
            used = rest.iter().map(|g| grapheme_width(g)).sum();
            line = rest;
        }
        line.push(grapheme);
        used += w;
    }
    (line.concat(), used)
}

fn may_break(before: &str, after: &str) -> bool {
    !after.chars().next().is_some_and(|c| NOT_AT_START.contains(c))
        && !before.chars().next_back().is_some_and(|c| NOT_AT_END.contains(c))
}

/// `text` in exactly `cells`, padded with spaces on the right.
#[must_use]
pub fn pad(text: &str, cells: usize) -> String {
    let text = clip(text, cells);
    let gap = cells.saturating_sub(width(&text));
    format!("{text}{}", " ".repeat(gap))
}

/// `text` in exactly `cells`, padded with spaces on the left.
#[must_use]
pub fn pad_left(text: &str, cells: usize) -> String {
    let text = clip(text, cells);
    let gap = cells.saturating_sub(width(&text));
    format!("{}{text}", " ".repeat(gap))
}

/// The first `most` of `lines`. If lines are left out, the last one is marked.
#[must_use]
pub fn cut(mut lines: Vec<String>, most: usize, cells: usize) -> Vec<String> {
    if lines.len() > most {
        lines.truncate(most);
        if let Some(last) = lines.last_mut() {
            let mut room = cells.saturating_sub(4);
            let fits = last.graphemes(true).take_while(|g| {
                let w = grapheme_width(g);
                let fit = w <= room;
                room = room.saturating_sub(w);
                fit
            });
            *last = format!("{} ...", fits.collect::<String>());
        }
    }
    lines
}

/// A number of bytes with three digits.
#[must_use]
pub fn bytes(n: u64) -> String {
    scaled(n as f64, 1024.0, &["B", "KB", "MB", "GB", "TB"])
}

/// Bytes done of bytes in all, in the units of [`bytes`], with one decimal of a gigabyte (`3.2/13.5 GB`).
#[must_use]
pub fn of_bytes(done: u64, of: u64) -> String {
    let (mega, giga) = (1024.0 * 1024.0, 1024.0 * 1024.0 * 1024.0);
    let (done, of) = (done as f64, of as f64);
    if of < giga {
        return format!("{:.0}/{:.0} MB", done / mega, of / mega);
    }
    format!("{:.1}/{:.1} GB", done / giga, of / giga)
}

/// A count with three digits (`560K`, `7.24B`).
#[must_use]
pub fn count(n: u64) -> String {
    scaled(n as f64, 1000.0, &["", "K", "M", "B", "T"]).replace(' ', "")
}

fn scaled(mut value: f64, by: f64, units: &[&str]) -> String {
    let mut unit = 0;
    while value >= by && unit + 1 < units.len() {
        value /= by;
        unit += 1;
    }
    let figures = if unit == 0 || value >= 99.95 {
        format!("{value:.0}")
    } else if value >= 9.995 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    };
    format!("{figures} {}", units[unit])
}

/// A duration in seconds, written for people: `48 s`, `3:20`, `2 h 05`.
#[must_use]
pub fn duration(seconds: f64) -> String {
    let s = if seconds.is_finite() { seconds.clamp(0.0, 1e9).round() as u64 } else { 0 };
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{}:{:02}", s / 60, s % 60),
        3600..86_400 => format!("{} h {:02}", s / 3600, s % 3600 / 60),
        _ => format!("{} d {} h", s / 86_400, s % 86_400 / 3600),
    }
}

/// A fraction in [0, 1] as whole percent.
#[must_use]
pub fn percent(share: f64) -> String {
    format!("{:.0}%", share * 100.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn japanese_breaks_as_japanese() {
        let text =
            "はるとさんはりんごを12個持っていました。3個あげたので、残りは12-3=9個です。「答えは9個です。」";
        for cells in 8..60 {
            for line in wrap(text, cells) {
                assert!(width(&line) <= cells, "{line:?} is wider than {cells}");
                let first = line.chars().next().unwrap_or(' ');
                assert!(!"。、」".contains(first), "{line:?} at {cells}");
            }
        }
    }

    #[test]
    fn words_and_equations_stay_whole() {
        assert_eq!(wrap("the answer is 42.", 8), ["the", "answer", "is 42."]);
        assert_eq!(wrap("a\n\nb", 10), ["a", "", "b"]);
    }

    #[test]
    fn long_runs_are_broken() {
        assert_eq!(wrap("aaaaaaaa", 3), ["aaa", "aaa", "aa"]);
        assert_eq!(wrap("ｶﾞｷﾞｸﾞ", 4), ["ｶﾞｷﾞ", "ｸﾞ"]);
    }

    #[test]
    fn steering_characters_become_text() {
        assert_eq!(visible_cells("a\x1b[2Jb\u{9b}c"), "a␛[2Jb\\u{9b}c");
        assert_eq!(visible_cells("x\u{202e}y\u{200d}z\u{7f}"), "x\\u{202e}y\\u{200d}z␡");
        assert!(matches!(visible_cells("ふつうの文"), Cow::Borrowed(_)));
    }

    #[test]
    fn clipping_counts_cells() {
        assert_eq!(clip("りんご", 6), "りんご");
        assert_eq!(clip("りんご", 5), "りん~");
        assert_eq!(clip("りんご", 4), "り~");
        assert_eq!(clip("abc", 0), "");
    }

    #[test]
    fn figures() {
        assert_eq!(bytes(1_153_434), "1.10 MB");
        assert_eq!(count(560_160), "560K");
        assert_eq!(duration(200.0), "3:20");
        assert_eq!(duration(f64::NAN), "0 s");
    }

    proptest! {
        #[test]
        fn nothing_hidden_survives(text in "\\PC*|.*") {
            for line in wrap(&text, 7) {
                prop_assert!(!line.chars().any(crate::text::has_no_cell));
            }
        }

        #[test]
        fn wrapping_keeps_every_letter(text in "[ぁ-んァ-ヶ一-龠a-z0-9。、「」=+]{0,80}", cells in 4usize..40) {
            let lines = wrap(&text, cells);
            prop_assert_eq!(lines.concat(), text);
            for line in lines {
                prop_assert!(width(&line) <= cells);
            }
        }
    }
}
