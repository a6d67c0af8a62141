//! Questions from files. A checked task file comes in; this folder finds the data file, reads its rows by format, and
//! makes questions and solved examples of them. `task/load.rs` calls it.

pub(super) mod builtin;
mod locate;
mod overlap;
mod parquet;
pub(in crate::task) mod picture_cells;
mod python_random;
mod questions;
mod shots;
mod table;

pub use builtin::{BUILTIN, SUITES};
pub use locate::Places;
pub(super) use overlap::check_overlap;
pub(super) use questions::{Loaded, Source};
pub(super) use shots::{Pool, draw};
