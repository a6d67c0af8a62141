//! `yosegi worker`: the process that does the tensor work, started by the engine.

/// Does jobs until stdin ends.
pub fn run() -> anyhow::Result<()> {
    crate::session::worker::run()
}
