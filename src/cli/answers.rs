//! Judges answers that were made elsewhere. A file of JSON lines `{"id","gold","text"}`, or the output of
//! `yosegi eval --json`, comes in with a task. The answers with their questions and verdicts go out.
//! `yosegi score` and `yosegi compare` call it.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;

use crate::error::BadInput;
use crate::limits;
use crate::task::{Kind, Places, Question, Split, Task, TaskError, Verdict};

/// One answer from a file.
pub struct Given {
    /// The question's id; the line number in files of bare texts, which have no ids.
    pub id: String,
    /// The gold answers; empty if they come from the task.
    pub golds: Vec<String>,
    pub text: String,
    /// The verdict in the file, if it has one.
    pub correct: Option<bool>,
}

/// An answer with its question and verdict.
pub struct Judged {
    pub question: Question,
    pub text: String,
    pub verdict: Verdict,
}

/// Whether a name refers to a file of answers and not to a model.
pub fn is_file(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|e| e == "json" || e == "jsonl")
}

/// Reads a file of answers.
pub fn read(path: &str) -> anyhow::Result<Vec<Given>> {
    let bad = |what: String| BadInput::error(format!("{path}{what}"));
    let text = limits::read_text(Path::new(path), limits::DATA_FILE)
        .map_err(|e| bad(format!(" can't be read ({e}): give a file of JSON lines")))?;
    // Try a whole document first: the output of `eval --json` may be on one line or on many.
    if let Ok(Value::Object(document)) = serde_json::from_str(&text)
        && let Some(Value::Array(answers)) = document.get("answers")
    {
        let given = answers.iter().enumerate().map(|(i, a)| given(i + 1, a));
        return given.collect::<Result<_, _>>().map_err(|(i, why)| bad(format!(", answer {i}: {why}")));
    }
    let mut out = Vec::new();
    for (i, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
        let value = serde_json::from_str(line)
            .map_err(|e| bad(format!(", line {}: this is not JSON ({e})", i + 1)))?;
        out.push(given(i + 1, &value).map_err(|(i, why)| bad(format!(", line {i}: {why}")))?);
    }
    if out.is_empty() {
        return Err(bad(" holds no answers: give one JSON object a line, {\"id\",\"gold\",\"text\"}".into()));
    }
    let mut seen = HashMap::new();
    for (i, answer) in out.iter().enumerate() {
        if let Some(first) = seen.insert(answer.id.as_str(), i) {
            return Err(bad(format!(
                ": answers {} and {} both have the id {:?}: give each its own",
                first + 1,
                i + 1,
                answer.id
            )));
        }
    }
    Ok(out)
}

fn given(number: usize, value: &Value) -> Result<Given, (usize, String)> {
    let fail = |why: &str| Err((number, why.to_owned()));
    let plain = |value: &Value| match value {
        Value::String(s) => Some(s.clone()),
        Value::Number(n) => Some(n.to_string()),
        _ => None,
    };
    let Value::Object(row) = value else {
        return fail("this is not a JSON object: write {\"id\",\"gold\",\"text\"}");
    };
    let Some(text) = row.get("text").and_then(Value::as_str) else {
        return fail("there is no \"text\" that is a string: put the answer there");
    };
    let id = match row.get("id") {
        None => number.to_string(),
        Some(id) => match plain(id) {
            Some(id) => id,
            None => return fail("\"id\" is neither text nor a number"),
        },
    };
    let golds = match row.get("gold") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(all)) => all.iter().filter_map(plain).collect(),
        Some(gold) => match plain(gold) {
            Some(gold) => vec![gold],
            None => return fail("\"gold\" is neither text, nor a number, nor a list of these"),
        },
    };
    Ok(Given { id, golds, text: text.to_owned(), correct: row.get("correct").and_then(Value::as_bool) })
}

/// A task with the data that the answers need: none if every answer has its own gold.
pub fn task_for(name: &str, given: &[Given], split: Option<Split>) -> Result<Task, TaskError> {
    let places = Places::from_env();
    if given.iter().all(|g| !g.golds.is_empty()) {
        return Task::load_splits(name, &[], &places);
    }
    match split {
        Some(split) => Task::load_splits(name, &[split], &places),
        None => Task::load_splits(name, &[Split::Train, Split::Test], &places)
            .or_else(|_| Task::load_splits(name, &[Split::Test], &places)),
    }
}

/// Judges each answer by its own gold. Without one, the task's question with the same id gives the gold; held-out
/// questions are searched first.
pub fn judge(task: &Task, given: Vec<Given>, path: &str) -> anyhow::Result<Vec<Judged>> {
    let questions = task.train.iter().chain(&task.test);
    let by_id: HashMap<&str, &Question> = questions.map(|q| (q.id.as_str(), q)).collect();
    let mut out = Vec::with_capacity(given.len());
    for Given { id, golds, text, correct } in given {
        let question = match (golds.split_first(), by_id.get(id.as_str())) {
            (None, Some(question)) => (*question).clone(),
            (None, None) => {
                return Err(BadInput::error(format!(
                    "{path}: the answer with the id {id:?} has no \"gold\", and the task {} has no such \
                     question: give its gold",
                    task.name
                )));
            }
            (Some((gold, _)), known) => {
                let question = known.map_or_else(String::new, |q| q.question.clone());
                Question { id, question, gold: gold.clone(), golds, ..Question::default() }
            }
        };
        let verdict = match (task.kind, correct) {
            (Kind::Generate, _) => task.score(&question, &text),
            // The text doesn't give the likelihoods of choices, but the output of an evaluation has the verdict.
            (_, Some(correct)) => {
                Verdict { correct, lenient_correct: correct, in_language: true, ..Verdict::default() }
            }
            (_, None) => {
                return Err(BadInput::error(format!(
                    "the task {} is judged by likelihoods, which {path} does not hold: use yosegi eval",
                    task.name
                )));
            }
        };
        out.push(Judged { question, text, verdict });
    }
    Ok(out)
}
