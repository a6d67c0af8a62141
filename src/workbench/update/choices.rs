//! Carries out the answer given in an overlay: an item picked from a list, a typed line, yes or no.
//!
//! `overlay.rs` calls it when an answer closes the overlay. Panes open prompts through [`App::prompt`].

use crate::workbench::action::{Action, AppAction};
use crate::workbench::app::App;
use crate::workbench::effect::{Effect, Reading};
use crate::workbench::files::write::Output;
use crate::workbench::messages;
use crate::workbench::overlays::{Choice, Does, Overlay, Prompt, Purpose};

impl App {
    /// Carries out the item picked from a list.
    pub(super) fn choose(&mut self, choice: &Choice) {
        match *choice {
            Choice::Do(action) => {
                // An action of another pane is carried out in that pane.
                let panes = action.row().panes;
                if let Some(pane) = panes.first().filter(|_| !panes.contains(&self.pane)) {
                    self.pane = *pane;
                }
                if action != Action::App(AppAction::Help) {
                    self.act(action);
                }
            }
            Choice::Method(method) => self.editor.set_method(method),
            Choice::Preset(preset) => self.preset(preset),
            Choice::Compare(with) => self.compare(with),
            Choice::Question(index) => self.watch(vec![index]),
            Choice::Tour => self.tour(0),
        }
    }

    /// Carries out the purpose of a typed line.
    pub(super) fn submit(&mut self, purpose: Purpose, text: &str) {
        let text = &from_home(text, std::env::var("HOME").ok());
        if text.is_empty() {
            return self.say(messages::no_file_named());
        }
        match purpose {
            Purpose::Save => self.save(text, false),
            Purpose::Open => {
                self.effects.push(Effect::Read { path: text.into(), why: Reading::Edit });
            }
            Purpose::Compare => {
                self.effects.push(Effect::Read { path: text.into(), why: Reading::Compare });
            }
            Purpose::AddModel => self.add_model(text),
            Purpose::Export => self.export(text, false),
        }
    }

    /// Opens a prompt. It begins with the text that could not be used last time, else with `text`.
    pub(in crate::workbench) fn prompt(&mut self, purpose: Purpose, text: String) {
        let text = self.typed.remove(&purpose).unwrap_or(text);
        self.overlay = Some(Overlay::Prompt(Prompt::new(purpose, text)));
    }

    /// Opens a prompt again with a name that could not be used. If another overlay is open, the name is kept for the
    /// next prompt with this purpose.
    pub(in crate::workbench) fn ask_again(&mut self, purpose: Purpose, text: &str) {
        self.typed.insert(purpose, text.to_owned());
        if self.overlay.is_none() {
            self.prompt(purpose, String::new());
        }
    }

    /// Carries out a question's action after yes.
    pub(super) fn say_yes(&mut self, does: Does) {
        match does {
            Does::Start => self.start_or_plan(),
            Does::Stop => self.stop(),
            Does::WriteOver(Output::Recipe, path) => self.save(&path, true),
            Does::WriteOver(Output::Answers, path) => self.export(&path, true),
        }
    }

    /// Handles a question answered with no: a file's name can be typed again.
    pub(super) fn say_no(&mut self, does: Does) {
        match does {
            Does::Start | Does::Stop => {}
            Does::WriteOver(output, path) => self.ask_again(Purpose::of_output(output), &path),
        }
    }
}

/// Expands a leading `~` in a path, as a shell does.
fn from_home(text: &str, home: Option<String>) -> String {
    match (text.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => format!("{}/{rest}", home.trim_end_matches('/')),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::from_home;

    #[test]
    fn a_tilde_is_the_home_folder() {
        let home = || Some("/home/me/".to_owned());
        assert_eq!(from_home("~/r.toml", home()), "/home/me/r.toml");
        assert_eq!(from_home("~/r.toml", None), "~/r.toml");
        for as_it_is in ["r.toml", "/x/~/r.toml", "~other/r.toml", "org/name"] {
            assert_eq!(from_home(as_it_is, home()), as_it_is);
        }
    }
}
