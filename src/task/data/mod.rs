//! Questions from files: where a data file lies, its format, its rows, and the questions and solved examples made
//! of them. A checked task file comes in, questions go out; `task/load.rs` calls it.

pub(super) mod builtin;
mod locate;
mod parquet;
mod python_random;
mod questions;
mod shots;
mod table;

pub use builtin::{BUILTIN, SUITES};
pub use locate::Places;
pub(super) use questions::{Loaded, Source, check_overlap};
pub(super) use shots::{Pool, draw};
