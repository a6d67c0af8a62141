//! From a key press to an action, by the action table alone.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::action::{Action, Entry, REPLAY, TABLE, in_pane};
use super::app::Pane;

/// The action of `key` in `pane`.
#[must_use]
pub fn action_for(key: KeyEvent, pane: Pane) -> Option<Action> {
    among(key, in_pane(pane))
}

/// The action of `key` while a session is replayed: the replay's own keys go first.
#[must_use]
pub fn replay_action_for(key: KeyEvent, pane: Pane) -> Option<Action> {
    among(key, REPLAY.iter().chain(in_pane(pane)))
}

fn among(key: KeyEvent, mut entries: impl Iterator<Item = &'static Entry>) -> Option<Action> {
    entries.find(|e| e.keys.iter().any(|k| parse(k) == Some(plain(key)))).map(|e| e.action)
}

/// Code and modifiers as the table writes them: a capital letter stands for itself.
fn plain(key: KeyEvent) -> (KeyCode, KeyModifiers) {
    (key.code, key.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT))
}

/// A key by its name in the table: `a`, `S`, `?`, `ctrl-p`, `enter`, `space`, `pageup`.
fn parse(name: &str) -> Option<(KeyCode, KeyModifiers)> {
    if let Some(rest) = name.strip_prefix("ctrl-") {
        let (code, _) = parse(rest)?;
        return Some((code, KeyModifiers::CONTROL));
    }
    if let Some(rest) = name.strip_prefix("alt-") {
        let (code, _) = parse(rest)?;
        return Some((code, KeyModifiers::ALT));
    }
    let code = match name {
        "enter" => KeyCode::Enter,
        "space" => KeyCode::Char(' '),
        "tab" => KeyCode::Tab,
        "backtab" => KeyCode::BackTab,
        "esc" => KeyCode::Esc,
        "up" => KeyCode::Up,
        "down" => KeyCode::Down,
        "left" => KeyCode::Left,
        "right" => KeyCode::Right,
        "home" => KeyCode::Home,
        "end" => KeyCode::End,
        "pageup" => KeyCode::PageUp,
        "pagedown" => KeyCode::PageDown,
        _ => {
            let mut letters = name.chars();
            let first = letters.next()?;
            if letters.next().is_some() {
                return None;
            }
            KeyCode::Char(first)
        }
    };
    Some((code, KeyModifiers::NONE))
}

/// A key's name as shown to people.
#[must_use]
pub fn shown(name: &str) -> String {
    match name {
        "backtab" => "Shift-Tab".to_owned(),
        "pageup" => "PgUp".to_owned(),
        "pagedown" => "PgDn".to_owned(),
        _ if name.len() == 1 => name.to_owned(),
        _ => match name.strip_prefix("ctrl-") {
            Some(rest) => format!("Ctrl-{}", rest.to_uppercase()),
            None => name[..1].to_uppercase() + &name[1..],
        },
    }
}

/// All keys of an action, as shown to people.
#[must_use]
pub fn keys_of(action: Action) -> String {
    let keys = TABLE.iter().find(|e| e.action == action).map_or(&[][..], |e| e.keys);
    keys.iter().map(|k| shown(k)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_parses_and_means_one_thing_in_a_pane() {
        for pane in Pane::ALL {
            let mut seen = Vec::new();
            for entry in in_pane(pane) {
                for name in entry.keys {
                    let key = parse(name).unwrap_or_else(|| panic!("{name} of {}", entry.id));
                    assert!(!seen.contains(&key), "{name} means two things in {pane:?}");
                    seen.push(key);
                }
            }
        }
    }

    #[test]
    fn keys_reach_their_actions() {
        let press = |code| KeyEvent::new(code, KeyModifiers::NONE);
        assert_eq!(action_for(press(KeyCode::Char('p')), Pane::Evolve), Some(Action::PauseResume));
        assert_eq!(action_for(press(KeyCode::Char('p')), Pane::Recipe), Some(Action::PasteColumn));
        assert_eq!(action_for(press(KeyCode::Char('?')), Pane::Models), Some(Action::Help));
        let shifted = KeyEvent::new(KeyCode::Char('S'), KeyModifiers::SHIFT);
        assert_eq!(action_for(shifted, Pane::Models), Some(Action::Sessions));
        let ctrl = KeyEvent::new(KeyCode::Char('p'), KeyModifiers::CONTROL);
        assert_eq!(action_for(ctrl, Pane::Evolve), Some(Action::Palette));
        assert_eq!(keys_of(Action::Palette), ": Ctrl-P");
    }
}
