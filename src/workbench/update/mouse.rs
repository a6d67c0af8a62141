//! Mouse events, while the workbench has the mouse: clicks, drags and the wheel.
//!
//! While drawing, the panes record the areas that can be clicked ([`Hit`]). The event loop passes an event and the
//! last frame's records.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};

use crate::workbench::action::{Action, AppAction};
use crate::workbench::app::{App, Pane};
use crate::workbench::editor::Editor;
use crate::workbench::panes::Hit;

impl Editor {
    /// Whether the cursor or the selected block is already on the thing that was hit.
    fn holds(&self, hit: Hit) -> bool {
        match hit {
            Hit::Cell(cell) => self.strip.is_none() && self.block().contains(cell),
            Hit::Global(at) => self.strip == Some(at),
            _ => false,
        }
    }
}

impl App {
    /// Takes in a mouse event. `hits` are the records of the last frame.
    pub fn mouse(&mut self, event: MouseEvent, hits: &[(Rect, Hit)]) {
        if self.overlay.is_some() {
            return;
        }
        let at = Position::new(event.column, event.row);
        let hit = || hits.iter().rev().find(|(r, _)| r.contains(at)).map(|(_, hit)| *hit);
        match event.kind {
            // Over a number of the recipe the wheel changes the number.
            MouseEventKind::ScrollUp | MouseEventKind::ScrollDown => {
                let up = event.kind == MouseEventKind::ScrollUp;
                let over = hit().filter(|_| self.pane == Pane::Recipe && self.replay.is_none());
                match over {
                    Some(hit @ (Hit::Cell(_) | Hit::Global(_))) => {
                        if !self.editor.holds(hit) {
                            self.click(hit);
                        }
                        self.editor.step(if up { 1 } else { -1 });
                    }
                    _ => self.act(Action::App(if up { AppAction::Up } else { AppAction::Down })),
                }
            }
            MouseEventKind::Down(MouseButton::Left) => {
                if let Some(hit) = hit() {
                    self.click(hit);
                }
            }
            MouseEventKind::Drag(MouseButton::Left) => {
                if let Some(Hit::Cell(cell)) = hit()
                    && self.editor.cursor != cell
                    && self.editor.strip.is_none()
                {
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
                let outcome = self.editor.accept();
                self.tell(outcome);
                self.editor.anchor = None;
                self.editor.strip = None;
                self.editor.cursor = cell;
            }
            Hit::Global(at) => {
                let outcome = self.editor.accept();
                self.tell(outcome);
                self.editor.anchor = None;
                self.editor.strip = Some(at);
            }
            Hit::Candidate(id) => self.candidate = Some(id),
            Hit::Answer(question, column) => {
                self.answers.question = Some(question);
                self.answers.current = Some(column);
            }
        }
    }
}
