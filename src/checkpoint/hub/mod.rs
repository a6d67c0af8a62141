//! The Hugging Face hub: its cache on this machine ([`cache`]), a repository's name ([`id`]), and fetching what the
//! cache lacks ([`fetch`]). Models and data sets are looked up here alike.

pub(super) mod cache;
pub(super) mod fetch;
pub(super) mod id;
