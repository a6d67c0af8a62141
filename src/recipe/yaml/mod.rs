//! mergekit's YAML, read and written: text → trees → recipes, and back. `recipe/recipe_file.rs` calls it.
//!
//! A comment line holds what mergekit's YAML has no key for. mergekit ignores the line, and this reader reads it:
//! `# yosegi: {"mask":"counter","seed":1}`. Its keys: `mask` and `seed` of the mask stream (without them the stream is
//! mergekit's); `base`, a base that only gives config and tokenizer; `groups`, which says that filters for embedding,
//! norm and head, with one number for each layer, mean one value for each layer group. A path and an alignment have no
//! counterpart and are refused.

mod emit;
mod parse;
mod scalar;
mod schema;
#[cfg(test)]
mod tests;
mod write;

pub(super) use schema::read;
