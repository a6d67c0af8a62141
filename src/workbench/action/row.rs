//! What a row of the action tables says, and the macro that makes an enum of such rows.
//!
//! `actions!` declares the actions of a pane (`panes/<pane>/actions.rs`) and those of every pane
//! (`action/app.rs`). Keys, hints, help, the palette and `configs/keys.toml` are read from the rows.

use crate::workbench::app::Pane;
use crate::workbench::messages;

/// What is known of an action beside what it does.
#[derive(Debug)]
pub struct Row {
    /// Stable name, for the palette and for key files.
    pub id: &'static str,
    /// Keys unless a person's own file says otherwise.
    pub keys: &'static [&'static str],
    /// Panes where it applies.
    pub panes: &'static [Pane],
    pub reach: Reach,
    pub needs: Needs,
    /// A word or two for the hint bar, English and Japanese; empty where it is not hinted.
    pub hint: (&'static str, &'static str),
    /// What it does, in a line, English and Japanese.
    pub label: (&'static str, &'static str),
}

/// How far an action reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It changes neither a file nor a session, nor the recipe of one: a replay allows it.
    Looks,
    /// It may change one of them.
    Changes,
}

/// What an action acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing in particular.
    Nothing,
    /// The session on the screen: without one it is not hinted.
    Session,
}

impl Row {
    /// A word or two for the hint bar; empty where it is not hinted.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        messages::either(self.hint.0, self.hint.1)
    }

    /// What it does, in a line.
    #[must_use]
    pub fn label(&self) -> &'static str {
        messages::either(self.label.0, self.label.1)
    }

    /// Whether it applies in every pane.
    #[must_use]
    pub const fn is_everywhere(&self) -> bool {
        self.panes.len() == Pane::ALL.len()
    }
}

/// Declares an enum of actions, a row each, in the order of help:
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
            /// All of them, in the order of help.
            pub const ALL: &'static [Self] = &[$(Self::$action),+];

            /// Its row.
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
