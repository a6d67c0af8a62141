//! Telling a story in English or in Japanese: sentences, questions, and the answer step by step.

use crate::world::{Event, Start, Story, VERBS};

/// The two languages of the zoo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lang {
    En,
    Ja,
}

/// What stands between two sentences of a language.
pub fn gap(lang: Lang) -> &'static str {
    match lang {
        Lang::En => " ",
        Lang::Ja => "",
    }
}

/// Sentences joined as their language joins them.
pub fn join(lang: Lang, sentences: &[String]) -> String {
    sentences.join(gap(lang))
}

fn things(story: &Story, count: u32) -> &'static str {
    if count == 1 { story.item().one } else { story.item().many }
}

/// The sentences of the start: one, or two for boxes.
pub fn start_sentences(story: &Story, lang: Lang) -> Vec<String> {
    let (name, item) = (story.name(), story.item());
    match (story.start, lang) {
        (Start::Have(n), Lang::En) => vec![format!("{} has {n} {}.", name.en, things(story, n))],
        (Start::Have(n), Lang::Ja) => {
            vec![format!("{}は{}を{n}{}持っています。", name.ja, item.ja, item.counter)]
        }
        (Start::Boxes { boxes, each }, Lang::En) => vec![
            format!("{} has {boxes} boxes.", name.en),
            format!("Each box has {each} {}.", things(story, each)),
        ],
        (Start::Boxes { boxes, each }, Lang::Ja) => vec![
            format!("{}は箱を{boxes}箱持っています。", name.ja),
            format!("どの箱にも{}が{each}{}あります。", item.ja, item.counter),
        ],
    }
}

/// The sentence of an event.
pub fn event_sentence(story: &Story, event: Event, lang: Lang) -> String {
    let (name, item, verb) = (story.name(), story.item(), &VERBS[event.verb]);
    match lang {
        Lang::En => format!("{} {} {} {}.", name.en, verb.en, event.amount, things(story, event.amount)),
        Lang::Ja => format!("{}は{}を{}{}{}。", name.ja, item.ja, event.amount, item.counter, verb.ja),
    }
}

/// All sentences of the story, without a question.
pub fn story_sentences(story: &Story, lang: Lang) -> Vec<String> {
    let mut all = start_sentences(story, lang);
    all.extend(story.events.iter().map(|&event| event_sentence(story, event, lang)));
    all
}

/// "How many are there now?"
pub fn final_question(story: &Story, lang: Lang) -> String {
    match lang {
        Lang::En => format!("How many {} does {} have now?", story.item().many, story.name().en),
        Lang::Ja => {
            format!("{}は今{}を何{}持っていますか。", story.name().ja, story.item().ja, story.item().counter)
        }
    }
}

/// The whole word problem.
pub fn problem(story: &Story, lang: Lang) -> String {
    let mut all = story_sentences(story, lang);
    all.push(final_question(story, lang));
    join(lang, &all)
}

/// "The answer is 7." / 「答えは7個です。」
pub fn conclusion(story: &Story, number: u32, lang: Lang) -> String {
    match lang {
        Lang::En => format!("The answer is {number}."),
        Lang::Ja => format!("答えは{number}{}です。", story.item().counter),
    }
}

fn equation(left: u32, sign: char, right: u32, result: u32, lang: Lang) -> String {
    match lang {
        Lang::En => format!("{left}{sign}{right}={result}."),
        Lang::Ja => format!("{left}{sign}{right}={result}です。"),
    }
}

/// The answer, step by step: each sentence told again, its equation, and the conclusion.
pub fn reasoning(story: &Story, lang: Lang) -> String {
    let mut all = start_sentences(story, lang);
    let mut count = story.first_count();
    if let Start::Boxes { boxes, each } = story.start {
        all.push(equation(boxes, '×', each, count, lang));
    }
    for &event in &story.events {
        all.push(event_sentence(story, event, lang));
        let next = event.apply(count);
        let sign = if event.gains() { '+' } else { '-' };
        all.push(equation(count, sign, event.amount, next, lang));
        count = next;
    }
    all.push(conclusion(story, count, lang));
    join(lang, &all)
}

/// A question about one thing that the story says outright, and its answer in `answer_lang`:
/// the sentence in question told again, then the conclusion. No arithmetic.
pub fn reading(story: &Story, pick: usize, ask: Lang, answer_lang: Lang) -> (String, String) {
    let (name, item) = (story.name(), story.item());
    let starts = start_sentences(story, answer_lang);
    let pick = pick % (starts.len() + story.events.len());
    if let Some(&event) = pick.checked_sub(starts.len()).and_then(|i| story.events.get(i)) {
        let verb = &VERBS[event.verb];
        let question = match ask {
            Lang::En => format!("How many {} did {} {}?", item.many, name.en, verb.en_plain),
            Lang::Ja => format!("{}は{}を何{}{}か。", name.ja, item.ja, item.counter, verb.ja),
        };
        let told = event_sentence(story, event, answer_lang);
        let end = conclusion(story, event.amount, answer_lang);
        return (question, join(answer_lang, &[told, end]));
    }
    let (question, number, is_boxes) = match (story.start, pick, ask) {
        (Start::Have(n), _, Lang::En) => {
            (format!("How many {} did {} have first?", item.many, name.en), n, false)
        }
        (Start::Have(n), _, Lang::Ja) => {
            (format!("{}は最初に{}を何{}持っていましたか。", name.ja, item.ja, item.counter), n, false)
        }
        (Start::Boxes { boxes, .. }, 0, Lang::En) => {
            (format!("How many boxes does {} have?", name.en), boxes, true)
        }
        (Start::Boxes { boxes, .. }, 0, Lang::Ja) => {
            (format!("{}は箱を何箱持っていますか。", name.ja), boxes, true)
        }
        (Start::Boxes { each, .. }, _, Lang::En) => {
            (format!("How many {} does each box have?", item.many), each, false)
        }
        (Start::Boxes { each, .. }, _, Lang::Ja) => {
            (format!("どの箱にも{}が何{}ありますか。", item.ja, item.counter), each, false)
        }
    };
    let end = match (is_boxes, answer_lang) {
        (true, Lang::Ja) => format!("答えは{number}箱です。"),
        _ => conclusion(story, number, answer_lang),
    };
    (question, join(answer_lang, &[starts[pick].clone(), end]))
}
