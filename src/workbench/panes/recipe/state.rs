//! The preview of the recipe in the editor: sample questions, the answers of the current recipe, and the answers before
//! the last edit. `receive.rs` fills it; `preview.rs` requests and draws it.

use std::collections::BTreeMap;

use crate::session::protocol::{Answer, Answers};

/// Sample questions and the answers that the hand-made recipe gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Preview {
    /// Name of the task.
    pub task: String,
    /// The watched training questions.
    pub questions: Vec<usize>,
    /// The editor's revision in the last request.
    pub asked: Option<u64>,
    /// The request that is being answered.
    pub request: Option<u64>,
    /// The answers that stream in, by question.
    pub streams: BTreeMap<usize, String>,
    /// The answers of the current recipe.
    pub now: Option<Answers>,
    /// The answers from before the last answered edit.
    pub before: Option<Answers>,
    /// Why there are no answers.
    pub error: Option<String>,
}

impl Preview {
    /// A preview before its first request.
    #[must_use]
    pub fn new(task: String, questions: Vec<usize>) -> Self {
        Self { task, questions, ..Self::default() }
    }

    /// Changes the task or the questions. Answers to the earlier ones are dropped.
    pub fn ask_others(&mut self, task: String, questions: Vec<usize>) {
        if self.task != task || self.questions != questions {
            *self = Self::new(task, questions);
        }
    }

    /// Records that a new request was sent.
    pub fn begin(&mut self, request: u64) {
        if let Some(now) = self.now.take() {
            self.before = Some(now);
        }
        self.streams.clear();
        self.error = None;
        self.request = Some(request);
    }

    /// Takes in more text of an answer.
    pub fn token(&mut self, request: u64, question: usize, text: &str) {
        if self.request == Some(request) {
            self.streams.entry(question).or_default().push_str(text);
        }
    }

    /// Takes in the reply to the request.
    pub fn finish(&mut self, request: u64, answers: Answers) {
        if self.request == Some(request) {
            self.request = None;
            self.now = Some(answers);
        }
    }

    /// Takes in the error of a failed request.
    pub fn fail(&mut self, request: u64, why: String) {
        if self.request == Some(request) {
            self.request = None;
            self.error = Some(why);
        }
    }

    /// The answer to `question` in `answers`.
    #[must_use]
    pub fn answer(answers: Option<&Answers>, question: usize) -> Option<&Answer> {
        answers?.answers.iter().find(|a| a.index == question)
    }
}
