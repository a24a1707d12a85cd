//! The command line: one file per command (those that only send a message share one), and what they share: exit codes and logs.

#[cfg(feature = "aws")]
mod control;
mod demo;
pub mod doctor;
mod filter;
#[cfg(feature = "aws")]
mod health;
#[cfg(feature = "aws")]
mod log;
mod manual;
#[cfg(feature = "aws")]
mod one_shot;
pub mod out;
pub mod plan;
mod policy;
mod report;
#[cfg(feature = "aws")]
mod run;
pub mod status;
mod variables;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

/// Every exit code there is. 2 is clap's, for bad usage; `plan` has it for something else  (so a slip in its arguments is 1, see [`parse`]).
pub mod exit {
    pub const OK: u8 = 0;
    pub const FAILED: u8 = 1;
    pub const BAD_USAGE: u8 = 2;
    /// `plan`: a rotation would have something to do.
    pub const DUE: u8 = 2;
    pub const HELD: u8 = 3;
    pub const NOT_USABLE: u8 = 4;
    /// The rotation closed, and left groups out.
    pub const SKIPPED: u8 = 5;
    /// A person has stopped the rotation.
    pub const ABORTED: u8 = 6;
    /// No worker has answered the message, or it took longer than it may.
    pub const NO_ANSWER: u8 = 7;
}

/// Of the commands for a real account.
#[cfg(feature = "aws")]
const EXAMPLES: &str = "\
Examples:
  export ECS_ROTATOR_QUEUE_URL=https://sqs.eu-west-1.amazonaws.com/123456789012/ecs-rotator

  Look after every cluster with the tag ecs-rotator:enabled = true
    ecs-rotator run

  What a rotation of the cluster `prod` would do; nothing is changed
    ecs-rotator plan --cluster prod

  Bring every host of the cluster `prod` to its newest image, now
    ecs-rotator rotate --cluster prod

  Take no further host until `resume`; or give back what has not begun to drain
    ecs-rotator pause --cluster prod
    ecs-rotator abort --cluster prod

  How far it is, and what it waits for
    ecs-rotator status --cluster prod --watch

  A picture of its last rotation, from the log of the worker
    ecs-rotator report --cluster prod --output rotation.html worker.log

  Is everything in place: queue, rules, clusters, permissions?
    ecs-rotator doctor --cluster prod

  See it at work on a simulated account; nothing is called
    ecs-rotator demo

Exit codes:
  0  done
  1  something failed
  2  bad usage (`plan`: something to do, and bad usage is 1)
  3  the rotation is held, and a person should look (`status`, `rotate --wait`, `rotate --here`, `demo`)
  4  AWS cannot be used: no region, no credentials, not allowed, no such queue, no answer (`plan`: 1)
  5  the rotation closed, and left groups out (`status` says which and why)
  6  the rotation was aborted by a person
  7  no worker answered in time, or --timeout is over (`rotate`, `pause`, `resume`, `abort`)

A pipe that its reader closes (`... | head`) is no error: the exit code stays what it would have been.";

/// This binary has no worker in it.
#[cfg(not(feature = "aws"))]
const EXAMPLES: &str = "\
Examples:
  See a rotation at work on a simulated account; nothing is called
    ecs-rotator demo

  A picture of a rotation, from the log of a worker
    ecs-rotator report --cluster prod --output rotation.html worker.log

  What the role of a worker needs
    ecs-rotator policy --cluster prod --account 123456789012 --region eu-west-1 \\
      --queue-url https://sqs.eu-west-1.amazonaws.com/123456789012/ecs-rotator

This binary has no worker in it, and no command that calls AWS: those come with the feature `aws`.

Exit codes:
  0  done
  1  something failed
  2  bad usage
  3  the rotation is held, and a person should look (`demo`)";

#[derive(Debug, Parser)]
#[command(name = "ecs-rotator", version, about, after_help = EXAMPLES, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "there is one of it")]
enum Command {
    #[cfg(feature = "aws")]
    Run(run::RunArgs),
    #[cfg(feature = "aws")]
    Rotate(control::RotateArgs),
    #[cfg(feature = "aws")]
    Pause(control::PauseArgs),
    #[cfg(feature = "aws")]
    Resume(control::ResumeArgs),
    #[cfg(feature = "aws")]
    Abort(control::AbortArgs),
    #[cfg(feature = "aws")]
    Plan(plan::PlanArgs),
    #[cfg(feature = "aws")]
    Status(status::StatusArgs),
    #[cfg(feature = "aws")]
    Doctor(doctor::DoctorArgs),
    #[cfg(feature = "aws")]
    Health(health::HealthArgs),
    Report(report::ReportArgs),
    Policy(policy::PolicyArgs),
    Completions(manual::CompletionsArgs),
    Man(manual::ManArgs),
    Demo(demo::DemoArgs),
}

/// The arguments, or the exit code after what is to be said about them, and about the environment, has been said. To a pipeline that asks `plan` whether
/// there is something to do (2), a slip in the arguments must not look like a yes.
///
/// # Errors
/// With the exit code: of help, of a version, or of bad usage.
pub fn parse() -> Result<Cli, ExitCode> {
    let cli = Cli::try_parse().map_err(|error| {
        let for_plan = std::env::args_os().nth(1).is_some_and(|command| command == "plan");
        let code = if error.exit_code() != 0 && for_plan { exit::FAILED } else { usage_code(&error) };
        let printed = error.print().and_then(|()| io::stdout().flush());
        match printed {
            // Help that cannot be written is no help; where usage was bad, that is the news.
            Err(why) if code == exit::OK && why.kind() != io::ErrorKind::BrokenPipe => {
                out::error(&anyhow::Error::new(why).context("write to stdout"));
                ExitCode::from(exit::FAILED)
            }
            Ok(()) | Err(_) => ExitCode::from(code),
        }
    })?;
    let command = std::env::args().nth(1).unwrap_or_default();
    let set = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    match variables::unread(&Cli::command(), &command, set) {
        None => Ok(cli),
        Some(unread) => match unread.code {
            Some(code) => {
                out::error(&anyhow::Error::msg(unread.says));
                Err(ExitCode::from(code))
            }
            None => {
                out::note(&unread.says);
                Ok(cli)
            }
        },
    }
}

fn usage_code(error: &clap::Error) -> u8 {
    if error.exit_code() == 0 { exit::OK } else { exit::BAD_USAGE }
}

/// # Errors
/// With what failed, on what, and why; [`exit_code`] says how to end with it.
pub fn execute(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        #[cfg(feature = "aws")]
        Command::Run(args) => run::run(args),
        #[cfg(feature = "aws")]
        Command::Rotate(args) => control::rotate(args),
        #[cfg(feature = "aws")]
        Command::Pause(args) => control::pause(args),
        #[cfg(feature = "aws")]
        Command::Resume(args) => control::resume(args),
        #[cfg(feature = "aws")]
        Command::Abort(args) => control::abort(args),
        #[cfg(feature = "aws")]
        // Without the type that says another code: whatever went wrong, it could not tell.
        Command::Plan(args) => plan::plan(args).map_err(|error| anyhow::Error::msg(one_line(&error))),
        #[cfg(feature = "aws")]
        Command::Status(args) => status::status(args),
        #[cfg(feature = "aws")]
        Command::Doctor(args) => doctor::doctor(args),
        #[cfg(feature = "aws")]
        Command::Health(args) => health::health(&args),
        Command::Report(args) => report::report(&args),
        Command::Policy(args) => policy::policy(args),
        Command::Completions(args) => manual::completions(&args),
        Command::Man(args) => manual::man(&args),
        Command::Demo(args) => demo::demo(args),
    }
}

/// For a command that makes some calls and ends.
#[cfg(feature = "aws")]
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    use anyhow::Context as _;
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")
}

/// What the process ends with when a command failed so.
#[must_use]
pub fn exit_code(error: &anyhow::Error) -> ExitCode {
    ExitCode::from(code_of(error))
}

#[cfg(feature = "aws")]
fn code_of(error: &anyhow::Error) -> u8 {
    if error.is::<crate::aws::NotUsable>() {
        exit::NOT_USABLE
    } else if error.is::<filter::BadFilter>()
        || error.is::<crate::plan::policy::BadSetting>()
        || error.is::<crate::config::NoQueue>()
    {
        exit::BAD_USAGE
    } else {
        exit::FAILED
    }
}

#[cfg(not(feature = "aws"))]
fn code_of(_: &anyhow::Error) -> u8 {
    exit::FAILED
}

/// The error and its causes on one line.
#[must_use]
pub fn one_line(error: &anyhow::Error) -> String {
    format!("{error:#}").split_whitespace().collect::<Vec<_>>().join(" ")
}
