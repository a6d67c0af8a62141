//! Widgets that more than one pane or overlay draws: a recipe as a heat map or as the map of its path, line charts,
//! sample answers, pictures. The data to draw comes in by value; no widget uses the app.

pub mod chart;
pub mod heat;
pub mod path_map;
pub mod picture;
pub mod samples;
