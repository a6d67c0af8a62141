//! Winners of earlier stages as models: merged again in memory by the recipe that the journal
//! keeps, so that a session goes on anywhere and needs no files of its own.

use std::collections::BTreeMap;

use super::align::{self, in_base_order};
use super::error::BadInput;
use crate::checkpoint::Checkpoint;
use crate::lm::Device;
use crate::merge::{Merged, Pool};
use crate::recipe::Recipe;

/// Opens `reference`: one of `made`, by the name of its recipe, or else by `fetch`.
pub fn open(
    reference: &str,
    made: &[Recipe],
    device: &Device,
    fetch: &mut dyn FnMut(&str) -> anyhow::Result<Checkpoint>,
) -> anyhow::Result<Checkpoint> {
    let Some(at) = made.iter().position(|r| r.name.as_deref() == Some(reference)) else {
        if reference.starts_with("stage:") {
            return Err(BadInput::error(format!(
                "{reference} is what a stage of a session has merged, and is known there only: \
                 write it with `yosegi merge --session NAME`"
            )));
        }
        return fetch(reference);
    };
    // What it was merged from came before it.
    let (recipe, before) = (&made[at], &made[..at]);
    let pool = pool(recipe, before, device, fetch, &|_| ())?;
    let mut merged = Merged::new(&pool);
    pool.merge_into(recipe, &mut merged).map_err(BadInput::error)?;
    let config = merged.config().raw.clone();
    let made = pool
        .into_base()
        .replaced(&config, merged.into_tensors(), BTreeMap::new())
        .map_err(BadInput::error)?;
    Ok(made.called(reference))
}

/// The models of a recipe, its sources in the base's order where it asks for that; `told` hears
/// what was found then.
pub fn pool(
    recipe: &Recipe,
    made: &[Recipe],
    device: &Device,
    fetch: &mut dyn FnMut(&str) -> anyhow::Result<Checkpoint>,
    told: &dyn Fn(&str),
) -> anyhow::Result<Pool> {
    let fetch = std::cell::RefCell::new(fetch);
    let one = |name: &str| open(name, made, device, &mut **fetch.borrow_mut());
    let Some(how) = &recipe.align else { return Pool::gather(recipe, one) };
    let Some(base) = &recipe.base else {
        return Err(BadInput::error(
            "recipe: align brings sources into a base's order, and no base is named",
        ));
    };
    let base = one(base)?;
    let sources = recipe.models().into_iter().map(one).collect::<anyhow::Result<_>>()?;
    let found = in_base_order(&base, sources, how, device)?;
    for (source, found) in &found {
        for line in align::told(source.reference(), found) {
            told(&line);
        }
    }
    Pool::new(base, found.into_iter().map(|(source, _)| source).collect()).map_err(BadInput::error)
}
