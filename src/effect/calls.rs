//! Every call, a row each: how AWS calls it, what kind it is, what AWS counts it with, and what a worker must be allowed
//! for it. A call without a row does not compile, and what is asked of calls reads the row.
//!
//! Where the rights come from: AWS's service authorization reference for each service.

use super::permissions::{On, Permission, When, need, only, to_change};
use super::{Operation, Request};

/// What a call is for, and what its failure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallKind {
    /// To the queue, and not to the fleet.
    Queue,
    /// Without its answer nothing is planned.
    RequiredRead,
    /// It asks who lives on the hosts of a cluster: that is good to know, and nothing is planned on it.
    BestEffortRead,
    /// It only helps to tell why something is as it is. What cannot be told is told without it.
    ExplainingRead,
    /// It asks whether somebody else is at work in a group. To wait for them is a courtesy: where AWS's answer is that it cannot
    /// be asked, it is taken for no.
    AdvisoryRead,
    /// It changes something in the fleet.
    Write,
    /// It tells of what was done.
    Notice,
}

/// Calls that AWS counts together, as far as it says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::EnumIter)]
pub enum RateClass {
    /// Container instances and tasks.
    EcsRead,
    EcsServiceRead,
    EcsClusterRead,
    /// Drain, deregister, stop a task.
    EcsChange,
    EcsTag,
    Ec2Read,
    Ec2Tag,
    /// Terminations, and changes of launch templates.
    Ec2Change,
    GroupRead,
    GroupChange,
    Parameters,
    Alarms,
    Notices,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// AWS's name of the operation.
    pub name: &'static str,
    pub kind: CallKind,
    /// None: its limits are far out of reach.
    pub rate: Option<RateClass>,
    /// The actions that it needs.
    pub permissions: &'static [Permission],
}

macro_rules! rate {
    (_) => {
        None
    };
    ($class:ident) => {
        Some(RateClass::$class)
    };
}

macro_rules! calls {
    ($($operation:ident = $name:literal, $kind:ident, $rate:tt, [$($permission:expr),+ $(,)?];)+) => {
        impl Operation {
            pub const fn row(self) -> &'static Row {
                match self {
                    $(Operation::$operation => const {
                        &Row { name: $name, kind: CallKind::$kind, rate: rate!($rate), permissions: &[$($permission),+] }
                    }),+
                }
            }
        }
    };
}

calls! {
    // SQS asks KMS in the name of whoever receives.
    ReceiveMessage = "ReceiveMessage", Queue, _, [
        need("sqs:ReceiveMessage", On::Queue),
        only(When::OwnKey, "kms:Decrypt", On::Key),
    ];
    DeleteMessageBatch = "DeleteMessageBatch", Queue, _, [need("sqs:DeleteMessage", On::Queue)];
    ChangeMessageVisibilityBatch = "ChangeMessageVisibilityBatch", Queue, _, [
        need("sqs:ChangeMessageVisibility", On::Queue),
    ];
    ListClusters = "ListClusters", RequiredRead, EcsClusterRead, [need("ecs:ListClusters", On::Everything)];
    DescribeClusters = "DescribeClusters", RequiredRead, EcsClusterRead, [need("ecs:DescribeClusters", On::Cluster)];
    DescribeCapacityProviders = "DescribeCapacityProviders", RequiredRead, EcsClusterRead, [
        need("ecs:DescribeCapacityProviders", On::CapacityProvider),
    ];
    ListContainerInstances = "ListContainerInstances", RequiredRead, EcsRead, [
        need("ecs:ListContainerInstances", On::Cluster),
    ];
    DescribeContainerInstances = "DescribeContainerInstances", RequiredRead, EcsRead, [
        need("ecs:DescribeContainerInstances", On::InCluster),
    ];
    ListTasks = "ListTasks", RequiredRead, EcsRead, [need("ecs:ListTasks", On::OfCluster)];
    DescribeTasks = "DescribeTasks", RequiredRead, EcsRead, [need("ecs:DescribeTasks", On::InCluster)];
    ListServices = "ListServices", BestEffortRead, EcsServiceRead, [need("ecs:ListServices", On::OfCluster)];
    DescribeServices = "DescribeServices", BestEffortRead, EcsServiceRead, [
        need("ecs:DescribeServices", On::InCluster),
    ];
    GetTaskProtection = "GetTaskProtection", BestEffortRead, EcsServiceRead, [
        need("ecs:GetTaskProtection", On::InCluster),
    ];
    TagResource = "TagResource", Write, EcsTag, [to_change("ecs:TagResource", On::ClusterTags)];
    UpdateContainerInstancesState = "UpdateContainerInstancesState", Write, EcsChange, [
        to_change("ecs:UpdateContainerInstancesState", On::InCluster),
    ];
    DeregisterContainerInstance = "DeregisterContainerInstance", Write, EcsChange, [
        to_change("ecs:DeregisterContainerInstance", On::Cluster),
    ];
    DescribeAutoScalingGroups = "DescribeAutoScalingGroups", RequiredRead, GroupRead, [
        need("autoscaling:DescribeAutoScalingGroups", On::Everything),
    ];
    DetachInstances = "DetachInstances", Write, GroupChange, [to_change("autoscaling:DetachInstances", On::Group)];
    AttachInstances = "AttachInstances", Write, GroupChange, [to_change("autoscaling:AttachInstances", On::Group)];
    TerminateInstanceInAutoScalingGroup = "TerminateInstanceInAutoScalingGroup", Write, GroupChange, [
        to_change("autoscaling:TerminateInstanceInAutoScalingGroup", On::Group),
    ];
    TagGroup = "CreateOrUpdateTags", Write, GroupChange, [to_change("autoscaling:CreateOrUpdateTags", On::GroupTags)];
    DescribeScalingActivities = "DescribeScalingActivities", ExplainingRead, GroupRead, [
        need("autoscaling:DescribeScalingActivities", On::Everything),
    ];
    StopTask = "StopTask", Write, EcsChange, [only(When::Stops, "ecs:StopTask", On::InCluster)];
    // AWS asks the caller for the right to launch what the group shall launch, and to tag it as the template says.
    UpdateAutoScalingGroup = "UpdateAutoScalingGroup", Write, GroupChange, [
        only(When::Pins, "autoscaling:UpdateAutoScalingGroup", On::Group),
        only(When::Pins, "ec2:RunInstances", On::Launch),
        only(When::Pins, "ec2:CreateTags", On::Launched),
        only(When::Pins, "iam:PassRole", On::InstanceRole),
    ];
    DescribeInstanceRefreshes = "DescribeInstanceRefreshes", AdvisoryRead, GroupRead, [
        need("autoscaling:DescribeInstanceRefreshes", On::Everything),
    ];
    DescribeLifecycleHooks = "DescribeLifecycleHooks", RequiredRead, GroupRead, [
        need("autoscaling:DescribeLifecycleHooks", On::Everything),
    ];
    // Composite alarms cannot be narrowed.
    DescribeAlarms = "DescribeAlarms", RequiredRead, Alarms, [
        only(When::Alarms, "cloudwatch:DescribeAlarms", On::Everything),
    ];
    DescribeInstances = "DescribeInstances", RequiredRead, Ec2Read, [need("ec2:DescribeInstances", On::Everything)];
    CreateTags = "CreateTags", Write, Ec2Tag, [to_change("ec2:CreateTags", On::Instance)];
    TerminateInstances = "TerminateInstances", Write, Ec2Change, [
        to_change("ec2:TerminateInstances", On::OurInstance),
    ];
    DescribeLaunchTemplateVersions = "DescribeLaunchTemplateVersions", RequiredRead, Ec2Read, [
        need("ec2:DescribeLaunchTemplateVersions", On::Everything),
    ];
    CreateLaunchTemplateVersion = "CreateLaunchTemplateVersion", Write, Ec2Change, [
        to_change("ec2:CreateLaunchTemplateVersion", On::LaunchTemplate),
    ];
    ModifyLaunchTemplate = "ModifyLaunchTemplate", Write, Ec2Change, [
        to_change("ec2:ModifyLaunchTemplate", On::LaunchTemplate),
    ];
    DeleteLaunchTemplateVersions = "DeleteLaunchTemplateVersions", Write, Ec2Change, [
        to_change("ec2:DeleteLaunchTemplateVersions", On::LaunchTemplate),
    ];
    DescribeImages = "DescribeImages", RequiredRead, Ec2Read, [need("ec2:DescribeImages", On::Everything)];
    GetParameters = "GetParameters", RequiredRead, Parameters, [need("ssm:GetParameters", On::Parameter)];
    PutParameter = "PutParameter", Write, Parameters, [
        only(When::WritesParameters, "ssm:PutParameter", On::Parameter),
    ];
    PutEvents = "PutEvents", Notice, Notices, [only(When::Tells, "events:PutEvents", On::Bus)];
    // It asks ECS of the worker's own task, to know where it runs itself.
    LocateSelf = "LocateSelf", RequiredRead, EcsRead, [need("ecs:DescribeTasks", On::InCluster)];
}

impl Operation {
    /// Does a call of this kind change anything in the fleet (and not only look)?
    pub const fn is_effect(self) -> bool {
        matches!(self.row().kind, CallKind::Write)
    }

    /// The actions that a call of this kind needs.
    pub const fn permissions(self) -> &'static [Permission] {
        self.row().permissions
    }
}

impl Request {
    pub fn row(&self) -> &'static Row {
        Operation::from(self).row()
    }

    /// AWS's name of the operation.
    pub fn operation(&self) -> &'static str {
        self.row().name
    }

    pub fn kind(&self) -> CallKind {
        // Of all hosts: who lives on them.
        if matches!(self, Request::ListTasks { container_instance: None, .. }) {
            return CallKind::BestEffortRead;
        }
        self.row().kind
    }

    /// Is this a call to the queue (and not to the fleet)?
    pub fn is_queue(&self) -> bool {
        self.kind() == CallKind::Queue
    }

    /// Does this call change anything in the fleet (and not only look)?
    pub fn is_effect(&self) -> bool {
        self.kind() == CallKind::Write
    }
}
