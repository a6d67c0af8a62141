//! The Hugging Face hub: its cache on this machine ([`cache`]), the name of a repository ([`id`]), and the download of
//! missing files ([`fetch`]). Used for both models and data sets.

pub(super) mod cache;
pub(super) mod fetch;
pub(super) mod id;
