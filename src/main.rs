//! The program: an exit code, and nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    vmkin::cli::run(std::env::args_os())
}
