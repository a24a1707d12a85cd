//! The outside world on one page.
//!
//! Every call that leaves the process is one [`Request`], and comes back as one [`Reply`] or as a [`Failure`]. One request
//! is one API call: a paged answer carries the token of its next page, and whoever wants it asks again. `aws` performs
//! requests for real and `sim` performs them in memory, each in one exhaustive match; the engine cannot tell which.
//!
//! Batch limits are the caller's business and stand beside each request (AWS's numbers). What a batch call could not do
//! for single items is part of the reply (`failures`), not an error.

mod facts;

use std::collections::BTreeMap;

pub use facts::{
    CapacityProvider, Cluster, ContainerInstance, ContainerInstanceStatus, DesiredStatus, Group, Image, Instance,
    InstanceState, ItemFailure, Lifecycle, Member, Message, Task, TaskStatus, TemplateSpec, TemplateVersion,
    VersionRule,
};

use crate::id::{
    AmiId, CapacityProviderName, ClusterArn, ContainerInstanceArn, GroupName, InstanceId, PageToken, ParameterName,
    Receipt, TaskArn, TemplateId,
};

/// One call to AWS. Named after the operation it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// SQS. Long poll for at most ten messages; they stay invisible for `visibility_seconds`.
    ReceiveMessage { wait_seconds: u32, visibility_seconds: u32 },
    /// SQS, at most 10.
    DeleteMessageBatch { receipts: Vec<Receipt> },
    /// SQS, at most 10. Zero seconds hands the messages back at once.
    ChangeMessageVisibilityBatch { receipts: Vec<Receipt>, visibility_seconds: u32 },

    /// ECS, one page of all clusters of the account and region.
    ListClusters { page: Option<PageToken> },
    /// ECS, at most 100 names or ARNs, with tags.
    DescribeClusters { clusters: Vec<String> },
    /// ECS, at most 10 names.
    DescribeCapacityProviders { names: Vec<CapacityProviderName> },
    /// ECS, one page. Not the INACTIVE ones. With `instances` (at most 50) only those whose EC2 instance is one of them; the
    /// answer may hold more than was asked for, so match again after describing.
    ListContainerInstances { cluster: ClusterArn, instances: Vec<InstanceId>, page: Option<PageToken> },
    /// ECS, at most 100. An ARN that is gone is a failure with the reason `MISSING`.
    DescribeContainerInstances { cluster: ClusterArn, arns: Vec<ContainerInstanceArn> },
    /// ECS, one page of the tasks of one host that have this *desired* status.
    ListTasks {
        cluster: ClusterArn,
        container_instance: ContainerInstanceArn,
        desired: DesiredStatus,
        page: Option<PageToken>,
    },
    /// ECS, at most 100. A task that is gone is a failure with the reason `MISSING`.
    DescribeTasks { cluster: ClusterArn, arns: Vec<TaskArn> },
    /// ECS. Adds tags to a cluster, or overwrites them.
    TagResource { cluster: ClusterArn, tags: BTreeMap<String, String> },
    /// ECS, at most 10.
    UpdateContainerInstancesState {
        cluster: ClusterArn,
        arns: Vec<ContainerInstanceArn>,
        status: ContainerInstanceStatus,
    },
    /// ECS, without `force`: refused while tasks run.
    DeregisterContainerInstance { cluster: ClusterArn, arn: ContainerInstanceArn },

    /// Auto Scaling, at most 100 names; one page. A group that does not exist is missing in the answer.
    DescribeAutoScalingGroups { names: Vec<GroupName>, page: Option<PageToken> },
    /// Auto Scaling, at most 20, without decrementing the desired capacity.
    DetachInstances { group: GroupName, instances: Vec<InstanceId> },
    /// Auto Scaling: pins the group's template (the base of its mixed-instances policy, where it has one) to a version.
    UpdateAutoScalingGroup { group: GroupName, template: TemplateId, version: u64, mixed: bool },

    /// EC2, one page. Includes instances that were terminated a little while ago.
    DescribeInstances { filter: InstanceFilter, page: Option<PageToken> },
    /// EC2, at most 1,000; one unknown id fails them all.
    CreateTags { instances: Vec<InstanceId>, tags: BTreeMap<String, String> },
    /// EC2, at most 1,000; one unknown or protected id fails them all.
    TerminateInstances { instances: Vec<InstanceId> },
    /// EC2, one page of one template's versions.
    DescribeLaunchTemplateVersions { template: TemplateId, query: VersionQuery, page: Option<PageToken> },
    /// EC2: a version like `source`, but with this image.
    CreateLaunchTemplateVersion {
        template: TemplateId,
        source: u64,
        image: AmiId,
        description: String,
        client_token: String,
    },
    /// EC2: sets the template's default version.
    ModifyLaunchTemplate { template: TemplateId, default_version: u64 },
    /// EC2, by id; an id that does not exist is missing in the answer.
    DescribeImages { ids: Vec<AmiId> },

    /// SSM, at most 10.
    GetParameters { names: Vec<ParameterName> },

    /// The task metadata endpoint: on which container instance does this worker itself run? (None on Fargate, or outside ECS.)
    LocateSelf,
}

/// Which EC2 instances to describe; each is sent as a *filter* (an unknown id in a filter is no error). At most 200 values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InstanceFilter {
    /// By instance id.
    Ids(Vec<InstanceId>),
    /// By the tag `aws:autoscaling:groupName`.
    MembersOf(Vec<GroupName>),
    /// By a tag of ours: `key` has a value that matches `pattern` (`*` is any run of characters).
    Tagged { key: String, pattern: String },
}

/// Which versions of a launch template to describe.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VersionQuery {
    /// The one that this rule names.
    InUse(VersionRule),
    /// All whose `ImageId` is this one.
    WithImage(AmiId),
}

/// What came back from a [`Request`]; the variant follows from the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// `ReceiveMessage`
    Messages(Vec<Message>),
    /// `ListClusters`
    ClusterArns { arns: Vec<ClusterArn>, next: Option<PageToken> },
    /// `DescribeClusters`
    Clusters { clusters: Vec<Cluster>, failures: Vec<ItemFailure> },
    /// `DescribeCapacityProviders`
    CapacityProviders { providers: Vec<CapacityProvider>, failures: Vec<ItemFailure> },
    /// `ListContainerInstances`
    ContainerInstanceArns { arns: Vec<ContainerInstanceArn>, next: Option<PageToken> },
    /// `DescribeContainerInstances`, `UpdateContainerInstancesState`
    ContainerInstances { instances: Vec<ContainerInstance>, failures: Vec<ItemFailure> },
    /// `ListTasks`
    TaskArns { arns: Vec<TaskArn>, next: Option<PageToken> },
    /// `DescribeTasks`
    Tasks { tasks: Vec<Task>, failures: Vec<ItemFailure> },
    /// `DescribeAutoScalingGroups`
    Groups { groups: Vec<Group>, next: Option<PageToken> },
    /// `DescribeInstances`
    Instances { instances: Vec<Instance>, next: Option<PageToken> },
    /// `DescribeLaunchTemplateVersions`
    TemplateVersions { versions: Vec<TemplateVersion>, next: Option<PageToken> },
    /// `CreateLaunchTemplateVersion`: the version that now exists.
    TemplateVersion(TemplateVersion),
    /// `DescribeImages`
    Images(Vec<Image>),
    /// `GetParameters`: values by name, and the names that do not exist.
    Parameters { values: BTreeMap<ParameterName, String>, invalid: Vec<ParameterName> },
    /// `LocateSelf`
    SelfLocation(Option<ContainerInstanceArn>),
    /// `DeleteMessageBatch`, `ChangeMessageVisibilityBatch`: the entries that failed (usually: the receipt has expired).
    QueueBatch { failures: Vec<ItemFailure> },
    /// Any other call that changes something: done, or already so.
    Done,
}

/// Why a whole call failed, in the classes that make a difference to what happens next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{operation} failed ({kind}): {code}: {message}{}", request_id.as_deref().map(|id| format!(" [request {id}]")).unwrap_or_default())]
pub struct Failure {
    pub kind: FailureKind,
    /// The operation's name, as in [`Request::operation`].
    pub operation: &'static str,
    /// AWS's error code, or a word of ours (`Timeout`, `Dispatch`) where there was no answer.
    pub code: String,
    pub message: String,
    pub request_id: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// Too many calls: the same call later.
    Throttled,
    /// No answer, a 5xx, a connection lost, a resource that is busy: the same call later.
    Transient,
    /// Not allowed: a person has to act.
    AccessDenied,
    /// No usable credentials (none found, expired, refused): a person has to act.
    Credentials,
    /// The thing named in the call does not exist (any more).
    NotFound,
    /// Refused for any other reason: the same call again would be refused again.
    Refused,
}

impl std::fmt::Display for FailureKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            FailureKind::Throttled => "throttled",
            FailureKind::Transient => "transient",
            FailureKind::AccessDenied => "access denied",
            FailureKind::Credentials => "credentials",
            FailureKind::NotFound => "not found",
            FailureKind::Refused => "refused",
        })
    }
}

impl Request {
    /// AWS's name of the operation.
    pub const fn operation(&self) -> &'static str {
        match self {
            Request::ReceiveMessage { .. } => "ReceiveMessage",
            Request::DeleteMessageBatch { .. } => "DeleteMessageBatch",
            Request::ChangeMessageVisibilityBatch { .. } => "ChangeMessageVisibilityBatch",
            Request::ListClusters { .. } => "ListClusters",
            Request::DescribeClusters { .. } => "DescribeClusters",
            Request::DescribeCapacityProviders { .. } => "DescribeCapacityProviders",
            Request::ListContainerInstances { .. } => "ListContainerInstances",
            Request::DescribeContainerInstances { .. } => "DescribeContainerInstances",
            Request::ListTasks { .. } => "ListTasks",
            Request::DescribeTasks { .. } => "DescribeTasks",
            Request::TagResource { .. } => "TagResource",
            Request::UpdateContainerInstancesState { .. } => "UpdateContainerInstancesState",
            Request::DeregisterContainerInstance { .. } => "DeregisterContainerInstance",
            Request::DescribeAutoScalingGroups { .. } => "DescribeAutoScalingGroups",
            Request::DetachInstances { .. } => "DetachInstances",
            Request::UpdateAutoScalingGroup { .. } => "UpdateAutoScalingGroup",
            Request::DescribeInstances { .. } => "DescribeInstances",
            Request::CreateTags { .. } => "CreateTags",
            Request::TerminateInstances { .. } => "TerminateInstances",
            Request::DescribeLaunchTemplateVersions { .. } => "DescribeLaunchTemplateVersions",
            Request::CreateLaunchTemplateVersion { .. } => "CreateLaunchTemplateVersion",
            Request::ModifyLaunchTemplate { .. } => "ModifyLaunchTemplate",
            Request::DescribeImages { .. } => "DescribeImages",
            Request::GetParameters { .. } => "GetParameters",
            Request::LocateSelf => "LocateSelf",
        }
    }

    /// The same call for a further page; calls that are not paged stay as they are.
    #[must_use]
    pub fn for_page(&self, token: PageToken) -> Request {
        let mut request = self.clone();
        match &mut request {
            Request::ListClusters { page }
            | Request::ListContainerInstances { page, .. }
            | Request::ListTasks { page, .. }
            | Request::DescribeAutoScalingGroups { page, .. }
            | Request::DescribeInstances { page, .. }
            | Request::DescribeLaunchTemplateVersions { page, .. } => *page = Some(token),
            Request::ReceiveMessage { .. }
            | Request::DeleteMessageBatch { .. }
            | Request::ChangeMessageVisibilityBatch { .. }
            | Request::DescribeClusters { .. }
            | Request::DescribeCapacityProviders { .. }
            | Request::DescribeContainerInstances { .. }
            | Request::DescribeTasks { .. }
            | Request::TagResource { .. }
            | Request::UpdateContainerInstancesState { .. }
            | Request::DeregisterContainerInstance { .. }
            | Request::DetachInstances { .. }
            | Request::UpdateAutoScalingGroup { .. }
            | Request::CreateTags { .. }
            | Request::TerminateInstances { .. }
            | Request::CreateLaunchTemplateVersion { .. }
            | Request::ModifyLaunchTemplate { .. }
            | Request::DescribeImages { .. }
            | Request::GetParameters { .. }
            | Request::LocateSelf => {}
        }
        request
    }

    /// Is this a call to the queue (and not to the fleet)?
    pub const fn is_queue(&self) -> bool {
        matches!(
            self,
            Request::ReceiveMessage { .. }
                | Request::DeleteMessageBatch { .. }
                | Request::ChangeMessageVisibilityBatch { .. }
        )
    }

    /// Does this call change anything in the fleet (and not only look)?
    pub const fn is_effect(&self) -> bool {
        matches!(
            self,
            Request::TagResource { .. }
                | Request::UpdateContainerInstancesState { .. }
                | Request::DeregisterContainerInstance { .. }
                | Request::DetachInstances { .. }
                | Request::UpdateAutoScalingGroup { .. }
                | Request::CreateTags { .. }
                | Request::TerminateInstances { .. }
                | Request::CreateLaunchTemplateVersion { .. }
                | Request::ModifyLaunchTemplate { .. }
        )
    }
}

/// A request's number, unique in one engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(pub u64);
