//! How many tokens a task's questions have and how many their answers may have. A task and the base's tokenizer come in;
//! counts for each split go out. The plan of a setup asks for them.

use serde::{Deserialize, Serialize};

use crate::checkpoint::Checkpoint;
use crate::error::BadInput;
use crate::evaluate::evaluator::Evaluator;
use crate::evaluate::task_list::{ListedTask, listed};
use crate::evaluate::task_runner::prompt_text;
use crate::evaluate::types::EvalSetup;
use crate::lm::Reader;
use crate::task::{Encode, Kind, Length, Question, Split};

/// Questions of a split whose tokens are counted; the others are taken to be like them.
const COUNTED: usize = 200;

/// A task as a plan shows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PlannedTask {
    /// Its name in the setup.
    pub task: String,
    pub train: AskedSplit,
    pub test: AskedSplit,
}

/// The questions of a task's split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AskedSplit {
    pub questions: usize,
    /// The most tokens that the answers to all questions may have; for choices, the tokens of all choices. `None`
    /// without a tokenizer on this machine, if the task needs one for it.
    pub most_tokens: Option<u64>,
    /// Mean tokens of a prompt, the shared beginning included; `None` without a tokenizer.
    pub prompt_tokens: Option<f64>,
    /// Tokens at the beginning of all prompts of the split that are equal, and are computed once.
    pub shared_tokens: usize,
}

impl Evaluator {
    /// The tasks of a setup. `speaks` is the model whose tokenizer counts.
    pub(super) fn planned_tasks(
        &mut self,
        setup: &EvalSetup,
        speaks: Option<&str>,
    ) -> anyhow::Result<Vec<PlannedTask>> {
        let reader = match speaks {
            Some(model) => {
                let checkpoint = Checkpoint::open(model).map_err(BadInput::error)?;
                Some(Reader::of(&checkpoint).map_err(BadInput::error)?)
            }
            None => None,
        };
        let tasks = listed(setup, &[Split::Train, Split::Test], &mut self.tasks)?;
        let planned = |task: &ListedTask<'_>| {
            let split = |split| asked(task, split, reader.as_ref());
            Ok(PlannedTask {
                task: task.spec.task.clone(),
                train: split(Split::Train)?,
                test: split(Split::Test)?,
            })
        };
        tasks.iter().map(planned).collect()
    }
}

/// Counts one split of a task.
fn asked(listed: &ListedTask<'_>, split: Split, reader: Option<&Reader>) -> anyhow::Result<AskedSplit> {
    let task = &listed.task;
    let questions = listed.count.of(split);
    let mut out = AskedSplit { questions, ..AskedSplit::default() };
    let Some(reader) = reader else {
        if let (Kind::Generate, Length::Tokens(most)) = (task.kind, &task.length) {
            out.most_tokens = Some((most * questions) as u64);
        }
        return Ok(out);
    };
    let of = |text: &str| reader.tokenizer.ids(text, false).map(|ids| ids.len());
    // Evenly over the split, so that questions that grow longer count as they should.
    let counted = questions.min(COUNTED);
    let sample: Vec<&Question> =
        (0..counted).map(|i| &task.questions(split)[i * questions / counted]).collect();
    let (mut most, mut prompts, mut shared): (usize, usize, Option<Vec<u32>>) = (0, 0, None);
    for question in &sample {
        most += match task.kind {
            Kind::Generate => task.most_tokens(question, of)?,
            Kind::Choice | Kind::Sentence => {
                question.choices.iter().map(|choice| of(choice)).sum::<Result<usize, _>>()?
            }
        };
        let text = prompt_text(reader, task, question)?;
        let ids = if task.chat || task.encode == Encode::Apart {
            reader.chat_prompt(&text)?
        } else {
            reader.prompt(&text)?
        };
        prompts += ids.len();
        let common = |known: &Vec<u32>| known.iter().zip(&ids).take_while(|(a, b)| a == b).count();
        shared = Some(match shared {
            None => ids,
            Some(mut known) => {
                known.truncate(common(&known));
                known
            }
        });
    }
    let mean = |sum: usize| sum as f64 / counted.max(1) as f64;
    out.most_tokens = Some((mean(most) * questions as f64).round() as u64);
    out.prompt_tokens = Some(mean(prompts));
    // A prompt keeps at least one token of its own.
    out.shared_tokens = match shared {
        Some(shared) if counted > 1 && task.kind == Kind::Generate => shared.len(),
        _ => 0,
    };
    Ok(out)
}
