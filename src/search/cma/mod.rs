//! The CMA-ES family: the distribution with its constants, covariance matrix and stopping criteria, and the strategies
//! built on it: CMA-ES with margin and restarts ([`CmaSearch`]), `CatCMA` ([`CatSearch`]). `search/table.rs` makes them.

mod cat_cma;
mod constants;
mod covariance;
mod distribution;
mod eigen;
mod search;
mod stop;

pub(super) use cat_cma::CatSearch;
pub use constants::default_population;
pub(super) use search::{CmaSearch, Restarts};
