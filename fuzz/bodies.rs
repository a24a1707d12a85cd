//! What is done with an input, whoever brings it: the fuzzer (`targets/`), or the corpus in an ordinary test
//! (`tests/parsers.rs`).
//!
//! Nothing may panic or take long, whatever the text; and what is read and can be written is read again as the same.

use std::collections::BTreeMap;

use ecs_rotator::config;
use ecs_rotator::event::{Command, Parsed, parse};
use ecs_rotator::id::ClusterName;
use ecs_rotator::plan::calendar::{Calendar, Freeze, Windows};
use ecs_rotator::plan::family::Families;
use ecs_rotator::plan::policy::{Budget, DrainWhen, Policy, ReleaseBy, parse_age, parse_duration};
use ecs_rotator::plan::tags::{ClusterTags, RotationTags, Tags};
use jiff::Timestamp;

/// What is done with one input.
pub type Body = fn(&str);

/// By the names of their corpora.
pub const ALL: [(&str, Body); 5] =
    [("messages", messages), ("tags", tags), ("settings", settings), ("calendars", calendars), ("families", families)];

const PREFIX: &str = "ecs-rotator:";
/// 2026-11-24T12:00:00Z, so that calendars of these years have something to say.
const NOW: i64 = 1_795_521_600;

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The body of a message.
pub fn messages(body: &str) {
    match parse(body) {
        Parsed::Command(command) => {
            if let Some(cluster) = cluster_of(&command) {
                assert!(!cluster.as_str().is_empty(), "a command for no cluster");
            }
        }
        Parsed::Event(_) => {}
        Parsed::Irrelevant { reason } => assert!(!reason.is_empty()),
        Parsed::Malformed { reason } => assert!(!reason.is_empty()),
    }
}

fn cluster_of(command: &Command) -> Option<&ClusterName> {
    match command {
        Command::Rotate { cluster, .. }
        | Command::Pause { cluster }
        | Command::Resume { cluster }
        | Command::Abort { cluster } => Some(&cluster.name),
        Command::CheckReleases {} | Command::Sweep {} => None,
    }
}

/// Tags, one a line: `name=value`. `OS` is a key as it is, before any other goes our prefix.
pub fn tags(text: &str) {
    let keyed = |(key, value): (&str, &str)| {
        let key = if key == "OS" { key.to_owned() } else { format!("{PREFIX}{key}") };
        (key, value.to_owned())
    };
    let all: BTreeMap<String, String> = text.lines().filter_map(|line| line.split_once('=')).map(keyed).collect();
    let tags = Tags::new(PREFIX);
    on_a_cluster(&tags, &all);
    on_a_host(&tags, &all);
    on_a_group(&tags, &all);
}

fn on_a_cluster(tags: &Tags, all: &BTreeMap<String, String>) {
    let read = tags.read_cluster(all);
    let Some(written) = write(tags, &read) else { return };
    let again = tags.read_cluster(&written);
    assert_eq!((again.rotate_before, &again.scope), (read.rotate_before, &read.scope));
    // A time of the rotation is cut to seconds once, and a hold to what a tag may say.
    assert_eq!(write(tags, &again), Some(written));
}

fn write(tags: &Tags, read: &ClusterTags) -> Option<BTreeMap<String, String>> {
    let rotation = read.rotation.as_ref()?;
    let (hold, skipped) = (read.hold.as_ref(), read.skipped.as_slice());
    let (rotate_before, because, scope) = (read.rotate_before, read.because.as_deref(), &read.scope);
    let resumed = rotate_before;
    tags.write_cluster(&RotationTags { rotation, hold, skipped, rotate_before, resumed, because, scope }).ok()
}

fn on_a_host(tags: &Tags, all: &BTreeMap<String, String>) {
    let cluster = ClusterName::from("prod");
    if let Some(ours) = tags.read_ours(&cluster, all) {
        assert_eq!(tags.read_ours(&cluster, &tags.write_ours(&ours)), Some(ours));
    }
    if let Some(since) = tags.read_draining_since(all) {
        assert_eq!(tags.read_draining_since(&tags.write_draining_since(since)), Some(since));
    }
}

fn on_a_group(tags: &Tags, all: &BTreeMap<String, String>) {
    if let Err((key, bad)) = tags.enabled(all) {
        assert!(all.get(&key).is_some_and(|said| *said == bad.got), "{key}");
    }
    match tags.image_source(all) {
        Ok(source) => assert!(source.ami_name.is_none_or(|pattern| !pattern.owners.is_empty())),
        Err((key, _)) => assert!(all.contains_key(&key), "{key}"),
    }
    match tags.group_policy(all, &Policy::default()) {
        Ok(policy) => {
            assert!(policy.max_in_flight.hosts(7) > 0);
            ask(&policy.calendar);
        }
        Err((key, _)) => assert!(all.contains_key(&key), "{key}"),
    }
}

/// One setting: the text is read as each of them.
pub fn settings(text: &str) {
    if let Ok(budget) = text.parse::<Budget>() {
        assert!(budget.hosts(u32::MAX) > 0);
        assert_eq!(budget.to_string().parse(), Ok(budget));
    }
    if let Ok(drain) = text.parse::<DrainWhen>() {
        assert_eq!(drain.to_string().parse(), Ok(drain));
    }
    if let Ok(by) = text.parse::<ReleaseBy>() {
        assert_eq!(by.to_string().parse(), Ok(by));
    }
    if let Ok(duration) = parse_duration(text) {
        assert!(duration.as_secs() >= 1);
    }
    if let Ok(age) = parse_age(text) {
        assert!(!age.is_negative());
    }
    if let Ok(windows) = text.parse::<Windows>() {
        assert_eq!(windows.to_string().parse().as_ref(), Ok(&windows));
        ask(&Calendar { windows: Some(windows), freeze: Freeze::default() });
    }
    if let Ok(freeze) = text.parse::<Freeze>() {
        ask(&Calendar { windows: None, freeze });
    }
    if let Ok(cluster) = config::cluster(text) {
        assert!(!cluster.name.as_str().is_empty());
        assert_eq!(cluster.to_string().parse().as_ref(), Ok(&cluster));
    }
}

/// An iCalendar text.
pub fn calendars(text: &str) {
    if let Ok(freeze) = Freeze::from_ics(text) {
        ask(&Calendar { windows: None, freeze });
    }
}

/// When nobody may be taken now, it is said until when, and that is later.
fn ask(calendar: &Calendar) {
    assert!(calendar.notes(now()).iter().all(|note| !note.is_empty()));
    if let Err(not_now) = calendar.admits(now()) {
        assert!(!not_now.why.is_empty());
        assert!(not_now.again.is_none_or(|again| again > now()), "{not_now:?}");
    }
}

/// A map of image families, as JSON.
pub fn families(json: &str) {
    let known = Families::built_in();
    match known.with(json) {
        Ok(families) => {
            let name = "al2023-ami-ecs-hvm-2023.0.20260113-kernel-6.1-x86_64";
            if let Some(found) = families.recognise(name, &["amazon"], "x86_64") {
                assert!(!found.parameter.as_str().is_empty());
            }
            assert_eq!(families.with("[]"), Ok(families.clone()));
        }
        Err(bad) => assert!(!bad.to_string().is_empty()),
    }
}
