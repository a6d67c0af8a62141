//! The parameters of merge methods, by mergekit's names, and a method's declaration of a parameter. To add a parameter,
//! add a line to [`Param`]'s list and an entry to the rows of the methods that have it (`recipe/method.rs`).

use crate::limits::STEPS;
use serde::{Deserialize, Serialize};

/// Declares [`Param`] from one list of parameters with mergekit's names, in the order in which recipes are written.
macro_rules! params {
    ($($variant:ident $name:literal),* $(,)?) => {
        /// A parameter of one or more merge methods. Each method declares the parameter's meaning, range and default
        /// ([`super::Method::parameters`]).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Param {
            $(#[serde(rename = $name)] $variant),*
        }

        impl Param {
            /// Every parameter, in the order in which recipes are written.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$variant),*];

            /// The parameter's name in mergekit.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),*
                }
            }
        }
    };
}

params! {
    Weight "weight",
    Density "density",
    Gamma "gamma",
    Epsilon "epsilon",
    Scale "scale",
    Lambda "lambda",
    Normalize "normalize",
    Rescale "rescale",
    Int8Mask "int8_mask",
    T "t",
    NuslerpRowWise "nuslerp_row_wise",
    NuslerpFlatten "nuslerp_flatten",
    NormalizeWeights "normalize_weights",
    Eps "eps",
    MaxIter "max_iter",
    Tol "tol",
    SelectTopk "select_topk",
    FilterWise "filter_wise",
    R "r",
    Alpha "alpha",
}

impl Param {
    /// The parameter with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.name() == name)
    }
}

/// Where a parameter can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Each source can have a separate value. A value of the recipe or of a slice applies to all its sources.
    PerModel,
    /// One value for all sources.
    Global,
}

/// The type of a parameter's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Number,
    /// A yes or no, stored as 1 or 0.
    Flag,
    /// A whole number.
    Count,
}

/// The range of values that a parameter may have.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Range {
    pub low: f64,
    pub high: f64,
    /// Whether `low` itself is outside the range.
    pub above: bool,
    /// Whether `high` itself is outside the range.
    pub below: bool,
}

impl Range {
    /// Any finite number.
    pub const ANY: Self = Self { low: f64::NEG_INFINITY, high: f64::INFINITY, above: true, below: true };
    /// Above 0.
    pub const POSITIVE: Self = Self { low: 0.0, ..Self::ANY };
    /// 0 or above.
    pub const FROM_ZERO: Self = Self { low: 0.0, above: false, ..Self::ANY };
    /// From 0 to 1, both included.
    pub const UNIT: Self = Self { low: 0.0, high: 1.0, above: false, below: false };
    /// A share that keeps something: above 0, at most 1.
    pub const SHARE: Self = Self { above: true, ..Self::UNIT };
    /// From 0 to below 1.
    pub const BELOW_ONE: Self = Self { below: true, ..Self::UNIT };

    /// Whether `value` lies inside.
    #[must_use]
    pub fn holds(&self, value: f64) -> bool {
        value.is_finite()
            && (value > self.low || !self.above && value >= self.low)
            && (value < self.high || !self.below && value <= self.high)
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { low, high, above, below } = *self;
        let least = if above { "above" } else { "from" };
        let most = if below { "below" } else { "at most" };
        match (low.is_finite(), high.is_finite()) {
            (false, false) => f.write_str("any number"),
            (true, false) => write!(f, "{least} {low}"),
            (false, true) => write!(f, "{most} {high}"),
            (true, true) => write!(f, "{least} {low} and {most} {high}"),
        }
    }
}

/// One method's declaration of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ParamSpec {
    pub param: Param,
    pub scope: Scope,
    pub kind: Kind,
    pub range: Range,
    /// mergekit's default; `None` if a value is required.
    pub default: Option<f64>,
    /// One line about what the parameter does.
    pub about: &'static str,
    /// Default bounds of the parameter's genes; `None` if a search must give bounds.
    pub gene: Option<(f64, f64)>,
    /// The parameter has no effect; it is accepted because mergekit accepts it.
    pub ignored: bool,
}

impl ParamSpec {
    pub(super) const fn number(param: Param, scope: Scope, range: Range, about: &'static str) -> Self {
        Self { param, scope, kind: Kind::Number, range, default: None, about, gene: None, ignored: false }
    }

    pub(super) const fn flag(param: Param, default: bool, about: &'static str) -> Self {
        let default = Some(if default { 1.0 } else { 0.0 });
        let number = Self::number(param, Scope::Global, Range::UNIT, about);
        Self { kind: Kind::Flag, default, ..number }
    }

    pub(super) const fn count(self) -> Self {
        Self { kind: Kind::Count, ..self }
    }

    pub(super) const fn or(self, default: f64) -> Self {
        Self { default: Some(default), ..self }
    }

    pub(super) const fn gene(self, low: f64, high: f64) -> Self {
        Self { gene: Some((low, high)), ..self }
    }

    pub(super) const fn ignored(self) -> Self {
        Self { gene: None, ignored: true, ..self }
    }

    /// What is wrong with a value; `None` if nothing is.
    #[must_use]
    pub fn problem(&self, value: f64) -> Option<String> {
        if !value.is_finite() {
            return Some(format!("is {value}; it must be a finite number"));
        }
        if !self.range.holds(value) {
            return Some(match self.param {
                Param::Density => {
                    format!("is {value}; a density is a share of elements kept, above 0 and at most 1")
                }
                _ => format!("is {value}; it must be {}", self.range),
            });
        }
        if self.kind == Kind::Count && value > STEPS as f64 {
            return Some(format!("is {value}; it must be {STEPS} at most"));
        }
        let whole = value.fract() == 0.0;
        (self.kind == Kind::Count && !whole).then(|| format!("is {value}; it must be a whole number"))
    }
}
