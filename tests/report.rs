//! The picture of a rotation: it shows what truly happened, whatever was lost on the way, and it is safe to open.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use ecs_rotator::id::InstanceId;
use ecs_rotator::journal::{Journal, LogLine};
use ecs_rotator::plan::host::Phase;
use ecs_rotator::plan::policy::{Budget, Policy};
use ecs_rotator::record::{Mark, Record, Standing, html};
use ecs_rotator::sim::clock::SimulatedTime;
use ecs_rotator::sim::{
    Act, By, CLUSTER, Delay, Faults, GroupShape, Happening, Report, Scenario, ServiceShape, Simulation, logs,
};
use jiff::{SignedDuration, Timestamp};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer as _, fmt::MakeWriter};

mod common;
use common::LONG;

fn run(scenario: Scenario) -> (Report, Vec<LogLine>) {
    logs::lines_during(LevelFilter::INFO, || Simulation::new(scenario).run(LONG))
}

fn record(lines: &[LogLine]) -> Record {
    Record::of(lines, &CLUSTER.into(), None).unwrap()
}

fn two_groups(seed: u64) -> Scenario {
    let mut scenario = Scenario::new(seed).groups(vec![GroupShape::new("web-asg", 12), GroupShape::new("api-asg", 8)]);
    scenario.settings.policy = Policy { max_in_flight: Budget::Percent(25), ..Policy::default() };
    scenario
}

/// When this happened to each host, in truth.
fn truly(report: &Report, what: impl Fn(&Happening) -> Option<&InstanceId>) -> BTreeSet<(InstanceId, Timestamp)> {
    report.timeline.iter().filter_map(|moment| Some((what(&moment.what)?.clone(), moment.at))).collect()
}

#[track_caller]
fn assert_near(record: &Record, phase: Phase, truth: &BTreeSet<(InstanceId, Timestamp)>) {
    let told: BTreeSet<_> = record.leavers().filter_map(|host| Some((host.id.clone(), host.began(phase)?))).collect();
    let ids = |times: &BTreeSet<(InstanceId, Timestamp)>| times.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&told), ids(truth), "{phase}");
    for ((id, told), (_, truth)) in told.iter().zip(truth) {
        let apart = told.duration_since(*truth).abs();
        assert!(apart < SignedDuration::from_secs(2), "{id} {phase}: told {told}, in truth {truth}");
    }
}

#[test]
fn every_step_of_every_host_is_on_it_when_it_truly_was() {
    let (report, lines) = run(two_groups(1));
    let record = record(&lines);
    assert_eq!((record.replaced() as u64, record.state), (report.rotated, Standing::Closed));
    fn drained(what: &Happening) -> Option<&InstanceId> {
        if let Happening::Draining { host, by: By::Worker, .. } = what { Some(host) } else { None }
    }
    fn ended(what: &Happening) -> Option<&InstanceId> {
        if let Happening::Terminated { host, by: By::Worker } = what { Some(host) } else { None }
    }
    fn detached(what: &Happening) -> Option<&InstanceId> {
        if let Happening::Detached { host, .. } = what { Some(host) } else { None }
    }
    assert_near(&record, Phase::Replacing, &truly(&report, detached));
    assert_near(&record, Phase::Draining, &truly(&report, drained));
    assert_near(&record, Phase::Gone, &truly(&report, ended));
    // Every one of them was replaced by another, on the other image.
    for row in record.groups.values().flat_map(|group| &group.rows) {
        let (old, new) = (row.old.as_ref().unwrap(), row.new.as_ref().unwrap());
        assert_ne!(old.image, new.image, "{row:?}");
        assert!(new.at < old.began(Phase::Draining).unwrap() + SignedDuration::from_secs(1), "{row:?}");
    }
    // A quarter of either group.
    assert_eq!(record.in_flight.iter().map(|(_, hosts)| *hosts).max(), Some(3 + 2));
    for (name, group) in &record.groups {
        assert!(group.capacity.iter().all(|(_, serving, desired)| serving >= desired), "{name}: {:?}", group.capacity);
    }
}

#[test]
fn workers_that_die_and_events_that_are_lost_leave_no_hole_in_it() {
    for seed in 1..=12 {
        let (report, lines) = run(two_groups(seed).workers(2).faults(Faults::heavy()));
        let record = record(&lines);
        let ended = |what: &Happening| matches!(what, Happening::Terminated { by: By::Worker, .. });
        let ended = report.timeline.iter().filter(|moment| ended(&moment.what)).count();
        // Those that died while they were in flight are gone too.
        assert!(record.replaced() >= ended, "seed {seed}: {} of {ended} told", record.replaced());
        let told = |host: &&ecs_rotator::record::Leaver| host.phase() != Some(Phase::Gone) && host.lost_sight.is_none();
        let left: Vec<_> = record.leavers().filter(told).collect();
        let back =
            |host: &&&ecs_rotator::record::Leaver| matches!(host.phase(), Some(Phase::Current | Phase::Outdated));
        assert_eq!(left.iter().filter(|host| !back(host)).count(), 0, "seed {seed}: {left:#?}");
        assert!(record.leavers().all(|host| host.steps.is_sorted_by_key(|(at, _)| *at)), "seed {seed}");
    }
}

/// Where the JSON log goes.
#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Buffer {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// A run with its log as `--log-format json` writes it, and the same log in memory.
fn as_json(scenario: Scenario) -> (String, Vec<LogLine>) {
    let (buffer, journal) = (Buffer::default(), Journal::whole(logs::now));
    let json = tracing_subscriber::fmt::layer().json().flatten_event(true).with_timer(SimulatedTime);
    let subscriber = tracing_subscriber::registry()
        .with(json.with_writer(buffer.clone()).with_filter(LevelFilter::INFO))
        .with(journal.clone().with_filter(LevelFilter::INFO));
    let _report = tracing::subscriber::with_default(subscriber, || Simulation::new(scenario).run(LONG));
    let bytes = buffer.0.lock().unwrap().clone();
    (String::from_utf8(bytes).unwrap(), journal.lines())
}

/// A drain that does not end, because of a service whose name is a script.
fn held_by(name: &str) -> Scenario {
    let mut service = ServiceShape::new(name, 24, 100, 100);
    service.deregistration = Delay::secs(5, 10);
    Scenario::new(1).hosts(6).services(vec![service])
}

#[test]
fn the_json_log_read_back_draws_the_same_picture() {
    let (text, lines) = as_json(
        held_by("web")
            .act(SignedDuration::from_mins(20), Act::AgentLost { host: 1, for_: SignedDuration::from_mins(3) }),
    );
    let read: Vec<LogLine> = text.lines().filter_map(LogLine::parse).collect();
    assert_eq!(read.len(), lines.len());
    let (ours, theirs) = (record(&lines), record(&read));
    assert_eq!(ours.state, Standing::Held);
    // The file has the time to the millisecond.
    let without_times = |record: &Record| {
        let hosts = record
            .leavers()
            .map(|host| (host.id.clone(), host.tasks, host.steps.iter().map(|(_, phase)| *phase).collect::<Vec<_>>()));
        (hosts.collect::<Vec<_>>(), record.stops.iter().map(|stop| stop.reason.clone()).collect::<Vec<_>>())
    };
    assert_eq!(without_times(&ours), without_times(&theirs));
    let notes = |record: &Record| record.notes.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(notes(&ours), notes(&theirs));
}

#[test]
fn a_hold_is_marked_with_its_reason_and_a_script_in_a_name_is_text() {
    let (_, lines) = run(held_by("<script>alert(1)</script>"));
    let record = record(&lines);
    let [stop] = record.stops.as_slice() else { panic!("{:#?}", record.stops) };
    assert!(stop.reason.as_ref().unwrap().contains("<script>"), "{stop:?}");
    let page = html(&record);
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "the reason is not on it");
    assert!(page.contains(r#"<rect class="stopped""#), "the hold is not marked");
    for forbidden in ["<script", "http:", "https:", "url(", "@import", "onload", "javascript:"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
}

/// A line of the log beside those of a simulation.
fn line(at: Timestamp, message: &str, fields: &[(&str, &str)]) -> LogLine {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    LogLine { at, level: "INFO", message: message.to_owned(), fields }
}

#[test]
fn a_bake_is_labelled_and_only_what_there_is_stands_in_the_legend() {
    let (_, lines) = run(two_groups(1));
    let record = record(&lines);
    let bake = Policy::default().bake;
    for (name, group) in &record.groups {
        let (from, to) = group.bake.unwrap_or_else(|| panic!("no bake of {name}"));
        let off = (to.duration_since(from) - bake).abs();
        assert!(off < SignedDuration::from_secs(20), "{name}: from {from} to {to}");
    }
    let page = html(&record);
    assert_eq!(page.matches(r#"<rect class="bake""#).count(), 2);
    let legend = page.split(r#"<ul class="legend">"#).nth(1).and_then(|rest| rest.split("</ul>").next()).unwrap();
    for (word, there) in [
        ("draining", true),
        ("canary bakes", true),
        ("returning", false),
        ("held", false),
        ("worker", false),
        ("throttled", false),
    ] {
        assert_eq!(legend.contains(word), there, "{word} in {legend}");
    }
    // A rotation that stood still meanwhile says nothing of a bake.
    let first = &record.groups.values().next().unwrap().bake.unwrap();
    let held = line(
        first.0 + SignedDuration::from_secs(60),
        "rotation held",
        &[("cluster", CLUSTER), ("rotation", record.id.as_str())],
    );
    let open = line(first.1, "rotation open", &[("cluster", CLUSTER), ("rotation", record.id.as_str())]);
    let held = Record::of(&[lines, vec![held, open]].concat(), &CLUSTER.into(), None).unwrap();
    assert!(held.groups.values().any(|group| group.bake.is_none()));
}

#[test]
fn a_rotation_that_left_groups_out_or_was_aborted_is_not_called_closed() {
    let (_, lines) = run(Scenario::new(1).hosts(3));
    let ids = [("cluster", CLUSTER), ("rotation", lines.iter().find_map(|line| line.get("rotation")).unwrap())];
    let end = lines.iter().map(|line| line.at).max().unwrap();
    let ended = |message: &str, more: &[(&str, &str)]| {
        let mut told: Vec<LogLine> = lines.iter().filter(|line| line.message != "rotation closed").cloned().collect();
        told.push(line(end, message, &[&ids, more].concat()));
        record(&told)
    };
    for list in [r#"[{"group":"api-asg","reason":"no such <image>"}]"#, "api-asg: no such <image>; web-asg: none"] {
        let record = ended("rotation closed with groups skipped", &[("skipped", list)]);
        assert_eq!((record.state, record.until), (Standing::ClosedWithGroupsSkipped, end));
        let page = html(&record);
        assert!(
            page.contains("closed with groups skipped, after") && page.contains("api-asg: no such &lt;image&gt;"),
            "{page}"
        );
        assert!(!page.contains(">closed after"), "{page}");
        assert_eq!(serde_json::to_value(&record).unwrap()["state"], "closed-with-groups-skipped");
    }
    for (message, reason) in
        [("rotation aborted", "x"), ("rotation held", "aborted by a person. hosts that drain finish")]
    {
        let record = ended(message, &[("reason", reason)]);
        assert_eq!(
            (record.state, record.stops.last().map(|stop| stop.state)),
            (Standing::Aborted, Some(Standing::Aborted))
        );
        assert!(html(&record).contains(r#"<p class="state aborted">aborted, "#));
    }
}

#[test]
fn where_and_how_the_worker_worked_and_what_befell_it_stand_on_it() {
    let (_, lines) = run(two_groups(1).workers(2).faults(Faults::heavy()));
    let record = record(&lines);
    let started =
        lines.iter().filter(|line| line.message.starts_with("looking after ") && line.at > record.opened).count();
    let marked = |mark: Mark| record.marks.iter().filter(|(_, of)| *of == mark).count();
    assert!(started > 0 && (1..=started).contains(&marked(Mark::WorkerStarted)), "{started}: {:?}", record.marks);
    assert!(html(&record).contains("a worker started"));
    assert_eq!((record.account.as_deref(), record.settings.len()), (None, 0), "no line says it");

    let before = record.opened - SignedDuration::from_mins(5);
    let queue = ("queue", "https://sqs.eu-west-1.amazonaws.com/123456789012/q");
    let first = line(
        before,
        "begins",
        &[("version", "9"), ("region", "eu-west-1"), queue, ("max_in_flight", "25%"), ("window", "")],
    );
    let known = Record::of(&[vec![first], lines].concat(), &CLUSTER.into(), None).unwrap();
    let page = html(&known);
    assert!(page.contains("account 123456789012 · eu-west-1"), "{page}");
    assert!(page.contains(r#"<span class="field">max-in-flight</span> 25%"#) && !page.contains(">window<"), "{page}");

    let event = r#"{"source":"ecs-rotator","detail-type":"Rotation Opened","time":"2026-01-14T03:00:00Z","detail":{"version":1,"cluster":"arn:aws:ecs:us-gov-west-1:210987654321:cluster/prod","rotation":"prod/20260114T030000Z","groups":[],"force":false,"because":"x"}}"#;
    let told = Record::of(&[LogLine::parse(event).unwrap()], &"prod".into(), None).unwrap();
    assert_eq!((told.account.as_deref(), told.region.as_deref()), (Some("210987654321"), Some("us-gov-west-1")));
}

#[test]
fn two_hundred_hosts_fit_in_a_megabyte() {
    let mut scenario = Scenario::new(1).groups(vec![GroupShape::new("web-asg", 120), GroupShape::new("api-asg", 80)]);
    scenario.settings.policy = Policy { max_in_flight: Budget::Percent(20), ..Policy::default() };
    let (report, lines) = run(scenario);
    let page = html(&record(&lines));
    assert_eq!(report.rotated, 200);
    assert_eq!(page.matches(r#"role="img" aria-label="i-"#).count(), 200);
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    // Each group is one curve, behind which its hosts are folded; so is the table.
    assert_eq!((page.matches("<details><summary>").count(), page.matches("120 hosts, one by one").count()), (3, 1));
    assert!(page.contains("120 of 120 replaced") && page.contains("80 of 80 replaced"));
    let (_, lines) = run(two_groups(1));
    assert!(!html(&record(&lines)).contains("hosts, one by one"), "a few are not folded");
}

fn report(arguments: &[&str], log: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ecs-rotator"));
    command.arg("report").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Whoever ends early does not read it all.
    let _ = child.stdin.take().unwrap().write_all(log.as_bytes());
    child.wait_with_output().unwrap()
}

#[test]
fn the_command_draws_from_a_log_among_other_lines() {
    let (text, _) = as_json(Scenario::new(1).hosts(3));
    let log: String = text.lines().map(|line| format!("2026-01-14T03:00:00 worker/1 {line}\nnot of ours\n")).collect();
    let output = report(&["--cluster", CLUSTER], &log);
    let page = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(
        page.starts_with("<!DOCTYPE html>") && page.contains("3 of 3 replaced, max 1 at a time (from the log)"),
        "{page}"
    );
    let output = report(&["--cluster", CLUSTER, "--json"], &log);
    let data: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(data["groups"]["demo-asg"]["rows"].as_array().map(Vec::len), Some(3));
    assert_eq!(data["state"], "closed");
}

#[test]
fn a_log_that_does_not_speak_of_it_is_an_error_that_says_what_it_speaks_of() {
    let (text, _) = as_json(Scenario::new(1).hosts(1));
    const LOG: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/own.log");
    std::fs::write(LOG, &text).unwrap();
    let cases: [(&[&str], &str, &str); 5] = [
        (&["--cluster", "prod"], &text, "nothing of a rotation of cluster prod; it speaks of demo"),
        (&["--cluster", "demo", "--rotation", "demo/1"], &text, "nothing of rotation demo/1; it speaks of demo/2026"),
        (&["--cluster", "demo"], "INFO draining host=i-1", "run the worker with --log-format json"),
        (&["--cluster", "demo", "--output", LOG, LOG], "", "is the log: give the picture another file"),
        (&["--cluster", "demo", "/no/such/file"], "", "open /no/such/file: No such file"),
    ];
    for (arguments, log, expected) in cases {
        let output = report(arguments, log);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains(expected) && said.lines().count() == 1, "{arguments:?}: {said}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
    assert_eq!(std::fs::read_to_string(LOG).unwrap(), text, "the log is as it was");
}
