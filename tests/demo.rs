//! What a person sees who tries the demo, and what a script can rely on.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The columns that a line may take where there is no terminal.
const WIDTH: usize = 100;

fn demo(arguments: &str) -> Output {
    command(arguments).output().unwrap()
}

fn command(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ecs-rotator"));
    command.arg("demo").args(arguments.split_whitespace()).env_remove("RUST_LOG").env_remove("COLUMNS");
    command
}

/// What a rotation tells that ends with this code.
#[track_caller]
fn told(arguments: &str, code: i32) -> String {
    let output = demo(arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn in_order(text: &str, parts: &[&str]) {
    // Wherever its lines are broken.
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut rest = words.as_str();
    for part in parts {
        let at = rest.find(part).unwrap_or_else(|| panic!("`{part}` is missing or out of place: {text}"));
        rest = &rest[at..];
    }
}

#[track_caller]
fn text(arguments: &str) -> String {
    told(arguments, 0)
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
        ("--groups 0", "'0' for '--groups <G>': 0 is not in 1..=5000"),
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
        in_order(&text, &told);
        in_order(&text, &summed_up);
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
        assert!(text.lines().count() < 140, "{arguments} takes {} lines", text.lines().count());
    }
}

#[test]
fn it_is_as_wide_as_the_terminal() {
    for arguments in ["--hosts 6 --faults heavy", "--hosts 100 --groups 7", "--hosts 12 --bad-image"] {
        let lines_at = |columns: usize| {
            let output = command(arguments).env("COLUMNS", columns.to_string()).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            for line in text.lines() {
                assert!(line.chars().count() <= columns, "{arguments}, {columns}: `{line}`");
            }
            text.lines().count()
        };
        let lines = [40, 60, 80, 140].map(lines_at);
        assert!(lines.is_sorted_by(|narrow, wide| narrow >= wide) && lines[0] > lines[3], "{arguments}: {lines:?}");
    }
}

#[test]
fn a_bake_is_told_when_it_begins_and_when_it_is_over() {
    for arguments in ["--hosts 6", "--hosts 100"] {
        let text = text(arguments);
        for group in ["web-asg", "api-asg"] {
            let of_group: String =
                text.lines().filter(|line| line.contains(group)).map(|line| format!("{line}\n")).collect();
            in_order(
                &of_group,
                &["◇ canary i-…", "bakes 5m (until +", "◇ canary i-…", "has served for 5m: the others follow"],
            );
        }
        let told = text.lines().find(|line| line.contains("bakes 5m")).unwrap();
        let at = |stamp: &str| {
            let (minutes, seconds) = stamp.split_once(':').unwrap();
            minutes.parse::<u32>().unwrap() * 60 + seconds.parse::<u32>().unwrap()
        };
        let until = told.split("(until +").nth(1).unwrap().split(')').next().unwrap();
        let since = told.trim_start().split([' ', '+']).find(|word| word.contains(':')).unwrap();
        assert_eq!(at(until) - at(since), 300, "{told}");
    }
}

#[test]
fn a_small_fleet_has_few_bars_and_a_large_one_says_whose_host_it_follows() {
    let small = text("--hosts 6");
    let bars: Vec<&str> = small.lines().filter(|line| line.contains('█')).collect();
    assert_eq!(bars.len(), 2, "{bars:#?}");
    assert!(!small.contains("shown in detail"), "{small}");
    let large = text("--hosts 100");
    assert_eq!(
        large.matches("one host of web-asg is shown in detail; the 99 other hosts are counted").count(),
        1,
        "{large}"
    );
    assert!(large.contains("+2 hosts, 16 tasks moved") && !large.contains(" more,"), "{large}");
}

#[test]
fn a_bad_image_is_caught_by_the_canary_and_rolled_back() {
    for arguments in ["--bad-image --hosts 6 --groups 3", "--bad-image --hosts 100 --seed 4"] {
        let text = told(arguments, 3);
        assert!(!text.contains("per replaced host"), "{text}");
        in_order(
            &text,
            &[
                "a bad image",
                "leaves",
                "has not registered after 3m; the worker gives it 15m, the others wait",
                "is rejected: it will not be tried again here",
                "back to the image of before",
                "is given back to its group",
                "which never registered, is ended",
                "Held: 0 of ",
                "none broken",
            ],
        );
        in_order(
            &text,
            &[" is held", "an image failed in ", "Held: 0 of ", "did not register in 15m → publish a newer image"],
        );
        assert!(!text.contains("bakes"), "{text}");
        let figures: Value = serde_json::from_str(&told(&format!("{arguments} --json"), 3)).unwrap();
        let ends = ["outcome", "rotated", "tasks_interrupted", "violations"].map(|field| figures[field].clone());
        assert_eq!(Value::from(ends.to_vec()), serde_json::json!(["held", 0, 0, []]));
    }
}

#[test]
fn a_service_without_room_blocks_a_drain_and_the_hold_names_it() {
    let text = told("--stuck-service", 3);
    in_order(
        &text,
        &[
            "a service without room",
            "service checkout cannot move its task: at 100/100 % (minimum and maximum healthy)",
            " is held",
            " not drained within 1h",
            "Held: ",
            "kept by service checkout (no room with 2 desired at 100/100 %)",
            "none broken",
        ],
    );
    assert!(!demo("").stdout.windows(8).any(|part| part == b"checkout"));
}

#[test]
fn a_zone_that_is_lost_is_told_and_the_rotation_closes_all_the_same() {
    in_order(
        &text("--zone-outage"),
        &[
            "a zone that is lost",
            "✗ zone eu-west-1a is lost, and with it ",
            "a launch fails: no capacity in eu-west-1a",
            "zone eu-west-1a is back",
            "Closed: ",
            "1 zone lost",
            "none broken",
        ],
    );
    for seed in 1..=20 {
        let figures = json(&format!("--zone-outage --seed {seed}"));
        assert_eq!((&figures["outcome"], &figures["violations"]), (&"closed".into(), &serde_json::json!([])), "{seed}");
        assert!(figures["hosts_died"].as_u64().is_some_and(|n| n >= 6), "{seed}: {}", figures["hosts_died"]);
    }
}

#[test]
fn what_the_faults_did_is_counted() {
    const COUNTS: [&str; 7] = [
        "events_lost",
        "events_doubled",
        "events_late",
        "calls_throttled",
        "calls_failed",
        "calls_failed_after_effect",
        "stale_reads",
    ];
    let none = json("");
    assert_eq!(COUNTS.map(|field| none[field].clone()), [0; 7].map(Value::from));
    assert!(!text("").contains("\n  faults "));

    let heavy = json("--faults heavy --seed 2");
    for field in COUNTS.into_iter().chain(["workers_killed", "hosts_died", "hosts_taken_by_people"]) {
        assert!(heavy[field].as_u64().is_some_and(|n| n > 0), "{field}: {}", heavy[field]);
    }
    let share = heavy["events_lost"].as_f64().unwrap() / heavy["events_sent"].as_f64().unwrap();
    assert!((0.25..0.35).contains(&share), "a third of the events: {share}");
    let text = text("--faults heavy --seed 2");
    let people = match heavy["hosts_taken_by_people"].as_u64() {
        Some(1) => "1 person terminated a host".to_owned(),
        n => format!("{} hosts terminated by people", n.unwrap()),
    };
    let told = [
        format!("{} throttled", some(&heavy, "calls_throttled", "call")),
        format!("{} failed,", some(&heavy, "calls_failed", "call")),
        format!("{} failed after taking effect", some(&heavy, "calls_failed_after_effect", "call")),
        some(&heavy, "stale_reads", "stale read"),
        format!("{} killed", some(&heavy, "workers_killed", "worker")),
        format!("{} died", some(&heavy, "hosts_died", "host")),
        people,
    ];
    in_order(&text, &told.each_ref().map(String::as_str));
    assert!(text.contains("i-…") && text.contains(" dies") && text.contains("a person terminates i-…"), "{text}");
}

fn some(figures: &Value, field: &str, what: &str) -> String {
    let n = figures[field].as_u64().unwrap();
    assert!(n < 1000, "written with a comma: {n}");
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

#[test]
fn heavy_faults_end_well_too() {
    let ends_well = serde_json::json!(["closed", 0, [], true, true]);
    let ends = (1..=20).map(|seed| {
        let output = demo(&format!("--faults heavy --json --seed {seed}"));
        let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
        let mut end = ["outcome", "tasks_interrupted", "violations"].map(|field| figures[field].clone()).to_vec();
        end.extend(["hosts_died", "hosts_taken_by_people"].map(|field| (figures[field] != 0).into()));
        (seed, Value::from(end), figures["hold_reason"].clone())
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
fn a_picture_that_cannot_be_written_is_said_before_anything_is_simulated() {
    let output = demo("--report /no/such/folder/rotation.html");
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(stderr.starts_with("error: write /no/such/folder/rotation.html: "), "{stderr}");
    // The same for `report`, which would wait for its log.
    let mut report = Command::new(env!("CARGO_BIN_EXE_ecs-rotator"));
    report.args(["report", "--cluster", "demo", "--output", "/no/such/folder/rotation.html", "/no/such/log"]);
    let stderr = String::from_utf8(report.output().unwrap().stderr).unwrap();
    assert!(stderr.starts_with("error: write /no/such/folder/rotation.html: "), "{stderr}");
}

#[test]
fn a_look_at_whether_a_picture_can_be_written_leaves_nothing_behind() {
    let folder = std::env::temp_dir().join(format!("ecs-rotator-demo-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("rotation.html");
    std::fs::write(&path, "before").unwrap();
    let output = demo(&format!("--hosts 1 --report {}", path.display()));
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("<!DOCTYPE html>"));
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    std::fs::remove_dir_all(folder).unwrap();
}

fn help(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ecs-rotator"));
    String::from_utf8(command.args(arguments).arg("--help").output().unwrap().stdout).unwrap()
}

#[test]
fn help_shows_only_what_this_binary_can_do() {
    let all = help(&[]);
    let commands: Vec<&str> =
        all.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| line.starts_with("  ")).collect();
    let commands: Vec<&str> = commands.iter().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.contains(&"demo") && commands.contains(&"report"), "{all}");
    let examples = all.lines().filter_map(|line| line.trim_start().strip_prefix("ecs-rotator "));
    let named: Vec<&str> = examples.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(named.len() >= 3, "{all}");
    for name in named {
        assert!(commands.contains(&name), "`{name}` is no command of this binary: {all}");
    }
    assert_eq!(help(&["demo"]).contains("--http"), cfg!(feature = "web"));
}

/// Asked for all the same it says where it is.
#[cfg(not(feature = "web"))]
#[test]
fn a_binary_without_a_page_says_so() {
    for arguments in ["--http 8080", "--http"] {
        let output = demo(arguments);
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains("--features web"));
    }
}

/// What it shows of a rotation is for `tests/page.rs`; here, that the flags reach it.
#[cfg(feature = "web")]
#[test]
fn the_page_can_be_looked_at_in_bad_states() {
    use std::io::{Read as _, Write as _};

    for flag in ["--bad-image", "--stuck-service"] {
        let arguments = format!("--hosts 4 --http 0 --speed 3600 {flag}");
        let mut child = command(&arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let at = first.split("http://").nth(1).unwrap().split('/').next().unwrap();
        let status = || {
            let mut stream = std::net::TcpStream::connect(at).unwrap();
            write!(stream, "GET /status.json HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        };
        let held = (0..600).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(100));
            status().contains(r#""state":"held""#)
        });
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(held, "{flag}");
    }
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
