//! The four panes, in the order of their tabs.
//!
//! What one draws, which keys it has and what they do stand in its folder under `workbench/panes`.

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

    /// Its name in commands and in files' names; the tab's is a message.
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
