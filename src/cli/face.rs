//! Opens the workbench for the other commands. A session's name may come in. In a build without the `workbench`
//! feature, the session is followed as plain lines instead. `cli` and `yosegi evolve` call it.

/// Opens the workbench, on a session if one is named.
#[cfg(feature = "workbench")]
pub fn open(session: Option<&str>) -> anyhow::Result<()> {
    crate::workbench::run(crate::workbench::Options { start: None, attach: session.map(str::to_owned) })
}

/// Without the workbench, a terminal gets the same output as a pipe.
#[cfg(not(feature = "workbench"))]
pub fn open(session: Option<&str>) -> anyhow::Result<()> {
    session.map_or_else(super::evolve::run_zoo, super::attach_headless::run)
}

/// Shows a session that `evolve` has started.
#[cfg(feature = "workbench")]
pub const FACE: Option<super::evolve::Face> = Some(|session| open(Some(session)));
#[cfg(not(feature = "workbench"))]
pub const FACE: Option<super::evolve::Face> = None;
