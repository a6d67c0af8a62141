//! The language that a task asks its answers to be in, as headings and tables name it. A task, or the codes that a
//! session's journal keeps, comes in; words in English and Japanese go out. Both faces call it.

use super::Task;

/// The language that must be right where an answer counts as right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerLanguage {
    /// Any will do.
    Any,
    /// This one, by its code.
    In(String),
    /// Several tasks do not agree.
    Mixed,
}

/// Stands for the language of a task that asks for none.
pub const NO_LANGUAGE: &str = "none";

/// Languages by their codes; others go by the code.
const NAMES: [(&str, &str, &str); 20] = [
    ("ar", "Arabic", "アラビア語"),
    ("bn", "Bengali", "ベンガル語"),
    ("de", "German", "ドイツ語"),
    ("en", "English", "英語"),
    ("es", "Spanish", "スペイン語"),
    ("fr", "French", "フランス語"),
    ("hi", "Hindi", "ヒンディー語"),
    ("id", "Indonesian", "インドネシア語"),
    ("it", "Italian", "イタリア語"),
    ("ja", "Japanese", "日本語"),
    ("ko", "Korean", "韓国語"),
    ("nl", "Dutch", "オランダ語"),
    ("pt", "Portuguese", "ポルトガル語"),
    ("ru", "Russian", "ロシア語"),
    ("sw", "Swahili", "スワヒリ語"),
    ("te", "Telugu", "テルグ語"),
    ("th", "Thai", "タイ語"),
    ("tr", "Turkish", "トルコ語"),
    ("vi", "Vietnamese", "ベトナム語"),
    ("zh", "Chinese", "中国語"),
];

/// A language's name in English and in Japanese.
fn names(code: &str) -> (&str, &str) {
    NAMES
        .iter()
        .find(|(c, ..)| *c == code)
        .map_or((code, code), |(_, english, japanese)| (*english, *japanese))
}

/// What documents for other programs call a score's two shares of answers in the language of its tasks: of right
/// answers, and of all. Tasks that ask for Japanese or for none have the names of the paper's metrics.
#[must_use]
pub fn share_names<'a>(languages: impl IntoIterator<Item = &'a str>) -> [&'static str; 2] {
    if languages.into_iter().all(|code| code == "ja" || code == NO_LANGUAGE) {
        ["acc_ja", "japanese"]
    } else {
        ["acc_in_language", "in_language"]
    }
}

impl AnswerLanguage {
    /// What a task asks for.
    #[must_use]
    pub fn of_task(task: &Task) -> Self {
        task.language.clone().map_or(Self::Any, Self::In)
    }

    /// What several tasks ask for, by the codes that a session's journal keeps ([`NO_LANGUAGE`] for a task that asks
    /// for none). Journals from before that keep no code; every session then asked for Japanese.
    #[must_use]
    pub fn of_tasks(codes: &[String]) -> Self {
        match codes {
            [] => Self::In("ja".to_owned()),
            [first, rest @ ..] if rest.iter().any(|code| code != first) => Self::Mixed,
            [first, ..] if first == NO_LANGUAGE => Self::Any,
            [first, ..] => Self::In(first.clone()),
        }
    }

    /// `right`, `right and Japanese`: what counts.
    #[must_use]
    pub fn right(&self) -> String {
        self.after("right", "")
    }

    /// `right and in Japanese`.
    #[must_use]
    pub fn right_in(&self) -> String {
        self.after("right", "in ")
    }

    /// The same of a right number.
    #[must_use]
    pub fn right_number(&self) -> String {
        self.after("right number", "")
    }

    fn after(&self, right: &str, before: &str) -> String {
        match self.language() {
            None => right.to_owned(),
            Some(language) if *self == Self::Mixed => format!("{right} and in {language}"),
            Some(language) => format!("{right} and {before}{language}"),
        }
    }

    /// The language's code, where it is one.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::In(code) => Some(code),
            Self::Any | Self::Mixed => None,
        }
    }

    /// The language's name, in English.
    #[must_use]
    pub fn language(&self) -> Option<&str> {
        match self {
            Self::Any => None,
            Self::In(code) => Some(names(code).0),
            Self::Mixed => Some("the task's language"),
        }
    }

    /// The language's name, in Japanese.
    #[must_use]
    pub fn language_in_japanese(&self) -> Option<&str> {
        match self {
            Self::Any => None,
            Self::In(code) => Some(names(code).1),
            Self::Mixed => Some("課題の言語"),
        }
    }

    /// The heading of a narrow column for answers in that language.
    #[must_use]
    pub fn column(&self) -> Option<String> {
        match self {
            Self::Mixed => Some("language".to_owned()),
            _ => self.language().map(str::to_lowercase),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_name_what_is_asked_for() {
        let of = |codes: &[&str]| {
            let codes: Vec<String> = codes.iter().map(|code| (*code).to_owned()).collect();
            let asked = AnswerLanguage::of_tasks(&codes);
            (asked.right(), asked.right_in(), asked.column())
        };
        let said = |a: &str, b: &str, c: Option<&str>| (a.to_owned(), b.to_owned(), c.map(str::to_owned));
        assert_eq!(of(&["none", "none"]), said("right", "right", None));
        assert_eq!(of(&["de"]), said("right and German", "right and in German", Some("german")));
        assert_eq!(of(&["xx"]), said("right and xx", "right and in xx", Some("xx")));
        let mixed = "right and in the task's language";
        assert_eq!(of(&["ja", "none"]), said(mixed, mixed, Some("language")));
        assert_eq!(of(&[]), said("right and Japanese", "right and in Japanese", Some("japanese")));
    }
}
