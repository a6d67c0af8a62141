//! Things that more than one pane draws: heat maps, routes and line charts.

pub mod chart;
pub mod heat;
pub mod path_map;
pub mod samples;
