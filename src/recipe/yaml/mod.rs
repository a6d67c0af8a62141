//! mergekit's YAML, in and out.
//!
//! What YAML cannot say stands in a comment that mergekit passes over and this reader takes back:
//! `# yosegi: {"mask":"counter","seed":1}`. Its keys: `mask` and `seed` of the mask stream (without
//! it the stream is mergekit's); `base`, a base that only gives config and tokenizer; `groups`,
//! set where filters for embedding, norm and head with one number a layer are one value for each
//! layer group. A path and an alignment have no counterpart and are refused.

mod emit;
mod parse;
mod scalar;
mod schema;
#[cfg(test)]
mod tests;
mod write;

pub(super) use schema::read;
