//! What a worker says of itself before it begins.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use crate::account::empty_account;
use crate::{NOBODY, QUEUE, command, ecs_rotator, with_keys};

/// Flags that are no setting, and those whose field has another name.
const OTHER: [(&str, &str); 8] = [
    ("queue-url", "queue"),
    ("cluster", "clusters"),
    ("alarm", "alarms"),
    ("group-of", "groups"),
    ("visibility-timeout", "visibility_timeout"),
    ("log-format", ""),
    ("help", ""),
    ("version", "version"),
];

fn flags_of_run() -> Vec<String> {
    let help = String::from_utf8_lossy(&ecs_rotator(&["run", "--help"], &[]).stdout).into_owned();
    let flags = help.lines().filter_map(|line| line.trim_start().trim_start_matches("-h, ").strip_prefix("--"));
    flags.map(|flag| flag.split([' ', '.']).next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn the_first_line_of_a_worker_says_its_version_and_every_setting() {
    let environment = with_keys(&[("AWS_ENDPOINT_URL", NOBODY)]);
    let flags = [
        "run",
        "--queue-url",
        QUEUE,
        "--bake",
        "7m",
        "--freeze",
        "2026-12-24",
        "--force-after",
        "2h",
        "--max-in-flight",
        "3",
    ];
    let stderr = String::from_utf8_lossy(&ecs_rotator(&flags, &environment).stderr).into_owned();
    let first = stderr.lines().next().unwrap_or_default();
    assert!(first.contains(&format!("ecs-rotator {} started", env!("CARGO_PKG_VERSION"))), "{stderr}");
    let all = flags_of_run();
    assert!(all.len() > 25, "{all:?}");
    for flag in all {
        let other = OTHER.iter().find(|(name, _)| *name == flag).map(|(_, field)| (*field).to_owned());
        let field = other.unwrap_or_else(|| flag.replace('-', "_"));
        assert!(field.is_empty() || first.contains(&format!(" {field}=")), "no {field} in: {first}");
    }
    for said in ["bake=\"7m\"", "freeze=2026-12-24", "force_after=\"2h\"", "give_up_after=\"never\"", "max_in_flight=3"]
    {
        assert!(first.contains(said), "no {said} in: {first}");
    }
}

#[test]
fn a_worker_says_as_whom_it_works() {
    let account = empty_account();
    let environment = with_keys(&[("AWS_ENDPOINT_URL", &account)]);
    let mut child =
        command(&["run", "--queue-url", QUEUE], &environment).stderr(Stdio::piped()).spawn().expect("it starts");
    let lines = BufReader::new(child.stderr.take().expect("its log")).lines().map_while(Result::ok);
    let mut seen = Vec::new();
    for line in lines {
        let done = line.contains("no cluster to look after");
        seen.push(line);
        if done {
            break;
        }
    }
    let ended = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(ended.expect("there is kill").success());
    assert_eq!(child.wait().expect("it ends").code(), Some(0), "{seen:#?}");
    let who = seen.iter().find(|line| line.contains("works as this identity")).expect("it says who it is");
    assert!(who.contains("123456789012") && who.contains("assumed-role/worker"), "{who}");
}
