//! Arguments → configuration → command. What goes wrong ends here, in one line and an exit code.

use std::process::ExitCode;

use ecs_rotator::cli;

fn main() -> ExitCode {
    let parsed = match cli::parse() {
        Ok(parsed) => parsed,
        Err(code) => return code,
    };
    match cli::execute(parsed) {
        Ok(code) => code,
        Err(error) => {
            cli::out::error(&error);
            cli::exit_code(&error)
        }
    }
}
