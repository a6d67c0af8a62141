//! The `yosegi` program. Command-line arguments come in and an exit code goes out; [`yosegi::cli::main`] does the work.

use std::process::ExitCode;

fn main() -> ExitCode {
    yosegi::cli::main()
}
