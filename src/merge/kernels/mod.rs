//! The passes over one tensor's elements, and what they are made of.

#[cfg(target_arch = "x86_64")]
mod avx512;
pub(crate) mod cast;
#[cfg(target_arch = "x86_64")]
mod count_avx512;
pub(crate) mod dispatch;
pub(crate) mod exponents;
mod factor;
pub(crate) mod finite;
#[cfg(target_arch = "x86_64")]
mod fused;
pub(crate) mod group;
mod guess;
pub(crate) mod kernel;
pub(crate) mod mask;
pub(crate) mod mask_l1;
pub(crate) mod round;
pub(crate) mod task_vector;
pub(crate) mod trim;
