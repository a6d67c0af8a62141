//! Bounds on numbers of a config. A key and its value come in; a sentence for who wrote it goes out. The elements' checks
//! call it.

use crate::error::BadInput;
use crate::limits::SIGMA;

/// Refuses a count over `most`; `key` is written in full.
pub(super) fn within(key: &str, found: usize, most: usize) -> Result<(), String> {
    if found <= most {
        return Ok(());
    }
    Err(format!("`{key}` is {found}: give {most} or less"))
}

/// Refuses numbers so large that no gene can work with them.
pub(super) fn in_reach(key: &str, numbers: [f64; 4]) -> anyhow::Result<()> {
    match numbers.iter().find(|x| x.abs() > SIGMA) {
        Some(far) => {
            Err(BadInput::error(format!("`{key}` holds {far}: give numbers from -{SIGMA} to {SIGMA}")))
        }
        None => Ok(()),
    }
}
