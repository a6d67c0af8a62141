//! The table of merge methods; the reader, the search space, the editor, help and docs use it. Names, defaults and
//! required parameters are those of mergekit 0.1.5. To add a method, add a row here and its arithmetic in
//! `merge/methods`.

use serde::{Deserialize, Serialize};

use super::param::Scope::{Global, PerModel};
use super::param::{Kind, Param, ParamSpec, Range, Scope};

/// A merge method, by its mergekit name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    Linear,
    Slerp,
    Nuslerp,
    Multislerp,
    Karcher,
    TaskArithmetic,
    Ties,
    DareLinear,
    DareTies,
    DellaLinear,
    Della,
    Breadcrumbs,
    BreadcrumbsTies,
    Sce,
    Ram,
    RamplusTl,
    ModelStock,
    Nearswap,
    ArceeFusion,
    Passthrough,
}

/// Whether a method compares the sources with a base.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BaseNeed {
    /// The method works on the differences between the sources and a base.
    Required,
    /// With a base the method works on task vectors, without one on the models.
    Optional,
    /// A base only gives config and tokenizer; its tensors are not merged.
    Unused,
}

/// The declaration of a method: a row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MethodSpec {
    pub method: Method,
    /// mergekit's name.
    pub name: &'static str,
    /// One line about what the method does.
    pub about: &'static str,
    pub base: BaseNeed,
    /// Least and greatest number of sources, the base not counted.
    pub sources: (usize, Option<usize>),
    pub parameters: &'static [ParamSpec],
}

const WEIGHT: ParamSpec =
    ParamSpec::number(Param::Weight, PerModel, Range::ANY, "how much of this model goes in").gene(0.0, 1.0);
const DENSITY: ParamSpec =
    ParamSpec::number(Param::Density, PerModel, Range::SHARE, "share of the task vector's elements kept")
        .or(1.0)
        .gene(0.01, 1.0);
const LAMBDA: ParamSpec =
    ParamSpec::number(Param::Lambda, Global, Range::ANY, "factor on the summed task vectors").or(1.0);
const INT8_MASK: ParamSpec =
    ParamSpec::flag(Param::Int8Mask, false, "type of mergekit's masks; the result is the same").ignored();
const ROUGHNESS: ParamSpec =
    ParamSpec::number(Param::Epsilon, Global, Range::POSITIVE, "changes up to this count as none").or(1e-5);

const fn normalize(default: bool) -> ParamSpec {
    ParamSpec::flag(Param::Normalize, default, "divide by the sum of the weights that took part")
}

const fn rescale(default: bool) -> ParamSpec {
    ParamSpec::flag(Param::Rescale, default, "scale what was kept back to the task vector's size")
}

/// Parameters of a method that uses the task vectors unchanged.
const PLAIN: &[ParamSpec] =
    &[WEIGHT, DENSITY.ignored(), LAMBDA, normalize(false), rescale(false).ignored(), INT8_MASK];
const TIES: &[ParamSpec] = &[WEIGHT, DENSITY, LAMBDA, normalize(true), rescale(false), INT8_MASK];
const DARE: &[ParamSpec] = &[WEIGHT, DENSITY, LAMBDA, normalize(false), rescale(true), INT8_MASK];
const EPSILON: ParamSpec = ParamSpec::number(
    Param::Epsilon,
    PerModel,
    Range::BELOW_ONE,
    "how far the chance to be kept goes below and above the density, by magnitude",
)
.or(0.15)
.gene(0.0, 0.3);
const DELLA_LINEAR: &[ParamSpec] =
    &[WEIGHT, DENSITY, EPSILON, LAMBDA, normalize(false), rescale(true), INT8_MASK];
const DELLA: &[ParamSpec] = &[WEIGHT, DENSITY, EPSILON, LAMBDA, normalize(true), rescale(true), INT8_MASK];
const GAMMA: ParamSpec =
    ParamSpec::number(Param::Gamma, PerModel, Range::BELOW_ONE, "share of the largest changes dropped")
        .or(0.01)
        .gene(0.0, 0.1);
const BREADCRUMBS: &[ParamSpec] =
    &[WEIGHT, DENSITY, GAMMA, LAMBDA, normalize(false), rescale(false), INT8_MASK];

const NONE: &[ParamSpec] = &[];

/// The table.
const TABLE: [MethodSpec; 20] = [
    MethodSpec {
        method: Method::Linear,
        name: "linear",
        about: "weighted mean of the models themselves; no base needed",
        base: BaseNeed::Unused,
        sources: (1, None),
        parameters: &[WEIGHT, normalize(true)],
    },
    MethodSpec {
        method: Method::Slerp,
        name: "slerp",
        about: "along the arc from the base to one other model",
        base: BaseNeed::Required,
        sources: (1, Some(1)),
        parameters: &[ParamSpec::number(
            Param::T,
            Global,
            Range::ANY,
            "place on the arc: 0 is the base, 1 the other model",
        )],
    },
    MethodSpec {
        method: Method::Nuslerp,
        name: "nuslerp",
        about: "along the arc between two models, or between their task vectors",
        base: BaseNeed::Optional,
        sources: (2, Some(2)),
        parameters: &[
            WEIGHT,
            ParamSpec::flag(Param::NuslerpRowWise, false, "turn columns apart instead of rows"),
            ParamSpec::flag(Param::NuslerpFlatten, true, "turn a whole tensor as one vector"),
        ],
    },
    MethodSpec {
        method: Method::Multislerp,
        name: "multislerp",
        about: "weighted mean on a sphere around the models' mean direction",
        base: BaseNeed::Optional,
        sources: (1, None),
        parameters: &[
            WEIGHT,
            ParamSpec::flag(Param::NormalizeWeights, true, "divide the weights by their sum"),
            ParamSpec::number(Param::Eps, Global, Range::POSITIVE, "lengths below this count as none")
                .or(1e-8),
        ],
    },
    MethodSpec {
        method: Method::Karcher,
        name: "karcher",
        about: "mean of the models' directions on a sphere, found step by step",
        base: BaseNeed::Unused,
        sources: (1, None),
        parameters: &[
            ParamSpec::number(Param::MaxIter, Global, Range::FROM_ZERO, "most steps").or(10.0).count(),
            ParamSpec::number(Param::Tol, Global, Range::FROM_ZERO, "a step shorter than this is the last")
                .or(1e-5),
        ],
    },
    MethodSpec {
        method: Method::TaskArithmetic,
        name: "task_arithmetic",
        about: "base + weighted sum of task vectors",
        base: BaseNeed::Required,
        sources: (1, None),
        parameters: PLAIN,
    },
    MethodSpec {
        method: Method::Ties,
        name: "ties",
        about: "keep the largest changes, elect a sign, average those who agree",
        base: BaseNeed::Required,
        sources: (1, None),
        parameters: TIES,
    },
    MethodSpec {
        method: Method::DareLinear,
        name: "dare_linear",
        about: "drop changes at random, rescale the rest, sum",
        base: BaseNeed::Required,
        sources: (1, None),
        parameters: DARE,
    },
    MethodSpec {
        method: Method::DareTies,
        name: "dare_ties",
        about: "drop changes at random, rescale, elect a sign, sum those who agree",
        base: BaseNeed::Required,
        sources: (1, None),
        parameters: DARE,
    },
    MethodSpec {
        method: Method::DellaLinear,
        name: "della_linear",
        about: "drop small changes more often than large ones, rescale, sum",
        base: BaseNeed::Required,
        sources: (1, None),
        parameters: DELLA_LINEAR,
    },
    MethodSpec {
        method: Method::Della,
        name: "della",
        about: "drop small changes more often, rescale, elect a sign, average those who agree",
        base: BaseNeed::Required,
        sources: (1, None),
        parameters: DELLA,
    },
    MethodSpec {
        method: Method::Breadcrumbs,
        name: "breadcrumbs",
        about: "drop the largest and the smallest changes, sum the rest",
        base: BaseNeed::Required,
        sources: (1, None),
        parameters: BREADCRUMBS,
    },
    MethodSpec {
        method: Method::BreadcrumbsTies,
        name: "breadcrumbs_ties",
        about: "drop the largest and smallest changes, elect a sign, sum those who agree",
        base: BaseNeed::Required,
        sources: (1, None),
        parameters: BREADCRUMBS,
    },
    MethodSpec {
        method: Method::Sce,
        name: "sce",
        about: "keep where the models differ most, weigh each by its change, elect a sign",
        base: BaseNeed::Required,
        sources: (1, None),
        parameters: &[
            ParamSpec::number(Param::SelectTopk, Global, Range::UNIT, "share of elements kept, by variance")
                .or(1.0),
            INT8_MASK,
        ],
    },
    MethodSpec {
        method: Method::Ram,
        name: "ram",
        about: "average what several models changed, add what one alone changed",
        base: BaseNeed::Required,
        sources: (1, None),
        parameters: &[ROUGHNESS],
    },
    MethodSpec {
        method: Method::RamplusTl,
        name: "ramplus_tl",
        about: "as ram, with each model's own changes amplified tensor by tensor",
        base: BaseNeed::Required,
        sources: (1, None),
        parameters: &[
            ParamSpec::number(Param::R, Global, Range::ANY, "amplification for each unit of overlap").or(0.1),
            ParamSpec::number(Param::Alpha, Global, Range::ANY, "greatest overlap that is counted").or(0.2),
            ROUGHNESS,
        ],
    },
    MethodSpec {
        method: Method::ModelStock,
        name: "model_stock",
        about: "mean of the models, drawn to the base as far as their task vectors disagree",
        base: BaseNeed::Required,
        sources: (2, None),
        parameters: &[ParamSpec::flag(Param::FilterWise, false, "one ratio a row instead of a tensor")],
    },
    MethodSpec {
        method: Method::Nearswap,
        name: "nearswap",
        about: "take the other model where it is near the base",
        base: BaseNeed::Required,
        sources: (1, Some(1)),
        parameters: &[ParamSpec::number(
            Param::T,
            Global,
            Range::ANY,
            "distance up to which the other model's value is taken whole",
        )],
    },
    MethodSpec {
        method: Method::ArceeFusion,
        name: "arcee_fusion",
        about: "take only the other model's most important changes",
        base: BaseNeed::Required,
        sources: (1, Some(1)),
        parameters: NONE,
    },
    MethodSpec {
        method: Method::Passthrough,
        name: "passthrough",
        about: "one model as it is, or layers of several put together",
        base: BaseNeed::Unused,
        sources: (1, Some(1)),
        parameters: &[ParamSpec::number(Param::Scale, PerModel, Range::ANY, "factor on the tensor")
            .or(1.0)
            .gene(0.0, 2.0)],
    },
];

impl Method {
    /// Every method, in the order in which the user interface lists them.
    pub const ALL: [Self; 20] = {
        let mut all = [Self::Linear; 20];
        let mut i = 0;
        while i < all.len() {
            // The table's order is the order of the variants, so that a method's number is the index of its row.
            assert!(TABLE[i].method as usize == i);
            all[i] = TABLE[i].method;
            i += 1;
        }
        all
    };

    /// The method's row in the table.
    #[must_use]
    pub const fn spec(self) -> &'static MethodSpec {
        const ROWS: &[MethodSpec; 20] = &TABLE;
        &ROWS[self as usize]
    }

    /// The method's name in mergekit.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.spec().name
    }

    /// The method with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|m| m.name() == name)
    }

    /// One line about what the method does.
    #[must_use]
    pub const fn about(self) -> &'static str {
        self.spec().about
    }

    /// All parameters that the method accepts.
    #[must_use]
    pub const fn parameters(self) -> &'static [ParamSpec] {
        self.spec().parameters
    }

    /// The method's declaration of a parameter; `None` if the method does not have it.
    #[must_use]
    pub fn parameter(self, param: Param) -> Option<&'static ParamSpec> {
        self.parameters().iter().find(|p| p.param == param)
    }

    /// The parameters that have an effect and a value for each source: the editor's columns and the search's genes.
    pub fn per_model(self) -> impl Iterator<Item = &'static ParamSpec> {
        self.parameters().iter().filter(|p| p.scope == Scope::PerModel && !p.ignored)
    }

    /// Whether a parameter has an effect in this method.
    #[must_use]
    pub fn uses(self, param: Param) -> bool {
        self.parameter(param).is_some_and(|p| !p.ignored)
    }

    /// Whether `density` has an effect in this method.
    #[must_use]
    pub fn uses_density(self) -> bool {
        self.uses(Param::Density)
    }

    /// Whether the result is divided by the sum of weights if the recipe does not say.
    #[must_use]
    pub fn normalizes(self) -> bool {
        self.parameter(Param::Normalize).and_then(|p| p.default) == Some(1.0)
    }
}

impl Param {
    /// Whether the parameter is a yes or no in the methods that have it.
    #[must_use]
    pub fn is_flag(self) -> bool {
        Method::ALL.iter().any(|m| m.parameter(self).is_some_and(|p| p.kind == Kind::Flag))
    }
}

/// The source of DARE's random numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaskStream {
    /// A counter-based hash of (seed, tensor, element): the same number for every candidate, so that fitness is smooth
    /// in the density.
    #[default]
    Counter,
    /// mergekit's one MT19937 stream over all tensors, for parity with its output.
    Mergekit,
}
