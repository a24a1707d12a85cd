//! What the worker tells others of its own: events on an EventBridge bus, from the source `ecs-rotator`.
//!
//! Each is told when what it says has become durable, by the worker that made it so, and only once: a worker that dies in
//! between tells nothing, and a call that may have arrived is not made again. They inform; nothing hangs on them.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::id::{ClusterArn, GroupName, InstanceId};

/// The `source` of every event of ours.
pub const SOURCE: &str = "ecs-rotator";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub at: Timestamp,
    pub cluster: ClusterArn,
    /// The rotation's id.
    pub rotation: String,
    pub news: News,
}

/// The `detail-type`, and what the detail says beside `cluster`, `rotation` and `version` (of this schema).
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
    /// `Rotation Closed With Groups Skipped`, and the detail `{…,"skipped":[{"group":"web-asg","reason":"…"}],"reason":"web-asg: …"}`.
    RotationClosed { skipped: Vec<(GroupName, String)> },
    /// `{…,"host":"i-0abc…","reason":"…"}`: beside the hold, once for each host.
    DrainOverdue { host: InstanceId, reason: String },
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
                let lines: Vec<String> = skipped.iter().map(|(group, reason)| format!("{group}: {reason}")).collect();
                let skipped = skipped.iter().map(|(group, reason)| json!({"group": group.as_str(), "reason": reason}));
                json!({"skipped": skipped.collect::<Vec<_>>(), "reason": lines.join("; ")})
            }
            News::DrainOverdue { host, reason } => json!({"host": host.as_str(), "reason": reason}),
        }
    }
}

impl Notice {
    /// The `detail` of the event.
    pub fn detail(&self) -> Value {
        let common = json!({"version": 1, "cluster": self.cluster.as_str(), "rotation": self.rotation});
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
        let notice = Notice { at: Timestamp::UNIX_EPOCH, cluster, rotation: "prod/1".to_owned(), news };
        let expected = json!({"version": 1, "cluster": "arn:aws:ecs:r:1:cluster/prod", "rotation": "prod/1",
            "reason": "why \"not\""});
        assert_eq!(notice.detail(), expected);
    }
}
