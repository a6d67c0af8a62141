//! The language in which a task wants its answers, as headings and tables name it. A task, or the language codes in a
//! session's journal, comes in; words in English and Japanese go out. The workbench and the commands call it.

use super::Task;

/// The language that an answer must be in to count as right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerLanguage {
    /// Any language.
    Any,
    /// One language, by its code.
    In(String),
    /// Several tasks ask for different languages.
    Mixed,
}

/// The code of a task that asks for no language.
pub const NO_LANGUAGE: &str = "none";

/// Languages by their codes. A language that is missing here is shown by its code.
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

/// Names of a score's two shares in documents for other programs: right answers in the tasks' language, and all answers
/// in that language. Tasks that ask for Japanese or for no language get the names of the paper's metrics.
#[must_use]
pub fn share_names<'a>(languages: impl IntoIterator<Item = &'a str>) -> [&'static str; 2] {
    if languages.into_iter().all(|code| code == "ja" || code == NO_LANGUAGE) {
        ["acc_ja", "japanese"]
    } else {
        ["acc_in_language", "in_language"]
    }
}

impl AnswerLanguage {
    /// The language that a task asks for.
    #[must_use]
    pub fn of_task(task: &Task) -> Self {
        task.language.clone().map_or(Self::Any, Self::In)
    }

    /// The language that several tasks ask for, by the codes in a session's journal ([`NO_LANGUAGE`] for a task that
    /// asks for none). Older journals hold no codes; at that time every session asked for Japanese.
    #[must_use]
    pub fn of_tasks(codes: &[String]) -> Self {
        match codes {
            [] => Self::In("ja".to_owned()),
            [first, rest @ ..] if rest.iter().any(|code| code != first) => Self::Mixed,
            [first, ..] if first == NO_LANGUAGE => Self::Any,
            [first, ..] => Self::In(first.clone()),
        }
    }

    /// Names an answer that counts: `right`, `right and Japanese`.
    #[must_use]
    pub fn right(&self) -> String {
        self.after("right", "")
    }

    /// The same with "in": `right and in Japanese`.
    #[must_use]
    pub fn right_in(&self) -> String {
        self.after("right", "in ")
    }

    /// The same for a number: `right number and Japanese`.
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

    /// The language's code, if it is one language.
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
