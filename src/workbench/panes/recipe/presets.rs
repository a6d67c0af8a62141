//! The recipes that the editor can start over from, and those that its recipe can be compared with: templates, the
//! candidates of the session, the recipe before the edits, a file.
//!
//! The lists are made for the picker (`update.rs` opens it); `update/choices.rs` passes the choice back to this file.

use crate::recipe::Recipe;
use crate::session::protocol::Target;
use crate::workbench::app::App;
use crate::workbench::editor::{Compared, Template, sources_of};
use crate::workbench::messages;
use crate::workbench::overlays::{Comparison, Picker, Preset, Purpose};
use crate::workbench::widgets::heat::short;

impl App {
    /// The list of recipes that the editor can start over from.
    pub(super) fn presets(&self) -> Picker {
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

    /// The list of recipes to compare with.
    pub(super) fn comparisons(&self) -> Picker {
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

    /// Starts or ends the comparison with another recipe.
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

    pub(super) fn compare_with(&mut self, name: &str, recipe: Recipe) {
        self.editor.compared = Some(Compared { name: name.to_owned(), recipe });
        self.say(messages::compared_with_recipe(self.editor.changes(), name));
    }

    /// Starts the editor over from a template or a candidate.
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
}

/// A template's name and description.
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
