//! `completions` and `man`: what the shell and `man` know of the commands, from the same source as `--help`.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::{Cli, exit};

const NAME: &str = "ecs-rotator";

const COMPLETIONS: &str = "\
Examples:
  For bash, from now on
    ecs-rotator completions bash > ~/.local/share/bash-completion/completions/ecs-rotator

  For zsh, in a directory of $fpath
    ecs-rotator completions zsh > ~/.zfunc/_ecs-rotator

Exit codes: 0 printed, 1 it could not be, 2 bad usage.";

const MAN: &str = "\
Examples:
  All commands and exit codes
    ecs-rotator man | man -l -

  One command
    ecs-rotator man rotate > ~/.local/share/man/man1/ecs-rotator-rotate.1

Exit codes: 0 printed, 1 there is no such command, 2 bad usage.";

/// Print what completes commands and flags in a shell
#[derive(Args, Debug)]
#[command(after_help = COMPLETIONS)]
pub struct CompletionsArgs {
    shell: Shell,
}

/// Print a man page
#[derive(Args, Debug)]
#[command(after_help = MAN)]
pub struct ManArgs {
    /// Of this command [default: of all together]
    command: Option<String>,
}

pub fn completions(args: &CompletionsArgs) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), NAME, &mut script);
    print(&script)
}

pub fn man(args: &ManArgs) -> anyhow::Result<ExitCode> {
    let all = Cli::command().disable_help_subcommand(true);
    let (command, title) = match &args.command {
        None => (all, NAME.to_owned()),
        Some(name) => {
            let Some(one) = all.get_subcommands().find(|one| one.get_name() == name) else {
                let names: Vec<&str> = all.get_subcommands().map(clap::Command::get_name).collect();
                bail!("no command `{name}`; there are {}", names.join(", "));
            };
            (one.clone().bin_name(format!("{NAME} {name}")), format!("{NAME}-{name}"))
        }
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(command).title(title).render(&mut page).context("make the page")?;
    print(&page)
}

fn print(bytes: &[u8]) -> anyhow::Result<ExitCode> {
    super::out::print(bytes)?;
    Ok(ExitCode::from(exit::OK))
}
