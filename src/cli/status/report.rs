//! What a survey has found, as the status of every cluster: for `--json`, and for people.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::engine::Settings;
use crate::engine::survey::Findings;
use crate::id::ClusterName;
use crate::plan::forecast::Status as GroupState;
use crate::plan::outcome::Standing;
use crate::plan::status::{ClusterStatus, GroupStatus, status};

/// What `status` prints.
#[derive(Debug, Serialize)]
pub struct Report {
    pub at: Timestamp,
    pub clusters: Vec<ClusterStatus>,
    /// Clusters that could not be looked at, and why.
    pub failed: BTreeMap<ClusterName, String>,
    /// Clusters that were named and do not exist here.
    pub missing: Vec<String>,
    /// Why the clusters could not be listed.
    pub error: Option<String>,
    /// The tag by which a cluster opts in.
    #[serde(skip)]
    pub opt_in: String,
}

impl Report {
    pub fn of(findings: Findings, now: Timestamp) -> Self {
        let (mut clusters, mut failed) = (Vec::new(), BTreeMap::new());
        for (arn, surveyed) in findings.clusters {
            match (surveyed.failed, surveyed.view) {
                (None, Some(view)) => {
                    let status = status(&view, &surveyed.policy, now);
                    clusters.push(if surveyed.settings_known { status } else { status.without_settings() });
                }
                (why, _) => {
                    failed.insert(arn.name(), why.unwrap_or_else(|| "it was not looked at".to_owned()));
                }
            }
        }
        let error = findings.failed.map(|failure| format!("{}: {}", failure.operation, failure.in_short()));
        let report = Self { at: now, clusters, failed, missing: findings.missing, error, opt_in: String::new() };
        report.opted_in_by(&Settings::default().tag_prefix)
    }

    /// What stands in front of the tag that opts a cluster in.
    #[must_use]
    pub fn opted_in_by(self, tag_prefix: &str) -> Self {
        Self { opt_in: format!("{tag_prefix}enabled"), ..self }
    }

    pub fn is_whole(&self) -> bool {
        self.failed.is_empty() && self.missing.is_empty() && self.error.is_none()
    }

    /// Is there a cluster without a group, or a group that no rotation would bring to its newest image?
    pub fn any_cannot_be_rotated(&self) -> bool {
        let stuck = |group: &GroupStatus| matches!(group.status, GroupState::Unresolved | GroupState::Behind);
        let cluster = |cluster: &ClusterStatus| cluster.groups.is_empty() || cluster.groups.iter().any(stuck);
        self.clusters.iter().filter(|cluster| cluster.enabled != Some(false)).any(cluster)
    }

    /// Does the rotation of some cluster stand so?
    pub fn any_is(&self, standing: Standing) -> bool {
        let state = |cluster: &ClusterStatus| cluster.rotation.as_ref().map(|rotation| rotation.state);
        self.clusters.iter().any(|cluster| state(cluster) == Some(standing))
    }
}
