//! Detects the language of an answer. A text comes in; the likeliest language and the probability of the task's
//! language go out. The judge calls it for every answer.

mod fasttext;

use std::sync::OnceLock;

pub use fasttext::Lid;
use serde::{Deserialize, Serialize};

/// fastText's language identifier (CC BY-SA 3.0, see zoo/lid/ATTRIBUTION.md).
const LID_176: &[u8] = include_bytes!("../../../zoo/lid/lid.176.ftz");

/// The detected language of a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Language {
    /// Code of the likeliest language (`ja`, `en`), or `other`.
    pub code: String,
    /// Probability of the requested language, in [0, 1].
    pub p_language: f64,
}

/// The probability, in [0, 1], that an answer is in the task's language, or in Japanese if the task asks for no
/// language.
///
/// It is written as `p_ja` for Japanese and as `p_language` for another language. Earlier journals hold both keys for
/// another language; then `p_language` is read.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum LanguageProbability {
    Japanese(f64),
    Other(f64),
}

/// The written form of [`LanguageProbability`].
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Written {
    #[serde(skip_serializing_if = "Option::is_none")]
    p_ja: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p_language: Option<f64>,
}

impl LanguageProbability {
    /// The probability `p` that an answer is in the language of a task.
    #[must_use]
    pub fn of(language: Option<&str>, p: f64) -> Self {
        if is_other(language) { Self::Other(p) } else { Self::Japanese(p) }
    }

    /// The bare number.
    #[must_use]
    pub const fn value(self) -> f64 {
        match self {
            Self::Japanese(p) | Self::Other(p) => p,
        }
    }
}

impl Default for LanguageProbability {
    fn default() -> Self {
        Self::Japanese(0.0)
    }
}

impl TryFrom<Written> for LanguageProbability {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let Written { p_ja, p_language } = written;
        p_language.map(Self::Other).or(p_ja.map(Self::Japanese)).ok_or("missing field `p_ja` or `p_language`")
    }
}

impl From<LanguageProbability> for Written {
    fn from(p: LanguageProbability) -> Self {
        match p {
            LanguageProbability::Japanese(p) => Self { p_ja: Some(p), p_language: None },
            LanguageProbability::Other(p) => Self { p_ja: None, p_language: Some(p) },
        }
    }
}

/// Whether a task asks for a language other than Japanese.
fn is_other(language: Option<&str>) -> bool {
    language.is_some_and(|code| code != "ja")
}

/// The method that detects languages.
#[derive(Debug)]
pub enum Detector {
    /// lid.176, over the whole text with its newlines deleted, as the published evaluation does.
    FastText(Box<Lid>),
    /// The share of kana and kanji among the letters, used if the model can't be read. By this rule a text without kana
    /// is never Japanese, so Chinese does not count as Japanese.
    Letters,
}

impl Detector {
    /// The detector that all tasks share.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Detector> = OnceLock::new();
        SHARED.get_or_init(|| Self::from_model(LID_176))
    }

    /// Makes a detector from a fastText model's bytes, or the fallback if they can't be read.
    #[must_use]
    pub fn from_model(bytes: &[u8]) -> Self {
        Lid::read(bytes).map_or(Self::Letters, |model| Self::FastText(Box::new(model)))
    }

    /// The detector's name, for journals and reports.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::FastText(_) => "lid.176",
            Self::Letters => "share of kana and kanji",
        }
    }

    /// The language of a text.
    #[must_use]
    pub fn detect(&self, text: &str) -> Language {
        self.detect_as(text, "ja")
    }

    /// The language of a text, with the probability of the language `wanted`.
    #[must_use]
    pub fn detect_as(&self, text: &str, wanted: &str) -> Language {
        match self {
            Self::FastText(model) => by_model(model, text, wanted),
            Self::Letters => by_letters(text, wanted),
        }
    }
}

/// Checks that a code is one of lid.176's; the error gives the nearest code.
pub(in crate::task) fn check(code: &str) -> Result<(), String> {
    let codes: Vec<&str> = match Detector::shared() {
        Detector::FastText(model) => model.codes().collect(),
        Detector::Letters => vec!["ja"],
    };
    if codes.contains(&code) { Ok(()) } else { Err(super::error::nearest(code, &codes).to_owned()) }
}

fn by_model(model: &Lid, text: &str, wanted: &str) -> Language {
    let scores = model.predict(&text.replace('\n', ""));
    let best = scores.iter().max_by(|a, b| a.1.total_cmp(&b.1)).map_or("other", |(label, _)| label);
    // fastText's logarithm adds 1e-5, so a probability can come out a little above 1.
    let of = |code: &str| {
        scores.iter().find(|(label, _)| *label == code).map_or(0.0, |(_, p)| f64::from(p.min(1.0)))
    };
    Language { code: best.to_owned(), p_language: of(wanted) }
}

fn by_letters(text: &str, wanted: &str) -> Language {
    let kana = |c: char| matches!(c, 'ぁ'..='ゖ' | 'ァ'..='ヺ' | 'ー' | 'ｦ'..='ﾟ');
    let kanji = |c: char| matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '々');
    let (mut letters, mut japanese, mut any_kana) = (0u32, 0u32, false);
    for c in text.chars().filter(|c| c.is_alphabetic()) {
        letters += 1;
        any_kana |= kana(c);
        japanese += u32::from(kana(c) || kanji(c));
    }
    let p_japanese = if any_kana { f64::from(japanese) / f64::from(letters) } else { 0.0 };
    let code = if p_japanese > 0.5 { "ja" } else { "other" };
    Language { code: code.to_owned(), p_language: if wanted == "ja" { p_japanese } else { 0.0 } }
}
