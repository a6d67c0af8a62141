//! What the locale's encoding allows. The environment variables come in; whether Yosegi's own symbols may be other than
//! ASCII goes out, and so does a text with those symbols replaced where they may not. `cli`, the workbench and the
//! report call it.

/// Whether drawn symbols may be other than ASCII: `YOSEGI_ASCII` decides, else the locale. Without a locale the
/// terminal's encoding is unknown, and the answer is yes because most terminals can show them.
#[must_use]
pub fn speaks_unicode() -> bool {
    is_unicode(|name| std::env::var(name).unwrap_or_default())
}

/// The locale for characters, if one is set: the value of `LC_ALL`, else of `LC_CTYPE`, else of `LANG`.
#[must_use]
pub fn locale() -> Option<String> {
    locale_of(|name| std::env::var(name).unwrap_or_default())
}

/// Whether a locale's encoding is UTF-8.
#[must_use]
pub fn is_utf8(locale: &str) -> bool {
    locale.to_lowercase().replace('-', "").contains("utf8")
}

fn locale_of(var: impl Fn(&str) -> String) -> Option<String> {
    ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().map(var).find(|v| !v.is_empty())
}

fn is_unicode(var: impl Fn(&str) -> String) -> bool {
    match var("YOSEGI_ASCII").as_str() {
        "" => locale_of(var).is_none_or(|locale| is_utf8(&locale)),
        asked => asked == "0",
    }
}

/// A table or a line with Yosegi's own symbols in a form that the locale's encoding has.
#[must_use]
pub fn in_locale(text: String) -> String {
    if speaks_unicode() { text } else { in_ascii(&text) }
}

/// Yosegi's own symbols replaced by ASCII.
fn in_ascii(text: &str) -> String {
    text.replace('–', "-").replace('…', "...").replace('×', "x").replace('±', "+-").replace('σ', "sigma")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locale_decides_on_letters() {
        let with = |set: &[(&str, &str)]| {
            is_unicode(|name| set.iter().find(|s| s.0 == name).map_or(String::new(), |s| s.1.to_owned()))
        };
        assert!(with(&[]));
        assert!(with(&[("YOSEGI_ASCII", "0"), ("LANG", "C")]));
        assert!(!with(&[("YOSEGI_ASCII", "1"), ("LANG", "C.UTF-8")]));
        for yes in ["C.UTF-8", "ja_JP.UTF-8", "en_US.utf8", "C.utf8"] {
            assert!(with(&[("LANG", yes)]), "{yes}");
            assert!(with(&[("LC_ALL", yes), ("LC_CTYPE", "C"), ("LANG", "POSIX")]), "{yes}");
        }
        for no in ["C", "POSIX", "en_US", "ja_JP.eucJP", "de_DE.ISO-8859-1"] {
            assert!(!with(&[("LANG", no)]), "{no}");
            assert!(!with(&[("LC_CTYPE", no), ("LANG", "C.UTF-8")]), "{no}");
            assert!(!with(&[("LC_ALL", no), ("LC_CTYPE", "C.UTF-8"), ("LANG", "C.UTF-8")]), "{no}");
        }
        let line = "mean 0.500 ± 0.010   σ 0.1   –  a…";
        assert_eq!(in_ascii(line), "mean 0.500 +- 0.010   sigma 0.1   -  a...");
    }
}
