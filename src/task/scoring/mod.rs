//! Scoring: verdicts on single answers, metrics over many answers, the fitness that a search maximises, and the test
//! whether two models differ. Answers' texts and questions come in, numbers go out; no model here. The evaluation calls
//! it.

mod bootstrap;
mod facts;
mod fitness;
mod judge;
mod lenient_number;
mod means;
mod metric;
pub(super) mod number;
mod rouge;
mod significance;
mod squad;
mod verdict;

pub use bootstrap::bootstrap_medians;
pub(super) use facts::FactWords;
pub use fitness::Fitness;
pub use means::Means;
pub use metric::Metric;
pub use rouge::{Rouge, rouge};
pub use significance::{McNemar, Test, mcnemar};
pub use squad::{Squad, squad};
pub use verdict::{Detail, Verdict};
