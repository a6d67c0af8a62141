//! `yosegi merge`: a recipe in, a Hugging Face checkpoint out.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use super::fetch;
use crate::merge::{Pool, write_checkpoint};
use crate::recipe::Recipe;

/// Merges the recipe in the file `recipe` and writes the result to the folder `out`. `seed`
/// takes the place of the recipe's.
pub fn run(recipe: &Path, out: &Path, seed: Option<u64>) -> Result<()> {
    let mut recipe = Recipe::open(recipe)?;
    recipe.seed = seed.unwrap_or(recipe.seed);
    let started = Instant::now();
    let pool = Pool::gather(&recipe, fetch::open)?;
    write_checkpoint(&recipe, &pool, out)?;
    println!(
        "{}: {} of {} sources on {}, {} layers, in {:.1} s",
        out.display(),
        recipe.method.name(),
        recipe.models().len(),
        recipe.donor(),
        pool.layers(),
        started.elapsed().as_secs_f64()
    );
    Ok(())
}
