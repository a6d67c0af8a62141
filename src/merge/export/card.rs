//! The model card (`README.md`) of an export: the merged models, the measured scores, and the recipe. `export` and
//! `folded` write it.

use std::fmt::Write as _;
use std::path::Path;

use crate::recipe::{Recipe, VisionRule};
use crate::text::{fenced, visible_line};

use super::Options;
use crate::merge::Pool;

/// What a search measured for the merge.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// Origin of the figures, such as `session zoo, candidate 41`.
    pub from: String,
    /// Name of each figure, with its values on the training questions and on the held-out questions.
    pub figures: Vec<(String, Option<f64>, Option<f64>)>,
    /// Number of training questions, and of held-out questions.
    pub questions: (u64, Option<u64>),
}

/// Writes the card of a merge by a recipe.
pub(super) fn of_recipe(recipe: &Recipe, out: &Path, pool: &Pool, options: &Options) -> String {
    let mut card = head(out, &models(recipe), pool.vision_giver().is_some());
    let donor = pool.base();
    let with = recipe.base.as_ref().map_or_else(String::new, |base| format!(" on the base {}", code(base)));
    let sources: Vec<String> = recipe.models().into_iter().map(code).collect();
    let _ = writeln!(
        card,
        "A merge of {}{with}, by the method `{}`, made with Yosegi. Its config is that of {} ({}), and so is its tokenizer{}.",
        sources.join(", "),
        recipe.method.name(),
        code(donor.reference()),
        donor.config().model_type,
        if recipe.tokenizer.is_some() { ", but for what the recipe says of it" } else { "" },
    );
    if let Some(giver) = pool.vision_giver() {
        let merged = recipe.vision == VisionRule::Merge;
        let _ = writeln!(
            card,
            "It reads pictures: the language models are merged, the vision tower and the projector {} {}, with its \
             outer config, tokenizer and processor.",
            if merged { "too, in the layout of" } else { "are those of" },
            code(giver.reference()),
        );
    }
    if let Some(measured) = &options.measured {
        table(measured, &mut card);
    }
    let recipe_file = options.recipe_file(recipe);
    let _ = write!(card, "\n## Recipe\n\n{}", fenced("toml", &recipe_file.to_toml()));
    // Paths and alignments have no YAML form.
    if let Ok(yaml) = recipe_file.to_yaml() {
        let _ = write!(card, "\nThe same for mergekit:\n\n{}", fenced("yaml", &yaml));
    }
    card
}

/// Front matter and title.
fn head(out: &Path, models: &[String], sees: bool) -> String {
    let name = out.file_name().map_or_else(|| "merge".into(), |n| n.to_string_lossy());
    let mut card = String::from("---\n");
    let hub: Vec<&String> = models.iter().filter(|m| is_hub_id(m)).collect();
    if !hub.is_empty() {
        card.push_str("base_model:\n");
        for model in hub {
            let _ = writeln!(card, "- {model}");
        }
    }
    let task = if sees { "image-text-to-text" } else { "text-generation" };
    let _ =
        write!(card, "library_name: transformers\npipeline_tag: {task}\ntags:\n- merge\n- yosegi\n---\n\n");
    let _ = write!(card, "# {}\n\n", visible_line(&name));
    card
}

fn models(recipe: &Recipe) -> Vec<String> {
    let mut out: Vec<String> = recipe.base.iter().cloned().collect();
    for model in recipe.models() {
        if !out.iter().any(|m| m == model) {
            out.push(model.to_owned());
        }
    }
    out
}

/// Whether this is `org/name`, which a card may link to, and not a folder, revision or adapter.
fn is_hub_id(model: &str) -> bool {
    let word = |s: &str| {
        !s.is_empty()
            && !s.starts_with('.')
            && s.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    model.split_once('/').is_some_and(|(org, name)| word(org) && word(name)) && !Path::new(model).exists()
}

fn table(measured: &Measured, card: &mut String) {
    let figure = |v: Option<f64>| v.map_or_else(|| "–".to_owned(), |v| format!("{v:.4}"));
    let (train, test) = measured.questions;
    let held_out = test.map_or_else(|| "held out".to_owned(), |n| format!("held out ({n})"));
    let _ = write!(
        card,
        "\n## Measured\n\nFrom {}; in brackets the number of questions.\n\n| | training ({train}) | {held_out} |\n|---|---|---|\n",
        visible_line(&measured.from)
    );
    for (name, train, test) in &measured.figures {
        let _ = writeln!(
            card,
            "| {} | {} | {} |",
            visible_line(name).replace('|', "\\|"),
            figure(*train),
            figure(*test)
        );
    }
}

/// Formats text as Markdown code, which cannot contain a backtick.
fn code(text: &str) -> String {
    format!("`{}`", visible_line(text).replace('`', "'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hub_ids_are_linked() {
        let card = head(
            Path::new("a/b/out"),
            &["org/m-1".into(), "/a/b".into(), "zoo:base".into(), "o/m@v2".into()],
            false,
        );
        assert!(card.contains("base_model:\n- org/m-1\nlibrary_name"), "{card}");
        assert!(card.contains("# out\n"));
    }

    #[test]
    fn figures_stand_in_a_table() {
        let mut card = String::new();
        let measured = Measured {
            from: "session `s`, candidate 4".into(),
            figures: vec![("fitness".into(), Some(0.5), None)],
            questions: (128, None),
        };
        table(&measured, &mut card);
        assert!(card.contains("| fitness | 0.5000 | – |") && card.contains("training (128)"), "{card}");
    }
}
