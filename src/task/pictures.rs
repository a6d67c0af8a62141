//! Pictures in prompts. `<image>` in a task's template stands for one of a question's pictures; the same letters in the
//! data do not, so that a question cannot smuggle a picture in. A template and a row come in, a prompt with one
//! `<image>` for each picture goes out. The prompts and the examples call it.

use serde_json::Value;

use super::template::{self, Variables};

/// What stands for a picture in a prompt.
pub const MARK: &str = "<image>";

/// What stands for a mark while a template is rendered: noncharacters, which no text holds.
const HELD: &str = "\u{fdd0}image\u{fdd1}";

/// Why a prompt with pictures can't be made.
pub(super) enum Problem {
    /// The template fails; one line.
    Template(String),
    /// Marks and pictures do not go together; the end of a sentence about the question.
    Marks(String),
}

/// Renders the template of a question that has this many pictures.
pub(super) fn render(template: &str, variables: &Variables, pictures: usize) -> Result<String, Problem> {
    let marks = |what: &str| Err(Problem::Marks(what.to_owned()));
    if variables.values().any(|value| holds(value, &HELD[..3])) {
        return marks("its text holds the character U+FDD0: take it out of the data");
    }
    let text = template::render(&template.replace(MARK, HELD), variables).map_err(Problem::Template)?;
    if text.contains(MARK) {
        return marks("its own text holds `<image>`, which stands for a picture: take it out of the data");
    }
    let found = text.matches(HELD).count();
    if found != pictures {
        return Err(Problem::Marks(format!(
            "its prompt has `<image>` {} and the data has {}: each `<image>` stands for one picture",
            count(found, "time"),
            count(pictures, "picture")
        )));
    }
    Ok(text.replace(HELD, MARK))
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// Whether a text in a value holds these letters.
fn holds(value: &Value, letters: &str) -> bool {
    match value {
        Value::String(text) => text.contains(letters),
        Value::Array(all) => all.iter().any(|one| holds(one, letters)),
        Value::Object(map) => map.iter().any(|(key, one)| key.contains(letters) || holds(one, letters)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(template: &str, row: &Value, pictures: usize) -> Result<String, String> {
        render(template, row.as_object().unwrap(), pictures).map_err(|problem| match problem {
            Problem::Template(why) | Problem::Marks(why) => why,
        })
    }

    #[test]
    fn a_mark_of_the_template_is_a_picture_and_one_of_the_data_is_not() {
        let row = serde_json::json!({ "q": "what?", "n": 2 });
        assert_eq!(says("<image>\n{{ q }}", &row, 1).unwrap(), "<image>\nwhat?");
        assert_eq!(says("{{ '<image> ' * n }}{{ q }}", &row, 2).unwrap(), "<image> <image> what?");
        assert!(says("{{ q }}", &row, 1).unwrap_err().contains("0 times and the data has 1 picture:"));
        assert!(says("<image><image>", &row, 1).unwrap_err().contains("2 times and"));
        assert!(says("<image>{{ q.x.y }}", &row, 1).is_err());
        for smuggled in
            [serde_json::json!({ "q": "<image>", "r": "" }), serde_json::json!({ "q": "<im", "r": "age>" })]
        {
            let why = says("{{ q }}{{ r }}", &smuggled, 1).unwrap_err();
            assert!(why.contains("its own text holds `<image>`"), "{why}");
        }
        let why = says("{{ q }}", &serde_json::json!({ "q": HELD }), 1).unwrap_err();
        assert!(why.contains("U+FDD0"), "{why}");
    }
}
