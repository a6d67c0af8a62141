//! Passes over one tensor's elements. Mapped tensors come in ([`task::Task`], [`group::Group`]), the merged tensor's
//! bytes go out. `run`, `methods`, `parity` and `device` call them.
//!
//! From the lowest level up: passes are built from `block`, `round`, `cast`, `exponents`, `finite`, `mask` and
//! `selection`. `task_vector`, `trim`, `mask_l1` and `mask_table` decide which elements of a task vector stay. `passes`
//! merges the task-arithmetic family on any CPU, `avx512` on CPUs with bfloat16 instructions, and `fill` picks the
//! faster one. All other methods use `group`.

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
