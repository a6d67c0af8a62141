//! The visual zoo: an English VLM, a Japanese text model over the same base, and questions about pictures.

pub mod canvas;
pub mod cards;
pub mod check;
pub mod corpus;
pub mod draw;
pub mod export;
pub mod layers;
pub mod looking;
pub mod stages;
pub mod task;
pub mod texts;
pub mod tower;
pub mod world;
