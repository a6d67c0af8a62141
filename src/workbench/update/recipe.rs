//! Keys of the Recipe pane.

use std::path::PathBuf;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::recipe::Recipe;
use crate::session::protocol::{Command, Status, Target};
use crate::workbench::action::Action;
use crate::workbench::app::App;
use crate::workbench::effect::{Ask, Effect};
use crate::workbench::overlays::{Overlay, Picker, Preset, Prompt, Purpose};
use crate::workbench::words;

impl App {
    /// Digits begin a number; while one is typed, all keys belong to it.
    pub(super) fn typing_key(&mut self, key: KeyEvent) -> bool {
        let plain = !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
        let editor = &mut self.editor;
        match key.code {
            KeyCode::Char(c) if plain && (c.is_ascii_digit() || c == '.') => editor.type_letter(c),
            _ if editor.typing.is_none() => return false,
            // Alt-1 to Alt-4 go to a pane as everywhere; the number is left.
            KeyCode::Char(_) if key.modifiers.contains(KeyModifiers::ALT) => {
                editor.typing = None;
                return false;
            }
            KeyCode::Char('-') => editor.type_sign(),
            KeyCode::Backspace => {
                if let Some(text) = &mut editor.typing {
                    text.pop();
                }
            }
            KeyCode::Esc => editor.typing = None,
            KeyCode::Enter => self.accept_number(),
            KeyCode::Up | KeyCode::Down | KeyCode::Left | KeyCode::Right | KeyCode::Tab => {
                self.accept_number();
                return key.code == KeyCode::Tab;
            }
            _ => {
                self.say(words::number_being_typed());
            }
        }
        true
    }

    fn accept_number(&mut self) {
        let outcome = self.editor.accept();
        self.tell(outcome);
    }

    pub(super) fn act_recipe(&mut self, action: Action) {
        let editor = &mut self.editor;
        match action {
            Action::StepUp => editor.step(1),
            Action::StepDown => editor.step(-1),
            Action::EnterNumber => editor.typing = Some(String::new()),
            Action::Select => editor.toggle_selection(),
            Action::Gradient => {
                let outcome = editor.gradient();
                self.tell(outcome);
            }
            Action::CopyColumn => {
                if let Some(text) = editor.copy_column() {
                    self.say(text);
                }
            }
            Action::PasteColumn => {
                let outcome = editor.paste_column();
                self.tell(outcome);
            }
            Action::Undo => {
                if !editor.undo() {
                    self.say(words::nothing_to_undo());
                }
            }
            Action::Redo => {
                if !editor.redo() {
                    self.say(words::nothing_to_redo());
                }
            }
            Action::ChooseMethod => {
                self.overlay = Some(Overlay::Picker(Picker::methods(editor.recipe.method)));
            }
            Action::Reset => self.overlay = Some(Overlay::Picker(self.presets())),
            Action::Save => {
                let path = editor.path.clone().unwrap_or_else(|| PathBuf::from("recipe.toml"));
                let text = path.display().to_string();
                self.overlay = Some(Overlay::Prompt(Prompt::new(Purpose::Save, text)));
            }
            Action::Open => {
                let text = editor.path.as_ref().map_or_else(String::new, |p| p.display().to_string());
                self.overlay = Some(Overlay::Prompt(Prompt::new(Purpose::Open, text)));
            }
            Action::TryAgain => self.trial.asked = None,
            _ => self.inject(),
        }
    }

    /// What the editor can start over from.
    fn presets(&self) -> Picker {
        let mut list = vec![
            (Preset::Uniform, words::uniform_name().to_owned(), words::preset_uniform().to_owned()),
            (Preset::Base, words::base_name().to_owned(), words::preset_base().to_owned()),
        ];
        if let Some(run) = &self.run {
            for entry in run.listed().into_iter().chain(run.best_global()) {
                if !matches!(entry.candidate.target, Target::Recipe(_)) {
                    continue;
                }
                let id = entry.candidate.id;
                let best = if run.state.best == Some(id) { words::preset_best() } else { "" };
                let fitness = entry.train().map(|s| words::preset_fitness(s.fitness));
                let note = format!("{best}{}", fitness.as_deref().unwrap_or(words::preset_unscored()));
                list.push((Preset::Candidate(id), entry.candidate.label.clone(), note));
            }
        }
        Picker::presets(list)
    }

    /// Starts the editor over.
    pub fn preset(&mut self, preset: Preset) {
        match preset {
            Preset::Uniform => {
                let recipe = self.editor.uniform();
                self.editor.take(recipe, words::uniform_name());
            }
            Preset::Base => {
                let mut recipe = self.editor.uniform();
                for source in &mut recipe.sources {
                    *source.weight_mut() = crate::recipe::Values::All(0.0);
                }
                self.editor.take(recipe, words::base_name());
            }
            Preset::Candidate(id) => self.edit_candidate(id),
        }
    }

    /// Takes a candidate's recipe into the editor.
    pub(super) fn edit_candidate(&mut self, id: u64) {
        let entry = self.run.as_ref().and_then(|r| r.state.entry(id));
        let Some(candidate) = entry.map(|e| e.candidate.clone()) else { return };
        let Target::Recipe(recipe) = candidate.target else {
            self.say(words::no_recipe_in(&candidate.label));
            return;
        };
        if let Some(layers) = self.run.as_ref().map(|r| r.state.layers).filter(|l| *l > 0) {
            self.editor.layers = layers;
        }
        self.take_recipe(*recipe, &candidate.label);
        self.say(words::in_editor(&candidate.label));
    }

    fn take_recipe(&mut self, recipe: Recipe, name: &str) {
        recipe.donor().clone_into(&mut self.models.pool.base);
        self.models.pool.sources = recipe.sources.iter().map(|s| s.model.clone()).collect();
        self.editor.take(recipe, name);
        self.pane = crate::workbench::app::Pane::Recipe;
    }

    /// Asks for the hand-made recipe to be evaluated as a candidate.
    fn inject(&mut self) {
        let Some(run) = &self.run else {
            self.complain(words::no_session_to_inject());
            return;
        };
        if !matches!(run.status(), Status::Running | Status::Paused) {
            self.complain(words::has_ended(&run.state.name));
            return;
        }
        let session = run.state.name.clone();
        let recipe = self.editor.recipe.clone();
        let done = words::injected(&session);
        self.ask(Ask::Order(done), Command::Inject { session, recipe: Box::new(recipe) });
    }

    /// Writes the recipe to `path`.
    pub(super) fn save(&mut self, path: &str) {
        let recipe = Box::new(self.editor.recipe.clone());
        self.effects.push(Effect::Write { path: PathBuf::from(path), recipe });
    }

    /// A recipe file was written, or not.
    pub fn written(&mut self, path: PathBuf, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => {
                self.say(words::written(&path.display().to_string()));
                self.editor.path = Some(path);
            }
            Err(why) => self.complain(words::not_written(&path.display().to_string(), &why)),
        }
    }

    /// A recipe file was read, or not.
    pub fn read(&mut self, path: PathBuf, outcome: Result<Box<Recipe>, String>) {
        match outcome {
            Ok(recipe) => {
                let name = path.file_name().map(|n| n.to_string_lossy().into_owned());
                self.take_recipe(*recipe, name.as_deref().unwrap_or(words::file_name()));
                self.say(words::opened(&path.display().to_string()));
                self.editor.path = Some(path);
            }
            Err(why) => self.complain(why),
        }
    }
}
