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
    match (what.is_empty(), quoted.next()) {
        (false, Some(key)) => {
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
            format!("{place}: {what} `{}`: {advice}", crate::session::text::visible_line(key))
        }
        _ => format!("{place}: {}", crate::session::text::visible_line(&message)),
    }
}
