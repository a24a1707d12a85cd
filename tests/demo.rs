//! What a person sees who tries the demo, and what a script can rely on.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The columns that a line may take.
const WIDTH: usize = 100;

fn demo(arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ecs-rotator"));
    command.arg("demo").args(arguments.split_whitespace()).env_remove("RUST_LOG").output().unwrap()
}

#[track_caller]
fn text(arguments: &str) -> String {
    let output = demo(arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn json(arguments: &str) -> Value {
    serde_json::from_str(&text(&format!("{arguments} --json"))).unwrap()
}

#[test]
fn the_figures_have_every_field() {
    let figures = json("");
    for (field, value) in
        [("seed", 1), ("hosts", 20), ("rotated", 20), ("max_in_flight_seen", 1), ("tasks_interrupted", 0)]
    {
        assert_eq!(figures[field], value, "{field}");
    }
    assert_eq!(figures["outcome"], "closed");
    assert_eq!(figures["violations"], serde_json::json!([]));
    for field in ["simulated_seconds", "requests_total", "events_received", "events_irrelevant", "tasks_moved"] {
        assert!(figures[field].as_u64().is_some_and(|n| n > 0), "{field}: {}", figures[field]);
    }
    let requests = figures["requests"].as_object().unwrap();
    let total: u64 = requests.values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(figures["requests_total"], total);
    assert_eq!(figures["requests_per_host"], (total as f64 / 20.0 * 100.0).round() / 100.0);
    let queue_calls = ["ReceiveMessage", "DeleteMessageBatch"];
    for operation in queue_calls {
        assert!(!requests.contains_key(operation), "{operation} is no call to the fleet");
        assert!(figures["queue_requests"][operation].is_u64(), "{operation}: {}", figures["queue_requests"]);
    }
}

#[test]
fn the_same_seed_gives_the_same_figures() {
    let arguments = "--hosts 8 --faults heavy --seed 7 --json";
    assert_eq!(demo(arguments).stdout, demo(arguments).stdout);
    assert_ne!(demo(arguments).stdout, demo("--hosts 8 --faults heavy --seed 8 --json").stdout);
}

#[test]
fn wrong_usage_is_one_clear_line_and_ends_with_2() {
    for (arguments, said) in [
        ("--hosts 0", "'0' for '--hosts <N>': 0 is not in 1..=5000"),
        ("--hosts 5001", "'5001' for '--hosts <N>'"),
        ("--groups 0", "'0' for '--groups <G>'"),
        ("--hosts 3 --groups 4", "--groups 4 is more than --hosts 3"),
        ("--tasks-per-host 101", "'101' for '--tasks-per-host <T>'"),
        ("--faults some", "'some' for '--faults <LEVEL>'"),
        ("--max-in-flight 0%", "expected a number of hosts from 1, or a percentage from 1% to 100%"),
        ("--seed x", "'x' for '--seed <S>'"),
        ("--host 5", "unexpected argument '--host'"),
    ] {
        let output = demo(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments}: {stderr}");
        assert!(output.stdout.is_empty(), "{arguments}");
        let line = stderr.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
        assert!(line.contains(said), "{arguments}: {stderr}");
    }
}

#[test]
fn the_text_tells_the_rotation_from_the_release_to_the_summary() {
    for arguments in ["", "--hosts 40 --groups 7 --max-in-flight 50%"] {
        let text = text(arguments);
        let told =
            ["Cluster demo", "a new image is released", " opens", "leaves", "drains", "terminated", " closes: every"];
        let summed_up =
            ["Closed: ", "0 interrupted", "the budget is ", "per replaced host", "irrelevant", "none broken"];
        let mut rest = text.as_str();
        for part in told.into_iter().chain(summed_up) {
            let at = rest.find(part).unwrap_or_else(|| panic!("`{part}` is missing or out of place: {text}"));
            rest = &rest[at..];
        }
    }
}

#[test]
fn every_line_fits_and_none_is_coloured_where_nobody_sees_it() {
    for arguments in [
        "--hosts 1",
        "--hosts 6 --groups 1 --max-in-flight 3 --faults heavy",
        "--hosts 30 --groups 3 --max-in-flight 100%",
        "--hosts 150 --groups 100 --tasks-per-host 1 --max-in-flight 50%",
    ] {
        let text = text(arguments);
        assert!(!text.contains('\u{1b}'), "{arguments}: {text}");
        for line in text.lines() {
            assert!(line.chars().count() <= WIDTH, "{arguments}: `{line}`");
        }
        assert!(text.lines().count() < 130, "{arguments} takes {} lines", text.lines().count());
    }
}

#[test]
fn heavy_faults_end_well_too() {
    let ends_well = serde_json::json!(["closed", 0, []]);
    let ends = (1..=20).map(|seed| {
        let output = demo(&format!("--faults heavy --json --seed {seed}"));
        let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
        let end = ["outcome", "tasks_interrupted", "violations"].map(|field| figures[field].clone());
        (seed, Value::from(end.to_vec()), figures["hold_reason"].clone())
    });
    let bad: Vec<_> = ends.filter(|(_, end, _)| *end != ends_well).collect();
    assert!(bad.is_empty(), "{bad:#?}");
}

#[test]
fn a_host_without_tasks_is_replaced_like_any_other() {
    let figures = json("--hosts 2 --tasks-per-host 0");
    assert_eq!((&figures["rotated"], &figures["tasks_moved"]), (&2.into(), &0.into()));
}

/// `cargo demo -- --hosts 5` hands the separator on.
#[test]
fn a_separator_before_the_flags_is_no_matter() {
    assert_eq!(json("-- --hosts 5")["hosts"], 5);
    assert_eq!(json("--seed 3 -- --hosts 5")["seed"], 3);
    assert_eq!(demo("-- --hosts none").status.code(), Some(2));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ecs-rotator"));
    let mut child =
        command.args(["demo", "--hosts", "12"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with("Cluster demo"), "{first}");
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn the_log_is_there_when_asked_for_and_in_simulated_time() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ecs-rotator"));
    let output = command.args(["demo", "--hosts", "1", "--json"]).env("RUST_LOG", "info").output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.lines().any(|line| line.starts_with("2026-01-14T03:02:0")), "{log}");
    assert!(serde_json::from_slice::<Value>(&output.stdout).is_ok());
    assert!(demo("--hosts 1").stderr.is_empty());
}

/// Line by line; only how long the simulation took is another time each time.
#[test]
fn the_readme_shows_what_the_demo_prints() {
    let readme = include_str!("../README.md");
    let shown = readme.split("```text\n").find(|block| block.starts_with("Cluster demo")).unwrap();
    let shown = shown.split("```").next().unwrap();
    let printed = text("--hosts 6");
    let same = |line: &str| line.split(", simulated in ").next().unwrap_or(line).to_owned();
    let printed: Vec<String> = printed.lines().map(same).collect();
    let left_out = |line: &&str| !line.contains("[four more hosts]");
    let missing: Vec<&str> = shown.lines().filter(left_out).filter(|line| !printed.contains(&same(line))).collect();
    assert!(missing.is_empty(), "the demo does not print\n{}", missing.join("\n"));
}
