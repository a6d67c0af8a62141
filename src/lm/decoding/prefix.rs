//! A single sequence in buffers of its own: what several sequences begin with runs once.

use crate::lm::{
    LmError,
    backend::Backend,
    model::{Model, Workspace},
};

/// Runs a single sequence of so many tokens in buffers of its own; none where memory has no room for it
/// beside what else there is.
pub(super) fn alone<B: Backend>(
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
            model.give_up();
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
