//! How many sequences the questions of tasks are, and how long the longest is. Tasks, their asked questions and what
//! reads text come in; [`Workload`] goes out.

use std::convert::Infallible;

use super::Workload;
use crate::checkpoint::VisionConfig;
use crate::evaluate::task_runner::prompt_text;
use crate::evaluate::types::SplitQuestions;
use crate::lm::{Reader, Sequences};
use crate::task::{Decoding, Kind, Question, Task};

/// Tokens of a short text.
const SHORT: usize = 256;
/// The longest texts that are read as tokens, to find the longest sequence.
const LONGEST: usize = 4;
/// Special tokens around a text, at most.
const SPECIAL: usize = 8;
/// As long as what a chat template puts around a question.
const AROUND: &str = match str::from_utf8(&[b' '; 1024]) {
    Ok(text) => text,
    Err(_) => "",
};

impl Workload {
    /// Some short texts, read one after another.
    #[must_use]
    pub const fn of_texts(count: usize) -> Self {
        let sequences =
            Sequences { prompts: count, tokens: SHORT, prompt: SHORT, threads: 1, beams: 1, scored: false };
        Self { sequences, pictures: false, judged: false }
    }

    /// What prompts ask of a decoder at once: each is a text with a number of pictures, an answer has at most `most`
    /// tokens and is searched with so many beams.
    #[must_use]
    pub fn of_prompts(
        reader: &Reader,
        vision: Option<&VisionConfig>,
        prompts: &[(&str, usize)],
        (most, beams): (usize, usize),
    ) -> Self {
        let rows = vision.map_or(0, VisionConfig::positions);
        let length = |(text, pictures): &&(&str, usize)| text.len() + pictures * rows;
        let longest = prompts.iter().max_by_key(length).map_or(0, |(text, pictures)| {
            reader.tokenizer.ids(text, true).map_or(text.len() / 2, |ids| ids.len()) + pictures * rows
        });
        let sequences = Sequences {
            prompts: prompts.len(),
            tokens: longest + most,
            prompt: longest,
            threads: 0,
            beams,
            scored: false,
        };
        Self { sequences, pictures: prompts.iter().any(|(_, pictures)| *pictures > 0), judged: false }
    }
}

/// What some questions ask of a decoder at once: each task's are a batch, so the task with the most tokens counts. A
/// question whose prompt cannot be made is passed over: asking it will say why. Without a reader, each byte of a text
/// counts as a token, which is more than any tokenizer makes of it.
pub fn of_questions(
    reader: Option<&Reader>,
    vision: Option<&VisionConfig>,
    asked: &[(&Task, Vec<SplitQuestions>)],
    (decoding, threads): (Option<Decoding>, usize),
) -> Workload {
    let mut out = Workload {
        sequences: Sequences { prompts: 1, tokens: 1, prompt: 1, threads, beams: 1, scored: false },
        pictures: false,
        judged: true,
    };
    for (task, ask) in asked {
        let questions: Vec<&Question> =
            ask.iter().flat_map(|a| a.questions.iter().map(move |i| &task.questions(a.split)[*i])).collect();
        let mut texts: Vec<(&Question, String)> = questions
            .iter()
            .filter_map(|question| Some((*question, longest_text(reader, task, question)?)))
            .collect();
        texts.sort_by_key(|(_, text)| std::cmp::Reverse(text.len()));
        let scored = task.kind != Kind::Generate;
        let length = |(question, text): &(&Question, String)| {
            let pictures = task.images(question).count() * vision.map_or(0, VisionConfig::positions);
            out.pictures |= pictures > 0;
            let prompt = tokens(reader, text) + pictures;
            let most = task.most_tokens(question, |text| Ok::<_, Infallible>(tokens(reader, text)));
            (prompt + if scored { 0 } else { most.unwrap_or(0) }, prompt)
        };
        let (longest, prompt) = texts.iter().take(LONGEST).map(length).max().unwrap_or((1, 1));
        let beams = decoding.unwrap_or(task.decoding).num_beams.max(1);
        let prompts = questions.len().max(1);
        let sequences = Sequences { prompts, tokens: longest, prompt, threads, beams, scored };
        let size = |s: &Sequences| s.prompts.min(256) * s.beams * s.tokens;
        if size(&sequences) > size(&out.sequences) {
            out.sequences = sequences;
        }
    }
    out
}

/// The tokens of a text, with the special ones around it.
fn tokens(reader: Option<&Reader>, text: &str) -> usize {
    let ids = reader.and_then(|reader| reader.tokenizer.ids(text, true).ok());
    ids.map_or(text.len() + SPECIAL, |ids| ids.len())
}

/// A question's prompt with its longest choice.
fn longest_text(reader: Option<&Reader>, task: &Task, question: &Question) -> Option<String> {
    let mut text = match reader {
        Some(reader) => prompt_text(reader, task, question).ok()?,
        None => task.prompt(question).ok()? + if task.chat { AROUND } else { "" },
    };
    text.push_str(question.choices.iter().max_by_key(|choice| choice.len()).map_or("", String::as_str));
    Some(text)
}
