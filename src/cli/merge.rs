//! `yosegi merge`: a recipe in, a Hugging Face checkpoint out.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use super::fetch;
use crate::merge::{Pool, write_checkpoint};
use crate::recipe::Book;

/// Merges the recipe in the file `recipe` and writes the result to the folder `out`. `seed`
/// takes the place of the recipe's; `lenient` passes over unknown keys.
pub fn run(recipe: &Path, out: &Path, seed: Option<u64>, lenient: bool) -> Result<()> {
    let book = Book::open(recipe, lenient)?;
    for warning in &book.warnings {
        eprintln!("yosegi: {}", crate::session::text::visible(warning));
    }
    let mut recipe = book.only()?;
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
