//! Bounds on numbers of a config. A key and its value come in; an error sentence for the config's author goes out. The
//! checks of the config's tables call it.

use crate::error::BadInput;
use crate::limits::SIGMA;

/// Refuses a count over `most`; `key` is the full key.
pub(super) fn within(key: &str, found: usize, most: usize) -> Result<(), String> {
    if found <= most {
        return Ok(());
    }
    Err(format!("`{key}` is {found}: give {most} or less"))
}

/// Refuses numbers that are too large for a gene.
pub(super) fn in_reach(key: &str, numbers: [f64; 4]) -> anyhow::Result<()> {
    match numbers.iter().find(|x| x.abs() > SIGMA) {
        Some(far) => {
            Err(BadInput::error(format!("`{key}` holds {far}: give numbers from -{SIGMA} to {SIGMA}")))
        }
        None => Ok(()),
    }
}
