//! The check that no question stands in both splits of a task. Questions come in; an error that counts the common ones
//! goes out. `task/load.rs` calls it.

use std::collections::HashSet;

use crate::task::error::snippet;
use crate::task::{Question, TaskError, template};

/// What makes two questions the same, apart from their pictures: text and prompt without white space, and choices.
type Words = (String, Vec<String>);

/// Refuses a question that both splits contain: the same text, prompt, choices and pictures.
pub(in crate::task) fn check_overlap(
    file: &str,
    template: &str,
    train: &[Question],
    test: &[Question],
) -> Result<(), TaskError> {
    let words = |q: &Question| -> Words {
        let mut text = template::render(template, &q.row).unwrap_or_default();
        text.push('\0');
        text.push_str(&q.question);
        text.retain(|c| !c.is_whitespace());
        (text, q.choices.clone())
    };
    if train.is_empty() || test.is_empty() {
        return Ok(());
    }
    let asked: HashSet<Words> = train.iter().map(words).collect();
    let alike: Vec<(Words, &Question)> =
        test.iter().map(|q| (words(q), q)).filter(|(words, _)| asked.contains(words)).collect();
    // Pictures are read only where all else is the same.
    let wanted: HashSet<&Words> = alike.iter().map(|(words, _)| words).collect();
    let seen: HashSet<(Words, Vec<String>)> = train
        .iter()
        .map(|q| (words(q), q))
        .filter(|(words, _)| wanted.contains(words))
        .map(|(words, q)| (words, digests(q)))
        .collect();
    let both: Vec<&Question> =
        alike.into_iter().filter_map(|(words, q)| seen.contains(&(words, digests(q))).then_some(q)).collect();
    match both.first() {
        None => Ok(()),
        Some(first) => Err(TaskError::Overlap {
            file: file.to_owned(),
            count: both.len(),
            example: snippet(&first.question),
        }),
    }
}

/// The pictures of a question by their bytes. One that can't be read counts by its name; it is refused elsewhere.
fn digests(question: &Question) -> Vec<String> {
    let digest = |source: &crate::picture::PictureSource| source.digest().unwrap_or_else(|_| source.name());
    question.images.iter().map(digest).collect()
}
