//! The four panes, in the order of their tabs. Keys, hits and actions name a pane by this enum.
//!
//! What a pane draws, its keys and its actions are in its folder under `workbench/panes`.

/// A pane of the workbench.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pane {
    Models,
    Recipe,
    Evolve,
    Answers,
}

impl Pane {
    /// From left to right.
    pub const ALL: [Self; 4] = [Self::Models, Self::Recipe, Self::Evolve, Self::Answers];

    /// The pane's name in commands and file names. The tab's name is a message.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Models => "models",
            Self::Recipe => "recipe",
            Self::Evolve => "evolve",
            Self::Answers => "answers",
        }
    }
}
