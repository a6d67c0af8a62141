//! What is wrong with a config's text, in one sentence.

/// One sentence from the reader's message: file, line, key, and the nearest known key.
pub(super) fn reading_sentence(text: &str, place: &str, error: &toml::de::Error) -> String {
    let message = error.message().trim().replace('\n', ", ");
    let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    let place = line.map_or_else(|| place.to_owned(), |line| format!("{place}, line {line}"));
    let mut quoted = message.split('`').skip(1).step_by(2);
    let what = match () {
        () if message.starts_with("unknown field") => "unknown key",
        () if message.starts_with("unknown variant") => "there is no",
        () => "",
    };
    if let (false, Some(key)) = (what.is_empty(), quoted.next()) {
        let known: Vec<&str> = quoted.collect();
        let near = known
            .iter()
            .map(|k| (strsim::jaro_winkler(k, key), k))
            .filter(|(likeness, _)| *likeness > 0.6)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let advice = near.map_or_else(
            || format!("known here are {}", known.join(", ")),
            |(_, k)| format!("did you mean `{k}`?"),
        );
        return format!(
            "{place}: {what} `{}`: {advice}",
            crate::session::text::visible_line(&crate::limits::shown(key))
        );
    }
    let key = error.span().and_then(|span| key_before(text, span.start));
    let key = key.map_or_else(String::new, |key| format!("`{key}`: "));
    let message = message.replace("expected a sequence", "expected a list: put it in [ ]");
    format!(
        "{place}: {}",
        crate::session::text::visible_line(&crate::limits::shown(&format!("{key}{message}")))
    )
}

/// The key whose value begins at this byte of its line.
fn key_before(text: &str, value: usize) -> Option<&str> {
    let line = text.get(..value)?.rsplit('\n').next()?;
    // In an inline table others stand before it.
    let key = line.trim_end().strip_suffix('=')?.rsplit(['{', ',']).next()?.trim();
    Some(key).filter(|key| !key.is_empty())
}

#[cfg(test)]
mod tests {
    use crate::session::config::Config;

    #[test]
    fn a_value_of_another_type_is_named_by_its_key() {
        let zoo = include_str!("../../../configs/zoo.toml");
        let says = |from: &str, to: &str| {
            assert!(zoo.contains(from));
            Config::parse(&zoo.replacen(from, to, 1), "x.toml").unwrap_err().to_string()
        };
        let list = r#"sources = ["zoo:ja", "zoo:math-add", "zoo:math-mul"]"#;
        assert_eq!(
            says(list, "sources = \"zoo:ja\""),
            "x.toml, line 9: `sources`: invalid type: string \"zoo:ja\", expected a list: put it in [ ]"
        );
        let number = says("population = 16", "population = \"many\"");
        assert!(number.contains("`population`: invalid type"), "{number}");
        let bound = says("weight = { min = -0.3, max = 1.8 }", "weight = { min = -0.3, max = \"a\" }");
        assert!(bound.starts_with("x.toml") && !bound.contains("`weight = "), "{bound}");
        assert!(says("population = 16", "population =").starts_with("x.toml, line "));
    }
}
