//! Which IAM actions each call needs, on what, and when: the one list from which `policy` prints a policy, `doctor` asks AWS,
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

const fn need(action: &'static str, on: On) -> Permission {
    Permission { action, on, when: When::Always }
}

const fn to_change(action: &'static str, on: On) -> Permission {
    only(When::Changes, action, on)
}

const fn only(when: When, action: &'static str, on: On) -> Permission {
    Permission { action, on, when }
}

/// Before the first receive: is it a queue that can be worked off?
pub const AT_THE_START: &[Permission] = &[need("sqs:GetQueueAttributes", On::Queue)];

/// SQS asks for it in the name of whoever receives.
const TO_RECEIVE: &[Permission] = &[need("sqs:ReceiveMessage", On::Queue), only(When::OwnKey, "kms:Decrypt", On::Key)];

impl Operation {
    /// The actions that a call of this kind needs.
    #[expect(clippy::too_many_lines, reason = "a flat match with one arm for each operation")]
    pub const fn permissions(self) -> &'static [Permission] {
        match self {
            Operation::ReceiveMessage => TO_RECEIVE,
            Operation::DeleteMessageBatch => &[const { need("sqs:DeleteMessage", On::Queue) }],
            Operation::ChangeMessageVisibilityBatch => &[const { need("sqs:ChangeMessageVisibility", On::Queue) }],
            Operation::ListClusters => &[const { need("ecs:ListClusters", On::Everything) }],
            Operation::DescribeClusters => &[const { need("ecs:DescribeClusters", On::Cluster) }],
            Operation::DescribeCapacityProviders => {
                &[const { need("ecs:DescribeCapacityProviders", On::CapacityProvider) }]
            }
            Operation::ListContainerInstances => &[const { need("ecs:ListContainerInstances", On::Cluster) }],
            Operation::DescribeContainerInstances => &[const { need("ecs:DescribeContainerInstances", On::InCluster) }],
            Operation::ListTasks => &[const { need("ecs:ListTasks", On::OfCluster) }],
            // Also for the worker's own task, to know where it runs itself.
            Operation::DescribeTasks | Operation::LocateSelf => &[const { need("ecs:DescribeTasks", On::InCluster) }],
            Operation::ListServices => &[const { need("ecs:ListServices", On::OfCluster) }],
            Operation::DescribeServices => &[const { need("ecs:DescribeServices", On::InCluster) }],
            Operation::GetTaskProtection => &[const { need("ecs:GetTaskProtection", On::InCluster) }],
            Operation::TagResource => &[const { to_change("ecs:TagResource", On::ClusterTags) }],
            Operation::UpdateContainerInstancesState => {
                &[const { to_change("ecs:UpdateContainerInstancesState", On::InCluster) }]
            }
            Operation::StopTask => &[const { only(When::Stops, "ecs:StopTask", On::InCluster) }],
            Operation::DeregisterContainerInstance => {
                &[const { to_change("ecs:DeregisterContainerInstance", On::Cluster) }]
            }
            Operation::DescribeAutoScalingGroups => {
                &[const { need("autoscaling:DescribeAutoScalingGroups", On::Everything) }]
            }
            Operation::DetachInstances => &[const { to_change("autoscaling:DetachInstances", On::Group) }],
            Operation::AttachInstances => &[const { to_change("autoscaling:AttachInstances", On::Group) }],
            Operation::TerminateInstanceInAutoScalingGroup => {
                &[const { to_change("autoscaling:TerminateInstanceInAutoScalingGroup", On::Group) }]
            }
            Operation::TagGroup => &[const { to_change("autoscaling:CreateOrUpdateTags", On::GroupTags) }],
            Operation::DescribeScalingActivities => {
                &[const { need("autoscaling:DescribeScalingActivities", On::Everything) }]
            }
            Operation::UpdateAutoScalingGroup => {
                // AWS asks the caller for the right to launch what the group shall launch, and to tag it as the template says.
                const {
                    &[
                        only(When::Pins, "autoscaling:UpdateAutoScalingGroup", On::Group),
                        only(When::Pins, "ec2:RunInstances", On::Launch),
                        only(When::Pins, "ec2:CreateTags", On::Launched),
                        only(When::Pins, "iam:PassRole", On::InstanceRole),
                    ]
                }
            }
            Operation::DescribeInstanceRefreshes => {
                &[const { need("autoscaling:DescribeInstanceRefreshes", On::Everything) }]
            }
            Operation::DescribeLifecycleHooks => {
                &[const { need("autoscaling:DescribeLifecycleHooks", On::Everything) }]
            }
            // Composite alarms cannot be narrowed.
            Operation::DescribeAlarms => &[const { only(When::Alarms, "cloudwatch:DescribeAlarms", On::Everything) }],
            Operation::DescribeInstances => &[const { need("ec2:DescribeInstances", On::Everything) }],
            Operation::CreateTags => &[const { to_change("ec2:CreateTags", On::Instance) }],
            Operation::TerminateInstances => &[const { to_change("ec2:TerminateInstances", On::OurInstance) }],
            Operation::DescribeLaunchTemplateVersions => {
                &[const { need("ec2:DescribeLaunchTemplateVersions", On::Everything) }]
            }
            Operation::CreateLaunchTemplateVersion => {
                &[const { to_change("ec2:CreateLaunchTemplateVersion", On::LaunchTemplate) }]
            }
            Operation::ModifyLaunchTemplate => &[const { to_change("ec2:ModifyLaunchTemplate", On::LaunchTemplate) }],
            Operation::DeleteLaunchTemplateVersions => {
                &[const { to_change("ec2:DeleteLaunchTemplateVersions", On::LaunchTemplate) }]
            }
            Operation::DescribeImages => &[const { need("ec2:DescribeImages", On::Everything) }],
            Operation::GetParameters => &[const { need("ssm:GetParameters", On::Parameter) }],
            Operation::PutParameter => &[const { only(When::WritesParameters, "ssm:PutParameter", On::Parameter) }],
            Operation::PutEvents => &[const { only(When::Tells, "events:PutEvents", On::Bus) }],
        }
    }
}

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
