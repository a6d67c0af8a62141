//! Every phrase that the workbench shows, in English and in Japanese. A phrase is a row of the `words!` macro; a row
//! without one of the languages does not compile. Text from outside (the engine's errors, model cards, questions and
//! answers, candidates' names) is shown untranslated.

mod evolve;
mod methods;
mod notices;
mod overlays;
mod panes;
mod plan;

use std::cell::Cell;

pub use evolve::*;
pub use methods::{method_about, parameter_line};
pub use notices::*;
pub use overlays::*;
pub use panes::*;
pub use plan::*;

/// A language of the interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    #[default]
    English,
    Japanese,
}

impl Language {
    /// The language that the environment sets: `YOSEGI_LANG`, else the locale for messages.
    #[must_use]
    pub fn from_env() -> Self {
        Self::of(|name| std::env::var(name).unwrap_or_default())
    }

    /// The first variable that is set decides: Japanese for `ja…`, English for all others.
    fn of(var: impl Fn(&str) -> String) -> Self {
        let names = ["YOSEGI_LANG", "LC_ALL", "LC_MESSAGES", "LANG"];
        let set = names.into_iter().map(var).find(|v| !v.is_empty()).unwrap_or_default();
        if set.to_lowercase().starts_with("ja") { Self::Japanese } else { Self::English }
    }
}

thread_local! {
    /// The language of this thread. The workbench handles keys and draws on one thread; tests in both languages run in
    /// parallel.
    static LANGUAGE: Cell<Language> = const { Cell::new(Language::English) };
}

/// Sets this thread's language.
pub fn speak(language: Language) {
    LANGUAGE.set(language);
}

/// The language of this thread.
#[must_use]
pub fn language() -> Language {
    LANGUAGE.get()
}

/// Returns the text in this thread's language.
#[must_use]
pub(super) fn either(english: &'static str, japanese: &'static str) -> &'static str {
    match language() {
        Language::English => english,
        Language::Japanese => japanese,
    }
}

/// Declares phrases, one row for each: `name = "English" | "日本語";`, or with arguments
/// `name(model: &str, n: usize) = "{n} of {model}" | "{model}の{n}件";`.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident $(($($arg:ident: $type:ty),+))? = $en:literal | $ja:literal;)*) => {
        $($crate::workbench::messages::words!(@row $(#[$doc])* $name $(($($arg: $type),+))? $en, $ja);)*
    };
    (@row $(#[$doc:meta])* $name:ident $en:literal, $ja:literal) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name() -> &'static str {
            $crate::workbench::messages::either($en, $ja)
        }
    };
    (@row $(#[$doc:meta])* $name:ident ($($arg:ident: $type:ty),+) $en:literal, $ja:literal) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name($($arg: $type),+) -> String {
            match $crate::workbench::messages::language() {
                $crate::workbench::messages::Language::English => format!($en),
                $crate::workbench::messages::Language::Japanese => format!($ja),
            }
        }
    };
}
pub(super) use words;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_chooses_the_language() {
        let with = |set: &[(&str, &str)]| {
            Language::of(|name| set.iter().find(|s| s.0 == name).map_or(String::new(), |s| s.1.to_owned()))
        };
        assert_eq!(with(&[]), Language::English);
        assert_eq!(with(&[("LANG", "ja_JP.UTF-8")]), Language::Japanese);
        assert_eq!(with(&[("LANG", "ja_JP.UTF-8"), ("LC_ALL", "C")]), Language::English);
        assert_eq!(with(&[("LC_MESSAGES", "ja"), ("LANG", "en_GB.UTF-8")]), Language::Japanese);
        assert_eq!(with(&[("YOSEGI_LANG", "ja"), ("LC_ALL", "en_US.UTF-8")]), Language::Japanese);
        assert_eq!(with(&[("YOSEGI_LANG", "en"), ("LANG", "ja_JP.UTF-8")]), Language::English);
    }

    #[test]
    fn a_phrase_is_said_in_the_language_of_its_thread() {
        assert_eq!(written("r.toml"), "Written to r.toml");
        speak(Language::Japanese);
        assert_eq!(written("r.toml"), "r.tomlに書き出しました");
        let elsewhere = std::thread::spawn(|| uniform_name().to_owned()).join();
        assert_eq!(elsewhere.ok().as_deref(), Some("uniform"));
        speak(Language::English);
    }
}
