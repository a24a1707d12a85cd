//! Arguments → configuration → command. What goes wrong ends here, in one line and an exit code.

use std::process::ExitCode;

use clap::Parser as _;
use ecs_rotator::cli::{self, Cli};

fn main() -> ExitCode {
    match cli::execute(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", cli::one_line(&error));
            cli::exit_code(&error)
        }
    }
}
