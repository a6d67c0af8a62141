//! Parses arguments and hands over.

use std::process::ExitCode;

fn main() -> ExitCode {
    yosegi::cli::main()
}
