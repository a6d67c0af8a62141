//! The pictures of questions. [`Catalogue`] knows each picture's digest and size and keeps copies of those that the data
//! holds as bytes; [`FeatureStore`] computes the features of each picture once for all candidates with the same vision
//! part; [`Sight`] puts them before a decoder. The evaluator
//! calls them.

mod catalogue;
mod feature_store;
mod sight;
mod vision_part;

pub(super) use catalogue::{Asked, Catalogue, Digest};
pub(super) use feature_store::{FeatureStore, Seen, Wanted};
pub(super) use sight::Sight;
pub(super) use vision_part::VisionPart;
