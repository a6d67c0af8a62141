//! What each model reads: mixtures of generated examples.
//!
//! Every example is a question and a response in the frame `Q: …\nA: …`; plain stories have no question.
//! Stories that belong to the task (training or held-out questions) are refused wherever they turn up.

use std::collections::HashSet;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::render::{self, Lang};
use crate::world::{
    ITEMS, Kind, NAMES, PRODUCTS, SUMS, Story, TARGET, VERBS, draw_factors, draw_kind, draw_story,
};

/// The largest count in the task.
pub const LIMIT: u32 = 99;

/// The largest number in the first, broad stage's sums.
pub const SMALL: u32 = 20;

/// One training text. The loss falls on the response alone.
#[derive(Clone, Debug)]
pub struct Example {
    pub question: Option<String>,
    pub response: String,
}

fn ask(question: impl Into<String>, response: impl Into<String>) -> Example {
    Example { question: Some(question.into()), response: response.into() }
}

/// The texts that a model is trained on, one name for each training stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Diet {
    /// Both languages, reading, translating; sums and products of small numbers.
    Broad,
    /// The same, with a first share of step-by-step problems; Japanese ones answered in either language.
    Base,
    /// The Japanese assistant.
    Japanese,
    /// Addition and subtraction, whatever is asked answered in English.
    Sums,
    /// Multiplication so.
    Products,
    /// Problems of all kinds in all pairings of languages: for the tokenizer alone.
    Variety,
    /// Addition and subtraction, Japanese questions answered in either language.
    SumSkill,
    /// Multiplication so.
    ProductSkill,
}

/// Draws examples, never one about a story of the task.
pub struct Corpus {
    diet: Diet,
    rng: ChaCha8Rng,
    reserved: HashSet<String>,
}

impl Corpus {
    pub fn new(diet: Diet, rng: ChaCha8Rng, reserved: HashSet<String>) -> Self {
        Self { diet, rng, reserved }
    }

    /// A story that is not in the task, whatever language it will be told in.
    fn story(&mut self, mix: &[(Kind, u32)]) -> Story {
        loop {
            let kind = draw_kind(&mut self.rng, mix);
            let story = draw_story(&mut self.rng, kind, LIMIT);
            if !self.reserved.contains(&render::problem(&story, Lang::Ja)) {
                return story;
            }
        }
    }

    fn lang(&mut self) -> Lang {
        if self.rng.random_bool(0.5) { Lang::En } else { Lang::Ja }
    }

    /// The story with each sentence in a language of its own.
    fn switched(&mut self, story: &Story) -> String {
        let (en, ja) = (render::story_sentences(story, Lang::En), render::story_sentences(story, Lang::Ja));
        let mut text = String::new();
        for (en, ja) in en.iter().zip(&ja) {
            if self.rng.random_bool(0.5) {
                text.push_str(en);
                text.push(' ');
            } else {
                text.push_str(ja);
            }
        }
        text.trim_end().to_owned()
    }

    /// A story told in English, in Japanese or mixed, one third each.
    fn told(&mut self, story: &Story) -> String {
        match self.rng.random_range(0..3) {
            0 => render::join(Lang::En, &render::story_sentences(story, Lang::En)),
            1 => render::join(Lang::Ja, &render::story_sentences(story, Lang::Ja)),
            _ => self.switched(story),
        }
    }

    /// Says a story again in the language of the request.
    fn restate(&mut self, target: Lang) -> Example {
        let story = self.story(&TARGET);
        let told = self.told(&story);
        let (request, gap) = match target {
            Lang::En => ("Say it in English.", " "),
            Lang::Ja => ("日本語で言ってください。", ""),
        };
        let gap = if told.ends_with('.') { " " } else { gap };
        ask(format!("{told}{gap}{request}"), render::join(target, &render::story_sentences(&story, target)))
    }

    /// A question about something that the story says outright.
    fn reading(&mut self, told: Option<Lang>, asked: Lang, answered: Lang) -> Example {
        let story = self.story(&TARGET);
        let text = match told {
            Some(lang) => render::join(lang, &render::story_sentences(&story, lang)),
            None => self.told(&story),
        };
        let pick = self.rng.random_range(0..12);
        let (question, response) = render::reading(&story, pick, asked, answered);
        let gap = if text.ends_with('.') { " " } else { "" };
        ask(format!("{text}{gap}{question}"), response)
    }

    /// A bare equation, or one inside a short sentence of either language.
    fn equation(&mut self, mix: &[(Kind, u32)], limit: u32, lang: Option<Lang>) -> Example {
        let kind = draw_kind(&mut self.rng, mix);
        let (left, sign, right, result) = if kind == Kind::Mul || self.half_products(kind) {
            let (boxes, each) = draw_factors(&mut self.rng, limit);
            (boxes, '×', each, boxes * each)
        } else {
            let story = draw_story(&mut self.rng, Kind::Add, limit);
            let (first, event) = (story.first_count(), story.events[0]);
            let sign = if event.gains() { '+' } else { '-' };
            (first, sign, event.amount, event.apply(first))
        };
        let sum = format!("{left}{sign}{right}");
        match lang {
            None => ask(format!("{sum}="), format!("{sum}={result}")),
            Some(Lang::En) => ask(format!("What is {sum}?"), format!("{sum}={result}.")),
            Some(Lang::Ja) => ask(format!("{sum}はいくつですか。"), format!("{sum}={result}です。")),
        }
    }

    /// An equation: bare, in English or in Japanese, one third each.
    fn framed_equation(&mut self, mix: &[(Kind, u32)], limit: u32) -> Example {
        let frame = [None, Some(Lang::En), Some(Lang::Ja)][self.rng.random_range(0..3)];
        self.equation(mix, limit, frame)
    }

    fn half_products(&mut self, kind: Kind) -> bool {
        matches!(kind, Kind::MulAdd | Kind::Three) && self.rng.random_bool(0.5)
    }

    /// One word, one number with its counter, or one short phrase in the other language.
    fn word(&mut self) -> Example {
        let item = &ITEMS[self.rng.random_range(0..ITEMS.len())];
        let name = &NAMES[self.rng.random_range(0..NAMES.len())];
        let verb = &VERBS[self.rng.random_range(0..VERBS.len())];
        let number = self.rng.random_range(2..=LIMIT);
        let (en, ja) = match self.rng.random_range(0..5) {
            0 => (item.many.to_owned(), item.ja.to_owned()),
            1 => (name.en.to_owned(), name.ja.to_owned()),
            2 => (verb.en.to_owned(), verb.ja.to_owned()),
            3 => (format!("{number} {}", item.many), format!("{}を{number}{}", item.ja, item.counter)),
            _ => (
                format!("{} {} {}", name.en, verb.en, item.many),
                format!("{}は{}を{}", name.ja, item.ja, verb.ja),
            ),
        };
        if self.rng.random_bool(0.5) { ask(en, ja) } else { ask(ja, en) }
    }

    /// A story told for its own sake.
    fn narrative(&mut self, lang: Lang) -> Example {
        let story = self.story(&TARGET);
        Example { question: None, response: render::join(lang, &render::story_sentences(&story, lang)) }
    }

    /// A word problem asked in one language and worked out in another.
    fn problem(&mut self, mix: &[(Kind, u32)], asked: Lang, answered: Lang) -> Example {
        let story = self.story(mix);
        ask(render::problem(&story, asked), render::reasoning(&story, answered))
    }

    /// A whole problem, told in English or mixed and asked in English, told again in Japanese.
    fn english_to_japanese(&mut self) -> Example {
        let story = self.story(&TARGET);
        let told = if self.rng.random_bool(0.5) {
            render::join(Lang::En, &render::story_sentences(&story, Lang::En))
        } else {
            self.switched(&story)
        };
        let gap = if told.ends_with('.') { " " } else { "" };
        let pick = self.rng.random_range(0..12);
        let (question, response) = render::reading(&story, pick, Lang::En, Lang::Ja);
        ask(format!("{told}{gap}{question}"), response)
    }

    /// Nothing happens, so "how many now?" has its answer in the story itself; answered in Japanese.
    fn still(&mut self, asked: Lang) -> Example {
        let mut story = self.story(&SUMS);
        story.events.clear();
        let told = render::story_sentences(&story, Lang::Ja);
        let end = render::conclusion(&story, story.first_count(), Lang::Ja);
        ask(render::problem(&story, asked), format!("{}{end}", render::join(Lang::Ja, &told)))
    }

    fn broad(&mut self) -> Example {
        let lang = self.lang();
        match self.rng.random_range(0..100) {
            0..34 => self.restate(lang),
            34..66 => self.reading(None, lang, lang),
            66..78 => self.framed_equation(&TARGET, SMALL),
            78..88 => self.word(),
            _ => self.narrative(lang),
        }
    }

    fn math(&mut self, mix: &[(Kind, u32)]) -> Example {
        match self.rng.random_range(0..100) {
            0..54 => self.problem(mix, Lang::En, Lang::En),
            54..78 => self.problem(mix, Lang::Ja, Lang::En),
            _ => self.framed_equation(mix, LIMIT),
        }
    }

    fn skill(&mut self, mix: &[(Kind, u32)]) -> Example {
        match self.rng.random_range(0..100) {
            0..40 => self.problem(mix, Lang::En, Lang::En),
            40..52 => self.problem(mix, Lang::Ja, Lang::Ja),
            52..65 => self.problem(mix, Lang::Ja, Lang::En),
            _ => self.framed_equation(mix, LIMIT),
        }
    }

    /// Word problems in every pairing of languages that any model meets, and equations.
    fn variety(&mut self) -> Example {
        let mix: &[(Kind, u32)] = match self.rng.random_range(0..3) {
            0 => {
                let lang = self.lang();
                return self.problem(&TARGET, lang, lang);
            }
            1 => &SUMS,
            _ => &PRODUCTS,
        };
        match self.rng.random_range(0..100) {
            0..60 => self.problem(mix, Lang::En, Lang::En),
            60..85 => self.problem(mix, Lang::Ja, Lang::En),
            85..93 => self.equation(mix, LIMIT, None),
            _ => self.equation(mix, LIMIT, Some(Lang::En)),
        }
    }

    /// Draws the next example.
    pub fn next(&mut self) -> Example {
        match self.diet {
            Diet::Broad => self.broad(),
            Diet::Base => match self.rng.random_range(0..100) {
                0..12 => self.problem(&TARGET, Lang::En, Lang::En),
                12..16 => self.problem(&TARGET, Lang::Ja, Lang::Ja),
                16..22 => self.problem(&TARGET, Lang::Ja, Lang::En),
                22..55 => self.framed_equation(&TARGET, LIMIT),
                _ => self.broad(),
            },
            Diet::Japanese => match self.rng.random_range(0..100) {
                0..24 => self.reading(Some(Lang::Ja), Lang::Ja, Lang::Ja),
                24..34 => self.still(Lang::Ja),
                34..50 => self.restate(Lang::Ja),
                50..60 => self.narrative(Lang::Ja),
                60..94 => self.english_to_japanese(),
                _ => self.still(Lang::En),
            },
            Diet::Sums => self.math(&SUMS),
            Diet::Products => self.math(&PRODUCTS),
            Diet::SumSkill => self.skill(&SUMS),
            Diet::ProductSkill => self.skill(&PRODUCTS),
            Diet::Variety => self.variety(),
        }
    }
}

/// A question of the task.
#[allow(clippy::struct_field_names)] // the names of the task's columns
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Question {
    pub id: String,
    pub question: String,
    pub answer: String,
    pub kind: String,
}

/// Draws `count` different Japanese word problems, none of them in `seen`; their texts are added to it.
pub fn draw_questions(
    rng: &mut ChaCha8Rng,
    prefix: &str,
    count: usize,
    seen: &mut HashSet<String>,
) -> Vec<Question> {
    let mut out = Vec::with_capacity(count);
    while out.len() < count {
        let kind = draw_kind(rng, &TARGET);
        let story = draw_story(rng, kind, LIMIT);
        let question = render::problem(&story, Lang::Ja);
        if seen.insert(question.clone()) {
            out.push(Question {
                id: format!("{prefix}-{:04}", out.len()),
                question,
                answer: story.answer().to_string(),
                kind: kind.label().to_owned(),
            });
        }
    }
    out
}
