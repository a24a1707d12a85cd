//! Variables of ours that nobody reads. A slip in the name of one (`ECS_ROTATOR_CLUSTER`) is not to mean that nothing was said:
//! a worker that was to look after one cluster would look after all.

use std::collections::BTreeSet;

use clap::{Args as _, Command};

use super::exit;
use crate::config::{LOG_FORMAT_VARIABLE, LOG_VARIABLE, ModeArgs, PaceArgs, QueueArgs, RotationArgs, TellArgs};
use crate::slip::likely;

const OURS: &str = "ECS_ROTATOR_";

/// What stops a rotation is not itself stopped by a slip.
const BRAKES: [&str; 2] = ["pause", "abort"];

/// What is to be said, and the exit code if that is all: None where the command goes on.
#[derive(Debug, PartialEq, Eq)]
pub struct Unread {
    pub says: String,
    pub code: Option<u8>,
}

/// None: there are none, or the command (the first word of the line) reads no variable of ours.
pub fn unread(cli: &Command, command: &str, set: impl IntoIterator<Item = String>) -> Option<Unread> {
    let reads = cli.find_subcommand(command).map(variables)?;
    let known = known(cli);
    let unread: Vec<String> = set.into_iter().filter(|name| name.starts_with(OURS) && !known.contains(name)).collect();
    if unread.is_empty() || reads.is_empty() {
        return None;
    }
    let says =
        format!("{}; nobody reads it", unread.iter().map(|name| said_of(name, &known)).collect::<Vec<_>>().join("; "));
    let says = if unread.len() == 1 { says } else { says.replace("nobody reads it", "nobody reads them") };
    let code = match command {
        "plan" => Some(exit::FAILED),
        _ if BRAKES.contains(&command) => None,
        _ => Some(exit::BAD_USAGE),
    };
    Some(Unread { says, code })
}

fn said_of(name: &str, known: &BTreeSet<String>) -> String {
    let names = known.iter().filter_map(|known| known.strip_prefix(OURS));
    match likely(name.strip_prefix(OURS).unwrap_or_default(), names) {
        Some(meant) => format!("the variable {name} is set, and it is called {OURS}{meant}"),
        None => format!("the variable {name} is set, and is none of ours"),
    }
}

/// Those of a worker too where this binary has none in it: an environment is shared.
fn known(cli: &Command) -> BTreeSet<String> {
    let settings = [
        QueueArgs::augment_args,
        RotationArgs::augment_args,
        PaceArgs::augment_args,
        TellArgs::augment_args,
        ModeArgs::augment_args,
    ];
    let settings = settings.into_iter().flat_map(|augment| variables(&augment(Command::new("settings"))));
    let commands = cli.get_subcommands().flat_map(variables);
    settings.chain(commands).chain([LOG_VARIABLE, LOG_FORMAT_VARIABLE].map(str::to_owned)).collect()
}

fn variables(command: &Command) -> Vec<String> {
    let names = command.get_arguments().filter_map(|argument| argument.get_env()?.to_str());
    names.filter(|name| name.starts_with(OURS)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn told(command: &str, set: &[&str]) -> Option<(String, Option<u8>)> {
        let unread = unread(&super::super::Cli::command(), command, set.iter().map(|name| (*name).to_owned()))?;
        Some((unread.says, unread.code))
    }

    #[test]
    fn a_variable_that_nobody_reads_is_an_error_with_the_likely_one() {
        for (name, says) in [
            ("ECS_ROTATOR_CLUSTER", "is set, and it is called ECS_ROTATOR_CLUSTERS; nobody reads it"),
            ("ECS_ROTATOR_ALARM", "it is called ECS_ROTATOR_ALARMS"),
            ("ECS_ROTATOR_GROUP_OF", "it is called ECS_ROTATOR_GROUPS_OF"),
            ("ECS_ROTATOR_WINDOWS", "it is called ECS_ROTATOR_WINDOW"),
            ("ECS_ROTATOR_OWNER", "is none of ours"),
            ("ECS_ROTATOR_", "is none of ours"),
        ] {
            let (told, code) = told("policy", &["PATH", name, "ECS_ROTATOR_BAKE"]).unwrap();
            assert!(told.starts_with(&format!("the variable {name} is set")) && told.contains(says), "{told}");
            assert_eq!(code, Some(exit::BAD_USAGE));
        }
        let (both, _) = told("policy", &["ECS_ROTATOR_CLUSTER", "ECS_ROTATOR_OWNER"]).unwrap();
        assert!(
            both.contains("ECS_ROTATOR_CLUSTER is") && both.ends_with("is none of ours; nobody reads them"),
            "{both}"
        );
    }

    #[test]
    fn what_is_read_by_some_command_is_known_to_all() {
        let known = known(&super::super::Cli::command());
        assert!(known.len() > 30, "{known:?}");
        let set: Vec<&str> = known.iter().map(String::as_str).chain(["RUST_LOG", "CLUSTER", "ECS_CLUSTER"]).collect();
        assert_eq!(told("policy", &set), None);
        assert_eq!(told("demo", &["ECS_ROTATOR_CLUSTER"]), None, "it reads none");
        assert_eq!(told("nonsense", &["ECS_ROTATOR_CLUSTER"]), None);
    }

    #[cfg(feature = "aws")]
    #[test]
    fn a_brake_works_all_the_same() {
        for (command, code) in
            [("run", Some(2)), ("plan", Some(1)), ("rotate", Some(2)), ("pause", None), ("abort", None)]
        {
            assert_eq!(told(command, &["ECS_ROTATOR_CLUSTER"]).unwrap().1, code, "{command}");
        }
    }
}
