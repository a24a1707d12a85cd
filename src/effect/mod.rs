//! The outside world on one page.
//!
//! Every call that leaves the process is one [`Request`], and comes back as one [`Reply`] or as a [`Failure`]. One request
//! is one API call: a paged answer carries the token of its next page, and whoever wants it asks again. `aws` performs
//! requests for real and `sim` performs them in memory, each in one exhaustive match; the engine cannot tell which.
//!
//! Batch limits are the caller's business and stand beside each request (AWS's numbers). What a batch call could not do
//! for single items is part of the reply (`failures`), not an error.

mod calls;
mod facts;
mod notice;
pub mod permissions;

use std::collections::BTreeMap;

pub use calls::{CallKind, RateClass, Row};
pub use notice::{Found, FoundGroup, News, Notice, SOURCE};

pub use facts::{
    Activity, ActivityStatus, AlarmState, BlockDevice, CapacityProvider, Cluster, ContainerInstance,
    ContainerInstanceStatus, DesiredStatus, Group, Image, Instance, InstanceRefresh, InstanceState, ItemFailure,
    Launch, Lifecycle, LifecycleHook, Member, Message, Override, Parameter, ParameterKind, Resources, Service,
    ServiceEvent, Stopped, Task, TaskStatus, TemplateSpec, TemplateVersion, VersionRule,
};

use crate::id::{
    AlarmName, AmiId, BusName, CapacityProviderName, ClusterArn, ContainerInstanceArn, GroupName, InstanceId,
    PageToken, ParameterName, Receipt, ServiceArn, TaskArn, TemplateId,
};

/// One call to AWS. Named after the operation it is.
#[derive(Clone, Debug, PartialEq, Eq, strum::EnumDiscriminants)]
#[strum_discriminants(
    name(Operation),
    vis(pub),
    derive(strum::EnumIter),
    doc = "A kind of call: a [`Request`] without what it says."
)]
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
    /// ECS, one page of the tasks of one host (None: of all hosts, and those on Fargate) that have this *desired* status.
    ListTasks {
        cluster: ClusterArn,
        container_instance: Option<ContainerInstanceArn>,
        desired: DesiredStatus,
        page: Option<PageToken>,
    },
    /// ECS, at most 100. A task that is gone is a failure with the reason `MISSING`.
    DescribeTasks { cluster: ClusterArn, arns: Vec<TaskArn> },
    /// ECS, one page of the services of a cluster.
    ListServices { cluster: ClusterArn, page: Option<PageToken> },
    /// ECS, at most 10: ARNs, or names of services of this cluster.
    DescribeServices { cluster: ClusterArn, arns: Vec<ServiceArn> },
    /// ECS, at most 100: which of these tasks are protected from being stopped by their service?
    GetTaskProtection { cluster: ClusterArn, arns: Vec<TaskArn> },
    /// ECS. Adds tags to a cluster, or overwrites them.
    TagResource { cluster: ClusterArn, tags: BTreeMap<String, String> },
    /// ECS, at most 10.
    UpdateContainerInstancesState {
        cluster: ClusterArn,
        arns: Vec<ContainerInstanceArn>,
        status: ContainerInstanceStatus,
    },
    /// ECS: asks a task to stop. One that has stopped is no error.
    StopTask { cluster: ClusterArn, task: TaskArn, reason: String },
    /// ECS, without `force`: refused while tasks run.
    DeregisterContainerInstance { cluster: ClusterArn, arn: ContainerInstanceArn },

    /// Auto Scaling, at most 100 names (none: every group of the account and region); one page. A group that does not exist
    /// is missing in the answer.
    DescribeAutoScalingGroups { names: Vec<GroupName>, page: Option<PageToken> },
    /// Auto Scaling, at most 20. With `decrement` the desired capacity sinks by as many; without, the group launches others.
    DetachInstances { group: GroupName, instances: Vec<InstanceId>, decrement: bool },
    /// Auto Scaling, at most 20: the desired capacity rises by as many. Refused above the maximum size.
    AttachInstances { group: GroupName, instances: Vec<InstanceId> },
    /// Auto Scaling: ends a member, through the group's lifecycle hooks. With `decrement` the desired capacity sinks by one;
    /// without, the group launches another.
    TerminateInstanceInAutoScalingGroup { group: GroupName, instance: InstanceId, decrement: bool },
    /// Auto Scaling (`CreateOrUpdateTags`): tags of the group itself, which its instances do not inherit.
    TagGroup { group: GroupName, tags: BTreeMap<String, String> },
    /// Auto Scaling: the last hundred activities of a group, the newest first.
    DescribeScalingActivities { group: GroupName },
    /// Auto Scaling: changes what the group says of its launches, wherever it says that. A mixed-instances policy is read
    /// once more and sent back whole: what it says beside that stays, also when somebody has changed it meanwhile.
    UpdateAutoScalingGroup { group: GroupName, mixed: bool, change: LaunchChange },
    /// Auto Scaling: the newest instance refreshes of one group. (There is one under way at most.)
    DescribeInstanceRefreshes { group: GroupName },
    /// Auto Scaling: the lifecycle hooks of one group, all of them.
    DescribeLifecycleHooks { group: GroupName },

    /// CloudWatch, at most 100, metric alarms and composite ones.
    DescribeAlarms { names: Vec<AlarmName> },

    /// EC2, one page. Includes instances that were terminated a little while ago.
    DescribeInstances { filter: InstanceFilter, page: Option<PageToken> },
    /// EC2, at most 1,000; one unknown id fails them all.
    CreateTags { instances: Vec<InstanceId>, tags: BTreeMap<String, String> },
    /// EC2, at most 1,000; one unknown or protected id fails them all.
    TerminateInstances { instances: Vec<InstanceId> },
    /// EC2, one page of one template's versions.
    DescribeLaunchTemplateVersions { template: TemplateId, query: VersionQuery, page: Option<PageToken> },
    /// EC2: a version like `source`, but with this image, and with these block devices in place of those of `source`
    /// (none: those of `source`, but for their snapshots, which EC2 drops).
    CreateLaunchTemplateVersion {
        template: TemplateId,
        source: u64,
        image: AmiId,
        block_devices: Vec<BlockDevice>,
        description: String,
        client_token: String,
    },
    /// EC2: sets the template's default version.
    ModifyLaunchTemplate { template: TemplateId, default_version: u64 },
    /// EC2, at most 200. One that is gone is no error.
    DeleteLaunchTemplateVersions { template: TemplateId, versions: Vec<u64> },
    /// EC2, one page. What does not exist is missing in the answer.
    DescribeImages { query: ImageQuery, page: Option<PageToken> },

    /// SSM, at most 10, each perhaps with a selector (`name:3`, `name:label`).
    GetParameters { names: Vec<ParameterName> },
    /// SSM: a new value of a parameter that exists. `data_type`: what it had (`aws:ec2:image` makes SSM check the id later).
    PutParameter { name: ParameterName, image: AmiId, data_type: Option<String> },

    /// EventBridge, at most 10: what the worker tells of its own, on this bus.
    PutEvents { bus: BusName, notices: Vec<Notice> },

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
    /// That have not ended.
    Tagged { key: String, pattern: String },
}

/// Which versions of a launch template to describe.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VersionQuery {
    /// The one that this rule names.
    InUse(VersionRule),
    /// All whose `ImageId` is this one.
    WithImage(AmiId),
    All,
}

/// Which images to describe; deprecated ones are among them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ImageQuery {
    /// At most 200.
    Ids(Vec<AmiId>),
    /// By name (`*` is any run of characters, `?` any one) and owner: `amazon`, `self` or account ids, never nobody.
    Named(ImagePattern),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImagePattern {
    pub owners: Vec<String>,
    pub name: String,
}

/// `amazon,self:al2023-*`
impl std::fmt::Display for ImagePattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.owners.join(","), self.name)
    }
}

/// What a group shall say otherwise of its launches. Named by what it says now, so that it is done once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LaunchChange {
    /// Wherever it pins this template to this version (its own template, the base of its policy, overrides).
    Version { template: TemplateId, from: u64, to: u64 },
    /// Wherever an override brings this image.
    Image { from: String, to: AmiId },
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
    /// `ListServices`
    ServiceArns { arns: Vec<ServiceArn>, next: Option<PageToken> },
    /// `DescribeServices`
    Services { services: Vec<Service>, failures: Vec<ItemFailure> },
    /// `GetTaskProtection`: those of them that are protected.
    ProtectedTasks(Vec<TaskArn>),
    /// `DescribeAutoScalingGroups`
    Groups { groups: Vec<Group>, next: Option<PageToken> },
    /// `DescribeScalingActivities`
    Activities(Vec<Activity>),
    /// `DescribeInstanceRefreshes`: those that have not ended.
    InstanceRefreshes(Vec<InstanceRefresh>),
    /// `DescribeLifecycleHooks`
    LifecycleHooks(Vec<LifecycleHook>),
    /// `DescribeAlarms`. One that is not among them does not exist.
    Alarms(BTreeMap<AlarmName, AlarmState>),
    /// `DescribeInstances`
    Instances { instances: Vec<Instance>, next: Option<PageToken> },
    /// `DescribeLaunchTemplateVersions`
    TemplateVersions { versions: Vec<TemplateVersion>, next: Option<PageToken> },
    /// `CreateLaunchTemplateVersion`: the version that now exists.
    TemplateVersion(TemplateVersion),
    /// `DescribeImages`
    Images { images: Vec<Image>, next: Option<PageToken> },
    /// `GetParameters`: values by the name that was asked for, and the names that do not exist.
    Parameters { values: BTreeMap<ParameterName, Parameter>, invalid: Vec<ParameterName> },
    /// `LocateSelf`
    SelfLocation(Option<ContainerInstanceArn>),
    /// `DeleteMessageBatch`, `ChangeMessageVisibilityBatch`: the entries that failed (usually: the receipt has expired).
    QueueBatch { failures: Vec<ItemFailure> },
    /// `PutEvents`: how many of them the bus did not take, and why the first one was not.
    NoticesPut { failures: Vec<ItemFailure> },
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

/// Our word for a provider of credentials that did not answer in time.
pub const CREDENTIALS_TIMEOUT: &str = "CredentialsTimeout";
/// The SDK's word: no place where credentials could be has any.
pub const CREDENTIALS_NOT_LOADED: &str = "CredentialsNotLoaded";

impl Failure {
    /// What AWS said, on one line and without its last dot: for a sentence that says of what.
    pub fn in_short(&self) -> String {
        let message = self.message.split_whitespace().collect::<Vec<_>>().join(" ");
        let message = message.trim_end_matches('.');
        match self.code.as_str() {
            // The SDK tells of each place where it looked in vain, in a paragraph.
            CREDENTIALS_NOT_LOADED => "none found in environment, profile, container or instance metadata".to_owned(),
            // Words of ours, which add nothing to the chain of causes.
            CREDENTIALS_TIMEOUT | "CredentialsProviderError" | "Dispatch" | "Timeout" => message.to_owned(),
            code => format!("{code}: {message}"),
        }
    }

    /// Did somebody answer, be it with what cannot be read? Otherwise the call may not have arrived.
    pub fn is_answer(&self) -> bool {
        !matches!(self.code.as_str(), "Timeout" | "Dispatch" | "Unknown")
    }
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
    /// The same call for a further page; calls that are not paged stay as they are.
    #[must_use]
    pub fn for_page(&self, token: PageToken) -> Request {
        let mut request = self.clone();
        match &mut request {
            Request::ListClusters { page }
            | Request::ListContainerInstances { page, .. }
            | Request::ListTasks { page, .. }
            | Request::ListServices { page, .. }
            | Request::DescribeAutoScalingGroups { page, .. }
            | Request::DescribeInstances { page, .. }
            | Request::DescribeImages { page, .. }
            | Request::DescribeLaunchTemplateVersions { page, .. } => *page = Some(token),
            Request::ReceiveMessage { .. }
            | Request::DeleteMessageBatch { .. }
            | Request::ChangeMessageVisibilityBatch { .. }
            | Request::DescribeClusters { .. }
            | Request::DescribeCapacityProviders { .. }
            | Request::DescribeContainerInstances { .. }
            | Request::DescribeTasks { .. }
            | Request::DescribeServices { .. }
            | Request::GetTaskProtection { .. }
            | Request::TagResource { .. }
            | Request::UpdateContainerInstancesState { .. }
            | Request::DeregisterContainerInstance { .. }
            | Request::DetachInstances { .. }
            | Request::AttachInstances { .. }
            | Request::TerminateInstanceInAutoScalingGroup { .. }
            | Request::TagGroup { .. }
            | Request::DescribeScalingActivities { .. }
            | Request::StopTask { .. }
            | Request::UpdateAutoScalingGroup { .. }
            | Request::DescribeInstanceRefreshes { .. }
            | Request::DescribeLifecycleHooks { .. }
            | Request::DescribeAlarms { .. }
            | Request::CreateTags { .. }
            | Request::TerminateInstances { .. }
            | Request::CreateLaunchTemplateVersion { .. }
            | Request::ModifyLaunchTemplate { .. }
            | Request::DeleteLaunchTemplateVersions { .. }
            | Request::GetParameters { .. }
            | Request::PutParameter { .. }
            | Request::PutEvents { .. }
            | Request::LocateSelf => {}
        }
        request
    }
}

/// A request's number, unique in one engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(pub u64);
