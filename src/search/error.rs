//! Errors in making an optimiser. Each variant is one sentence: what is wrong and what to do.

/// Why an optimiser can't be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    /// No optimiser of this name.
    #[error("there is no optimiser \"{name}\", did you mean \"{nearest}\"? (known: {known})")]
    Kind { name: String, nearest: &'static str, known: String },
    /// A parameter that the optimiser does not have.
    #[error("{kind} has no parameter \"{name}\": {advice}")]
    Option { kind: &'static str, name: String, advice: String },
    /// A parameter outside its bounds.
    #[error("{name} of {kind} is {value}: give a number from {low} to {high}")]
    OptionValue { kind: &'static str, name: &'static str, value: String, low: String, high: String },
    /// Fewer candidates a generation than the optimiser needs.
    #[error("a population of {found} is too small for {kind}: give at least {least}, or 0 for the default")]
    Population { kind: &'static str, found: usize, least: usize },
    /// A generation that would not fit in memory.
    #[error("a population of {found} for {dim} genes is more than is searched: give {most} or less")]
    Crowd { found: usize, dim: usize, most: usize },
    /// More genes than the optimiser can handle.
    #[error("the search space has {found} genes, and {kind} takes {most} at most: {advice}")]
    Genes { kind: &'static str, found: usize, most: usize, advice: &'static str },
    /// A space without genes.
    #[error("the search space has no genes: nothing can be searched")]
    NoGenes,
    /// A start whose length differs from the space's.
    #[error("the start has {found} numbers, the search space has {dim} genes")]
    Start { found: usize, dim: usize },
    /// A gene without a step size.
    #[error("gene {0} has a first step size that is not above 0: set sigma")]
    Sigma(String),
    /// A grid with too many points.
    #[error(
        "a grid of {points} values for each of {dim} genes has over 1000000000 points: take fewer points, \
         or fewer genes (global groups)"
    )]
    Grid { points: u64, dim: usize },
}
