//! Which keys do what: those of the action table, or those of a person's own file
//! (`configs/keys.toml` shows the format and every key). The file is
//! `$YOSEGI_KEYS`, else `yosegi/keys.toml` in the XDG config folder.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use crossterm::event::KeyEvent;
use toml_edit::{DocumentMut, Item, Value};

use super::action::{Action, Entry, REPLAY, TABLE, in_pane};
use super::app::Pane;
use super::keys::{is_key, means};
use super::messages;
use crate::limits::{self, shown};

/// The keys of every action.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keymap {
    /// Keys of the actions that a person's file names, in place of the table's.
    own: HashMap<&'static str, Vec<String>>,
}

impl Keymap {
    /// The file that is read where there is one.
    #[must_use]
    pub fn file() -> Option<PathBuf> {
        let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        set("YOSEGI_KEYS").or_else(|| {
            let folder = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")))?;
            Some(folder.join("yosegi/keys.toml"))
        })
    }

    /// The keys of the person's file, and a sentence for each line that can't be followed.
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

    /// Reads lines such as `pause = ["p"]`; an empty list takes an action's keys away.
    #[must_use]
    pub fn read(text: &str, place: &str) -> (Self, Vec<String>) {
        let mut out = Self::default();
        let mut problems = Vec::new();
        let doc: DocumentMut = match text.parse() {
            Ok(doc) => doc,
            Err(e) => {
                let why = e.to_string().lines().next().unwrap_or_default().to_owned();
                return (out, vec![messages::keys_unreadable(place, &shown(&why))]);
            }
        };
        for (id, item) in doc.iter() {
            let Some(entry) = all().find(|e| e.id == id) else {
                let near = all().min_by_key(|e| strsim::damerau_levenshtein(e.id, id)).map_or("", |e| e.id);
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
            out.own.insert(entry.id, names.into_iter().filter(|n| is_key(n)).collect());
        }
        problems.extend(out.conflicts(place));
        (out, problems)
    }

    /// The keys of an action.
    #[must_use]
    pub fn keys<'a>(&'a self, entry: &'a Entry) -> Vec<&'a str> {
        match self.own.get(entry.id) {
            Some(keys) => keys.iter().map(String::as_str).collect(),
            None => entry.keys.to_vec(),
        }
    }

    /// The action of `key` in `pane`. Where two have the key, one whose key a person has set goes
    /// before one that has it from the table.
    #[must_use]
    pub fn action_for(&self, key: KeyEvent, pane: Pane) -> Option<Action> {
        self.among(key, in_pane(pane))
    }

    /// The action of `key` while a session is replayed: the replay's own keys go first.
    #[must_use]
    pub fn replay_action_for(&self, key: KeyEvent, pane: Pane) -> Option<Action> {
        self.among(key, REPLAY.iter().chain(in_pane(pane)))
    }

    fn among(&self, key: KeyEvent, entries: impl Iterator<Item = &'static Entry>) -> Option<Action> {
        let has = |e: &&Entry| self.keys(e).iter().any(|k| means(k, key));
        let found: Vec<&Entry> = entries.filter(has).collect();
        let own = found.iter().find(|e| self.own.contains_key(e.id));
        own.or_else(|| found.first()).map(|e| e.action)
    }

    /// A sentence for each key that means two things in a pane.
    fn conflicts(&self, place: &str) -> Vec<String> {
        let mut out: Vec<String> = Vec::new();
        for pane in Pane::ALL {
            let mut seen: Vec<(String, &Entry)> = Vec::new();
            for entry in in_pane(pane) {
                for name in self.keys(entry) {
                    let before = seen.iter().find(|(k, _)| k == name).map(|(_, e)| *e);
                    if let Some(first) = before {
                        let own = self.own.contains_key(entry.id) && !self.own.contains_key(first.id);
                        let (wins, loses) = if own { (entry, first) } else { (first, entry) };
                        let text = messages::keys_conflict(place, &shown(name), wins.id, loses.id);
                        if !out.contains(&text) {
                            out.push(text);
                        }
                    }
                    seen.push((name.to_owned(), entry));
                }
            }
        }
        out
    }
}

/// Every row of the table, those of a replay last.
fn all() -> impl Iterator<Item = &'static Entry> {
    TABLE.iter().chain(REPLAY)
}

/// A key or a list of keys.
fn names(item: &Item) -> Option<Vec<String>> {
    match item.as_value()? {
        Value::String(one) => Some(vec![one.value().clone()]),
        Value::Array(list) => list.iter().map(|v| v.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

/// The file that says what the table says: a line an action, with what it does.
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
    for (entry, replay) in TABLE.iter().map(|e| (e, false)).chain(REPLAY.iter().map(|e| (e, true))) {
        let heading = if replay { "A replay".to_owned() } else { heading(entry.panes) };
        if heading != last {
            // Writing to a `String` can't fail.
            let _ = writeln!(out, "\n# {heading}");
            last = heading;
        }
        let keys: Vec<String> = entry.keys.iter().map(|k| format!("{k:?}")).collect();
        let line = format!("{} = [{}]", entry.id, keys.join(", "));
        let _ = writeln!(out, "{line:<38} # {}", entry.label());
    }
    out
}

#[cfg(test)]
mod tests {
    use crossterm::event::{KeyCode, KeyModifiers};

    use super::*;

    fn press(c: char) -> KeyEvent {
        KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)
    }

    /// `UPDATE=1 cargo test keymap` writes the file anew.
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
        for entry in all() {
            assert_eq!(keymap.keys(entry), entry.keys, "{}", entry.id);
        }
    }

    #[test]
    fn a_file_of_ones_own_overrides_and_is_told_what_is_wrong() {
        let text =
            "pause = \"z\"\nstop = []\nundoo = [\"u\"]\nredo = [\"hyper-x\"]\nkeep = 3\nlog = [\"p\"]\n";
        let (keymap, problems) = Keymap::read(text, "keys.toml");
        assert_eq!(keymap.action_for(press('z'), Pane::Evolve), Some(Action::PauseResume));
        assert_eq!(keymap.action_for(press('x'), Pane::Evolve), None);
        // In Recipe p pastes by the table, but the file gives it to the log.
        assert_eq!(keymap.action_for(press('p'), Pane::Recipe), Some(Action::Log));
        assert_eq!(keymap.action_for(press('u'), Pane::Recipe), Some(Action::Undo));
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
