//! Code that exists only to reproduce mergekit's numbers to the bit: torch's summation order, its random generator, and
//! mergekit's rules for which elements of a task vector stay. `run` and the exports call it.

pub(crate) mod mt19937;
pub(crate) mod prune;
pub(crate) mod torch_sum;
