//! The names of a LLaVA checkpoint's tensors, as stored and as used here.
//!
//! | | on disk, as transformers saves it (every version to 5.24) | in memory since transformers 4.52, and in some files |
//! |---|---|---|
//! | decoder | `language_model.model.layers.0.…` | `model.language_model.layers.0.…` |
//! | LM head | `language_model.lm_head.weight` | `lm_head.weight` |
//! | tower | `vision_tower.vision_model.…`; transformers 5 leaves out `vision_model.` | `model.vision_tower.…` |
//! | projector | `multi_modal_projector.…` | `model.multi_modal_projector.…` |
//! | end of a row of LLaVA-NeXT | `image_newline` | `model.image_newline` |
//!
//! Used here are `model.layers.0.…` and `lm_head.weight` as in a plain decoder, and the left column without
//! `vision_model.`.

use std::collections::BTreeMap;

const TEXT: &str = "language_model.";
const TOWER: &str = "vision_tower.";
const INNER: &str = "vision_model.";
const PROJECTOR: &str = "multi_modal_projector.";
const NEWLINE: &str = "image_newline";
const HEAD: &str = "lm_head.";
const MODEL: &str = "model.";

/// A tensor's name here, by the part that it belongs to.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::checkpoint) enum Place {
    /// Of the language model.
    Text(String),
    /// Of tower or projector.
    Vision(String),
}

/// The part of a stored tensor, and its name here. A tensor of neither part keeps its name.
pub(in crate::checkpoint) fn place(stored: &str) -> Place {
    let inner = stored.strip_prefix(MODEL).unwrap_or(stored);
    if let Some(rest) = inner.strip_prefix(TEXT) {
        let rest = rest.strip_prefix(MODEL).unwrap_or(rest);
        let prefix = if rest.starts_with(HEAD) { "" } else { MODEL };
        return Place::Text(format!("{prefix}{rest}"));
    }
    if let Some(rest) = inner.strip_prefix(TOWER) {
        return Place::Vision(format!("{TOWER}{}", rest.strip_prefix(INNER).unwrap_or(rest)));
    }
    if inner.starts_with(PROJECTOR) || inner == NEWLINE {
        return Place::Vision(inner.to_owned());
    }
    Place::Text(stored.to_owned())
}

/// How a LLaVA checkpoint stores its tensors, to write a merge in the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::checkpoint) struct StoredNames {
    /// What stands for `model.` before the decoder's tensors.
    decoder: String,
    /// What stands before `lm_head.weight`.
    head: String,
    /// Stored name of each tensor of the vision part, by its name here.
    vision: BTreeMap<String, String>,
}

impl StoredNames {
    /// Reads the layout off the stored names.
    pub(in crate::checkpoint) fn of<'a>(stored: impl Iterator<Item = &'a str>) -> Self {
        let mut out =
            Self { decoder: format!("{TEXT}{MODEL}"), head: TEXT.to_owned(), vision: BTreeMap::new() };
        for name in stored {
            match place(name) {
                Place::Vision(here) => drop(out.vision.insert(here, name.to_owned())),
                Place::Text(here) => {
                    let here = here.strip_prefix(MODEL).unwrap_or(&here);
                    if here == "embed_tokens.weight" {
                        name.trim_end_matches(here).clone_into(&mut out.decoder);
                        // Where the decoder has no `lm_head` beside it, the head stands outside of both.
                        let beside = out.decoder.ends_with(&format!("{TEXT}{MODEL}"));
                        out.head = if beside {
                            out.decoder.replacen(&format!("{TEXT}{MODEL}"), TEXT, 1)
                        } else {
                            String::new()
                        };
                    }
                }
            }
        }
        out
    }

    /// The stored name of a tensor of the language model.
    pub(in crate::checkpoint) fn text(&self, name: &str) -> String {
        match name.strip_prefix(MODEL) {
            Some(rest) => format!("{}{rest}", self.decoder),
            None if name.starts_with(HEAD) => format!("{}{name}", self.head),
            None => name.to_owned(),
        }
    }

    /// The stored name of a tensor of the vision part.
    pub(in crate::checkpoint) fn vision<'a>(&'a self, name: &'a str) -> &'a str {
        self.vision.get(name).map_or(name, String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_storing_gives_one_name() {
        for stored in [
            "language_model.model.layers.0.mlp.up_proj.weight",
            "model.language_model.layers.0.mlp.up_proj.weight",
            "language_model.layers.0.mlp.up_proj.weight",
        ] {
            assert_eq!(place(stored), Place::Text("model.layers.0.mlp.up_proj.weight".into()), "{stored}");
        }
        for stored in ["language_model.lm_head.weight", "lm_head.weight"] {
            assert_eq!(place(stored), Place::Text("lm_head.weight".into()), "{stored}");
        }
        for stored in [
            "vision_tower.vision_model.pre_layrnorm.bias",
            "model.vision_tower.vision_model.pre_layrnorm.bias",
            "vision_tower.pre_layrnorm.bias",
            "model.vision_tower.pre_layrnorm.bias",
        ] {
            assert_eq!(place(stored), Place::Vision("vision_tower.pre_layrnorm.bias".into()), "{stored}");
        }
        assert_eq!(place("model.image_newline"), Place::Vision("image_newline".into()));
        assert_eq!(place("what.else"), Place::Text("what.else".into()));
    }

    #[test]
    fn a_merge_is_written_as_its_giver_is() {
        for list in [
            ["language_model.model.embed_tokens.weight", "language_model.lm_head.weight", "image_newline"],
            ["model.language_model.embed_tokens.weight", "lm_head.weight", "model.image_newline"],
            ["language_model.embed_tokens.weight", "lm_head.weight", "image_newline"],
        ] {
            let names = StoredNames::of(list.into_iter());
            let here = ["model.embed_tokens.weight", "lm_head.weight"].map(|name| names.text(name));
            assert_eq!(here, [list[0], list[1]]);
            assert_eq!(names.vision("image_newline"), list[2]);
        }
    }
}
