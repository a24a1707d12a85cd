//! The IAM actions that calls need (each call's stand in its row, in `calls`), on what, and when: from them `policy` prints a policy, `doctor` asks AWS,
//! and a test holds the CloudFormation template to account.
//!
//! Where the rules come from: AWS's service authorization reference for each service.

use super::Operation;

/// One action that a call needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permission {
    /// `ecs:ListTasks`
    pub action: &'static str,
    pub on: On,
    pub when: When,
}

/// What an action is allowed on, as narrow as AWS can have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum On {
    /// AWS knows nothing narrower.
    Everything,
    Queue,
    /// The key of one's own that the queue is encrypted with.
    Key,
    Cluster,
    /// Clusters; only tags of ours are written.
    ClusterTags,
    CapacityProvider,
    /// Container instances, tasks or services, with `ecs:cluster`.
    InCluster,
    /// Lists of these, which name no thing, with `ecs:cluster`.
    OfCluster,
    Group,
    /// Groups; only tags of ours are written.
    GroupTags,
    /// EC2 instances; only tags of ours are written.
    Instance,
    /// EC2 instances that carry our tag.
    OurInstance,
    LaunchTemplate,
    /// Whatever a launch template says, launched from one.
    Launch,
    /// What is launched, in that moment: the tags that its template gives.
    Launched,
    Parameter,
    /// The role of the instance profile, for EC2.
    InstanceRole,
    Bus,
}

impl Permission {
    /// The action, told from the same one on things of another kind.
    pub const fn name(&self) -> &'static str {
        if matches!(self.on, On::Launched) { "ec2:CreateTags at RunInstances" } else { self.action }
    }
}

/// When it is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum When {
    Always,
    /// It changes what it looks at, and does not only observe.
    Changes,
    /// Some group pins a number of its template, or brings an image in an override.
    Pins,
    /// The ladder stops tasks (`stop-standalone-after`, `force-after`).
    Stops,
    /// Alarms are named.
    Alarms,
    /// `release-by=parameter`
    WritesParameters,
    /// A bus is named.
    Tells,
    /// The queue is encrypted by a key of one's own.
    OwnKey,
}

/// What a worker's settings, and those of its groups, make it do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "one for each case of `When`")]
pub struct Uses {
    /// Rotations. Without it no other use that changes something comes to anything.
    pub changes: bool,
    pub pins: bool,
    pub stops: bool,
    pub alarms: bool,
    pub writes_parameters: bool,
    pub tells: bool,
    pub own_key: bool,
}

impl Uses {
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self {
            changes: self.changes || other.changes,
            pins: self.pins || other.pins,
            stops: self.stops || other.stops,
            alarms: self.alarms || other.alarms,
            writes_parameters: self.writes_parameters || other.writes_parameters,
            tells: self.tells || other.tells,
            own_key: self.own_key || other.own_key,
        }
    }
}

impl When {
    pub const fn is_needed(self, uses: Uses) -> bool {
        match self {
            When::Always => true,
            When::Changes => uses.changes,
            When::Pins => uses.changes && uses.pins,
            When::Stops => uses.changes && uses.stops,
            When::Alarms => uses.alarms,
            When::WritesParameters => uses.changes && uses.writes_parameters,
            When::Tells => uses.tells,
            When::OwnKey => uses.own_key,
        }
    }
}

pub(super) const fn need(action: &'static str, on: On) -> Permission {
    Permission { action, on, when: When::Always }
}

pub(super) const fn to_change(action: &'static str, on: On) -> Permission {
    only(When::Changes, action, on)
}

pub(super) const fn only(when: When, action: &'static str, on: On) -> Permission {
    Permission { action, on, when }
}

/// Before the first receive: is it a queue that can be worked off?
pub const AT_THE_START: &[Permission] = &[need("sqs:GetQueueAttributes", On::Queue)];

/// All that a worker needs, sorted, each once.
pub fn all() -> Vec<Permission> {
    use strum::IntoEnumIterator as _;
    let mut all: Vec<Permission> = Operation::iter().flat_map(Operation::permissions).copied().collect();
    all.extend(AT_THE_START);
    all.sort_unstable();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_is_listed_once_and_is_an_action() {
        let all = all();
        let mut names: Vec<&str> = all.iter().map(Permission::name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count, "two of the same name: {all:#?}");
        for Permission { action, .. } in &all {
            let (service, name) = action.split_once(':').unwrap();
            assert!(
                ["sqs", "ecs", "ec2", "autoscaling", "cloudwatch", "ssm", "events", "iam", "kms"].contains(&service)
            );
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric()), "{action}: no wildcard");
        }
    }

    #[test]
    fn whatever_changes_something_is_needed_only_by_a_worker_that_does() {
        use strum::IntoEnumIterator as _;
        let all_but_changes = Uses {
            changes: false,
            pins: true,
            stops: true,
            alarms: true,
            writes_parameters: true,
            tells: true,
            own_key: true,
        };
        let mut effects = 0;
        for operation in Operation::iter().filter(|operation| operation.is_effect()) {
            effects += 1;
            for needs in operation.permissions() {
                assert!(!needs.when.is_needed(all_but_changes), "{operation:?}: {needs:?}");
                let changes = Uses { changes: true, ..all_but_changes };
                assert!(needs.when.is_needed(changes), "{operation:?}: {needs:?}");
            }
        }
        assert_eq!(effects, 15);
    }
}
