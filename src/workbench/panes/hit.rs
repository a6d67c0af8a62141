//! What lies under the mouse: the panes say while drawing which part of the frame means what, and
//! `update/mouse.rs` looks a click up in what the last frame said.

use crate::session::protocol::CandidateId;
use crate::workbench::app::Pane;
use crate::workbench::editor::Cell;
use crate::workbench::panes::answers::state::AnswerColumn;

/// Something on the screen that a click means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hit {
    /// The tab of a pane.
    Pane(Pane),
    /// A row of the list of models.
    Model(usize),
    /// A cell of the editor's grid.
    Cell(Cell),
    /// A number of the whole merge in the editor.
    Global(usize),
    /// A row of the population.
    Candidate(CandidateId),
    /// A question and a column of Answers.
    Answer(usize, AnswerColumn),
}
