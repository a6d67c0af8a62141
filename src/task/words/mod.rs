//! Cuts a text into words for the metrics that compare words: ROUGE, and the F1 of extracted answers. A text comes in,
//! its words go out. Uses `MeCab`'s segmentation if there is a dictionary, else runs of one script.

mod emoji;
mod lattice;
mod mecab;
mod neologdn;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::task::TaskError;
use mecab::Dictionary;
pub(in crate::task) use neologdn::normalise;

/// The method that cuts a text into words.
#[derive(Debug)]
pub enum Segmenter {
    /// `MeCab`'s search over a dictionary folder; the published scores use UniDic-lite.
    MeCab(Box<Dictionary>),
    /// Runs of characters of one class, used without a dictionary: kanji, katakana, hiragana, Latin letters with
    /// digits, any other letters. Each mark is a word.
    Classes,
}

/// The environment variable for the folder of a compiled `MeCab` dictionary in UTF-8.
const VARIABLE: &str = "YOSEGI_MECAB_DICT";

impl Segmenter {
    /// The segmenter that all tasks share: `MeCab` with the dictionary in `YOSEGI_MECAB_DICT` (a folder with `sys.dic`,
    /// or the folder of the Python package `unidic_lite`), else [`Self::Classes`].
    ///
    /// # Errors
    /// A dictionary that can't be read.
    pub fn shared() -> Result<&'static Self, TaskError> {
        static SHARED: OnceLock<Result<Segmenter, (PathBuf, String)>> = OnceLock::new();
        let open = || match std::env::var_os(VARIABLE).filter(|v| !v.is_empty()) {
            None => Ok(Self::Classes),
            Some(folder) => Self::read(Path::new(&folder)).map_err(|why| (folder.into(), why)),
        };
        SHARED.get_or_init(open).as_ref().map_err(|(folder, why)| dictionary_error(folder, why))
    }

    /// `MeCab` with the dictionary of a folder.
    ///
    /// # Errors
    /// A dictionary that can't be read.
    pub fn open(folder: &Path) -> Result<Self, TaskError> {
        Self::read(folder).map_err(|why| dictionary_error(folder, &why))
    }

    fn read(folder: &Path) -> Result<Self, String> {
        let inner = folder.join("dicdir");
        let folder = if folder.join("sys.dic").exists() { folder } else { &inner };
        Ok(Self::MeCab(Box::new(Dictionary::open(folder)?)))
    }

    /// The segmenter's name: `mecab`, or `char-class`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::MeCab(_) => "mecab",
            Self::Classes => "char-class",
        }
    }

    /// A metric's name: `rougeL`, or `rougeL (char-class)` if the segmentation is not the one of the published scores.
    #[must_use]
    pub fn label(&self, metric: &str) -> String {
        match self {
            Self::MeCab(_) => metric.to_owned(),
            Self::Classes => format!("{metric} ({})", self.name()),
        }
    }

    /// The words of a text. The text is first normalised as for mecab-neologd: emoji are dropped, full-width letters
    /// become ASCII, half-width kana become full-width.
    #[must_use]
    pub fn words(&self, text: &str) -> Vec<String> {
        let text = normalise(text);
        // MeCab ends a string at the first NUL and skips a byte order mark.
        let text = text.split('\0').next().unwrap_or_default().trim_start_matches('\u{feff}');
        match self {
            Self::MeCab(dictionary) => {
                lattice::words(dictionary, text).into_iter().map(|range| text[range].to_owned()).collect()
            }
            Self::Classes => by_classes(text),
        }
    }
}

fn dictionary_error(folder: &Path, why: &str) -> TaskError {
    TaskError::Dictionary { folder: folder.display().to_string(), why: why.to_owned() }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum CharClass {
    Kanji,
    Katakana,
    Hiragana,
    Latin,
    Letter,
    Mark,
    Space,
}

fn char_class(c: char) -> CharClass {
    match c {
        '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}' | '々' => {
            CharClass::Kanji
        }
        'ァ'..='ヺ' | 'ー' | 'ヽ' | 'ヾ' => CharClass::Katakana,
        'ぁ'..='ゖ' | 'ゝ' | 'ゞ' => CharClass::Hiragana,
        _ if c.is_whitespace() => CharClass::Space,
        _ if c.is_ascii_alphanumeric() || matches!(c, 'À'..='ɏ') => CharClass::Latin,
        _ if c.is_alphanumeric() => CharClass::Letter,
        _ => CharClass::Mark,
    }
}

fn by_classes(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut last = CharClass::Space;
    for c in text.chars() {
        let class = char_class(c);
        match words.last_mut() {
            Some(word) if class == last && !matches!(class, CharClass::Mark | CharClass::Space) => {
                word.push(c);
            }
            _ if class == CharClass::Space => {}
            _ => words.push(c.to_string()),
        }
        last = class;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::Segmenter;

    #[test]
    fn classes_cut_where_the_script_changes() {
        let words = Segmenter::Classes.words("太郎さんは、ﾘﾝｺﾞを１２個買いました。It's 5.");
        assert_eq!(words.join("|"), "太郎|さんは|、|リンゴ|を|12|個買|いました|。|It|'|s|5|.");
        assert!(Segmenter::Classes.words(" 🥚\n").is_empty());
        assert_eq!(Segmenter::Classes.label("rougeL"), "rougeL (char-class)");
    }

    #[test]
    fn a_folder_without_a_dictionary_has_its_sentence() {
        let dir = tempfile::tempdir().unwrap();
        let says = |folder: &std::path::Path| Segmenter::open(folder).unwrap_err().to_string();
        assert!(says(dir.path()).contains("sys.dic can't be read"), "{}", says(dir.path()));
        for bytes in [Vec::new(), vec![0; 100], {
            let mut bytes = vec![0u8; 200];
            bytes[..4].copy_from_slice(&(0xef71_8f77_u32 ^ 0xc8).to_le_bytes());
            bytes
        }] {
            std::fs::write(dir.path().join("sys.dic"), bytes).unwrap();
            let error = says(dir.path());
            assert!(error.contains("sys.dic is no MeCab dictionary"), "{error}");
        }
    }
}
