//! The merge methods, declared once: reader, search space, editor and help derive from this table.

use serde::{Deserialize, Serialize};

/// A merge method, by its mergekit name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Weighted mean of the sources' weights themselves.
    Linear,
    /// Base plus the weighted sum of task vectors.
    TaskArithmetic,
    /// Task vectors trimmed by magnitude, signs elected, then averaged.
    Ties,
    /// Task vectors dropped at random and rescaled, then summed.
    DareLinear,
    /// Task vectors dropped at random and rescaled, signs elected, then summed.
    DareTies,
}

impl Method {
    /// Every method, in the order in which they are offered.
    pub const ALL: [Self; 5] =
        [Self::Linear, Self::TaskArithmetic, Self::Ties, Self::DareLinear, Self::DareTies];

    /// mergekit's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::TaskArithmetic => "task_arithmetic",
            Self::Ties => "ties",
            Self::DareLinear => "dare_linear",
            Self::DareTies => "dare_ties",
        }
    }

    /// One line on what it does.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::Linear => "weighted mean of the models themselves; no base needed",
            Self::TaskArithmetic => "base + weighted sum of task vectors",
            Self::Ties => "keep the largest changes, elect a sign, average those who agree",
            Self::DareLinear => "drop changes at random, rescale the rest, sum",
            Self::DareTies => "drop changes at random, rescale, elect a sign, sum those who agree",
        }
    }

    /// Whether `density` has a meaning for this method.
    #[must_use]
    pub const fn uses_density(self) -> bool {
        matches!(self, Self::Ties | Self::DareLinear | Self::DareTies)
    }

    /// Whether the result is divided by the sum of weights unless the recipe says otherwise.
    #[must_use]
    pub const fn normalizes(self) -> bool {
        matches!(self, Self::Linear | Self::Ties)
    }
}

/// Where DARE's random numbers come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaskStream {
    /// A counter-based hash of (seed, tensor, element): the same number for every candidate, so
    /// that fitness is smooth in the density.
    #[default]
    Counter,
    /// mergekit's one MT19937 stream over all tensors, for parity with its output.
    Mergekit,
}
