//! What the models of the visual zoo read: questions about pictures, questions about texts that stand where a picture
//! would, and translations of such texts.

use std::sync::Arc;

use anyhow::Result;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::draw::draw;
use super::looking::patches_of;
use super::texts::{answer, describe, question};
use super::tower::{PATCHES, Tower, WIDTH, patch_rows};
use super::world::{Scene, THINGS};
use crate::render::Lang;
use crate::tokenizer::{Codec, END_ID, IMAGE};
use crate::train::{Source, Text};

/// Shares, each from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Diet {
    /// Texts to translate, of all texts.
    pub translate: f64,
    /// Questions about a picture, of all questions.
    pub pictures: f64,
    /// Questions in Japanese.
    pub japanese: f64,
    /// Japanese questions answered in Japanese.
    pub kept: f64,
    /// English questions answered in Japanese.
    pub turned: f64,
    /// Scenes that are told in Japanese where a text stands for a picture.
    pub told: f64,
    /// Questions answered by telling the whole scene, whatever was asked.
    pub retell: f64,
}

/// The features of a picture's patches, as the projector reads them.
pub type Features = Arc<[f32]>;

/// Runs pictures through the tower.
pub fn look(tower: &Tower, pictures: &[Vec<u8>]) -> Result<Vec<Features>> {
    let mut out = Vec::with_capacity(pictures.len());
    for part in pictures.chunks(32) {
        let patches = part.iter().flat_map(|rgb| patch_rows(rgb)).collect();
        let rows = patches_of(&tower.forward(patches)?.out)?;
        out.extend(rows.chunks_exact(PATCHES * WIDTH).map(Arc::from));
    }
    Ok(out)
}

/// The prompt of a question about a scene that is told, or shown.
pub fn prompt(scene: &str, question: &str) -> String {
    format!("USER: {scene}\n{question} ASSISTANT:")
}

/// What stands for a picture in a prompt.
pub fn image_tokens() -> String {
    IMAGE.repeat(PATCHES)
}

/// An English answer stands behind a space.
pub fn response(text: &str, lang: Lang) -> String {
    if lang == Lang::En { format!(" {text}") } else { text.to_owned() }
}

/// One text before tokenizing.
pub struct Example {
    pub prompt: String,
    pub response: String,
    /// The picture's pixels.
    pub picture: Option<Vec<u8>>,
}

/// Draws examples, never of a reserved scene.
pub struct Corpus<'a> {
    pub diet: Diet,
    pub rng: ChaCha8Rng,
    pub codec: &'a Codec,
    pub tower: Option<&'a Tower>,
}

fn lang(japanese: bool) -> Lang {
    if japanese { Lang::Ja } else { Lang::En }
}

/// One example of a diet.
pub fn example(diet: Diet, rng: &mut ChaCha8Rng) -> Example {
    let scene = Scene::draw_free(rng);
    if rng.random_bool(diet.translate) {
        return translation(scene, rng);
    }
    let ask = lang(rng.random_bool(diet.japanese));
    let share = if ask == Lang::Ja { diet.kept } else { diet.turned };
    let reply = lang(rng.random_bool(share));
    let query = scene.query(rng);
    let shown = rng.random_bool(diet.pictures);
    // Answers about pictures, and all answers, use the first names.
    let other = !shown && rng.random_bool(0.5);
    let question = question(scene, query, ask, other);
    let retell = diet.retell > 0.0 && rng.random_bool(diet.retell);
    let said = if retell { describe(scene, reply, false) } else { answer(scene, query, reply) };
    let response = response(&said, reply);
    if shown {
        let picture = draw(scene, rng).0.rgb;
        return Example { prompt: prompt(&image_tokens(), &question), response, picture: Some(picture) };
    }
    let told = lang(rng.random_bool(diet.told));
    Example { prompt: prompt(&describe(scene, told, other), &question), response, picture: None }
}

fn translation(scene: Scene, rng: &mut ChaCha8Rng) -> Example {
    let (from, to) = if rng.random_bool(0.5) { (Lang::En, Lang::Ja) } else { (Lang::Ja, Lang::En) };
    let request = match (rng.random_bool(0.5), to) {
        (true, Lang::En) => "Say it in English.",
        (true, Lang::Ja) => "Say it in Japanese.",
        (false, Lang::En) => "英語で言ってください。",
        (false, Lang::Ja) => "日本語で言ってください。",
    };
    let other = rng.random_bool(0.5);
    // A name alone now and then, so that both English names of a thing meet its Japanese one.
    let (text, said) = if rng.random_bool(0.2) {
        let word = &THINGS[rng.random_range(0..THINGS.len())];
        let english = if other && !word.other.is_empty() { word.other } else { word.en };
        if to == Lang::En { (word.ja, english) } else { (english, word.ja) }
    } else {
        (&*describe(scene, from, other), &*describe(scene, to, other))
    };
    Example { prompt: prompt(text, request), response: response(said, to), picture: None }
}

impl Source for Corpus<'_> {
    fn draw(&mut self, tokens: usize) -> Result<Vec<Text>> {
        let (mut texts, mut pictures, mut total) = (Vec::new(), Vec::new(), 0);
        while total < tokens {
            let example = example(self.diet, &mut self.rng);
            let mut ids = self.codec.encode(&example.prompt)?;
            let prompt = ids.len();
            ids.extend(self.codec.encode(&example.response)?);
            ids.push(END_ID);
            total += ids.len();
            if let Some(picture) = example.picture {
                pictures.push((texts.len(), picture));
            }
            texts.push(Text { ids, prompt, picture: None });
        }
        if let Some(tower) = self.tower {
            let (places, pixels): (Vec<usize>, Vec<Vec<u8>>) = pictures.into_iter().unzip();
            for (at, features) in places.into_iter().zip(look(tower, &pixels)?) {
                texts[at].picture = Some(features);
            }
        }
        Ok(texts)
    }
}
