//! From an answer to a number: verdicts on single answers, metrics over many, the fitness that a search climbs, and
//! whether two models differ. Answers' texts and questions come in; no model here. The evaluation calls it.

mod bootstrap;
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
pub use fitness::Fitness;
pub use means::Means;
pub use metric::Metric;
pub use rouge::{Rouge, rouge};
pub use significance::{McNemar, Test, mcnemar};
pub use squad::{Squad, squad};
pub use verdict::{Detail, Verdict};
