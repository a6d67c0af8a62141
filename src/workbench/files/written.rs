//! Handles the outcome of writing a file: a notice, a question whether to overwrite, or the prompt again with the
//! name in it. The event loop calls it for recipes and answers alike.

use std::path::PathBuf;

use super::write::{Output, Unwritten};
use crate::workbench::app::App;
use crate::workbench::messages;
use crate::workbench::overlays::{Confirm, Does, Overlay, Purpose};

impl App {
    /// Takes in the outcome of writing a file: its new text, or why it was not written.
    pub fn written(&mut self, output: Output, path: PathBuf, outcome: Result<String, Unwritten>) {
        let name = path.display().to_string();
        match (outcome, output) {
            (Ok(text), Output::Recipe) => {
                self.say(messages::written(&name));
                self.editor.path = Some(path);
                self.editor.on_file = Some(text);
            }
            (Ok(_), Output::Answers) => self.say(messages::exported(&name)),
            (Err(unwritten), output) => match unwritten.why() {
                Some(why) => {
                    self.ask_again(Purpose::of_output(output), &name);
                    self.complain(messages::not_written(&name, &why));
                }
                None => self.ask_over(&name, &unwritten, output),
            },
        }
    }

    /// Asks whether to overwrite a file that exists already or was changed by another program.
    fn ask_over(&mut self, path: &str, why: &Unwritten, output: Output) {
        let question = match why {
            Unwritten::Changed => messages::overwrite_changed(path),
            Unwritten::Exists | Unwritten::Folder | Unwritten::Odd | Unwritten::Failed(_) => {
                messages::overwrite(path)
            }
        };
        let does = Does::WriteOver(output, path.to_owned());
        self.overlay = Some(Overlay::Confirm(Confirm::new(question, does)));
    }
}
