//! What AWS says of its things, cut to what a decision needs. Names are AWS's; times are UTC.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::id::{
    AmiId, CapacityProviderName, ClusterArn, ContainerInstanceArn, GroupName, InstanceId, Receipt, TaskArn, TemplateId,
    Zone,
};

/// One SQS message as received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// SQS's message id: the same at every delivery.
    pub id: String,
    /// Good for this delivery only.
    pub receipt: Receipt,
    pub body: String,
    /// When it was first put into the queue (`SentTimestamp`): the same at every delivery.
    pub sent: Timestamp,
    /// How often it has been received, this time included (`ApproximateReceiveCount`).
    pub receive_count: u32,
}

/// One item of a batch call that could not be done (or found).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemFailure {
    /// What was asked for: an ARN, a name, a receipt.
    pub item: String,
    /// AWS's word: `MISSING`, `INACTIVE`, a code.
    pub reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    pub arn: ClusterArn,
    /// `ACTIVE`, `INACTIVE` (deleted, still listed for a while), …
    pub status: String,
    /// FARGATE and FARGATE_SPOT included.
    pub capacity_providers: Vec<CapacityProviderName>,
    pub tags: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapacityProvider {
    pub name: CapacityProviderName,
    /// None for FARGATE and for ECS-managed instances.
    pub group: Option<GroupName>,
}

/// An Auto Scaling group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub name: GroupName,
    pub min: u32,
    pub max: u32,
    pub desired: u32,
    pub members: Vec<Member>,
    /// Process names: `Launch`, `Terminate`, …
    pub suspended: BTreeSet<String>,
    /// None: the group uses a launch configuration.
    pub template: Option<TemplateSpec>,
    pub tags: BTreeMap<String, String>,
    /// Managed by AWS on somebody's behalf (an `Operator` is set): never ours.
    pub managed: bool,
}

/// An instance as its group sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub id: InstanceId,
    pub zone: Zone,
    pub lifecycle: Lifecycle,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lifecycle {
    /// `Pending`, `Pending:Wait`, `Pending:Proceed`
    Pending,
    InService,
    /// `Terminating…`, `Terminated`
    Terminating,
    /// `Detaching`, `Detached`
    Detaching,
    Standby,
    /// `EnteringStandby`, `Warmed:…`, and anything that AWS may add.
    Other,
}

/// How a group names its launch template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateSpec {
    pub template: TemplateId,
    pub rule: VersionRule,
    /// It is the base of a mixed-instances policy.
    pub mixed: bool,
    /// Some override of the policy brings a template of its own, or an image of its own.
    pub overridden: bool,
}

/// Which version of its template a group launches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VersionRule {
    Default,
    Latest,
    Number(u64),
}

impl std::fmt::Display for VersionRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            VersionRule::Default => f.write_str("$Default"),
            VersionRule::Latest => f.write_str("$Latest"),
            VersionRule::Number(n) => write!(f, "{n}"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateVersion {
    pub template: TemplateId,
    pub number: u64,
    pub is_default: bool,
    /// As written in the template: an AMI id, `resolve:ssm:…`, or nothing.
    pub image: Option<String>,
    pub description: Option<String>,
    pub created: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerInstance {
    pub arn: ContainerInstanceArn,
    /// None for an external (`mi-`) instance's lack of one; those carry their `mi-` id here.
    pub instance: Option<InstanceId>,
    pub status: ContainerInstanceStatus,
    pub agent_connected: bool,
    /// Tasks whose *desired* status is RUNNING: not the ones that are stopping.
    pub running_tasks: u32,
    pub pending_tasks: u32,
    /// The attribute `ecs.ami-id`.
    pub image: Option<AmiId>,
    /// The attribute `ecs.availability-zone`.
    pub zone: Option<Zone>,
    pub registered: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ContainerInstanceStatus {
    /// `REGISTERING`, `REGISTRATION_FAILED`, and anything that AWS may add.
    Other,
    Active,
    Draining,
    /// `DEREGISTERING`
    Deregistering,
    Inactive,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    pub arn: TaskArn,
    pub container_instance: Option<ContainerInstanceArn>,
    pub last: TaskStatus,
    pub desired: DesiredStatus,
    /// `service:web`, or `family:batch` for a standalone task.
    pub group: String,
}

/// `lastStatus` of a task, in the order of its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TaskStatus {
    Provisioning,
    Pending,
    Activating,
    Running,
    Deactivating,
    Stopping,
    Deprovisioning,
    Stopped,
    Deleted,
    /// Anything that AWS may add: not stopped, as far as we know.
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DesiredStatus {
    /// RUNNING, and PENDING (which ECS never lists as such).
    Running,
    Stopped,
}

/// An EC2 instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    pub id: InstanceId,
    pub image: AmiId,
    pub state: InstanceState,
    pub launched: Timestamp,
    pub zone: Zone,
    pub tags: BTreeMap<String, String>,
    /// An `Operator` is set: managed by AWS, never ours.
    pub managed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InstanceState {
    Pending,
    Running,
    Stopping,
    Stopped,
    ShuttingDown,
    Terminated,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    pub id: AmiId,
    pub name: String,
    /// `x86_64`, `arm64`, …
    pub architecture: String,
    pub windows: bool,
    /// `available`, `pending`, `failed`, `deregistered`, …
    pub state: String,
    pub created: Option<Timestamp>,
}

impl ContainerInstanceStatus {
    /// AWS's word for it.
    pub fn from_aws(word: &str) -> Self {
        match word {
            "ACTIVE" => Self::Active,
            "DRAINING" => Self::Draining,
            "DEREGISTERING" => Self::Deregistering,
            "INACTIVE" => Self::Inactive,
            _ => Self::Other,
        }
    }
}

impl InstanceState {
    /// AWS's word for it; None for one that is new to us.
    pub fn from_aws(word: &str) -> Option<Self> {
        Some(match word {
            "pending" => Self::Pending,
            "running" => Self::Running,
            "stopping" => Self::Stopping,
            "stopped" => Self::Stopped,
            "shutting-down" => Self::ShuttingDown,
            "terminated" => Self::Terminated,
            _ => return None,
        })
    }

    /// On its way out, or out.
    pub fn is_gone(self) -> bool {
        matches!(self, Self::ShuttingDown | Self::Terminated)
    }
}

impl TaskStatus {
    /// AWS's word for it.
    pub fn from_aws(word: &str) -> Self {
        match word {
            "PROVISIONING" => Self::Provisioning,
            "PENDING" => Self::Pending,
            "ACTIVATING" => Self::Activating,
            "RUNNING" => Self::Running,
            "DEACTIVATING" => Self::Deactivating,
            "STOPPING" => Self::Stopping,
            "DEPROVISIONING" => Self::Deprovisioning,
            "STOPPED" => Self::Stopped,
            "DELETED" => Self::Deleted,
            _ => Self::Other,
        }
    }

    /// Has it ended for good?
    pub fn is_stopped(self) -> bool {
        matches!(self, Self::Stopped | Self::Deleted)
    }
}
