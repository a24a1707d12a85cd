//! What a person sees who starts it wrongly: one clear line, and an exit code that says which kind of wrong.
#![cfg(feature = "aws")]

mod account;
mod output;
mod preflight;
mod worker;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use account::{DENIED, EXPIRED, NO_QUEUE, NOT_AWS, somebody_who_says};

const QUEUE: &str = "https://sqs.eu-west-1.amazonaws.com/123456789012/ecs-rotator";
/// Nothing listens there: port 1 is `tcpmux`, and nobody runs that.
const NOBODY: &str = "http://127.0.0.1:1";

/// With an environment of our own: no credentials, no profile, no instance metadata, no proxy.
fn command(arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ecs-rotator"));
    command
        .args(arguments)
        .env_clear()
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/nonexistent/config")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials")
        .env("AWS_REGION", "eu-west-1")
        .envs(environment.iter().copied());
    command
}

fn ecs_rotator(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let output = command(arguments, environment).output();
    output.unwrap_or_else(|error| panic!("{}: {error}", Path::new(env!("CARGO_BIN_EXE_ecs-rotator")).display()))
}

/// The same, ended by force when it takes longer: it has no output then that a test could take for an answer.
fn within(seconds: u64, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let (begun, mut command) = (begun(), command(arguments, environment));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    while child.try_wait().expect("it can be waited for").is_none() {
        if begun.elapsed().as_secs() >= seconds {
            child.kill().expect("it can be ended");
            let output = child.wait_with_output().expect("it has ended");
            panic!("{arguments:?}: not ended after {seconds} s: {}", String::from_utf8_lossy(&output.stderr));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    child.wait_with_output().expect("it has ended")
}

fn with_keys<'e>(more: &[(&'e str, &'e str)]) -> Vec<(&'e str, &'e str)> {
    [&[("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret")], more].concat()
}

/// The one line that begins with `error: `.
#[track_caller]
fn error_line(output: &Output, code: i32) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    let lines: Vec<_> = stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(lines.len(), 1, "{stderr}");
    lines[0].to_owned()
}

#[test]
fn wrong_usage_names_the_flag_and_ends_with_2() {
    for (arguments, said) in [
        (
            vec!["run", "--queue-url", QUEUE, "--max-in-flight", "0"],
            "'0' for '--max-in-flight <HOSTS>': expected a number of hosts from 1",
        ),
        (vec!["run", "--queue-url", QUEUE, "--max-in-flight", "110%"], "'110%' for '--max-in-flight <HOSTS>'"),
        (vec!["run", "--queue-url", QUEUE, "--drain", "never"], "expected `after-replacement` or `at-once`"),
        (vec!["run", "--queue-url", QUEUE, "--drain-timeout", "60"], "'60' for '--drain-timeout <TIME>'"),
        (vec!["run", "--queue-url", QUEUE, "--cluster", "a b"], "'a b' for '--cluster <CLUSTER>'"),
        (vec!["run", "--queue-url", "ecs-rotator"], "expected the URL of an SQS queue"),
        (vec!["run", "--queue-url", QUEUE, "--max-in-fligth", "1"], "unexpected argument '--max-in-fligth'"),
        (vec!["run"], "no queue is named: say --queue-url URL, or set ECS_ROTATOR_QUEUE_URL"),
        (vec!["pause", "--cluster", "prod", "--queue-url", ""], "no queue is named"),
        (vec!["rotate", "--queue-url", QUEUE], "required arguments were not provided"),
        (vec!["pause", "--queue-url", QUEUE], "required arguments were not provided"),
        (vec!["resume", "--cluster", "a b", "--queue-url", QUEUE], "'a b' for '--cluster <CLUSTER>'"),
        (vec!["abort", "--cluster", "prod", "--force", "--queue-url", QUEUE], "unexpected argument '--force'"),
        (vec!["rotat"], "unrecognized subcommand 'rotat'"),
    ] {
        let line = error_line(&ecs_rotator(&arguments, &[]), 2);
        assert!(line.contains(said), "{arguments:?}: {line}");
    }
}

#[test]
fn a_bad_value_in_the_environment_is_refused_like_its_flag() {
    let environment = [("ECS_ROTATOR_QUEUE_URL", QUEUE), ("ECS_ROTATOR_MAX_IN_FLIGHT", "0")];
    let line = error_line(&ecs_rotator(&["run"], &environment), 2);
    assert!(line.contains("'0' for '--max-in-flight <HOSTS>'"), "{line}");
}

/// To a pipeline 2 says that hosts are behind, so nothing that goes wrong may end with it, nor with a code of other commands.
#[test]
fn a_plan_that_cannot_begin_says_why_and_ends_with_1() {
    let prod = || vec!["plan", "--cluster", "prod"];
    for (arguments, environment, said) in [
        (vec!["plan"], vec![], "no cluster is named: say --cluster CLUSTER, or --all"),
        (vec!["plan", "--clutser", "prod"], vec![], "unexpected argument '--clutser'"),
        (vec!["plan", "--all", "--cluster", "prod"], vec![], "--all and --cluster were both given"),
        (vec!["plan", "--all"], vec![("ECS_ROTATOR_CLUSTERS", "prod"), ("AWS_REGION", "")], "no AWS region is set"),
        (vec!["plan", "--cluster", "a b"], vec![], "'a b' for '--cluster <CLUSTER>'"),
        (prod(), vec![("ECS_ROTATOR_MAX_IN_FLIGHT", "0")], "'0' for '--max-in-flight <HOSTS>'"),
        (prod(), vec![("ECS_ROTATOR_FAMILIES", "[{}]")], "for '--families"),
        (prod(), vec![("ECS_ROTATOR_LOG", "ecs_rotator=loud")], "ECS_ROTATOR_LOG=`ecs_rotator=loud`"),
        (prod(), vec![("AWS_REGION", "")], "no AWS region is set; set AWS_REGION"),
    ] {
        let output = ecs_rotator(&arguments, &with_keys(&environment));
        let line = error_line(&output, 1);
        assert!(line.contains(said), "{arguments:?} {environment:?}: {line}");
        assert!(output.stdout.is_empty(), "{arguments:?}: nothing is told that is not known");
    }
}

#[test]
fn what_is_not_read_on_a_terminal_has_no_colours() {
    for command in [vec!["plan", "--cluster", "prod"], vec!["run", "--queue-url", QUEUE]] {
        let output = ecs_rotator(&command, &[("ECS_ROTATOR_LOG", "debug")]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains("DEBUG") && !stderr.contains('\u{1b}'), "{command:?}: {stderr}");
    }
}

#[test]
fn a_fifo_queue_is_refused() {
    let fifo = format!("{QUEUE}.fifo");
    for arguments in [vec!["run", "--queue-url", &fifo], vec!["rotate", "--cluster", "prod", "--queue-url", &fifo]] {
        let line = error_line(&ecs_rotator(&arguments, &with_keys(&[("AWS_ENDPOINT_URL_SQS", NOBODY)])), 4);
        assert!(line.contains("FIFO"), "{line}");
    }
}

/// In one line: what failed, on what, why, and what to do.
#[test]
fn what_is_wrong_with_the_queue_is_one_clear_line_and_4() {
    let elsewhere = QUEUE.replace("eu-west-1", "us-east-1");
    for (answer, queue, said) in [
        (DENIED, QUEUE, &["access denied", "not authorized to perform", "allow sqs:"][..]),
        (EXPIRED, QUEUE, &["no usable AWS credentials", "ExpiredToken", "is expired", "AWS_PROFILE"]),
        (NO_QUEUE, QUEUE, &["no such queue in region eu-west-1", "check --queue-url"]),
        (NO_QUEUE, &elsewhere, &["no such queue in region eu-west-1", "set AWS_REGION=us-east-1"]),
        (NOT_AWS, QUEUE, &["refused", "check the queue's URL"]),
    ] {
        let endpoint = somebody_who_says(Some(answer));
        for command in [&["run"][..], &["rotate", "--cluster", "prod"]] {
            let arguments = [command, &["--queue-url", queue]].concat();
            let output = ecs_rotator(&arguments, &with_keys(&[("AWS_ENDPOINT_URL_SQS", &endpoint)]));
            let line = error_line(&output, 4);
            for part in said.iter().chain([&queue]) {
                assert!(line.contains(part), "{arguments:?}: no `{part}` in: {line}");
            }
        }
    }
}

#[test]
fn help_shows_examples_and_exit_codes() {
    for command in [
        "",
        "run",
        "rotate",
        "pause",
        "resume",
        "abort",
        "plan",
        "status",
        "doctor",
        "health",
        "policy",
        "demo",
        "completions",
        "man",
    ] {
        let arguments: Vec<&str> = [command, "--help"].into_iter().filter(|word| !word.is_empty()).collect();
        let output = ecs_rotator(&arguments, &[]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(0));
        assert!(text.contains("Examples:") && text.contains("Exit codes:"), "{arguments:?}: {text}");
    }
}

#[test]
fn every_command_has_a_man_page_and_is_completed() {
    let said = |arguments: &[&str]| {
        let output = ecs_rotator(arguments, &[]);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let completed = said(&["completions", "bash"]);
    for command in ["run", "rotate", "pause", "resume", "abort", "plan", "status", "doctor", "health", "policy", "demo"]
    {
        assert!(completed.contains(command), "{command}");
        let page = said(&["man", command]);
        assert!(page.contains(&format!(".TH ecs-rotator-{command} 1")) && page.contains("Exit codes"), "{page}");
    }
    let line = error_line(&ecs_rotator(&["man", "rotat"], &[]), 1);
    assert!(line.contains("no command `rotat`; there are run, rotate"), "{line}");
}

/// The variables of the script that it takes the place of, and what goes with what.
#[test]
fn a_rotation_from_here_needs_a_cluster_and_no_queue() {
    let here = |flags: &[&str], environment: &[(&str, &str)]| {
        ecs_rotator(&[&["rotate", "--here"], flags].concat(), &with_keys(environment))
    };
    assert!(error_line(&here(&[], &[]), 1).contains("no cluster is named: say --cluster CLUSTER"));
    assert!(error_line(&here(&["-c", "prod"], &[("AWS_REGION", "")]), 4).contains("no AWS region"));
    // A variable that is there for others, and empty.
    let with_empty = [("AWS_REGION", ""), ("ECS_ROTATOR_QUEUE_URL", "")];
    assert!(error_line(&here(&["-c", "prod"], &with_empty), 4).contains("no AWS region"));
    let nowhere = ecs_rotator(&["rotate", "-c", "prod"], &with_keys(&with_empty));
    assert!(error_line(&nowhere, 2).contains("no queue is named"));
    assert!(error_line(&here(&[], &[("CLUSTER", "a b")]), 2).contains("ARN of an ECS cluster"));
    assert!(error_line(&here(&["-c", "prod", "--wait"], &[]), 2).contains("cannot be used with"));
    assert!(error_line(&here(&["-c", "prod", "--no-wait"], &[]), 2).contains("cannot be used with"));
    assert!(error_line(&here(&["-c", "prod", "-l", "x=loud"], &[]), 2).contains("--log-level=`x=loud`"));
    let without = ecs_rotator(&["rotate", "--cluster", "prod", "-r", "eu-west-1"], &with_keys(&[]));
    assert!(error_line(&without, 2).contains("required arguments were not provided"));
    assert!(error_line(&ecs_rotator(&["rotate", "-c", "prod"], &with_keys(&[])), 2).contains("no queue is named"));
}

#[test]
fn a_cluster_of_another_region_or_something_else_is_refused_before_anything_is_asked() {
    let elsewhere = "arn:aws:ecs:us-east-1:123456789012:cluster/prod";
    let service = "arn:aws:ecs:eu-west-1:123456789012:service/prod/web";
    for flags in [&["rotate"][..], &["pause"], &["rotate", "--here"]] {
        let of = |arn: &'static str| {
            let queue: &[&str] = if flags.contains(&"--here") { &[] } else { &["--queue-url", QUEUE] };
            ecs_rotator(&[flags, &["--cluster", arn], queue].concat(), &with_keys(&[]))
        };
        let line = error_line(&of(elsewhere), 1);
        assert!(line.contains("is in us-east-1, and this is eu-west-1: nothing was sent"), "{flags:?}: {line}");
        let line = error_line(&of(service), 2);
        assert!(line.contains("is the ARN of something else than an ECS cluster"), "{flags:?}: {line}");
    }
}

/// An empty variable of a pipeline names no group; it does not mean every one of them.
#[test]
fn a_group_without_a_name_is_not_sent() {
    for name in ["", "  "] {
        let output =
            ecs_rotator(&["rotate", "--cluster", "prod", "--queue-url", QUEUE, "--group", name], &with_keys(&[]));
        let line = error_line(&output, 2);
        assert!(line.contains("for '--group <GROUP>': expected the name of an Auto Scaling group"), "{line}");
    }
}

#[test]
fn the_variables_of_a_rotation_from_here_are_in_its_help() {
    let text = String::from_utf8_lossy(&ecs_rotator(&["rotate", "--help"], &[]).stdout).into_owned();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for variable in ["CLUSTER, with --here", "FORCE, with --here", "AWS_REGION", "LOG_LEVEL"] {
        assert!(text.contains(&format!("[env: {variable}]")), "{variable}: {text}");
    }
}

#[test]
fn abort_says_which_hosts_are_given_back() {
    let text = String::from_utf8_lossy(&ecs_rotator(&["abort", "--help"], &[]).stdout).into_owned();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("have not begun to drain are given back to their groups; those that drain finish"), "{text}");
}

#[expect(clippy::disallowed_methods, reason = "how long a person waits for the line")]
fn begun() -> std::time::Instant {
    std::time::Instant::now()
}
