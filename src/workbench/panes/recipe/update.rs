//! Carries out the actions of the Recipe pane on the recipe in the editor, and handles the keys of a typed number.
//!
//! `update/mod.rs` calls it with keys and actions. Choices from lists are handled in `presets.rs`, files in
//! `files.rs`.

use std::path::PathBuf;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::recipe::Recipe;
use crate::session::protocol::{Command, Status, Target};
use crate::workbench::action::RecipeAction;
use crate::workbench::app::{App, Link, Pane};
use crate::workbench::editor::sources_of;
use crate::workbench::effect::Ask;
use crate::workbench::messages;
use crate::workbench::overlays::{Overlay, Picker, PlanView, Purpose, Reader};

impl App {
    /// Handles a key of a typed number. A digit begins a number, and every key belongs to it until Enter, Escape or an
    /// arrow. Returns whether the key was handled.
    pub(in crate::workbench) fn typing_key(&mut self, key: KeyEvent) -> bool {
        let plain = !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
        let editor = &mut self.editor;
        match key.code {
            KeyCode::Char(c) if plain && (c.is_ascii_digit() || c == '.') => editor.type_letter(c),
            _ if editor.typing.is_none() => return false,
            // Alt-1 to Alt-4 change the pane, as in every pane, and discard the number.
            KeyCode::Char(_) if key.modifiers.contains(KeyModifiers::ALT) => {
                editor.typing = None;
                return false;
            }
            KeyCode::Char('e') if plain => editor.type_letter('e'),
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
                self.say(messages::number_being_typed());
            }
        }
        true
    }

    fn accept_number(&mut self) {
        let outcome = self.editor.accept();
        self.tell(outcome);
    }

    /// Carries out an action of this pane.
    pub(in crate::workbench) fn act_recipe(&mut self, action: RecipeAction) {
        let editor = &mut self.editor;
        match action {
            RecipeAction::StepUp => editor.step(1),
            RecipeAction::StepDown => editor.step(-1),
            // A flag is toggled at once; there is no number to type.
            RecipeAction::EnterNumber if editor.toggle_flag() => {}
            RecipeAction::EnterNumber => editor.typing = Some(String::new()),
            RecipeAction::Select => editor.toggle_selection(),
            RecipeAction::Gradient => {
                let outcome = editor.gradient();
                self.tell(outcome);
            }
            RecipeAction::CopyColumn => {
                if let Some(text) = editor.copy_column() {
                    self.say(text);
                }
            }
            RecipeAction::PasteColumn => {
                let outcome = editor.paste_column();
                self.tell(outcome);
            }
            RecipeAction::Undo => {
                if !editor.undo() {
                    self.say(messages::nothing_to_undo());
                }
            }
            RecipeAction::Redo => {
                if !editor.redo() {
                    self.say(messages::nothing_to_redo());
                }
            }
            RecipeAction::ChooseMethod => {
                self.overlay = Some(Overlay::Picker(Picker::methods(editor.recipe.method)));
            }
            RecipeAction::Reset => self.overlay = Some(Overlay::Picker(self.presets())),
            RecipeAction::Save => {
                let path = editor.path.clone().unwrap_or_else(|| PathBuf::from("recipe.toml"));
                let text = path.display().to_string();
                self.prompt(Purpose::Save, text);
            }
            RecipeAction::Open => {
                let text = editor.path.as_ref().map_or_else(String::new, |p| p.display().to_string());
                self.prompt(Purpose::Open, text);
            }
            RecipeAction::TryAgain => self.preview.asked = None,
            RecipeAction::TakeBest => match self.run.as_ref().and_then(|r| r.state.best) {
                Some(best) => self.edit_candidate(best),
                None => self.say(messages::no_best()),
            },
            RecipeAction::Compare => self.overlay = Some(Overlay::Picker(self.comparisons())),
            RecipeAction::ShowYaml => self.show_yaml(),
            RecipeAction::EvolveHere => self.evolve_here(),
            RecipeAction::Inject => self.inject(),
        }
    }

    fn show_yaml(&mut self) {
        match self.editor.recipe.to_yaml() {
            Ok(text) => self.overlay = Some(Overlay::Reader(Reader::new(messages::yaml_title(), text))),
            Err(why) => self.complain(messages::no_yaml(&why.to_string())),
        }
    }

    /// Starts a session with the recipe's models and method, and injects the recipe.
    fn evolve_here(&mut self) {
        let running = self.run.as_ref().filter(|r| r.state.status == Status::Running);
        if let Some(name) = running.map(|r| r.state.name.clone()) {
            return self.complain(messages::must_stop_first(&name));
        }
        let Recipe { path, slices, before, .. } = &self.editor.recipe;
        if !path.is_empty() || !slices.is_empty() || !before.is_empty() {
            return self.complain(messages::path_evolves_by_config());
        }
        if !matches!(self.link, Link::Connected { .. }) {
            return self.complain(messages::engine_not_yet());
        }
        let recipe = self.editor.recipe.clone();
        let config = self.next_config().for_recipe(&self.models.pool, &recipe);
        let view = PlanView {
            recipe: Some(Box::new(recipe)),
            ..self.plan_view(config, None, messages::evolving_from_here().to_owned())
        };
        self.begin_or_plan(view);
    }

    /// Copies a candidate's recipe into the editor.
    pub(in crate::workbench) fn edit_candidate(&mut self, id: u64) {
        let entry = self.run.as_ref().and_then(|r| r.state.entry(id));
        let Some(candidate) = entry.map(|e| e.candidate.clone()) else { return };
        let Target::Recipe(recipe) = candidate.target else {
            self.say(messages::no_recipe_in(&candidate.label));
            return;
        };
        if let Some(layers) = self.run.as_ref().map(|r| r.state.layers).filter(|l| *l > 0) {
            self.editor.layers = layers;
        }
        self.take_recipe(*recipe, &candidate.label);
        self.say(messages::in_editor(&candidate.label));
    }

    pub(super) fn take_recipe(&mut self, recipe: Recipe, name: &str) {
        recipe.donor().clone_into(&mut self.models.pool.base);
        self.models.pool.sources = sources_of(&recipe);
        // Otherwise the numbers would be spread over the layers of the previous models.
        let layers = self.models.layers();
        if layers > 0 {
            self.editor.layers = layers;
        }
        self.editor.take(recipe, name);
        self.pane = Pane::Recipe;
    }

    /// Requests that the hand-made recipe is evaluated as a candidate.
    fn inject(&mut self) {
        let Some(run) = &self.run else {
            self.complain(messages::no_session_to_inject());
            return;
        };
        if !matches!(run.status(), Status::Running | Status::Paused) {
            self.complain(messages::has_ended(&run.state.name));
            return;
        }
        let session = run.state.name.clone();
        let recipe = self.editor.recipe.clone();
        let done = messages::injected(&session);
        self.ask(Ask::Order(done), Command::Inject { session, recipe: Box::new(recipe) });
    }
}
