//! What a person sees who starts it wrongly: one clear line, and an exit code that says which kind of wrong.
#![cfg(feature = "aws")]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

const QUEUE: &str = "https://sqs.eu-west-1.amazonaws.com/123456789012/ecs-rotator";
/// Nothing listens there: port 1 is `tcpmux`, and nobody runs that.
const NOBODY: &str = "http://127.0.0.1:1";

/// With an environment of our own: no credentials, no profile, no instance metadata, no proxy.
fn ecs_rotator(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ecs-rotator"))
        .args(arguments)
        .env_clear()
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/nonexistent/config")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials")
        .env("AWS_REGION", "eu-west-1")
        .envs(environment.iter().copied())
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", Path::new(env!("CARGO_BIN_EXE_ecs-rotator")).display()))
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
        (vec!["run"], "required arguments were not provided"),
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

#[test]
fn a_bad_log_filter_is_bad_usage() {
    let line = error_line(&ecs_rotator(&["run", "--queue-url", QUEUE], &[("ECS_ROTATOR_LOG", "ecs_rotator=loud")]), 2);
    assert!(line.contains("ECS_ROTATOR_LOG=`ecs_rotator=loud`"), "{line}");
}

#[test]
fn without_credentials_it_says_how_to_give_them_and_ends_with_4() {
    let commands =
        ["rotate", "pause", "resume", "abort"].map(|word| vec![word, "--cluster", "prod", "--queue-url", QUEUE]);
    for arguments in [vec!["run", "--queue-url", QUEUE]].into_iter().chain(commands) {
        let line = error_line(&ecs_rotator(&arguments, &[]), 4);
        assert!(
            line.contains(QUEUE) && line.contains("no usable AWS credentials") && line.contains("AWS_PROFILE"),
            "{line}"
        );
    }
}

#[test]
fn without_a_region_it_says_so_and_ends_with_4() {
    let line = error_line(&ecs_rotator(&["run", "--queue-url", QUEUE], &with_keys(&[("AWS_REGION", "")])), 4);
    assert!(line.contains("no AWS region") && line.contains("AWS_REGION"), "{line}");
}

#[test]
fn an_address_where_nobody_answers_is_said_at_once_and_ends_with_4() {
    for (endpoint, why) in [(NOBODY, "refused"), ("http://no-such-host.invalid", "dns error")] {
        let begun = begun();
        let output = ecs_rotator(&["run", "--queue-url", QUEUE], &with_keys(&[("AWS_ENDPOINT_URL_SQS", endpoint)]));
        let line = error_line(&output, 4);
        assert!(line.contains("no answer from SQS") && line.to_lowercase().contains(why), "{line}");
        assert!(begun.elapsed().as_secs() < 5, "it took {:?}", begun.elapsed());
    }
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
fn a_plan_without_credentials_could_not_tell() {
    for flags in [&["--cluster", "prod"][..], &["--all"]] {
        let output = ecs_rotator(&[&["plan"], flags].concat(), &[]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("no usable AWS credentials") && text.contains("could not tell"), "{text}");
        assert!(text.lines().count() < 10, "{text}");
        let json = ecs_rotator(&[&["plan", "--json"], flags].concat(), &[]);
        assert_eq!(json.status.code(), Some(1));
        let report: serde_json::Value = serde_json::from_slice(&json.stdout).expect("a pipeline is told in JSON");
        assert_eq!(report["verdict"], "could-not-tell");
        assert!(report["error"].as_str().is_some_and(|why| why.contains("credentials")), "{report:#}");
    }
}

/// It tries again for a while, as a worker does, and then says so.
#[test]
fn a_plan_where_nobody_answers_gives_up() {
    let begun = begun();
    let output = ecs_rotator(&["plan", "--cluster", "prod"], &with_keys(&[("AWS_ENDPOINT_URL", NOBODY)]));
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("Connection refused") && text.contains("could not tell"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    assert!(begun.elapsed().as_secs() < 60, "it took {:?}", begun.elapsed());
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

/// What SQS, or somebody in its place, says to every request. Without an answer it takes the request and keeps silent.
fn somebody_who_says(answer: Option<(&'static str, &'static str)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    let address = listener.local_addr().expect("it has an address");
    std::thread::spawn(move || {
        let mut silent = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let Some((status, body)) = answer else {
                silent.push(stream);
                continue;
            };
            // One read takes all of such a small request, or the rest is of no interest.
            let _read = stream.read(&mut [0; 16 * 1024]);
            let length = body.len();
            let _closed = write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {length}\r\n\
                 Connection: close\r\n\r\n{body}"
            );
        }
    });
    format!("http://{address}")
}

const DENIED: (&str, &str) = (
    "403 Forbidden",
    r#"{"__type":"com.amazon.coral.service#AccessDeniedException","message":"User: arn:aws:iam::1:user/me is not authorized to perform: sqs:getqueueattributes on resource: arn:aws:sqs:eu-west-1:1:q because no identity-based policy allows the action"}"#,
);
const EXPIRED: (&str, &str) = (
    "403 Forbidden",
    r#"{"__type":"com.amazon.coral.service#ExpiredToken","message":"The security token included in the request is expired"}"#,
);
const NO_QUEUE: (&str, &str) = (
    "400 Bad Request",
    r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"The specified queue does not exist."}"#,
);
const NOT_AWS: (&str, &str) = ("404 Not Found", "<html><body>no such page</body></html>");

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
fn an_endpoint_that_hangs_is_given_up_within_twenty_seconds() {
    let endpoint = somebody_who_says(None);
    let begun = begun();
    let output = ecs_rotator(&["run", "--queue-url", QUEUE], &with_keys(&[("AWS_ENDPOINT_URL_SQS", &endpoint)]));
    let line = error_line(&output, 4);
    assert!(line.contains("no answer from SQS in region eu-west-1") && line.contains("AWS_ENDPOINT_URL_SQS"), "{line}");
    assert!(begun.elapsed().as_secs() < 20, "it took {:?}", begun.elapsed());
}

/// Nothing else is asked then, and no stack of failures told.
#[test]
fn doctor_says_at_once_that_credentials_cannot_be_used() {
    let expired = somebody_who_says(Some((
        "403 Forbidden",
        "<ErrorResponse><Error><Type>Sender</Type><Code>ExpiredToken</Code><Message>The security token included in the \
         request is expired</Message></Error></ErrorResponse>",
    )));
    let with_old_keys = with_keys(&[("AWS_ENDPOINT_URL", &expired)]);
    for (environment, why) in [(&with_old_keys[..], "ExpiredToken"), (&[], "none found in environment")] {
        let output = ecs_rotator(&["doctor", "--queue-url", QUEUE], environment);
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("FAIL  credentials") && text.contains(why) && text.contains("AWS_PROFILE"), "{text}");
        assert!(text.contains("1 failed, 0 to look at") && text.lines().count() < 15, "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }
    let line = error_line(&ecs_rotator(&["doctor", "--queue-url", QUEUE], &with_keys(&[("AWS_REGION", "")])), 4);
    assert!(line.contains("no AWS region"), "{line}");
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
