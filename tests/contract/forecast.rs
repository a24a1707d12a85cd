//! `ecs-rotator plan`, and what it said.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use serde_json::Value;

use crate::calls::{Call, PLAN_KEY, signed_by};
use crate::emulators::Emulators;
use crate::scene::TestDirectory;
use crate::worker::ecs_rotator;

/// As wide as a table for people may be.
const WIDTH: usize = 100;
/// Nobody listens there.
const NOBODY: &str = "http://127.0.0.1:1";

pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    /// # Panics
    /// When it ended with another code, or with something else than one JSON object.
    #[track_caller]
    pub fn json(&self, code: i32) -> Value {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        assert_eq!(self.err, "", "a pipeline that reads JSON is told nothing else");
        serde_json::from_str(&self.out).unwrap_or_else(|why| panic!("{why}:\n{}", self.out))
    }

    /// For people.
    #[track_caller]
    pub fn text(&self, code: i32) -> &str {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        for line in self.out.lines() {
            assert!(line.chars().count() <= WIDTH, "wider than {WIDTH} columns: {line}\n{}", self.out);
        }
        &self.out
    }
}

/// With no queue, and with an address for queues where nobody answers.
pub async fn plan(emulators: &Emulators, dir: &TestDirectory, flags: &[&str]) -> Said {
    let mut command = ecs_rotator(emulators, &dir.path, PLAN_KEY);
    command.arg("plan").args(flags).env("AWS_ENDPOINT_URL_SQS", NOBODY);
    let ended = tokio::task::spawn_blocking(move || command.output().expect("plan can be started"));
    let output = ended.await.expect("plan ends");
    let text = |bytes| String::from_utf8(bytes).expect("plan writes text");
    let code = output.status.code().expect("plan ends by itself");
    Said { code, out: text(output.stdout), err: text(output.stderr) }
}

/// The groups of the only cluster, by name.
#[track_caller]
pub fn groups(report: &Value) -> BTreeMap<&str, &Value> {
    let clusters = report["clusters"].as_array().expect("a list of clusters");
    assert_eq!(clusters.len(), 1, "{report:#}");
    let groups = clusters[0]["groups"].as_array().expect("a list of groups");
    groups.iter().map(|group| (group["group"].as_str().expect("a group has a name"), group)).collect()
}

/// How many days ago an image was made, that was made on this day.
pub fn age(day: &str) -> i64 {
    let made: jiff::Timestamp = format!("{day}T21:04:05Z").parse().expect("a day");
    crate::wait::now().duration_since(made).as_hours() / 24
}

/// # Panics
/// When something that was signed by this key was no mere look.
pub fn assert_only_looks(key: &str, dir: &Path) {
    let calls = signed_by(key, dir);
    assert!(!calls.is_empty(), "nothing is recorded of {key}");
    let changes: Vec<&Call> = calls.iter().filter(|call| call.is_effect()).collect();
    let list = changes.iter().fold(String::new(), |mut list, call| {
        let _ = writeln!(list, "{}", call.operation);
        list
    });
    assert!(changes.is_empty(), "{key} has changed something:\n{list}");
}
