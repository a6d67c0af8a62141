//! Runs the common beginning of several sequences once, as one sequence with its own buffers. `generate` and
//! `likelihood` call it and copy its cache.

use crate::lm::{
    LmError,
    backend::Backend,
    model::{Model, Workspace},
};

/// Runs a single sequence of `capacity` tokens with its own buffers. `None` if there is no memory for it, even after
/// kept buffers were freed.
pub(super) fn run_alone<B: Backend>(
    model: &Model<B>,
    capacity: usize,
    run: impl Fn(&mut Workspace<B>) -> Result<(), LmError>,
) -> Result<Option<Workspace<B>>, LmError> {
    let attempt = || {
        let mut workspace = model.workspace(1, capacity)?;
        run(&mut workspace)?;
        Ok(workspace)
    };
    let found = attempt().or_else(|error| match error {
        LmError::Memory { .. } => {
            model.free_kept();
            attempt()
        }
        other => Err(other),
    });
    match found {
        Ok(workspace) => Ok(Some(workspace)),
        Err(LmError::Memory { .. }) => Ok(None),
        Err(other) => Err(other),
    }
}
