//! From an answer to a number: verdicts on single answers, metrics over many, the fitness that a search climbs, and
//! whether two models differ. Answers' texts and questions come in; no model here. The evaluation calls it.

mod bootstrap;
mod fitness;
mod judge;
mod lenient_number;
mod metric;
pub(super) mod number;
mod rouge;
mod significance;
mod squad;

pub use bootstrap::bootstrap_medians;
pub use fitness::{Fitness, Means};
pub use judge::{Detail, Verdict};
pub use metric::Metric;
pub(super) use metric::means;
pub use rouge::{Rouge, rouge};
pub use significance::{McNemar, Test, mcnemar};
pub use squad::{Squad, squad};
