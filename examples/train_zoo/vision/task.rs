//! The task: questions in Japanese about pictures, a fifth of each kind.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use base64::Engine;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::canvas::png;
use super::draw::draw;
use super::texts::{answer, facts, question};
use super::world::{Kind, Query, Scene};
use crate::render::Lang;
use rand::Rng;

/// One line of the task's data.
#[allow(clippy::struct_field_names)] // the names of the task's columns
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Question {
    pub id: String,
    pub kind: String,
    pub question: String,
    pub answer: String,
    pub facts: Vec<String>,
    pub image: String,
}

/// A question with the pixels of its picture.
#[derive(Clone, Debug)]
pub struct Item {
    pub question: Question,
    pub rgb: Vec<u8>,
}

/// Draws `count` questions, the same number of each kind, about reserved scenes none of which is in `seen`.
pub fn draw_questions(
    rng: &mut ChaCha8Rng,
    prefix: &str,
    count: usize,
    seen: &mut HashSet<String>,
) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    for kind in Kind::ALL {
        for _ in 0..count / Kind::ALL.len() {
            let scene = loop {
                let scene = if kind == Kind::Count { Scene::draw_some(rng) } else { Scene::draw_pair(rng) };
                if scene.reserved() && seen.insert(scene.key()) {
                    break scene;
                }
            };
            let query = Query { kind, pick: rng.random_range(0..2) };
            let rgb = draw(scene, rng).0.rgb;
            let image = base64::engine::general_purpose::STANDARD.encode(png(&rgb)?);
            let question = Question {
                id: String::new(),
                kind: kind.label().to_owned(),
                question: question(scene, query, Lang::Ja, false),
                answer: answer(scene, query, Lang::Ja),
                facts: facts(scene, query),
                image: format!("data:image/png;base64,{image}"),
            };
            items.push(Item { question, rgb });
        }
    }
    items.shuffle(rng);
    for (i, item) in items.iter_mut().enumerate() {
        item.question.id = format!("{prefix}-{i:04}");
    }
    Ok(items)
}

/// Writes questions as JSON lines.
pub fn write(path: &Path, items: &[Item]) -> Result<()> {
    let mut text = String::new();
    for item in items {
        text.push_str(&serde_json::to_string(&item.question)?);
        text.push('\n');
    }
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
