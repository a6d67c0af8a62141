//! The table of optimisers. It is the only place that names them: config reading, messages and help use it. To add an
//! optimiser, add a row here and a file beside this one that implements [`Strategy`].

use super::baselines::{Grid, Random};
use super::cma::{CatSearch, CmaSearch, Restarts, default_population};
use super::error::SearchError;
use super::nsga::Nsga;
use super::simple_es::SimpleEs;
use super::strategy::{CheckedSetup, Options, Strategy};
use crate::toml_text::closest;

/// A parameter of an optimiser.
#[derive(Clone, Copy, Debug)]
pub struct OptimiserParam {
    pub name: &'static str,
    pub meaning: &'static str,
    pub default: f64,
    pub low: f64,
    pub high: f64,
}

/// The genes for which an optimiser keeps a full covariance matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Matrix {
    None,
    All,
    /// All genes except the switches.
    Numbers,
}

/// An optimiser: a row of the table.
pub struct OptimiserSpec {
    pub name: &'static str,
    pub meaning: &'static str,
    /// The smallest population that the optimiser supports.
    pub least: usize,
    /// Whether the optimiser uses several objectives; the others use the first.
    pub many_objectives: bool,
    pub(super) matrix: Matrix,
    /// Default population for n genes.
    pub population: fn(usize) -> usize,
    pub parameters: &'static [OptimiserParam],
    pub(super) make: fn(&CheckedSetup) -> Result<Box<dyn Strategy>, SearchError>,
}

const ACTIVE: OptimiserParam = OptimiserParam {
    name: "active",
    meaning: "1 learns from the worse half too (negative weights), 0 does not",
    default: 1.0,
    low: 0.0,
    high: 1.0,
};
const CONDITIONAL: OptimiserParam = OptimiserParam {
    name: "conditional",
    meaning: "1 learns a path's scale only where its hop is on the path, 0 everywhere; a control",
    default: 1.0,
    low: 0.0,
    high: 1.0,
};
const MARGIN: OptimiserParam = OptimiserParam {
    name: "margin",
    meaning: "least probability of each side of a switch; 0 = 1/(n λ)",
    default: 0.0,
    low: 0.0,
    high: 0.49,
};
const FACTOR: OptimiserParam = OptimiserParam {
    name: "factor",
    meaning: "growth of the population at a restart",
    default: 2.0,
    low: 1.0,
    high: 100.0,
};

/// Every optimiser, the default first.
pub static OPTIMISERS: &[OptimiserSpec] = &[
    OptimiserSpec {
        name: "cma-es",
        meaning: "CMA-ES with the full covariance matrix, up to some hundred genes",
        least: 2,
        many_objectives: false,
        matrix: Matrix::All,
        population: default_population,
        parameters: &[ACTIVE, CONDITIONAL],
        make: |setup| Ok(Box::new(CmaSearch::new(setup, false, None, Restarts::None))),
    },
    OptimiserSpec {
        name: "sep-cma-es",
        meaning: "separable CMA-ES: one variance a gene, for thousands of genes",
        least: 2,
        many_objectives: false,
        matrix: Matrix::None,
        population: default_population,
        parameters: &[ACTIVE, CONDITIONAL],
        make: |setup| Ok(Box::new(CmaSearch::new(setup, true, None, Restarts::None))),
    },
    OptimiserSpec {
        name: "margin-cma-es",
        meaning: "CMA-ES with margin, for switches and numbers together",
        least: 2,
        many_objectives: false,
        matrix: Matrix::All,
        population: default_population,
        parameters: &[MARGIN, ACTIVE, CONDITIONAL],
        make: |setup| {
            Ok(Box::new(CmaSearch::new(setup, false, Some(setup.option("margin")), Restarts::None)))
        },
    },
    OptimiserSpec {
        name: "sep-margin-cma-es",
        meaning: "separable CMA-ES with margin, for thousands of switches and numbers",
        least: 2,
        many_objectives: false,
        matrix: Matrix::None,
        population: default_population,
        parameters: &[MARGIN, ACTIVE, CONDITIONAL],
        make: |setup| Ok(Box::new(CmaSearch::new(setup, true, Some(setup.option("margin")), Restarts::None))),
    },
    OptimiserSpec {
        name: "cat-cma-es",
        meaning: "CatCMA with margin: a probability a switch, CMA-ES for the numbers",
        least: 2,
        many_objectives: false,
        matrix: Matrix::Numbers,
        population: default_population,
        parameters: &[ACTIVE, CONDITIONAL],
        make: |setup| Ok(Box::new(CatSearch::new(setup, false))),
    },
    OptimiserSpec {
        name: "sep-cat-cma-es",
        meaning: "the same with separable CMA-ES, for thousands of numbers",
        least: 2,
        many_objectives: false,
        matrix: Matrix::None,
        population: default_population,
        parameters: &[ACTIVE, CONDITIONAL],
        make: |setup| Ok(Box::new(CatSearch::new(setup, true))),
    },
    OptimiserSpec {
        name: "ipop-cma-es",
        meaning: "CMA-ES that restarts with a larger population once it has converged",
        least: 2,
        many_objectives: false,
        matrix: Matrix::All,
        population: default_population,
        parameters: &[ACTIVE, FACTOR],
        make: |setup| Ok(Box::new(CmaSearch::new(setup, false, None, Restarts::Ipop))),
    },
    OptimiserSpec {
        name: "bipop-cma-es",
        meaning: "CMA-ES that restarts with large and small populations in turn",
        least: 2,
        many_objectives: false,
        matrix: Matrix::All,
        population: default_population,
        parameters: &[ACTIVE, FACTOR],
        make: |setup| Ok(Box::new(CmaSearch::new(setup, false, None, Restarts::Bipop))),
    },
    OptimiserSpec {
        name: "simple-es",
        meaning: "one parent, fixed step size, the best child is the next parent",
        least: 1,
        many_objectives: false,
        matrix: Matrix::None,
        population: default_population,
        parameters: &[],
        make: |setup| Ok(Box::new(SimpleEs::new(setup))),
    },
    OptimiserSpec {
        name: "random",
        meaning: "evenly between the bounds; a control",
        least: 1,
        many_objectives: false,
        matrix: Matrix::None,
        population: default_population,
        parameters: &[],
        make: |setup| Ok(Box::new(Random::new(setup))),
    },
    OptimiserSpec {
        name: "grid",
        meaning: "every combination of evenly spaced values, in scattered order; a control",
        least: 1,
        many_objectives: false,
        matrix: Matrix::None,
        population: default_population,
        parameters: &[OptimiserParam {
            name: "points",
            meaning: "values of each gene",
            default: 3.0,
            low: 1.0,
            high: 1000.0,
        }],
        make: |setup| Ok(Box::new(Grid::new(setup)?)),
    },
    OptimiserSpec {
        name: "nsga2",
        meaning: "NSGA-II: two or more objectives, ends in a Pareto front",
        least: 2,
        many_objectives: true,
        matrix: Matrix::None,
        population: |_| 100,
        parameters: &[
            OptimiserParam {
                name: "crossover",
                meaning: "probability that two parents are mixed",
                default: 0.9,
                low: 0.0,
                high: 1.0,
            },
            OptimiserParam {
                name: "crossover_index",
                meaning: "distribution index of the mixing: higher stays nearer to the parents",
                default: 15.0,
                low: 0.0,
                high: 1000.0,
            },
            OptimiserParam {
                name: "mutation_index",
                meaning: "distribution index of the mutation: higher stays nearer",
                default: 20.0,
                low: 0.0,
                high: 1000.0,
            },
        ],
        make: |setup| Ok(Box::new(Nsga::new(setup))),
    },
];

/// Names of the optimisers, in the table's order.
pub static OPTIMISER_NAMES: std::sync::LazyLock<Vec<&'static str>> =
    std::sync::LazyLock::new(|| OPTIMISERS.iter().map(|row| row.name).collect());

/// The optimiser of that name.
///
/// # Errors
/// No optimiser has this name.
pub fn optimiser_row(name: &str) -> Result<&'static OptimiserSpec, SearchError> {
    OPTIMISERS.iter().find(|row| row.name == name).ok_or_else(|| SearchError::Kind {
        name: name.to_owned(),
        nearest: closest(name, OPTIMISERS.iter().map(|row| row.name)).map_or("", |(_, near)| near),
        known: OPTIMISER_NAMES.join(", "),
    })
}

impl OptimiserSpec {
    /// A value for every parameter: the given value, else the default.
    ///
    /// # Errors
    /// A parameter that the optimiser does not have, or a value outside its bounds.
    pub fn options(&self, given: &Options) -> Result<Options, SearchError> {
        for (name, &value) in given {
            let Some(known) = self.parameters.iter().find(|p| p.name == name) else {
                let advice = match closest(name, self.parameters.iter().map(|p| p.name)) {
                    Some((_, near)) => format!("did you mean \"{near}\"?"),
                    None => "it takes none".to_owned(),
                };
                return Err(SearchError::Option { kind: self.name, name: name.clone(), advice });
            };
            if !(known.low..=known.high).contains(&value) {
                return Err(SearchError::OptionValue {
                    kind: self.name,
                    name: known.name,
                    value: value.to_string(),
                    low: known.low.to_string(),
                    high: known.high.to_string(),
                });
            }
        }
        let value = |p: &OptimiserParam| (p.name.to_owned(), given.get(p.name).copied().unwrap_or(p.default));
        Ok(self.parameters.iter().map(value).collect())
    }
}

/// The table as text for people: one line for each optimiser, and one for each of its parameters.
#[must_use]
pub fn optimisers_help() -> String {
    let mut out = Vec::new();
    for row in OPTIMISERS {
        out.push(format!("{:<18} {}", row.name, row.meaning));
        for p in row.parameters {
            out.push(format!(
                "{:<18}   {} = {}: {} ({} to {})",
                "", p.name, p.default, p.meaning, p.low, p.high
            ));
        }
    }
    out.join("\n")
}
