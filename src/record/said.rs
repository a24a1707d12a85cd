//! What a log says of its worker beside the rotation: where it works, by which settings, when one started, and when AWS
//! held its calls back. These lines name no rotation: those of its time count.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::id::ClusterArn;
use crate::journal::LogLine;

/// Marks of one kind that are so near to each other are one.
const APART: SignedDuration = SignedDuration::from_secs(60);

/// Something that happened to the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// One started after the rotation had begun.
    WorkerStarted,
    /// AWS answered that there were too many calls.
    Throttled,
}

/// Everything that the lines of this time say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    pub account: Option<String>,
    pub region: Option<String>,
    pub settings: BTreeMap<String, String>,
    pub marks: Vec<(Timestamp, Mark)>,
}

impl Said {
    /// Of lines in any order, for a rotation of this time.
    pub fn of(lines: &[LogLine], from: Timestamp, to: Timestamp) -> Self {
        let mut lines: Vec<&LogLine> = lines.iter().filter(|line| line.at <= to).collect();
        lines.sort_by_key(|line| line.at);
        let mut said = Self::default();
        for line in lines {
            if let Some(settings) = settings(line) {
                // Of several workers, or before and after a change, the last.
                said.settings = settings;
                said.account = line.get("account").map(ToOwned::to_owned).or_else(|| account_of_queue(line));
                said.region = line.get("region").map(ToOwned::to_owned);
            }
            if line.at <= from {
                continue;
            }
            if is_start(line) {
                said.mark(line.at, Mark::WorkerStarted);
            } else if is_throttled(line) {
                said.mark(line.at, Mark::Throttled);
            }
        }
        said
    }

    /// An event names its cluster wholly.
    pub fn place(&mut self, cluster: &ClusterArn) {
        if let Some((region, account)) = cluster.place() {
            self.region = Some(region.to_owned());
            self.account = Some(account.to_owned());
        }
    }

    fn mark(&mut self, at: Timestamp, mark: Mark) {
        let last = self.marks.iter().rev().find(|(_, of)| *of == mark);
        if last.is_none_or(|(before, _)| at >= *before + APART) {
            self.marks.push((at, mark));
        }
    }
}

/// The line with which a worker begins: its version and its settings.
fn settings(line: &LogLine) -> Option<BTreeMap<String, String>> {
    const OTHERS: [&str; 4] = ["version", "region", "account", "queue"];
    let is_first = line.get("version").is_some() && line.get("max_in_flight").is_some();
    let of = |(name, _): &(&String, &String)| !OTHERS.contains(&name.as_str());
    is_first.then(|| line.fields.iter().filter(of).map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// It has begun, or has found its clusters for the first time.
fn is_start(line: &LogLine) -> bool {
    settings(line).is_some() || line.message.starts_with("looking after ")
}

fn is_throttled(line: &LogLine) -> bool {
    ["kind", "failure"].into_iter().filter_map(|field| line.get(field)).any(|text| text.contains("throttled"))
}

/// `https://sqs.eu-west-1.amazonaws.com/123456789012/ecs-rotator`
fn account_of_queue(line: &LogLine) -> Option<String> {
    let mut parts = line.get("queue")?.rsplit('/');
    let account = parts.nth(1)?;
    (account.len() == 12 && account.bytes().all(|digit| digit.is_ascii_digit())).then(|| account.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(second: i64, message: &str, fields: &[(&str, &str)]) -> LogLine {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        LogLine { at: time(second), level: "INFO", message: message.to_owned(), fields }
    }

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_worker_that_starts_says_where_it_works_and_by_which_settings() {
        let queue = ("queue", "https://sqs.eu-west-1.amazonaws.com/123456789012/q");
        let first = [("version", "1"), ("region", "eu-west-1"), queue, ("max_in_flight", "10%"), ("drain", "at-once")];
        let said = Said::of(&[line(5, "whatever it says", &first)], time(10), time(90));
        assert_eq!((said.account.as_deref(), said.region.as_deref()), (Some("123456789012"), Some("eu-west-1")));
        let settings = [("drain", "at-once"), ("max_in_flight", "10%")];
        assert_eq!(said.settings, settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        assert_eq!(said.marks, [], "that it started before the rotation is no mark on it");
    }

    #[test]
    fn what_happens_to_it_meanwhile_is_marked_once_a_minute() {
        let told = [
            line(20, "looking after one cluster", &[("cluster", "prod")]),
            line(25, "any", &[("version", "1"), ("max_in_flight", "1")]),
            line(30, "call failed, it will be made again", &[("kind", "throttled")]),
            line(31, "a look or an act failed: tried again", &[("failure", "DetachInstances failed (throttled): x")]),
            line(95, "call failed, it will be made again", &[("kind", "transient")]),
            line(99, "call failed", &[("kind", "throttled")]),
            line(200, "looking after 2 clusters", &[]),
        ];
        let said = Said::of(&told, time(10), time(150));
        let expected = [(20, Mark::WorkerStarted), (30, Mark::Throttled), (99, Mark::Throttled)];
        assert_eq!(said.marks, expected.map(|(at, mark)| (time(at), mark)));
    }
}
