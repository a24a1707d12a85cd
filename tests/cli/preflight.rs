//! The same first question in every command: what is wrong with credentials, region, rights or the way to AWS is one line, within
//! 20 seconds, and the exit code that the help names.

use std::thread;

use crate::account::{DENIED, EXPIRED, empty_account, somebody_who_says};
use crate::{NOBODY, QUEUE, ecs_rotator, error_line, with_keys, within};

/// Every command that calls AWS, and what it ends with when it cannot.
fn commands() -> Vec<(Vec<&'static str>, i32)> {
    let to_queue = |word: &'static str| (vec![word, "--cluster", "prod", "--queue-url", QUEUE], 4);
    vec![
        (vec!["run", "--queue-url", QUEUE], 4),
        to_queue("rotate"),
        to_queue("pause"),
        to_queue("resume"),
        to_queue("abort"),
        (vec!["rotate", "--cluster", "prod", "--wait", "--queue-url", QUEUE], 4),
        (vec!["rotate", "--cluster", "prod", "--here"], 4),
        (vec!["status"], 4),
        (vec!["status", "--cluster", "prod", "--json"], 4),
        (vec!["status", "--watch"], 4),
        (vec!["doctor"], 4),
        (vec!["doctor", "--queue-url", QUEUE, "--json"], 4),
        (vec!["plan", "--all"], 1),
        (vec!["plan", "--cluster", "prod", "--json"], 1),
    ]
}

/// All at once: some of them wait for an answer. Each says these words in its one line.
fn all_say(environment: &[(&str, &str)], words: &[&str], seconds: u64) {
    thread::scope(|scope| {
        for (arguments, code) in commands() {
            scope.spawn(move || {
                let output = within(seconds, &arguments, environment);
                let line = error_line(&output, code);
                for word in words {
                    assert!(
                        line.to_lowercase().contains(&word.to_lowercase()),
                        "{arguments:?}: no `{word}` in: {line}"
                    );
                }
                assert!(output.stdout.is_empty(), "{arguments:?}: nothing is told that is not known");
                is_no_dump(&arguments, &output.stderr);
            });
        }
    });
}

/// One line, but for what a worker says of itself before it looks.
fn is_no_dump(arguments: &[&str], stderr: &[u8]) {
    let stderr = String::from_utf8_lossy(stderr);
    let rest: Vec<&str> = stderr.lines().filter(|line| !line.starts_with("error: ")).collect();
    let of_worker = |line: &&str| arguments[0] == "run" && line.contains(" INFO ");
    assert!(rest.iter().all(of_worker), "{arguments:?}: {stderr}");
    for inside in ["ProviderError", "SdkBody", "Response {", "{ source:"] {
        assert!(!stderr.contains(inside), "{arguments:?}: the SDK's inside: {stderr}");
    }
    assert!(stderr.lines().all(|line| line.len() < 1_500), "{arguments:?}: {stderr}");
}

#[test]
fn without_credentials_every_command_says_how_to_give_them() {
    all_say(&[], &["no usable AWS credentials", "none found in environment", "AWS_PROFILE", " on "], 20);
}

#[test]
fn with_credentials_that_have_expired_every_command_says_so() {
    let expired = somebody_who_says(Some(EXPIRED));
    all_say(
        &with_keys(&[("AWS_ENDPOINT_URL", &expired)]),
        &["no usable AWS credentials", "ExpiredToken", "AWS_PROFILE"],
        20,
    );
}

#[test]
fn without_a_region_every_command_says_so() {
    all_say(&with_keys(&[("AWS_REGION", "")]), &["no AWS region is set; set AWS_REGION"], 20);
}

#[test]
fn where_nobody_answers_every_command_says_so_at_once() {
    // A resolver says that there is no such host, or says nothing for longer than a connection may take.
    for (endpoint, why) in [(NOBODY, "refused"), ("http://no-such-host.invalid", "dispatch failure")] {
        let words =
            ["no answer from", "in region eu-west-1", why, "check the network, AWS_REGION and AWS_ENDPOINT_URL_"];
        all_say(&with_keys(&[("AWS_ENDPOINT_URL", endpoint)]), &words, 10);
    }
}

#[test]
fn where_somebody_keeps_silent_every_command_gives_up_within_twenty_seconds() {
    let silent = somebody_who_says(None);
    let words = ["no answer from", "in region eu-west-1", "check the network, AWS_REGION and AWS_ENDPOINT_URL_"];
    all_say(&with_keys(&[("AWS_ENDPOINT_URL", &silent)]), &words, 20);
}

/// What may not be called is what `doctor` is there to tell, so it goes on.
#[test]
fn whoever_may_not_call_is_told_what_to_allow() {
    let denied = somebody_who_says(Some(DENIED));
    let environment = with_keys(&[("AWS_ENDPOINT_URL", &denied)]);
    for (arguments, code) in commands().into_iter().filter(|(arguments, _)| arguments[0] != "doctor") {
        let output = ecs_rotator(&arguments, &environment);
        let line = error_line(&output, code);
        assert!(line.contains("access denied") && line.contains("; allow "), "{arguments:?}: {line}");
        is_no_dump(&arguments, &output.stderr);
    }
    let output = ecs_rotator(&["doctor", "--cluster", "prod"], &environment);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.code() == Some(1) && text.contains("permissions"), "{text}");
}

/// With a misspelt word nothing at all would be logged, errors neither.
#[test]
fn a_log_filter_that_cannot_be_read_is_bad_usage_in_every_command() {
    for (variable, filter) in
        [("ECS_ROTATOR_LOG", "ecs_rotator=loud"), ("RUST_LOG", "garbage=,,x"), ("RUST_LOG", "inof")]
    {
        for (arguments, code) in
            commands().into_iter().filter(|(arguments, _)| !["pause", "resume", "abort"].contains(&arguments[0]))
        {
            // A message that is only sent logs nothing.
            if arguments[0] == "rotate" && !arguments.iter().any(|flag| ["--here", "--wait"].contains(flag)) {
                continue;
            }
            let line = error_line(&ecs_rotator(&arguments, &[(variable, filter)]), if code == 1 { 1 } else { 2 });
            assert!(line.contains(&format!("{variable}=`{filter}`")), "{arguments:?}: {line}");
        }
    }
    let demo = ecs_rotator(&["demo"], &[("RUST_LOG", "garbage=,,x")]);
    assert_eq!(demo.status.code(), Some(2));
}

#[test]
fn what_needs_no_queue_asks_for_none() {
    let account = empty_account();
    let environment = with_keys(&[("AWS_ENDPOINT_URL", &account)]);
    for (arguments, code, said) in [
        (vec!["status"], 0, "no cluster has opted in: give one the tag ecs-rotator:enabled = true"),
        (vec!["plan", "--all"], 0, "no cluster has opted in. Give one the tag ecs-rotator:enabled = true, or name it"),
        (vec!["plan", "--cluster", "prod"], 1, "could not tell"),
        (vec!["doctor"], 1, "no cluster in eu-west-1 has the tag"),
    ] {
        let output = ecs_rotator(&arguments, &environment);
        let text = String::from_utf8_lossy(&output.stdout);
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(text.contains(said), "{arguments:?}: no `{said}` in: {text}");
    }
}

#[test]
fn without_a_queue_doctor_says_what_it_has_not_asked() {
    let account = empty_account();
    let environment = with_keys(&[("AWS_ENDPOINT_URL", &account)]);
    let text = String::from_utf8_lossy(&ecs_rotator(&["doctor"], &environment).stdout).into_owned();
    for part in ["queue (none is named)", "skip  queue", "skip  rules and schedule", "3 not asked", "--queue-url URL"] {
        assert!(text.contains(part), "no `{part}` in: {text}");
    }
    assert!(!text.contains("all that was asked is in place") && !text.contains("pass  reachable"), "{text}");
    let json: serde_json::Value =
        serde_json::from_slice(&ecs_rotator(&["doctor", "--json"], &environment).stdout).expect("it is JSON");
    assert_eq!((&json["queue"], &json["not_asked"]), (&serde_json::Value::Null, &3.into()));
}
