//! Things that more than one pane draws: heat maps and line charts.

pub mod chart;
pub mod heat;
