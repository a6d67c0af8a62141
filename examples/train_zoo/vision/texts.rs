//! Scenes, questions and answers in English and in Japanese. The facts of an answer come in one order in both.

use super::world::{COLOURS, Kind, Query, SIDES, Scene, THINGS, Thing, sides};
use crate::render::Lang;

/// The other name of a thing, where it has one and is asked for.
fn english(what: usize, other: bool) -> &'static str {
    let word = &THINGS[what];
    if other && !word.other.is_empty() { word.other } else { word.en }
}

fn with_article(text: &str) -> String {
    let article = if text.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {text}")
}

/// "blue gate" / 「青色の鳥居」
fn named(thing: Thing, lang: Lang, other: bool) -> String {
    let colour = &COLOURS[thing.colour];
    match lang {
        Lang::En => format!("{} {}", colour.en, english(thing.what, other)),
        Lang::Ja => format!("{}色の{}", colour.ja, THINGS[thing.what].ja),
    }
}

fn there(side: usize, thing: Thing, lang: Lang, other: bool) -> String {
    let named = named(thing, lang, other);
    match lang {
        Lang::En => format!("On the {} is {}.", SIDES[side].en, with_article(&named)),
        Lang::Ja => format!("{}に{named}があります。", SIDES[side].ja),
    }
}

fn alone(thing: Thing, lang: Lang, other: bool) -> String {
    let named = named(thing, lang, other);
    match lang {
        Lang::En => format!("Here is {}.", with_article(&named)),
        Lang::Ja => format!("{named}があります。"),
    }
}

fn counted(thing: Thing, count: u32, lang: Lang) -> String {
    let (colour, word) = (&COLOURS[thing.colour], &THINGS[thing.what]);
    match lang {
        Lang::En => format!("The {} {} number {count}.", colour.en, word.many),
        Lang::Ja => format!("{}色の{}が{count}個あります。", colour.ja, word.ja),
    }
}

/// The scene as a text, which stands where a picture would.
pub fn describe(scene: Scene, lang: Lang, other: bool) -> String {
    match scene {
        Scene::One(thing) => alone(thing, lang, other),
        Scene::Pair { first, second, upright } => {
            let [a, b] = sides(upright);
            let gap = crate::render::gap(lang);
            format!("{}{gap}{}", there(a, first, lang, other), there(b, second, lang, other))
        }
        Scene::Some { thing, count } => counted(thing, count, lang),
    }
}

/// The thing that a question starts from, the other one, and their sides.
fn picked(first: Thing, second: Thing, upright: bool, pick: usize) -> (Thing, Thing, usize, usize) {
    let [a, b] = sides(upright);
    if pick == 0 { (first, second, a, b) } else { (second, first, b, a) }
}

/// A name in a question.
fn bare(thing: Thing, lang: Lang, other: bool) -> &'static str {
    match lang {
        Lang::En => english(thing.what, other),
        Lang::Ja => THINGS[thing.what].ja,
    }
}

/// The question.
pub fn question(scene: Scene, query: Query, lang: Lang, other: bool) -> String {
    let name = |thing| bare(thing, lang, other);
    match (scene, query.kind, lang) {
        (Scene::Pair { first, second, upright }, kind, _) => {
            let (this, that, side, _) = picked(first, second, upright, query.pick);
            match (kind, lang) {
                (Kind::Side, Lang::En) => format!("Where is the {}?", name(this)),
                (Kind::Side, Lang::Ja) => format!("{}はどこにありますか。", name(this)),
                (Kind::Relation, Lang::En) => format!("Where from the {} is the {}?", name(this), name(that)),
                (Kind::Relation, Lang::Ja) => format!("{}から見て{}はどこですか。", name(this), name(that)),
                (Kind::Colour, Lang::En) => {
                    format!("What colour are the {} and the {}?", name(this), name(that))
                }
                (Kind::Colour, Lang::Ja) => format!("{}と{}は何色ですか。", name(this), name(that)),
                (_, Lang::En) => format!("What is on the {}?", SIDES[side].en),
                (_, Lang::Ja) => format!("{}に何がありますか。", SIDES[side].ja),
            }
        }
        (Scene::One(thing), Kind::Colour, Lang::En) => format!("What colour is the {}?", name(thing)),
        (Scene::Some { thing, .. }, Kind::Colour, Lang::En) => {
            format!("What colour are the {}?", THINGS[thing.what].many)
        }
        (Scene::One(thing) | Scene::Some { thing, .. }, Kind::Colour, Lang::Ja) => {
            format!("{}は何色ですか。", name(thing))
        }
        (Scene::Some { thing, .. }, _, Lang::En) => {
            format!("How many {} are there?", THINGS[thing.what].many)
        }
        (Scene::Some { thing, .. }, _, Lang::Ja) => format!("{}はいくつありますか。", name(thing)),
        (Scene::One(_), _, Lang::En) => "What is here?".to_owned(),
        (Scene::One(_), _, Lang::Ja) => "何がありますか。".to_owned(),
    }
}

/// The answer, a sentence of its own that tells every fact.
pub fn answer(scene: Scene, query: Query, lang: Lang) -> String {
    let colour = |thing: Thing| &COLOURS[thing.colour];
    let word = |thing: Thing| &THINGS[thing.what];
    match (scene, query.kind) {
        (Scene::Pair { first, second, upright }, kind) => {
            let (this, that, side, other_side) = picked(first, second, upright, query.pick);
            // The thing is named first: what else is known of it can then be looked up by its name.
            let (name, paint, place, other) =
                (bare(this, lang, false), colour(this), &SIDES[side], &SIDES[other_side]);
            match (kind, lang) {
                (Kind::Side, Lang::En) => format!("The {name} is {}, on the {}.", paint.en, place.en),
                (Kind::Side, Lang::Ja) => format!("{name}は{}色で、{}にあります。", paint.ja, place.ja),
                (Kind::Relation, Lang::En) => format!(
                    "The {name} is {}, and on its {} the {} is {}.",
                    paint.en,
                    other.en,
                    word(that).en,
                    colour(that).en
                ),
                (Kind::Relation, Lang::Ja) => format!(
                    "{name}は{}色で、その{}の{}は{}色です。",
                    paint.ja,
                    other.ja,
                    word(that).ja,
                    colour(that).ja
                ),
                (Kind::Colour, Lang::En) => format!(
                    "The {} is {} and the {} is {}.",
                    word(this).en,
                    colour(this).en,
                    word(that).en,
                    colour(that).en
                ),
                (Kind::Colour, Lang::Ja) => format!(
                    "{}は{}色で、{}は{}色です。",
                    word(this).ja,
                    colour(this).ja,
                    word(that).ja,
                    colour(that).ja
                ),
                _ => there(side, this, lang, false),
            }
        }
        (Scene::One(thing), Kind::Colour) => match lang {
            Lang::En => format!("The {} is {}.", word(thing).en, colour(thing).en),
            Lang::Ja => format!("{}は{}色です。", word(thing).ja, colour(thing).ja),
        },
        (Scene::Some { thing, .. }, Kind::Colour) => match lang {
            Lang::En => format!("The {} are {}.", word(thing).many, colour(thing).en),
            Lang::Ja => format!("{}は{}色です。", word(thing).ja, colour(thing).ja),
        },
        (Scene::One(thing), _) => alone(thing, lang, false),
        (Scene::Some { thing, count }, _) => counted(thing, count, lang),
    }
}

/// The facts of the answer, in order, by their Japanese words.
pub fn facts(scene: Scene, query: Query) -> Vec<String> {
    let colour = |thing: Thing| COLOURS[thing.colour].ja.to_owned();
    let word = |thing: Thing| THINGS[thing.what].ja.to_owned();
    let side = |side: usize| SIDES[side].ja.to_owned();
    match (scene, query.kind) {
        (Scene::Pair { first, second, upright }, kind) => {
            let (this, that, at, other) = picked(first, second, upright, query.pick);
            match kind {
                Kind::Side => vec![word(this), colour(this), side(at)],
                Kind::Relation => vec![word(this), colour(this), side(other), word(that), colour(that)],
                Kind::Colour => vec![word(this), colour(this), word(that), colour(that)],
                _ => vec![side(at), colour(this), word(this)],
            }
        }
        (Scene::One(thing) | Scene::Some { thing, .. }, Kind::Colour) => vec![word(thing), colour(thing)],
        (Scene::One(thing), _) => vec![colour(thing), word(thing)],
        (Scene::Some { thing, count }, _) => vec![colour(thing), word(thing), count.to_string()],
    }
}

/// Every word that can be a fact, with all its spellings.
pub fn fact_words() -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for list in [&COLOURS[..], &THINGS[..], &SIDES[..]] {
        for word in list {
            let mut spellings = vec![word.en.to_lowercase()];
            if word.many != word.en {
                spellings.push(word.many.to_lowercase());
            }
            if !word.other.is_empty() {
                spellings.push(word.other.to_lowercase());
            }
            spellings.push(word.ja.to_owned());
            all.push(spellings);
        }
    }
    all.extend(super::world::COUNTS.map(|n| vec![n.to_string()]));
    all
}
