//! `yosegi worker`: the process that does the tensor work. Jobs come in on stdin, results go out on stdout. The engine
//! starts it.

/// Runs jobs until stdin is closed.
pub fn run() -> anyhow::Result<()> {
    crate::session::worker::run()
}
