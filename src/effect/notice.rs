//! What the worker tells others of its own: events on an EventBridge bus, from the source `ecs-rotator`.
//!
//! Each is told when what it says has become durable, by the worker that made it so, and only once: a worker that dies in
//! between tells nothing, and a call that may have arrived is not made again. They inform; nothing hangs on them. A worker
//! that only observes makes nothing durable: it tells what it has found, again after each start.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::id::{AmiId, ClusterArn, GroupName, InstanceId};

/// The `source` of every event of ours.
pub const SOURCE: &str = "ecs-rotator";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub at: Timestamp,
    pub cluster: ClusterArn,
    /// The rotation's id; None: it is about no rotation.
    pub rotation: Option<String>,
    pub news: News,
}

/// What a rotation would do, as far as it is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// In which something is due.
    pub groups: Vec<FoundGroup>,
    /// How many would be replaced.
    pub hosts: usize,
    /// About how long that would take.
    pub takes_seconds: i64,
    /// Of the plan: the same as `plan` prints.
    pub digest: String,
    /// Groups in which something is due and would wait, each with why.
    pub blocked: Vec<(GroupName, String)>,
    /// Groups whose release cannot be found, each with why.
    pub unresolved: Vec<(GroupName, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundGroup {
    pub group: GroupName,
    /// The images that its templates name and its hosts run; more than one where it launches in several ways.
    pub from: Vec<AmiId>,
    pub to: Vec<AmiId>,
    pub hosts: usize,
    /// Hosts in flight at a time.
    pub at_a_time: u32,
}

impl FoundGroup {
    /// `ami-1 → ami-2`
    pub fn change(&self) -> String {
        format!("{} → {}", images(&self.from), images(&self.to))
    }

    fn detail(&self) -> Value {
        let Self { group, from, to, hosts, at_a_time: _ } = self;
        json!({"group": group.as_str(), "from": images(from), "to": images(to), "hosts": hosts})
    }
}

/// With a space between them, where there are several.
fn images(images: &[AmiId]) -> String {
    images.iter().map(AmiId::as_str).collect::<Vec<_>>().join(" ")
}

/// The `detail-type`, and what the detail says beside `cluster`, `rotation` (where there is one) and `version` (of this schema).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// ```json
    /// {"version":1,"cluster":"arn:aws:ecs:eu-west-1:123456789012:cluster/prod","rotation":"prod/20260114T031001Z",
    ///  "groups":[],"force":false,"because":"/images/ecs-host has changed"}
    /// ```
    /// No groups: all of them.
    RotationOpened { groups: Vec<GroupName>, force: bool, because: String },
    /// `{…,"host":"i-0abc…","group":"web-asg"}`: the old one is terminated.
    HostReplaced { host: InstanceId, group: GroupName },
    /// `{…,"reason":"i-0abc…: 3 tasks not stopped after 1h of draining: …"}`; again when the reason has changed.
    RotationHeld { reason: String },
    /// `{…,"because":"resume"}`: one that was held or paused goes on.
    RotationResumed { because: String },
    /// A person has stopped it: hosts that drain finish, the others are given back.
    RotationAborted { reason: String },
    /// Every host of every group in its scope runs its release. Where groups were left out, the detail-type is
    /// `Rotation Closed With Groups Skipped`, and the detail `{…,"skipped":[{"group":"web-asg","reason":"…"}]}`.
    RotationClosed { skipped: Vec<(GroupName, String)> },
    /// `{…,"host":"i-0abc…","reason":"…"}`: beside the hold, once for each host.
    DrainOverdue { host: InstanceId, reason: String },
    /// By a worker that only observes, and about no rotation:
    ///
    /// ```json
    /// {"version":1,"cluster":"arn:aws:ecs:eu-west-1:123456789012:cluster/prod",
    ///  "groups":[{"group":"web-asg","from":"ami-0a1b…","to":"ami-0c2d…","hosts":12}],"hosts":12,"takes_seconds":5400,
    ///  "digest":"5f0c3a1e9b7d2468","blocked":[{"group":"web-asg","reason":"launches are suspended: …"}],"unresolved":[]}
    /// ```
    /// Once for each digest.
    ReleaseFound(Found),
    /// By a worker that only observes, and about no rotation: `{…,"action":"rotate","reason":"this worker only observes …"}`.
    CommandRefused { action: &'static str, reason: String },
}

impl Found {
    fn detail(&self) -> Value {
        let Self { groups, hosts, takes_seconds, digest, blocked, unresolved } = self;
        let reason = |(group, reason): &(GroupName, String)| json!({"group": group.as_str(), "reason": reason});
        json!({
            "groups": groups.iter().map(FoundGroup::detail).collect::<Vec<_>>(),
            "hosts": hosts,
            "takes_seconds": takes_seconds,
            "digest": digest,
            "blocked": blocked.iter().map(reason).collect::<Vec<_>>(),
            "unresolved": unresolved.iter().map(reason).collect::<Vec<_>>(),
        })
    }
}

impl News {
    pub fn detail_type(&self) -> &'static str {
        match self {
            News::RotationOpened { .. } => "Rotation Opened",
            News::HostReplaced { .. } => "Host Replaced",
            News::RotationHeld { .. } => "Rotation Held",
            News::RotationResumed { .. } => "Rotation Resumed",
            News::RotationAborted { .. } => "Rotation Aborted",
            News::RotationClosed { skipped } if skipped.is_empty() => "Rotation Closed",
            News::RotationClosed { .. } => "Rotation Closed With Groups Skipped",
            News::DrainOverdue { .. } => "Drain Overdue",
            News::ReleaseFound(_) => "Release Found",
            News::CommandRefused { .. } => "Command Refused",
        }
    }

    fn detail(&self) -> Value {
        match self {
            News::RotationOpened { groups, force, because } => {
                let groups: Vec<&str> = groups.iter().map(GroupName::as_str).collect();
                json!({"groups": groups, "force": force, "because": because})
            }
            News::HostReplaced { host, group } => json!({"host": host.as_str(), "group": group.as_str()}),
            News::RotationHeld { reason } | News::RotationAborted { reason } => json!({"reason": reason}),
            News::RotationResumed { because } => json!({"because": because}),
            News::RotationClosed { skipped } if skipped.is_empty() => json!({}),
            News::RotationClosed { skipped } => {
                let skipped = skipped.iter().map(|(group, reason)| json!({"group": group.as_str(), "reason": reason}));
                json!({"skipped": skipped.collect::<Vec<_>>()})
            }
            News::DrainOverdue { host, reason } => json!({"host": host.as_str(), "reason": reason}),
            News::ReleaseFound(found) => found.detail(),
            News::CommandRefused { action, reason } => json!({"action": action, "reason": reason}),
        }
    }
}

impl Notice {
    /// The `detail` of the event.
    pub fn detail(&self) -> Value {
        let mut common = json!({"version": 1, "cluster": self.cluster.as_str()});
        if let Some(rotation) = &self.rotation {
            common["rotation"] = Value::String(rotation.clone());
        }
        let both = [common, self.news.detail()].into_iter().filter_map(|part| match part {
            Value::Object(part) => Some(part),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => None,
        });
        Value::Object(both.flatten().collect::<Map<_, _>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_says_of_which_rotation_it_is_and_what_happened() {
        let cluster = ClusterArn::from("arn:aws:ecs:r:1:cluster/prod");
        let news = News::RotationHeld { reason: "why \"not\"".to_owned() };
        let notice = Notice { at: Timestamp::UNIX_EPOCH, cluster, rotation: Some("prod/1".to_owned()), news };
        let expected = json!({"version": 1, "cluster": "arn:aws:ecs:r:1:cluster/prod", "rotation": "prod/1",
            "reason": "why \"not\""});
        assert_eq!(notice.detail(), expected);
    }

    #[test]
    fn what_is_found_is_about_no_rotation() {
        let cluster = ClusterArn::from("arn:aws:ecs:r:1:cluster/prod");
        let group = FoundGroup {
            group: "web-asg".into(),
            from: vec!["ami-1".into(), "ami-3".into()],
            to: vec!["ami-2".into(), "ami-4".into()],
            hosts: 12,
            at_a_time: 1,
        };
        assert_eq!(group.change(), "ami-1 ami-3 → ami-2 ami-4");
        let found = Found {
            groups: vec![group],
            hosts: 12,
            takes_seconds: 5400,
            digest: "5f0c".to_owned(),
            blocked: vec![("web-asg".into(), "launches are suspended".to_owned())],
            unresolved: vec![("odd-asg".into(), "no such parameter".to_owned())],
        };
        let notice = Notice { at: Timestamp::UNIX_EPOCH, cluster, rotation: None, news: News::ReleaseFound(found) };
        let expected = json!({"version": 1, "cluster": "arn:aws:ecs:r:1:cluster/prod",
            "groups": [{"group": "web-asg", "from": "ami-1 ami-3", "to": "ami-2 ami-4", "hosts": 12}],
            "hosts": 12, "takes_seconds": 5400, "digest": "5f0c",
            "blocked": [{"group": "web-asg", "reason": "launches are suspended"}],
            "unresolved": [{"group": "odd-asg", "reason": "no such parameter"}]});
        assert_eq!(notice.detail(), expected);
    }
}
