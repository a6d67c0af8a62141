//! Text that came from a model, a data set or a config, on its way out.

pub use crate::text::{as_cell, as_json, as_toml, visible, visible_line};
