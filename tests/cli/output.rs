//! Where what is printed goes: into a pipe that its reader closes, onto a disk that is full, into so many columns.

use std::fs::File;
use std::process::Stdio;

use crate::account::empty_account;
use crate::{command, ecs_rotator, error_line, with_keys};

const LOG: &str = r#"{"timestamp":"2026-01-14T03:00:00Z","level":"INFO","message":"rotation open","cluster":"prod","rotation":"prod/20260114T030000Z","groups":"all"}
"#;

/// Every command that prints, and what it ends with.
fn commands(log: &str) -> Vec<(Vec<&str>, i32)> {
    vec![
        (vec!["--help"], 0),
        (vec!["--version"], 0),
        (vec!["run", "--help"], 0),
        (vec!["man"], 0),
        (vec!["completions", "bash"], 0),
        (vec!["policy", "--account", "123456789012", "--region", "eu-west-1", "--queue-url", crate::QUEUE], 0),
        (vec!["report", "--cluster", "prod", log], 0),
        (vec!["report", "--cluster", "prod", "--output", "-", log], 0),
        (vec!["report", "--cluster", "prod", "--json", log], 0),
        (vec!["status"], 0),
        (vec!["status", "--json"], 0),
        (vec!["status", "--watch", "--every", "1s", "--json"], 0),
        (vec!["plan", "--all"], 0),
        (vec!["plan", "--all", "--json"], 0),
        (vec!["doctor"], 1),
        (vec!["doctor", "--json"], 1),
        (vec!["demo", "--hosts", "3"], 0),
    ]
}

fn with_log(test: &str, work: impl FnOnce(&str)) {
    let path = std::env::temp_dir().join(format!("ecs-rotator-{test}-{}.log", std::process::id()));
    std::fs::write(&path, LOG).expect("the log can be written");
    work(path.to_str().expect("a path in text"));
    std::fs::remove_file(path).expect("the log can be removed");
}

#[test]
fn a_pipe_that_is_closed_is_no_error_and_changes_no_exit_code() {
    let account = empty_account();
    let environment = with_keys(&[("AWS_ENDPOINT_URL", &account)]);
    with_log("pipe", |log| {
        for (arguments, code) in commands(log) {
            let mut child = command(&arguments, &environment)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("it starts");
            // Nobody reads a byte of it.
            drop(child.stdout.take());
            let output = child.wait_with_output().expect("it ends");
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!((output.status.code(), stderr.as_ref()), (Some(code), ""), "{arguments:?}");
        }
    });
}

#[test]
fn a_disk_that_is_full_is_one_line_and_1() {
    let account = empty_account();
    let environment = with_keys(&[("AWS_ENDPOINT_URL", &account)]);
    with_log("full", |log| {
        for (arguments, _) in commands(log) {
            let full = File::options().write(true).open("/dev/full").expect("there is a full device");
            let output = command(&arguments, &environment).stdout(full).output().expect("it runs");
            let line = error_line(&output, 1);
            assert!(line.contains("No space left"), "{arguments:?}: {line}");
        }
    });
}

#[test]
fn with_stderr_gone_too_it_ends_with_its_code() {
    for (arguments, code) in
        [(vec!["status"], 4), (vec!["run", "--queue-url", crate::QUEUE], 4), (vec!["plan", "--all"], 1)]
    {
        let mut child =
            command(&arguments, &[]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        drop(child.stderr.take());
        assert_eq!(child.wait().expect("it ends").code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn what_is_printed_fits_into_the_columns_that_are_asked_for() {
    let account = empty_account();
    for (columns, most) in [("40", 40), ("60", 60), ("80", 80), ("", 100), ("wide", 100), ("1", 40)] {
        let environment = with_keys(&[("AWS_ENDPOINT_URL", &account), ("COLUMNS", columns)]);
        for arguments in [&["status"][..], &["plan", "--all"], &["doctor"]] {
            let text = String::from_utf8_lossy(&ecs_rotator(arguments, &environment).stdout).into_owned();
            let longest = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
            assert!(longest <= most && longest > most / 2, "{arguments:?} in {columns}: {longest}\n{text}");
        }
    }
}
