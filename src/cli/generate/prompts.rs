//! The prompts of `yosegi generate`. Arguments or a JSONL file come in; texts with their pictures go out, each picture
//! checked.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::BadInput;
use crate::picture::PictureSource;
use crate::task::IMAGE_MARK;

/// A text to continue, and the pictures that its `<image>` marks stand for, in their order.
#[derive(Debug, PartialEq, Eq)]
pub struct Prompt {
    pub text: String,
    pub pictures: Vec<PictureSource>,
}

impl Prompt {
    /// The prompt of the command line.
    pub fn given(text: &str, images: &[PathBuf]) -> anyhow::Result<Self> {
        let pictures = images.iter().map(|path| PictureSource::File(path.clone())).collect();
        Self::checked(text.to_owned(), pictures)
    }

    fn checked(text: String, pictures: Vec<PictureSource>) -> anyhow::Result<Self> {
        let marks = text.matches(IMAGE_MARK).count();
        if !pictures.is_empty() && marks != pictures.len() {
            return Err(BadInput::error(format!(
                "{IMAGE_MARK} stands {marks} times in the prompt, and the number of pictures is {}: write it once for \
                 each, where the model is to see it",
                pictures.len()
            )));
        }
        for picture in &pictures {
            picture.check().map_err(BadInput::error)?;
        }
        Ok(Self { text, pictures })
    }
}

/// Each line's `prompt` of a JSONL file, with the pictures under `images`: paths beside the file, or `data:` URLs. Empty
/// lines are skipped.
pub fn read(path: &Path) -> anyhow::Result<Vec<Prompt>> {
    let name = path.display();
    let text = crate::limits::read_text(path, crate::limits::DATA_FILE)
        .map_err(|e| BadInput::error(format!("cannot read {name}: {e}")))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut prompts = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let bad = |why: String| BadInput::error(format!("{name}, line {}: {why}", number + 1));
        if line.trim().is_empty() {
            continue;
        }
        let value: Value = serde_json::from_str(line).map_err(|e| bad(format!("not JSON: {e}")))?;
        let Some(text) = value.get("prompt").and_then(Value::as_str) else {
            return Err(bad("there is no text under \"prompt\"".to_owned()));
        };
        let mut pictures = Vec::new();
        for image in images(&value).map_err(bad)? {
            pictures.push(PictureSource::from_text(image, folder).map_err(|e| bad(e.to_string()))?);
        }
        prompts.push(Prompt::checked(text.to_owned(), pictures).map_err(|e| bad(format!("{e:#}")))?);
    }
    if prompts.is_empty() {
        return Err(BadInput::error(format!("{name} holds no prompts: give one {{\"prompt\": …}} a line")));
    }
    Ok(prompts)
}

/// The texts under `images`: a list, or one alone.
fn images(line: &Value) -> Result<Vec<&str>, String> {
    match line.get("images") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(one)) => Ok(vec![one]),
        Some(Value::Array(all)) if all.iter().all(Value::is_string) => {
            Ok(all.iter().filter_map(Value::as_str).collect())
        }
        Some(_) => Err("\"images\" is not a list of paths: write [\"picture.png\"]".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_name_the_bad_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p.jsonl");
        let said = |text: &str| {
            std::fs::write(&path, text).unwrap();
            format!("{:#}", read(&path).unwrap_err())
        };
        let error = said("{\"prompt\": \"a\"}\n\n{\"text\": 1}\n");
        assert!(error.contains("line 3") && error.contains("prompt"), "{error}");
        let error = said("{\"prompt\": \"<image>\", \"images\": [1]}\n");
        assert!(error.contains("line 1") && error.contains("images"), "{error}");
        let error = said("{\"prompt\": \"a\"}\n{\"prompt\": \"<image>\", \"images\": [\"none.png\"]}\n");
        assert!(error.contains("line 2") && error.contains("none.png"), "{error}");
        let error = said("{\"prompt\": \"what?\", \"images\": \"a.png\"}\n");
        assert!(error.contains("stands 0 times") && error.contains("pictures is 1"), "{error}");
        std::fs::write(&path, "{\"prompt\": \"a\"}\n\n{\"prompt\": \"b <image>\"}\n").unwrap();
        let plain = |text: &str| Prompt { text: text.to_owned(), pictures: Vec::new() };
        assert_eq!(read(&path).unwrap(), [plain("a"), plain("b <image>")]);
        assert!(read(&dir.path().join("none")).is_err());
    }
}
