//! What exists only to give mergekit's numbers to the bit: torch's order of summing, its random generator, and
//! mergekit's rules for which elements of a task vector stay. `run` and the exports call these.

pub(crate) mod mt19937;
pub(crate) mod prune;
pub(crate) mod torch_sum;
