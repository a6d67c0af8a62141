//! The mouse, when the workbench has it: the panes say while drawing what lies where.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};

use crate::session::protocol::CandidateId;
use crate::workbench::action::Action;
use crate::workbench::answers::Who;
use crate::workbench::app::{App, Pane};
use crate::workbench::editor::Cell;

/// Something on the screen that a click means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hit {
    Pane(Pane),
    Model(usize),
    Cell(Cell),
    Candidate(CandidateId),
    /// A question and a column of Answers.
    Answer(usize, Who),
}

impl App {
    /// Takes in a mouse event; `hits` are those of the last frame.
    pub fn mouse(&mut self, event: MouseEvent, hits: &[(Rect, Hit)]) {
        if self.overlay.is_some() {
            return;
        }
        let at = Position::new(event.column, event.row);
        let hit = || hits.iter().rev().find(|(r, _)| r.contains(at)).map(|(_, hit)| *hit);
        match event.kind {
            MouseEventKind::ScrollUp => self.act(Action::Up),
            MouseEventKind::ScrollDown => self.act(Action::Down),
            MouseEventKind::Down(MouseButton::Left) => {
                if let Some(hit) = hit() {
                    self.click(hit);
                }
            }
            MouseEventKind::Drag(MouseButton::Left) => {
                if let Some(Hit::Cell(cell)) = hit() {
                    self.editor.anchor.get_or_insert(self.editor.cursor);
                    self.editor.cursor = cell;
                }
            }
            _ => {}
        }
    }

    fn click(&mut self, hit: Hit) {
        match hit {
            Hit::Pane(pane) => self.pane = pane,
            Hit::Model(row) => self.models.cursor = row,
            Hit::Cell(cell) => {
                self.editor.anchor = None;
                self.editor.cursor = cell;
            }
            Hit::Candidate(id) => self.candidate = Some(id),
            Hit::Answer(question, column) => {
                self.answers.question = Some(question);
                self.answers.current = Some(column);
            }
        }
    }
}
