//! A line to type, such as the name of a file or a model. The terminal's own cursor is placed in it, so that input
//! methods know where to show the text being composed. The typed line goes to `update/choices.rs`.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;
use unicode_segmentation::UnicodeSegmentation;

use crate::text::visible_cells;
use crate::workbench::canvas::Canvas;
use crate::workbench::files::write::Output;
use crate::workbench::messages;
use crate::workbench::text::width;
use crate::workbench::theme::Tone;

/// What the typed line is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    Save,
    Open,
    Compare,
    AddModel,
    Export,
}

impl Purpose {
    /// The purpose of the prompt that asks for an output's file name.
    #[must_use]
    pub const fn of_output(output: Output) -> Self {
        match output {
            Output::Recipe => Self::Save,
            Output::Answers => Self::Export,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Save => messages::prompt_save(),
            Self::Open => messages::prompt_open(),
            Self::Compare => messages::prompt_compare(),
            Self::AddModel => messages::prompt_add(),
            Self::Export => messages::prompt_export(),
        }
    }
}

/// The line being typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    pub purpose: Purpose,
    pub text: String,
    /// Byte offset of the cursor.
    pub at: usize,
}

impl Prompt {
    /// A prompt that begins with `text`, with the cursor at the end.
    #[must_use]
    pub fn new(purpose: Purpose, text: String) -> Self {
        let at = text.len();
        Self { purpose, text, at }
    }

    /// Inserts letters at the cursor; line ends and control characters are left out.
    pub fn insert(&mut self, letters: &str) {
        let clean: String = letters.chars().filter(|c| !c.is_control()).take(4096).collect();
        self.text.insert_str(self.at, &clean);
        self.at += clean.len();
    }

    /// Handles an editing key.
    pub fn key(&mut self, key: KeyEvent) {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('a') if control => self.at = 0,
            KeyCode::Char('e') if control => self.at = self.text.len(),
            KeyCode::Char('u') if control => {
                self.text.drain(..self.at);
                self.at = 0;
            }
            KeyCode::Char(c) if !control => self.insert(c.encode_utf8(&mut [0; 4])),
            KeyCode::Home => self.at = 0,
            KeyCode::End => self.at = self.text.len(),
            KeyCode::Left => self.at = self.before(),
            KeyCode::Right => self.at = self.after(),
            KeyCode::Backspace => {
                let from = self.before();
                self.text.drain(from..self.at);
                self.at = from;
            }
            KeyCode::Delete => {
                let to = self.after();
                self.text.drain(self.at..to);
            }
            _ => {}
        }
    }

    fn before(&self) -> usize {
        self.text[..self.at].grapheme_indices(true).next_back().map_or(0, |(i, _)| i)
    }

    fn after(&self) -> usize {
        self.text[self.at..].graphemes(true).next().map_or(self.at, |g| self.at + g.len())
    }
}

/// Draws the line.
pub fn draw(prompt: &Prompt, canvas: &mut Canvas<'_>, area: Rect) {
    let inner = canvas.popup(Canvas::centred(area, 64, 3), prompt.purpose.title());
    // If the line is too long, leave out letters on the left, so that the cursor stays visible.
    let room = usize::from(inner.width.saturating_sub(1));
    let mut from = prompt.at;
    let mut used = 0;
    for (at, letter) in prompt.text[..prompt.at].grapheme_indices(true).rev() {
        used += width(&visible_cells(letter));
        if used > room {
            break;
        }
        from = at;
    }
    canvas.line(inner, &prompt.text[from..], canvas.theme.tone(Tone::Plain));
    let x = width(&visible_cells(&prompt.text[from..prompt.at])) as u16;
    canvas.cursor_at(inner.x + x, inner.y);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn editing_goes_by_graphemes() {
        let mut p = Prompt::new(Purpose::Save, "寄木".to_owned());
        p.key(KeyEvent::from(KeyCode::Left));
        p.insert("細\n工");
        assert_eq!(p.text, "寄細工木");
        p.key(KeyEvent::from(KeyCode::Backspace));
        p.key(KeyEvent::from(KeyCode::Delete));
        assert_eq!(p.text, "寄細");
        p.key(KeyEvent::from(KeyCode::Right));
        p.key(KeyEvent::from(KeyCode::Delete));
        assert_eq!((p.text.as_str(), p.at), ("寄細", 6));
    }
}
