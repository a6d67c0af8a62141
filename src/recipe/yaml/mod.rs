//! mergekit's YAML, read and written: text → trees → recipes, and back. `recipe/recipe_file.rs` calls it.
//!
//! What mergekit's YAML has no key for is written as a comment, which mergekit ignores and this reader reads back:
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
