//! Exact match and F1 of extracted answers, as the jp-stable harness scores `JSQuAD` and JAQKET (its `jasquad` metric:
//! `SQuAD` 1.1's over words of `MeCab`; full-width marks are dropped, case is kept). An answer and the accepted answers
//! come in, scores go out; the judge calls it.

use super::rouge::common;
use crate::task::Segmenter;
use crate::task::words::normalise;

/// Scores of one answer, each against the accepted answer that gives the best score.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Squad {
    /// 1 where the normal forms are equal, else 0.
    pub exact_match: f64,
    /// F1 over words, in [0, 1].
    pub f1: f64,
}

/// Punctuation that is removed from words.
const MARKS: &str = "！？｡。＂＃＄％＆＇（）＊＋，－／：；＜＝＞＠［＼］＾＿｀｛｜｝～｟｠｢｣､、〃》「」『』【】〔〕〖〗〘〙〚〛〜〝〞〟〰〾〿–—‘’‛“”„‟…‧﹏.";

/// Compares an answer with each accepted answer; without accepted answers both scores are 0.
#[must_use]
pub fn squad<S: AsRef<str>>(golds: &[S], answer: &str, segmenter: &Segmenter) -> Squad {
    let mut best = Squad::default();
    let words = words(answer, segmenter);
    for gold in golds.iter().map(AsRef::as_ref) {
        if normalise(gold) == normalise(answer) {
            best.exact_match = 1.0;
        }
        best.f1 = best.f1.max(overlap(&self::words(gold, segmenter), &words));
    }
    best
}

/// F1 over two lists of words, from which the marks are removed already.
fn overlap(gold: &[String], answer: &[String]) -> f64 {
    let same = common(gold, answer);
    if same == 0 {
        return 0.0;
    }
    let (precision, recall) = (same as f64 / answer.len() as f64, same as f64 / gold.len() as f64);
    2.0 * precision * recall / (precision + recall)
}

/// The words of a text without marks.
fn words(text: &str, segmenter: &Segmenter) -> Vec<String> {
    segmenter.words(text).into_iter().filter(|word| !is_mark(word)).collect()
}

fn is_mark(word: &str) -> bool {
    let mut chars = word.chars();
    let only = chars.next().filter(|_| chars.next().is_none());
    only.is_some_and(|c| c.is_ascii_punctuation() || MARKS.contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let of = |golds: &[&str], answer: &str| squad(golds, answer, &Segmenter::Classes);
        assert_eq!(of(&["ポルトガル語"], "ﾎﾟﾙﾄｶﾞﾙ語 "), Squad { exact_match: 1.0, f1: 1.0 });
        assert_eq!(of(&["東京", "東京タワー"], "東京タワー。"), Squad { exact_match: 0.0, f1: 1.0 });
        assert_eq!(of(&["東京 タワー 三階"], "東京"), Squad { exact_match: 0.0, f1: 0.5 });
        assert_eq!(of(&["。"], "。"), Squad { exact_match: 1.0, f1: 0.0 });
        assert_eq!(of(&[], "東京"), Squad::default());
    }
}
