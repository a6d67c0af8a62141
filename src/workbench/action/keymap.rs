//! Maps keys to actions. The keys come from the action rows; the user's key file replaces them action by action.
//!
//! The file is `$YOSEGI_KEYS`, else `yosegi/keys.toml` in the XDG config folder; `configs/keys.toml` shows the
//! format and every key. `update/mod.rs` looks up the action of a key; hints and help look up an action's keys.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use crossterm::event::KeyEvent;
use toml_edit::{Item, Value};

use super::key_names::{is_key, means};
use super::{Action, all, in_pane, of_replay, table};
use crate::limits::{self, shown};
use crate::toml_text;
use crate::workbench::app::Pane;
use crate::workbench::messages;

/// The keys of every action.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keymap {
    /// Keys from the user's key file, by action id. They replace the keys of the action's row.
    own: HashMap<&'static str, Vec<String>>,
}

impl Keymap {
    /// The path of the user's key file, whether or not it exists.
    #[must_use]
    pub fn file() -> Option<PathBuf> {
        let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        set("YOSEGI_KEYS").or_else(|| {
            let folder = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")))?;
            Some(folder.join("yosegi/keys.toml"))
        })
    }

    /// Reads the user's key file. Returns the key map and one sentence for each faulty line of the file.
    #[must_use]
    pub fn from_file() -> (Self, Vec<String>) {
        let Some(path) = Self::file() else { return Default::default() };
        let place = path.display().to_string();
        match limits::read_text(&path, limits::TEXT_FILE) {
            Ok(text) => Self::read(&text, &place),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Default::default(),
            Err(e) => (Self::default(), vec![messages::keys_unreadable(&place, &e.to_string())]),
        }
    }

    /// Reads lines such as `pause = ["p"]`; an empty list leaves the action without a key.
    #[must_use]
    pub fn read(text: &str, place: &str) -> (Self, Vec<String>) {
        let mut out = Self::default();
        let mut problems = Vec::new();
        let doc = match toml_text::document(text) {
            Ok(doc) => doc,
            Err(problem) => {
                let line = problem.line.map_or_else(String::new, |line| format!("line {line}: "));
                let why = line + &problem.message.replace('\n', ", ");
                return (out, vec![messages::keys_unreadable(place, &shown(&why))]);
            }
        };
        for (id, item) in doc.iter() {
            let known = || all().map(|action| action.row().id);
            let Some(name) = known().find(|known| *known == id) else {
                let near = toml_text::closest(id, known()).map_or("", |(_, near)| near);
                problems.push(messages::keys_no_action(place, &shown(id), near));
                continue;
            };
            let Some(names) = names(item) else {
                problems.push(messages::keys_no_list(place, &shown(id)));
                continue;
            };
            for bad in names.iter().filter(|n| !is_key(n)) {
                problems.push(messages::keys_no_key(place, id, &shown(bad)));
            }
            out.own.insert(name, names.into_iter().filter(|n| is_key(n)).collect());
        }
        problems.extend(out.conflicts(place));
        (out, problems)
    }

    /// The names of an action's keys.
    #[must_use]
    pub fn keys(&self, action: Action) -> Vec<&str> {
        let row = action.row();
        match self.own.get(row.id) {
            Some(keys) => keys.iter().map(String::as_str).collect(),
            None => row.keys.to_vec(),
        }
    }

    /// The action that `key` triggers in `pane`. If two actions share the key, the one set in the user's key file
    /// wins over the one from the action rows.
    #[must_use]
    pub fn action_for(&self, key: KeyEvent, pane: Pane) -> Option<Action> {
        self.among(key, in_pane(pane))
    }

    /// The action that `key` triggers during a replay. The replay's own actions win.
    #[must_use]
    pub fn replay_action_for(&self, key: KeyEvent, pane: Pane) -> Option<Action> {
        self.among(key, of_replay().chain(in_pane(pane)))
    }

    /// The first action that has `key`. Keys from the user's key file win.
    fn among(&self, key: KeyEvent, actions: impl Iterator<Item = Action>) -> Option<Action> {
        let has = |a: &Action| self.keys(*a).iter().any(|k| means(k, key));
        let found: Vec<Action> = actions.filter(has).collect();
        let own = found.iter().find(|a| self.own.contains_key(a.row().id));
        own.or_else(|| found.first()).copied()
    }

    /// One sentence for each key that triggers two actions in the same pane.
    fn conflicts(&self, place: &str) -> Vec<String> {
        let mut out: Vec<String> = Vec::new();
        for pane in Pane::ALL {
            let mut seen: Vec<(String, &str)> = Vec::new();
            for action in in_pane(pane) {
                let id = action.row().id;
                for name in self.keys(action) {
                    let before = seen.iter().find(|(k, _)| k == name).map(|(_, id)| *id);
                    if let Some(first) = before {
                        let own = self.own.contains_key(id) && !self.own.contains_key(first);
                        let (wins, loses) = if own { (id, first) } else { (first, id) };
                        let text = messages::keys_conflict(place, &shown(name), wins, loses);
                        if !out.contains(&text) {
                            out.push(text);
                        }
                    }
                    seen.push((name.to_owned(), id));
                }
            }
        }
        out
    }
}

/// A key or a list of keys.
fn names(item: &Item) -> Option<Vec<String>> {
    match item.as_value()? {
        Value::String(one) => Some(vec![one.value().clone()]),
        Value::Array(list) => list.iter().map(|v| v.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

/// The text of `configs/keys.toml`: one line for each action, with its keys and what it does.
#[must_use]
pub fn default_file() -> String {
    let mut out = String::from(
        "# Keys of the workbench. Copy the lines that you want to change to yosegi/keys.toml in your\n\
         # config folder (~/.config, or $XDG_CONFIG_HOME), or name a file in $YOSEGI_KEYS.\n\
         # A key: a letter (a capital one with Shift), a sign, space, enter, tab, backtab, up, down, left,\n\
         # right, home, end, pageup, pagedown; with ctrl- or alt- before it. An empty list takes keys away.\n\
         # In Recipe a digit begins a number.\n",
    );
    let heading = |panes: &[Pane]| match panes {
        [pane] => format!("{pane:?}"),
        _ if panes.len() == Pane::ALL.len() => "Everywhere".to_owned(),
        several => several.iter().map(|p| format!("{p:?}")).collect::<Vec<_>>().join(", "),
    };
    let mut last = String::new();
    for (action, replay) in table().iter().map(|a| (*a, false)).chain(of_replay().map(|a| (a, true))) {
        let row = action.row();
        let heading = if replay { "A replay".to_owned() } else { heading(row.panes) };
        if heading != last {
            // Writing to a `String` can't fail.
            let _ = writeln!(out, "\n# {heading}");
            last = heading;
        }
        let keys: Vec<String> = row.keys.iter().map(|k| format!("{k:?}")).collect();
        let line = format!("{} = [{}]", row.id, keys.join(", "));
        let _ = writeln!(out, "{line:<38} # {}", row.label());
    }
    out
}

#[cfg(test)]
mod tests {
    use crossterm::event::{KeyCode, KeyModifiers};

    use super::*;
    use crate::workbench::action::{AppAction, EvolveAction, RecipeAction};

    fn press(c: char) -> KeyEvent {
        KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)
    }

    /// `UPDATE=1 cargo test keymap` rewrites the file.
    #[test]
    fn the_bundled_file_says_what_the_table_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/configs/keys.toml");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, default_file()).unwrap();
        }
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(text, default_file());
        let (keymap, problems) = Keymap::read(&text, "keys.toml");
        assert_eq!(problems, Vec::<String>::new());
        for action in all() {
            assert_eq!(keymap.keys(action), action.row().keys, "{action:?}");
        }
    }

    #[test]
    fn a_file_of_ones_own_overrides_and_is_told_what_is_wrong() {
        let text =
            "pause = \"z\"\nstop = []\nundoo = [\"u\"]\nredo = [\"hyper-x\"]\nkeep = 3\nlog = [\"p\"]\n";
        let (keymap, problems) = Keymap::read(text, "keys.toml");
        assert_eq!(
            keymap.action_for(press('z'), Pane::Evolve),
            Some(Action::Evolve(EvolveAction::PauseResume))
        );
        assert_eq!(keymap.action_for(press('x'), Pane::Evolve), None);
        // In Recipe, `p` pastes by default, but the key file assigns it to the log.
        assert_eq!(keymap.action_for(press('p'), Pane::Recipe), Some(Action::App(AppAction::Log)));
        assert_eq!(keymap.action_for(press('u'), Pane::Recipe), Some(Action::Recipe(RecipeAction::Undo)));
        assert_eq!(
            problems,
            [
                "keys.toml: there is no action undoo; did you mean undo?",
                "keys.toml: redo: \"hyper-x\" is no key",
                "keys.toml: keep: give a key or a list of keys, each in quotes",
                "keys.toml: p means both log and paste-column; log has it",
            ]
        );
        let (keymap, problems) = Keymap::read("pause = [", "keys.toml");
        assert_eq!((keymap, problems.len()), (Keymap::default(), 1));
    }
}
