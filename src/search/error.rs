//! Why a search can't begin, each in one sentence: what is wrong and what to do.

/// Why an optimiser can't be made or told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    #[error("there is no optimiser \"{name}\", did you mean \"{nearest}\"? (known: {known})")]
    Kind { name: String, nearest: &'static str, known: String },
    #[error("{kind} has no parameter \"{name}\": {advice}")]
    Option { kind: &'static str, name: String, advice: String },
    #[error("{name} of {kind} is {value}: give a number from {low} to {high}")]
    OptionValue { kind: &'static str, name: &'static str, value: String, low: String, high: String },
    #[error("a population of {found} is too small for {kind}: give at least {least}, or 0 for the default")]
    Population { kind: &'static str, found: usize, least: usize },
    #[error("a population of {found} for {dim} genes is more than is searched: give {most} or less")]
    Crowd { found: usize, dim: usize, most: usize },
    #[error("the search space has {found} genes, and {kind} takes {most} at most: {advice}")]
    Genes { kind: &'static str, found: usize, most: usize, advice: &'static str },
    #[error("the search space has no genes: nothing can be searched")]
    NoGenes,
    #[error("the start has {found} numbers, the search space has {dim} genes")]
    Start { found: usize, dim: usize },
    #[error("gene {0} has a first step size that is not above 0: set sigma")]
    Sigma(String),
    #[error(
        "a grid of {points} values for each of {dim} genes has over 1000000000 points: take fewer points, \
         or fewer genes (global groups)"
    )]
    Grid { points: u64, dim: usize },
}
