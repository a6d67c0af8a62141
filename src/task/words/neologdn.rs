//! Normalises Japanese text before segmentation, as the reference does: removes emoji, applies mecab-neologd's rules
//! and collapses white space. A text comes in, a text goes out; `words/mod.rs` calls it.

use super::emoji::is_emoji;

/// The text that the reference's tokenizer sees (evomerge's `MecabTokenizer.normalize_answer` and the jp-stable
/// harness's `normalize_answer`, which agree): no emoji, [`neologdn`]'s rules, single spaces. Case does not change.
pub(in crate::task) fn normalise(text: &str) -> String {
    let plain: String = text.chars().filter(|c| !is_emoji(*c)).collect();
    let mut out = String::with_capacity(plain.len());
    for word in neologdn(&plain).split(is_python_space).filter(|w| !w.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

/// What Python's `str.split()` splits on: Unicode's white space and the four ASCII separators.
pub(in crate::task) fn is_python_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}

/// The rules of `neologdn.normalize` (0.5.6) with its defaults
/// (<https://github.com/neologd/mecab-ipadic-neologd/wiki/Regexp.ja>), in one pass:
/// - full-width letters, digits and marks become ASCII, half-width kana full-width, a voicing mark
///   joins the kana before it;
/// - hyphens of all kinds become one `-`, long-vowel marks and dashes become one `ー`, tildes are removed;
/// - spaces are removed, except one between two pieces of Latin text.
fn neologdn(text: &str) -> String {
    let mut out: Vec<char> = Vec::with_capacity(text.len());
    // The last character read; it may differ from the last character written.
    let mut last = '\0';
    let mut space_after_latin = false;
    for c in text.chars() {
        let written = match c {
            ' ' | '\u{3000}' => {
                if last == ' ' || is_japanese(last) {
                    continue;
                }
                if last != '*' && !out.is_empty() && last.is_ascii() {
                    space_after_latin = true;
                    out.push(' ');
                }
                last = ' ';
                continue;
            }
            '˗' | '֊' | '‐' | '‑' | '‒' | '–' | '⁃' | '⁻' | '₋' | '−' => '-',
            '﹣' | '－' | 'ｰ' | '—' | '―' | '─' | '━' | 'ー' => 'ー',
            '~' | '∼' | '∾' | '〜' | '〰' | '～' => continue,
            other => {
                let mut c = converted(other);
                if let Some(voiced) = voiced(last, c) {
                    out.pop();
                    c = voiced;
                }
                if space_after_latin && is_japanese(c) {
                    out.pop();
                }
                space_after_latin = false;
                out.push(c);
                last = c;
                continue;
            }
        };
        if last == written {
            continue;
        }
        space_after_latin = false;
        out.push(written);
        last = written;
    }
    if out.last() == Some(&' ') {
        out.pop();
    }
    out.into_iter().collect()
}

/// The blocks of Japanese characters: a space beside one is dropped.
const fn is_japanese(c: char) -> bool {
    matches!(c, '\u{4e00}'..='\u{9fff}' | '\u{3001}'..='\u{30ff}' | '\u{ff00}'..='\u{ffef}')
}

/// Converts a character between half width and full width.
fn converted(c: char) -> char {
    const HALF: &str = "ｱｲｳｴｵｶｷｸｹｺｻｼｽｾｿﾀﾁﾂﾃﾄﾅﾆﾇﾈﾉﾊﾋﾌﾍﾎﾏﾐﾑﾒﾓﾔﾕﾖﾗﾘﾙﾚﾛﾜｦﾝｧｨｩｪｫｯｬｭｮ｡､･｢｣";
    const FULL: &str = "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワヲンァィゥェォッャュョ。、・「」";
    match c {
        '０'..='９' | 'Ａ'..='Ｚ' | 'ａ'..='ｚ' => shifted(c),
        '！' | '＃' | '＄' | '％' | '＆' | '（' | '）' | '＊' | '＋' | '，' | '．' | '／' | '：' | '；'
        | '＜' | '＝' | '＞' | '？' | '＠' | '［' | '］' | '＾' | '＿' | '｛' | '｜' | '｝' => {
            shifted(c)
        }
        '”' | '“' => '"',
        '’' => '\'',
        '‘' => '`',
        '¥' => '\\',
        '゛' => 'ﾞ',
        '゜' => 'ﾟ',
        '｡'..='ﾝ' => {
            HALF.chars().zip(FULL.chars()).find(|(half, _)| *half == c).map_or(c, |(_, full)| full)
        }
        _ => c,
    }
}

/// The ASCII character of a full-width character.
fn shifted(c: char) -> char {
    char::from_u32(c as u32 - 0xfee0).unwrap_or(c)
}

/// Joins a kana and the voicing mark that follows it.
fn voiced(kana: char, mark: char) -> Option<char> {
    let shift = |by: u32| char::from_u32(kana as u32 + by);
    match (mark, kana) {
        ('ﾞ', 'ウ') => Some('ヴ'),
        ('ﾞ', 'う') => Some('ゔ'),
        ('ﾞ', kana) if "カキクケコサシスセソタチツテトハヒフヘホ".contains(kana) => {
            shift(1)
        }
        ('ﾟ', kana) if "ハヒフヘホはひふへほ".contains(kana) => shift(2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{neologdn, normalise};

    /// The examples of the package's own description.
    #[test]
    fn as_the_package_says() {
        for (text, out) in [
            ("ﾊﾝｶｸｶﾅ", "ハンカクカナ"),
            ("全角記号！？＠＃", "全角記号!?@#"),
            ("全角記号例外「・」", "全角記号例外「・」"),
            ("長音短縮ウェーーーーイ", "長音短縮ウェーイ"),
            ("チルダ削除ウェ~∼∾〜〰～イ", "チルダ削除ウェイ"),
            ("いろんなハイフン˗֊‐‑‒–⁃⁻₋−", "いろんなハイフン-"),
            ("　　　ＰＲＭＬ　　副　読　本　　　", "PRML副読本"),
            (" Natural Language Processing ", "Natural Language Processing"),
            ("ｶﾞｷﾞﾊﾟうﾞは゜", "ガギパゔぱ"),
            ("", ""),
        ] {
            assert_eq!(neologdn(text), out, "{text}");
        }
    }

    #[test]
    fn emoji_go_and_white_space_collapses() {
        assert_eq!(normalise("🥚 卵は\n18\t個 です\u{1f}。✨"), "卵は 18 個です 。");
        assert_eq!(normalise(" \n\t "), "");
    }
}
