//! The row that describes an action, and the macro that declares an enum from such rows.
//!
//! `actions!` declares the actions of a pane (`panes/<pane>/actions.rs`) and those of every pane
//! (`action/app.rs`). Keys, hints, help, the palette and `configs/keys.toml` are read from the rows.

use crate::workbench::app::Pane;
use crate::workbench::messages;

/// The description of an action: its id, keys, panes and messages.
#[derive(Debug)]
pub struct Row {
    /// Stable name, for the palette and for key files.
    pub id: &'static str,
    /// Default keys. The user's key file can replace them.
    pub keys: &'static [&'static str],
    /// The panes where the action applies.
    pub panes: &'static [Pane],
    pub reach: Reach,
    pub needs: Needs,
    /// One or two words for the hint bar, in English and Japanese; empty if the action has no hint.
    pub hint: (&'static str, &'static str),
    /// One line on what the action does, in English and Japanese.
    pub label: (&'static str, &'static str),
}

/// Whether an action changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The action changes no file, no session and no session's recipe. A replay allows it.
    Looks,
    /// The action may change a file, a session or a recipe.
    Changes,
}

/// What an action requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing in particular.
    Nothing,
    /// A session on the screen. Without one the action has no hint.
    Session,
}

impl Row {
    /// One or two words for the hint bar; empty if the action has no hint.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        messages::either(self.hint.0, self.hint.1)
    }

    /// One line on what the action does.
    #[must_use]
    pub fn label(&self) -> &'static str {
        messages::either(self.label.0, self.label.1)
    }

    /// Whether the action applies in every pane.
    #[must_use]
    pub const fn is_everywhere(&self) -> bool {
        self.panes.len() == Pane::ALL.len()
    }
}

/// Declares an enum of actions, one row for each, in the order of help:
///
/// ```text
/// Variant: "id", ["key", …], [Pane, …], Looks or Changes, Nothing or Session,
///     "hint" | "ヒント",
///     "what it does" | "説明";
/// ```
macro_rules! actions {
    ($(#[$about:meta])* $name:ident $(
        $action:ident: $id:literal, [$($key:literal),+], $panes:expr, $reach:ident, $needs:ident,
        $hint:literal | $hint_ja:literal,
        $label:literal | $label_ja:literal;
    )+) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $(#[doc = $label] $action,)+
        }

        impl $name {
            /// All actions, in the order of help.
            pub const ALL: &'static [Self] = &[$(Self::$action),+];

            /// The action's row.
            #[must_use]
            pub const fn row(self) -> &'static $crate::workbench::action::row::Row {
                use $crate::workbench::action::row::{Needs, Reach, Row};
                match self {
                    $(Self::$action => &Row {
                        id: $id,
                        keys: &[$($key),+],
                        panes: &$panes,
                        reach: Reach::$reach,
                        needs: Needs::$needs,
                        hint: ($hint, $hint_ja),
                        label: ($label, $label_ja),
                    },)+
                }
            }
        }
    };
}
pub(in crate::workbench) use actions;
