//! Passes over one tensor's elements. Tensors as they lie in their files come in ([`task::Task`],
//! [`group::Group`]); the merged tensor's bytes go out. `run`, `methods`, `parity` and `device` call them.
//!
//! From the ground up: `block`, `round`, `cast`, `exponents`, `finite`, `mask` and `selection` are what passes are made
//! of; `task_vector`, `trim`, `mask_l1` and `mask_table` say which elements of a task vector stay; `passes` merges the
//! task-arithmetic family on any CPU, `avx512` on CPUs with its bfloat16 instructions, and `fill` takes the
//! quicker; `group` is what all other methods are written with.

#[cfg(target_arch = "x86_64")]
mod avx512;
pub(crate) mod block;
pub(crate) mod cast;
pub(crate) mod dispatch;
pub(crate) mod exact_grid;
pub(crate) mod exponents;
mod fill;
pub(crate) mod finite;
pub(crate) mod group;
pub(crate) mod mask;
pub(crate) mod mask_l1;
pub(crate) mod mask_table;
mod overflow;
mod passes;
pub(crate) mod round;
pub(crate) mod sampled_threshold;
pub(crate) mod selection;
pub(crate) mod task;
pub(crate) mod task_vector;
pub(crate) mod trim;
