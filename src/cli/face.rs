//! The workbench as the commands open it, where it is part of the program.

/// Opens the workbench, on a session if one is named.
#[cfg(feature = "workbench")]
pub fn open(session: Option<&str>) -> anyhow::Result<()> {
    crate::workbench::run(crate::workbench::Options { start: None, attach: session.map(str::to_owned) })
}

/// Without a workbench a terminal is served like a pipe.
#[cfg(not(feature = "workbench"))]
pub fn open(session: Option<&str>) -> anyhow::Result<()> {
    session.map_or_else(super::evolve::run_zoo, super::attach_headless::run)
}

/// What shows a session that `evolve` has started.
#[cfg(feature = "workbench")]
pub const FACE: Option<super::evolve::Face> = Some(|session| open(Some(session)));
#[cfg(not(feature = "workbench"))]
pub const FACE: Option<super::evolve::Face> = None;
