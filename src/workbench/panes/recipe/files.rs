//! Recipe files: the format by file name, and how the outcome of a read or a write changes the state.
//!
//! The event loop reads and writes (`Effect::Write`, `Effect::Read`) and calls back with the outcome.

use std::path::PathBuf;

use crate::recipe::Recipe;
use crate::workbench::app::App;
use crate::workbench::effect::{Effect, Reading};
use crate::workbench::files::write::{Content, Output, Over};
use crate::workbench::messages;
use crate::workbench::overlays::Purpose;

impl App {
    /// Requests that the recipe is written to `path`: as TOML, or as mergekit's YAML if the name ends in `.yaml` or
    /// `.yml`.
    pub(in crate::workbench) fn save(&mut self, path: &str, over: bool) {
        let file = PathBuf::from(path);
        let ending = file.extension().map(|e| e.to_string_lossy().to_lowercase());
        let content = match ending.as_deref() {
            None | Some("toml") => Ok(Content::Toml(Box::new(self.editor.recipe.clone()))),
            Some("yaml" | "yml") => {
                let yaml = self.editor.recipe.to_yaml();
                yaml.map(Content::Text).map_err(|why| messages::no_yaml(&why.to_string()))
            }
            Some(_) => Err(messages::recipe_ending(path)),
        };
        let content = match content {
            Ok(content) => content,
            Err(why) => {
                self.ask_again(Purpose::Save, path);
                return self.complain(why);
            }
        };
        let own = self.editor.path.as_ref().filter(|p| **p == file).and(self.editor.on_file.clone());
        let over = match own {
            _ if over => Over::Anything,
            Some(text) => Over::This(text),
            None => Over::Nothing,
        };
        self.effects.push(Effect::Write { output: Output::Recipe, path: file, content, over });
    }

    /// Logs the unknown keys of a recipe file.
    pub fn passed_over(&mut self, notes: &[String]) {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = now.map_or(0, |d| d.as_millis() as u64);
        for note in notes {
            self.log.add(now, "note", note);
        }
    }

    /// Takes in the outcome of reading a recipe file: the recipe and the file's text.
    pub fn read(&mut self, path: PathBuf, why: Reading, outcome: Result<(Box<Recipe>, String), String>) {
        match outcome {
            Ok((recipe, _)) if why == Reading::Compare => {
                let name = path.file_name().map(|n| n.to_string_lossy().into_owned());
                self.compare_with(&name.unwrap_or_else(|| path.display().to_string()), *recipe);
            }
            Ok((recipe, text)) => {
                let name = path.file_name().map(|n| n.to_string_lossy().into_owned());
                self.take_recipe(*recipe, name.as_deref().unwrap_or(messages::file_name()));
                self.say(messages::opened(&path.display().to_string()));
                self.editor.path = Some(path);
                self.editor.on_file = Some(text);
            }
            Err(problem) => {
                let purpose = if why == Reading::Compare { Purpose::Compare } else { Purpose::Open };
                self.ask_again(purpose, &path.display().to_string());
                self.complain(problem);
            }
        }
    }
}
