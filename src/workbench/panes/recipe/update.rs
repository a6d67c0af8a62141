//! Keys of the Recipe pane.

use std::path::PathBuf;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::recipe::Recipe;
use crate::session::protocol::{Command, Status, Target};
use crate::workbench::action::RecipeAction;
use crate::workbench::app::App;
use crate::workbench::editor::{Compared, Template, sources_of};
use crate::workbench::effect::{Ask, Effect, Reading};
use crate::workbench::files::write::{Content, Over, Unwritten};
use crate::workbench::messages;
use crate::workbench::overlays::{Comparison, Does, Overlay, Picker, Preset, Purpose, Reader};
use crate::workbench::widgets::heat::short;

impl App {
    /// Digits begin a number; while one is typed, all keys belong to it.
    pub(in crate::workbench) fn typing_key(&mut self, key: KeyEvent) -> bool {
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

    pub(in crate::workbench) fn act_recipe(&mut self, action: RecipeAction) {
        let editor = &mut self.editor;
        match action {
            RecipeAction::StepUp => editor.step(1),
            RecipeAction::StepDown => editor.step(-1),
            // A yes or no turns at once.
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

    /// What the editor can start over from.
    fn presets(&self) -> Picker {
        Picker::presets(self.preset_list())
    }

    fn preset_list(&self) -> Vec<(Preset, String, String)> {
        let sources = sources_of(&self.editor.recipe);
        let templates = Template::for_sources(sources.len()).into_iter();
        let mut list: Vec<_> = templates
            .map(|t| {
                let (name, about) = template_words(t, &sources);
                (Preset::Template(t), name, about)
            })
            .collect();
        if let Some(run) = &self.run {
            for entry in run.listed().into_iter().chain(run.best_global()) {
                if !matches!(entry.candidate.target, Target::Recipe(_)) {
                    continue;
                }
                let id = entry.candidate.id;
                let best = if run.state.best == Some(id) { messages::preset_best() } else { "" };
                let fitness = entry.train().map(|s| messages::preset_fitness(s.fitness));
                let note = format!("{best}{}", fitness.as_deref().unwrap_or(messages::preset_unscored()));
                list.push((Preset::Candidate(id), entry.candidate.label.clone(), note));
            }
        }
        list
    }

    /// What the recipe can be compared with.
    fn comparisons(&self) -> Picker {
        let began = messages::compare_began_about(&self.editor.began_as);
        let mut list = vec![
            (Comparison::Began, messages::compare_began().to_owned(), began),
            (
                Comparison::Nothing,
                messages::compare_none().to_owned(),
                messages::compare_none_about().to_owned(),
            ),
            (
                Comparison::File,
                messages::compare_file().to_owned(),
                messages::compare_file_about().to_owned(),
            ),
        ];
        let presets = self.preset_list().into_iter();
        list.extend(presets.map(|(p, name, about)| (Comparison::With(p), name, about)));
        Picker::comparisons(list)
    }

    /// Shows what differs from another recipe.
    pub(in crate::workbench) fn compare(&mut self, with: Comparison) {
        let other = match with {
            Comparison::Nothing => {
                self.editor.compared = None;
                return;
            }
            Comparison::File => {
                self.prompt(Purpose::Compare, String::new());
                return;
            }
            Comparison::Began => Some((self.editor.began_as.clone(), self.editor.began().clone())),
            Comparison::With(Preset::Template(template)) => {
                let (name, _) = template_words(template, &sources_of(&self.editor.recipe));
                Some((name, self.editor.template(template)))
            }
            Comparison::With(Preset::Candidate(id)) => {
                let entry = self.run.as_ref().and_then(|r| r.state.entry(id));
                entry.and_then(|e| match &e.candidate.target {
                    Target::Recipe(recipe) => Some((e.candidate.label.clone(), (**recipe).clone())),
                    Target::Model(_) => None,
                })
            }
        };
        if let Some((name, recipe)) = other {
            self.compare_with(&name, recipe);
        }
    }

    fn compare_with(&mut self, name: &str, recipe: Recipe) {
        self.editor.compared = Some(Compared { name: name.to_owned(), recipe });
        self.say(messages::compared_with_recipe(self.editor.changes(), name));
    }

    fn show_yaml(&mut self) {
        match self.editor.recipe.to_yaml() {
            Ok(text) => self.overlay = Some(Overlay::Reader(Reader::new(messages::yaml_title(), text))),
            Err(why) => self.complain(messages::no_yaml(&why.to_string())),
        }
    }

    /// Starts a session over the recipe's models and method, and puts the recipe into it.
    fn evolve_here(&mut self) {
        let running = self.run.as_ref().filter(|r| r.state.status == Status::Running);
        if let Some(name) = running.map(|r| r.state.name.clone()) {
            return self.complain(messages::must_stop_first(&name));
        }
        let Recipe { path, slices, before, .. } = &self.editor.recipe;
        if !path.is_empty() || !slices.is_empty() || !before.is_empty() {
            return self.complain(messages::path_evolves_by_config());
        }
        if !matches!(self.link, crate::workbench::app::Link::Connected { .. }) {
            return self.complain(messages::engine_not_yet());
        }
        let recipe = self.editor.recipe.clone();
        let config = self.next_config().for_recipe(&self.models.pool, &recipe);
        self.begin_with = Some(Box::new(recipe));
        self.ask(Ask::Start, Command::Start { config, name: None });
        self.say(messages::evolving_from_here());
    }

    /// Starts the editor over.
    pub fn preset(&mut self, preset: Preset) {
        match preset {
            Preset::Template(template) => {
                let (name, _) = template_words(template, &sources_of(&self.editor.recipe));
                let recipe = self.editor.template(template);
                self.editor.take(recipe, &name);
            }
            Preset::Candidate(id) => self.edit_candidate(id),
        }
    }

    /// Takes a candidate's recipe into the editor.
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

    fn take_recipe(&mut self, recipe: Recipe, name: &str) {
        recipe.donor().clone_into(&mut self.models.pool.base);
        self.models.pool.sources = sources_of(&recipe);
        // Else its numbers would be spread over the layers of the models before.
        let layers = self.models.layers();
        if layers > 0 {
            self.editor.layers = layers;
        }
        self.editor.take(recipe, name);
        self.pane = crate::workbench::app::Pane::Recipe;
    }

    /// Asks for the hand-made recipe to be evaluated as a candidate.
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

    /// Writes the recipe to `path`, in the notation that its ending names.
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
        self.effects.push(Effect::Write { path: file, content, over });
    }

    /// A recipe file was written, or not.
    pub fn written(&mut self, path: PathBuf, outcome: Result<String, Unwritten>) {
        let name = path.display().to_string();
        match outcome {
            Ok(text) => {
                self.say(messages::written(&name));
                self.editor.path = Some(path);
                self.editor.on_file = Some(text);
            }
            Err(unwritten) => match unwritten.why() {
                Some(why) => {
                    self.ask_again(Purpose::Save, &name);
                    self.complain(messages::not_written(&name, &why));
                }
                None => self.ask_over(&name, &unwritten, Does::SaveOver(name.clone())),
            },
        }
    }

    /// What a recipe file holds that is no recipe's stands in the log.
    pub fn passed_over(&mut self, notes: &[String]) {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = now.map_or(0, |d| d.as_millis() as u64);
        for note in notes {
            self.log.add(now, "note", note);
        }
    }

    /// A recipe file was read, or not.
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

/// A template's name, and what it does.
fn template_words(template: Template, sources: &[String]) -> (String, String) {
    let first = short(sources.first().map_or("", String::as_str));
    match template {
        Template::Uniform => (messages::uniform_name().to_owned(), messages::preset_uniform().to_owned()),
        Template::Base => (messages::base_name().to_owned(), messages::preset_base().to_owned()),
        Template::Ramp => (messages::template_ramp().to_owned(), messages::template_ramp_about(&first)),
        Template::Front => (messages::template_front(&first), messages::template_front_about().to_owned()),
        Template::Back => (messages::template_back(&first), messages::template_back_about().to_owned()),
        Template::Halves => (messages::template_halves().to_owned(), messages::template_halves_about(&first)),
        Template::Only(i) => {
            let model = short(sources.get(i).map_or("", String::as_str));
            (messages::template_only(&model), messages::template_only_about().to_owned())
        }
    }
}
