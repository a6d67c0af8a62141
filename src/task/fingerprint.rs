//! Fingerprints of everything that a task's scores depend on: the task file, the questions asked, their examples, the
//! language detector and the word segmenter. A session stores them and refuses to resume if one has changed.

use std::fmt::Write;

use super::data::builtin;
use super::{Split, Task, TaskError};
use crate::checkpoint::Fingerprint;
use crate::picture::PictureSource;

/// The name under which the language detector is fingerprinted.
const LANGUAGE: &str = "the language identification";
/// The name under which the word segmenter is fingerprinted.
const WORDS: &str = "the segmentation into words";

impl Task {
    /// Fingerprints of a task loaded from `reference` with both splits. They cover its first `train` and `test`
    /// questions. Other questions, their examples, and comments in the task file change nothing.
    ///
    /// # Errors
    /// A task file or a picture that can no longer be read, or a prompt that fails.
    pub fn fingerprints(
        &self,
        reference: &str,
        train: usize,
        test: usize,
    ) -> Result<Vec<Fingerprint>, TaskError> {
        let (file, text, _) = builtin::find(reference)?;
        let mut out = vec![Fingerprint::of(file, canonical(&text).as_bytes())];
        let (mut examples, mut any) = (Vec::new(), false);
        for (split, n, what) in [(Split::Train, train, "training"), (Split::Test, test, "held-out")] {
            let mut content = Vec::new();
            for question in self.questions(split).iter().take(n) {
                content.extend(serde_json::to_vec(question).unwrap_or_default());
                content.extend_from_slice(self.ask(question)?.as_bytes());
                content.push(0);
                digests(&question.images, &mut content)?;
                for example in self.examples(question) {
                    any = true;
                    for text in [&example.prompt, &example.answer] {
                        examples.extend_from_slice(text.as_bytes());
                        examples.push(0);
                    }
                    digests(&example.images, &mut examples)?;
                }
            }
            let data = self.sources.get(split.name()).map_or(reference, String::as_str);
            let Fingerprint { file, hash, stamp } =
                Fingerprint::of(format!("{data} ({what} questions of {reference})"), &content);
            out.push(Fingerprint { file, hash: format!("{n}:{hash}"), stamp });
        }
        if any {
            let data = self.sources.get("shots").map_or(reference, String::as_str);
            out.push(Fingerprint::of(format!("{data} (examples of {reference})"), &examples));
        }
        let names =
            [Some((LANGUAGE, self.language_by())), self.segmenter.map(|segmenter| (WORDS, segmenter.name()))];
        let named = |(what, name): (&str, &str)| Fingerprint {
            file: what.to_owned(),
            hash: name.to_owned(),
            stamp: String::new(),
        };
        out.extend(names.into_iter().flatten().map(named));
        Ok(out)
    }
}

/// How many questions a fingerprint of [`Task::fingerprints`] covers; `None` for a fingerprint of something else.
#[must_use]
pub fn fingerprinted_questions(print: &Fingerprint) -> Option<usize> {
    print.hash.split_once(':')?.0.parse().ok()
}

/// Adds the pictures' bytes, by their digests.
fn digests(pictures: &[PictureSource], content: &mut Vec<u8>) -> Result<(), TaskError> {
    for picture in pictures {
        let digest = picture.digest().map_err(|error| TaskError::Picture { what: error.to_string() })?;
        content.extend_from_slice(digest.as_bytes());
        content.push(0);
    }
    Ok(())
}

/// A TOML text in canonical form: no comments, keys sorted.
fn canonical(text: &str) -> String {
    fn put(value: &toml::Value, out: &mut String) {
        match value {
            toml::Value::Table(table) => {
                let mut keys: Vec<&String> = table.keys().collect();
                keys.sort();
                out.push('{');
                for key in keys {
                    let _ = write!(out, "{key:?}:");
                    put(&table[key], out);
                }
                out.push('}');
            }
            toml::Value::Array(all) => {
                out.push('[');
                for one in all {
                    put(one, out);
                }
                out.push(']');
            }
            other => {
                let _ = write!(out, "{other:?},");
            }
        }
    }
    let Ok(table) = toml::from_str::<toml::Table>(text) else { return text.to_owned() };
    let mut out = String::new();
    put(&toml::Value::Table(table), &mut out);
    out
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn write(folder: &Path, name: &str, text: &str) -> String {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    const TASK: &str = "name = \"t\"\nlanguage = \"none\"\nprompt = \"{{ question }} \"\nmax_new_tokens = 4\n\
                        [shots]\ncount = 1\ndata = \"shots.jsonl\"\nseparator = \" \"\ndraw = \"first\"\n\
                        [train]\ndata = \"train.jsonl\"\n[test]\ndata = \"test.jsonl\"\n";

    #[test]
    fn what_changed_is_named_and_what_is_not_used_leaves_no_trace() {
        let folder = tempfile::tempdir().unwrap();
        let row = |q: &str, a: u32| format!("{{\"question\": \"{q}\", \"answer\": \"{a}\"}}\n");
        let train = [row("one", 1), row("two", 2), row("three", 3)].concat();
        let at = folder.path();
        let (data, shots) = (write(at, "train.jsonl", &train), write(at, "shots.jsonl", &row("s", 7)));
        let held_out = write(at, "test.jsonl", &row("four", 4));
        let task = write(at, "task.toml", TASK);
        let now = || Task::load(&task).unwrap().fingerprints(&task, 2, 1).unwrap();
        let was = now();
        let differs = |what: &str| {
            let is = now();
            let list: Vec<String> =
                was.iter().zip(&is).filter(|(a, b)| a != b).map(|(a, _)| a.file.clone()).collect();
            assert_eq!(was.len(), is.len(), "{what}");
            list
        };
        assert!(differs("nothing").is_empty());

        write(at, "train.jsonl", &train.replace("\"2\"", "\"9\""));
        assert_eq!(differs("gold"), [format!("{data} (training questions of {task})")]);
        // The third question is not asked.
        write(at, "train.jsonl", &(train.replace("\"3\"", "\"9\"") + &row("five", 5)));
        assert!(differs("unused").is_empty());
        write(at, "train.jsonl", &train);

        write(at, "test.jsonl", &row("for", 4));
        assert_eq!(differs("question"), [format!("{held_out} (held-out questions of {task})")]);
        write(at, "test.jsonl", &row("four", 4));

        write(at, "shots.jsonl", &row("s", 8));
        assert_eq!(differs("example"), [format!("{shots} (examples of {task})")]);
        write(at, "shots.jsonl", &row("s", 7));

        write(at, "task.toml", &format!("# a comment\n{}", TASK.replace("count = 1", "count   =  1")));
        assert!(differs("comment").is_empty());
        write(at, "task.toml", &TASK.replace("max_new_tokens = 4", "max_new_tokens = 5"));
        assert_eq!(differs("task"), std::slice::from_ref(&task));
    }
}
