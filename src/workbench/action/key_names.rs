//! Names of keys, as the action rows and key files write them (`ctrl-p`) and as the screen shows them (`Ctrl-P`).
//!
//! The key map compares key presses with names; hints and help show them.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Whether `name` names a key.
#[must_use]
pub fn is_key(name: &str) -> bool {
    parse(name).is_some()
}

/// Whether a key press is the key of that name.
#[must_use]
pub fn means(name: &str, key: KeyEvent) -> bool {
    parse(name) == Some(plain(key))
}

/// The key's code and its modifiers. Shift is dropped, since a capital letter already implies it.
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

/// A key's name as the screen shows it.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workbench::action::keymap::Keymap;
    use crate::workbench::action::{Action, AppAction, EvolveAction, RecipeAction, in_pane};
    use crate::workbench::app::Pane;

    #[test]
    fn every_key_parses_and_means_one_thing_in_a_pane() {
        for pane in Pane::ALL {
            let mut seen = Vec::new();
            for action in in_pane(pane) {
                for name in action.row().keys {
                    let key = parse(name).unwrap_or_else(|| panic!("{name} of {action:?}"));
                    assert!(!seen.contains(&key), "{name} means two things in {pane:?}");
                    seen.push(key);
                }
            }
        }
    }

    #[test]
    fn keys_reach_their_actions() {
        let action_for = |key, pane| Keymap::default().action_for(key, pane);
        let press = |code| KeyEvent::new(code, KeyModifiers::NONE);
        assert_eq!(
            action_for(press(KeyCode::Char('p')), Pane::Evolve),
            Some(Action::Evolve(EvolveAction::PauseResume))
        );
        assert_eq!(
            action_for(press(KeyCode::Char('p')), Pane::Recipe),
            Some(Action::Recipe(RecipeAction::PasteColumn))
        );
        assert_eq!(action_for(press(KeyCode::Char('?')), Pane::Models), Some(Action::App(AppAction::Help)));
        let shifted = KeyEvent::new(KeyCode::Char('S'), KeyModifiers::SHIFT);
        assert_eq!(action_for(shifted, Pane::Models), Some(Action::App(AppAction::Sessions)));
        let ctrl = KeyEvent::new(KeyCode::Char('p'), KeyModifiers::CONTROL);
        assert_eq!(action_for(ctrl, Pane::Evolve), Some(Action::App(AppAction::Palette)));
        assert_eq!(["pageup", "ctrl-p", "S", "alt-1"].map(shown), ["PgUp", "Ctrl-P", "S", "Alt-1"]);
    }
}
