//! The meaning of a place on the screen for the mouse. While drawing, the panes record which area of the frame means
//! what; `update/mouse.rs` looks a click up in the records of the last frame.

use crate::session::protocol::CandidateId;
use crate::workbench::app::Pane;
use crate::workbench::editor::Cell;
use crate::workbench::panes::answers::state::AnswerColumn;

/// The thing on the screen that was clicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hit {
    /// The tab of a pane.
    Pane(Pane),
    /// A row of the list of models.
    Model(usize),
    /// A cell of the editor's grid.
    Cell(Cell),
    /// A parameter of the whole merge in the editor.
    Global(usize),
    /// A row of the population.
    Candidate(CandidateId),
    /// A question and a column of Answers.
    Answer(usize, AnswerColumn),
}
