//! Exports the table of answers as CSV or JSONL: one row for each question, the columns as on the screen. The prompt
//! for a file name calls it (`update/choices.rs`); the event loop writes the file.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::text::as_cell;
use crate::workbench::app::App;
use crate::workbench::effect::Effect;
use crate::workbench::files::write::{Content, Output, Over};
use crate::workbench::messages;
use crate::workbench::overlays::Purpose;
use crate::workbench::panes::answers::state::AnswerColumn;

impl App {
    /// Requests that the questions that pass the filter, with every column's answer, are written to `path`. The file
    /// name's ending gives the format.
    pub fn export(&mut self, path: &str, over: bool) {
        let questions = self.shown_questions();
        let columns: Vec<AnswerColumn> =
            self.answer_columns().into_iter().filter(|w| self.column_answers(*w).is_some()).collect();
        if questions.is_empty() || columns.is_empty() {
            return self.say(messages::no_answers_to_export());
        }
        let ending = Path::new(path).extension().map(|e| e.to_string_lossy().to_lowercase());
        let text = match ending.as_deref() {
            Some("jsonl") => self.as_lines(&questions, &columns),
            None | Some("csv") => self.as_csv(&questions, &columns),
            Some(_) => {
                self.ask_again(Purpose::Export, path);
                return self.complain(messages::answers_ending(path));
            }
        };
        let over = if over { Over::Anything } else { Over::Nothing };
        let (output, content) = (Output::Answers, Content::Text(text));
        self.effects.push(Effect::Write { output, path: path.into(), content, over });
    }

    fn as_lines(&self, questions: &[usize], columns: &[AnswerColumn]) -> String {
        let mut out = String::new();
        for question in questions {
            let Some(any) = columns.iter().find_map(|w| self.answer(*w, *question)) else { continue };
            let mut answers = Map::new();
            for who in columns {
                let Some(answer) = self.answer(*who, *question) else { continue };
                let fields = json!({
                    "text": answer.text, "number": answer.number, "correct": answer.correct,
                    "lenient_correct": answer.lenient_correct, "language": answer.language,
                    "tokens": answer.tokens,
                });
                answers.insert(self.column_name(*who), fields);
            }
            let mut row = json!({
                "index": any.index, "id": any.id, "question": any.question, "gold": any.gold,
                "answers": Value::Object(answers),
            });
            if !any.images.is_empty() {
                row["images"] = json!(any.images);
            }
            // Writing to a `String` can't fail.
            let _ = writeln!(out, "{row}");
        }
        out
    }

    fn as_csv(&self, questions: &[usize], columns: &[AnswerColumn]) -> String {
        let mut head = ["index", "id", "question", "gold"].map(str::to_owned).to_vec();
        for who in columns {
            let name = self.column_name(*who);
            head.extend(["text", "number", "correct", "language"].map(|field| format!("{name} {field}")));
        }
        let mut out = line(&head);
        for question in questions {
            let Some(any) = columns.iter().find_map(|w| self.answer(*w, *question)) else { continue };
            let mut row = vec![any.index.to_string(), any.id.clone(), any.question.clone(), any.gold.clone()];
            for who in columns {
                match self.answer(*who, *question) {
                    Some(a) => row.extend([
                        a.text.clone(),
                        a.number.clone().unwrap_or_default(),
                        a.correct.to_string(),
                        a.language.clone(),
                    ]),
                    None => row.extend(std::iter::repeat_n(String::new(), 4)),
                }
            }
            out.push_str(&line(&row));
        }
        out
    }
}

/// A line of CSV (RFC 4180). Every field is quoted, and none can be read as a formula by a spreadsheet.
fn line(fields: &[String]) -> String {
    let quoted: Vec<String> =
        fields.iter().map(|f| format!("\"{}\"", as_cell(f).replace('"', "\"\""))).collect();
    format!("{}\r\n", quoted.join(","))
}
