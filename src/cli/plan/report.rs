//! What a survey has found, as a forecast of every cluster: for `--json`, and for the table.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use crate::cli::exit;
use crate::effect::{Failure, FailureKind};
use crate::engine::Settings;
use crate::engine::survey::Findings;
use crate::id::ClusterName;
use crate::plan::forecast::{Assumptions, Forecast, Stuck, forecast};
use crate::plan::model::ClusterView;
use crate::plan::published::Published;

/// What `plan` prints. Times are in seconds, ages in days.
#[derive(Debug, Serialize)]
pub struct Report {
    pub verdict: Verdict,
    pub clusters: Vec<Forecast>,
    /// Clusters that could not be looked at, and why.
    pub failed: BTreeMap<ClusterName, String>,
    /// Clusters that were named and do not exist here.
    pub missing: Vec<String>,
    /// Why the clusters could not be listed.
    pub error: Option<String>,
    pub assuming: Assuming,
    /// The calls that this look took, by AWS's operation name.
    pub requests: BTreeMap<&'static str, u64>,
    /// The tag by which a cluster opts in.
    #[serde(skip)]
    pub opt_in: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    NothingToDo,
    SomethingToDo,
    /// Some cluster could not be looked at.
    CouldNotTell,
    /// Nothing is due, and some group cannot be brought to its newest image: its release is not known, or was refused.
    NeedsAPerson,
}

/// What the times are reckoned by.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Assuming {
    pub replacement_seconds: i64,
    pub replacement_windows_seconds: i64,
    pub drain_seconds: i64,
}

impl Report {
    pub fn of(findings: Findings, settings: &Settings, assumptions: &Assumptions, now: Timestamp) -> Self {
        let (mut clusters, mut failed) = (Vec::new(), BTreeMap::new());
        let looked_in = looked_in(&findings.requests, findings.clusters.len());
        for (arn, surveyed) in findings.clusters {
            match (surveyed.failed, surveyed.view) {
                (None, Some(view)) => {
                    let mut forecast = forecast(&view, &settings.policy, assumptions, looked_in, now);
                    forecast.notes.extend(other_settings(&view, settings));
                    clusters.push(forecast);
                }
                (Some(why), _) => {
                    failed.insert(arn.name(), why);
                }
                (None, None) => {
                    failed.insert(arn.name(), "it was not looked at".to_owned());
                }
            }
        }
        let mut report = Self {
            verdict: Verdict::CouldNotTell,
            clusters,
            failed,
            missing: findings.missing,
            error: findings.failed.as_ref().map(said),
            assuming: Assuming {
                replacement_seconds: assumptions.replacement.as_secs(),
                replacement_windows_seconds: assumptions.replacement_windows.as_secs(),
                drain_seconds: assumptions.drain.as_secs(),
            },
            requests: findings.requests,
            opt_in: format!("{}enabled", settings.tag_prefix),
        };
        report.verdict = report.judge();
        report
    }

    fn judge(&self) -> Verdict {
        let blind = !self.failed.is_empty() || !self.missing.is_empty() || self.error.is_some();
        let lacks = |cluster: &Forecast| cluster.groups.is_empty() || !cluster.absent.is_empty();
        let empty = self.clusters.iter().any(|cluster| cluster.enabled != Some(false) && lacks(cluster));
        if blind || empty {
            Verdict::CouldNotTell
        } else if self.clusters.iter().any(Forecast::is_due) {
            Verdict::SomethingToDo
        } else if self.clusters.iter().any(Forecast::is_stuck) {
            Verdict::NeedsAPerson
        } else {
            Verdict::NothingToDo
        }
    }

    /// As `terraform plan -detailed-exitcode`.
    pub fn exit_code(&self) -> u8 {
        match self.verdict {
            Verdict::NothingToDo => exit::OK,
            Verdict::SomethingToDo => exit::DUE,
            Verdict::CouldNotTell | Verdict::NeedsAPerson => exit::FAILED,
        }
    }
}

/// This is reckoned by the settings here, and the worker goes by its own.
fn other_settings(view: &ClusterView, settings: &Settings) -> Option<Stuck> {
    let theirs = view.settings.as_deref().and_then(Published::read)?;
    let or_default = |text: String| if text.is_empty() { "the default".to_owned() } else { text };
    // How often a worker looks changes nothing about what it does.
    let differ = settings.published(&view.arn.name()).differences(&theirs).into_iter();
    let differ = differ.filter(|(name, ..)| *name != "sweep-interval");
    let differ: Vec<String> =
        differ.map(|(name, here, there)| format!("{name} {} (here {})", or_default(there), or_default(here))).collect();
    let why = format!("other than those of this plan: {}", differ.join(", "));
    let (what, hosts, groups) = ("the worker's settings".to_owned(), BTreeSet::new(), BTreeSet::new());
    (!differ.is_empty()).then_some(Stuck { what, why, hosts, groups })
}

fn said(failure: &Failure) -> String {
    let (operation, why) = (failure.operation, failure.in_short());
    match failure.kind {
        FailureKind::Credentials => format!(
            "{operation}: no usable AWS credentials ({why}): set AWS_PROFILE or AWS_ACCESS_KEY_ID, or run where a role is given"
        ),
        FailureKind::Throttled
        | FailureKind::Transient
        | FailureKind::AccessDenied
        | FailureKind::NotFound
        | FailureKind::Refused => format!("{operation} failed: {why}"),
    }
}

/// The calls of one worker's look at one cluster, by what this look took: without who lives there, which a worker does not ask.
fn looked_in(requests: &BTreeMap<&'static str, u64>, clusters: usize) -> u64 {
    const OF_TENANTS: [&str; 5] =
        ["ListServices", "DescribeServices", "ListTasks", "DescribeTasks", "GetTaskProtection"];
    let all: u64 = requests.iter().filter(|(operation, _)| !OF_TENANTS.contains(operation)).map(|(_, n)| n).sum();
    all.div_ceil(u64::try_from(clusters.max(1)).unwrap_or(1))
}
