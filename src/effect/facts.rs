//! What AWS says of its things, cut to what a decision needs. Names are AWS's; times are UTC.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::LaunchChange;
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
    pub launch: Launch,
    pub tags: BTreeMap<String, String>,
    /// Managed by AWS on somebody's behalf (an `Operator` is set): never ours.
    pub managed: bool,
    /// What its capacity is counted in, if neither in hosts nor in their weights: `vcpu`, `memory-mib`.
    pub counted_in: Option<String>,
    /// `arn:aws:autoscaling:…:autoScalingGroup:<uuid>:autoScalingGroupName/<name>`
    pub arn: Option<String>,
    /// Where it may launch; none: it does not say.
    pub zones: BTreeSet<Zone>,
    /// What sends traffic to its members because they are members: ARNs of target groups, names of Classic Load Balancers,
    /// and whatever else AWS calls a traffic source. (Target groups of ECS services are not among them.)
    pub traffic_sources: BTreeSet<String>,
}

/// An instance as its group sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub id: InstanceId,
    pub zone: Zone,
    pub lifecycle: Lifecycle,
    /// For how much of the group's capacity it counts; None: for one.
    pub weight: Option<u32>,
    /// The image it runs, where the group says so: it knows of a root volume that was replaced in place, and EC2 does not.
    pub image: Option<AmiId>,
}

/// A lifecycle hook of a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LifecycleHook {
    pub name: String,
    /// It is called when a member ends, not when one is launched.
    pub terminating: bool,
}

/// An instance refresh of a group that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceRefresh {
    /// `08b91cf7-8fa6-48af-b6a6-d227f40f1b9b`
    pub id: String,
    /// None: it has not started yet.
    pub started: Option<Timestamp>,
}

/// What CloudWatch says of an alarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlarmState {
    /// OK, or without data.
    Quiet,
    InAlarm,
    /// It keeps the state that it had, and CloudWatch says why: `EVALUATION_ERROR`
    NotEvaluated(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lifecycle {
    /// `Pending`, `Pending:Wait`, `Pending:Proceed`
    Pending,
    /// A launching lifecycle hook has it (`Pending:Wait`).
    PendingWait,
    InService,
    /// `Terminating…`, `Terminated`
    Terminating,
    /// `Detaching`, `Detached`
    Detaching,
    Standby,
    /// `EnteringStandby`, `Warmed:…`, and anything that AWS may add.
    Other,
}

impl Lifecycle {
    /// Is it in service, or on its way there? Then its group launches nobody else for it.
    pub const fn fills_a_place(self) -> bool {
        matches!(self, Self::InService | Self::Pending | Self::PendingWait)
    }
}

/// What a group launches its instances from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Launch {
    /// A launch configuration, by name.
    Configuration(String),
    Template(TemplateSpec),
    /// A mixed-instances policy.
    Mixed {
        base: TemplateSpec,
        overrides: Vec<Override>,
    },
    /// None of these, or in words that are new to us.
    Unknown,
}

/// A launch template, and which version of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TemplateSpec {
    pub template: TemplateId,
    pub rule: VersionRule,
}

/// One override of a mixed-instances policy: what it says takes the place of what the policy's template says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// None: instances are selected by their attributes.
    pub instance_type: Option<String>,
    pub template: Option<TemplateSpec>,
    /// As written: an AMI id, or `resolve:ssm:…`.
    pub image: Option<String>,
    /// For how much of the group's capacity such an instance counts; None: for one.
    pub weight: Option<u32>,
}

impl Launch {
    /// Every launch template that is named, each once.
    pub fn templates(&self) -> BTreeSet<&TemplateSpec> {
        match self {
            Launch::Configuration(_) | Launch::Unknown => BTreeSet::new(),
            Launch::Template(spec) => BTreeSet::from([spec]),
            Launch::Mixed { base, overrides } => {
                std::iter::once(base).chain(overrides.iter().filter_map(|own| own.template.as_ref())).collect()
            }
        }
    }

    /// The least that one of its instances counts for, where they are weighted.
    pub fn least_weight(&self) -> Option<u32> {
        match self {
            Launch::Mixed { overrides, .. } => overrides.iter().filter_map(|own| own.weight).min(),
            Launch::Configuration(_) | Launch::Template(_) | Launch::Unknown => None,
        }
    }

    pub fn is_mixed(&self) -> bool {
        matches!(self, Launch::Mixed { .. })
    }

    /// Says otherwise what is to be said otherwise; true if anything was.
    pub fn apply(&mut self, change: &LaunchChange) -> bool {
        let mut changed = false;
        let mut pin = |spec: &mut TemplateSpec| {
            if let LaunchChange::Version { template, from, to } = change
                && spec.template == *template
                && spec.rule == VersionRule::Number(*from)
            {
                spec.rule = VersionRule::Number(*to);
                changed = true;
            }
        };
        match self {
            Launch::Configuration(_) | Launch::Unknown => {}
            Launch::Template(spec) => pin(spec),
            Launch::Mixed { base, overrides } => {
                pin(base);
                overrides.iter_mut().filter_map(|own| own.template.as_mut()).for_each(pin);
                for own in overrides {
                    if let LaunchChange::Image { from, to } = change
                        && own.image.as_ref() == Some(from)
                    {
                        own.image = Some(to.to_string());
                        changed = true;
                    }
                }
            }
        }
        changed
    }
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
    pub block_devices: Vec<BlockDevice>,
}

/// A block device of a launch template. What is None is not said there.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlockDevice {
    /// `/dev/xvda`
    pub device: Option<String>,
    pub virtual_name: Option<String>,
    pub no_device: Option<String>,
    pub snapshot: Option<String>,
    pub size_gib: Option<i32>,
    pub volume_type: Option<String>,
    pub iops: Option<i32>,
    /// MiB per second.
    pub throughput: Option<i32>,
    /// MiB per second.
    pub initialization_rate: Option<i32>,
    pub encrypted: Option<bool>,
    pub kms_key: Option<String>,
    pub delete_on_termination: Option<bool>,
    pub ebs_card_index: Option<i32>,
}

/// A parameter of SSM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Of a SecureString: the ciphertext.
    pub value: String,
    pub kind: ParameterKind,
    /// `text`, `aws:ec2:image`, …
    pub data_type: Option<String>,
    /// When it got this value.
    pub modified: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterKind {
    String,
    StringList,
    SecureString,
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
    /// `registeredResources`: what tasks can have there, when there are none.
    pub whole: Option<Resources>,
    /// `remainingResources`
    pub free: Option<Resources>,
}

/// What a task needs, or what a host has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Resources {
    /// Units of 1/1024 of a virtual CPU.
    pub cpu: u32,
    /// MiB.
    pub memory: u32,
    pub gpus: u32,
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
    /// As the task says as a whole; None: it does not say.
    pub needs: Option<Resources>,
    /// None while it has not begun to stop.
    pub stopped: Option<Stopped>,
}

/// How a task came to stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// When it was told to stop, or began to by itself.
    pub begun: Option<Timestamp>,
    pub at: Option<Timestamp>,
    /// It broke: it failed to start, or one of its essential containers ended with an error.
    pub failed: bool,
    /// AWS's words.
    pub reason: String,
}

/// Something that an Auto Scaling group did, or tried to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    pub started: Timestamp,
    /// A launch (and not a termination).
    pub launch: bool,
    pub status: ActivityStatus,
    /// The instance that it launched or ended, where it has come so far.
    pub instance: Option<InstanceId>,
    /// AWS's words on how it stands.
    pub message: String,
}

/// How an activity stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActivityStatus {
    UnderWay,
    Successful,
    Failed,
    /// Given up on the way: a lifecycle hook has abandoned it, or has not answered in time.
    Cancelled,
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
    /// As its image's: the image itself may be no more.
    pub architecture: String,
    pub windows: bool,
    pub root_device: Option<String>,
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
    /// From when on its owner advises against it.
    pub deprecated: Option<Timestamp>,
    /// The owner's account id.
    pub owner: String,
    /// `amazon`, `aws-marketplace`, …
    pub owner_alias: Option<String>,
    /// `hvm` or `paravirtual`.
    pub virtualization: String,
    /// `/dev/xvda`
    pub root_device: Option<String>,
}

/// A service, cut to what a drain of its hosts depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    pub name: String,
    pub desired: u32,
    pub running: u32,
    /// One task on every host, whatever is desired.
    pub daemon: bool,
    /// Percent of the desired tasks that must be RUNNING during a deployment or a drain.
    pub minimum_healthy_percent: u32,
    /// Percent of the desired tasks that may be RUNNING or starting.
    pub maximum_percent: u32,
    /// Runs on Fargate: no drain of ours concerns it.
    pub fargate: bool,
    /// A placement constraint `distinctInstance`: each task on a host of its own.
    pub distinct: bool,
    /// What its scheduler has said lately, the newest first.
    pub events: Vec<ServiceEvent>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceEvent {
    pub at: Timestamp,
    /// `(service web) was unable to place a task because …`
    pub message: String,
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

impl Resources {
    /// Do these needs fit in there?
    pub fn fit_in(self, room: Self) -> bool {
        self.cpu <= room.cpu && self.memory <= room.memory && self.gpus <= room.gpus
    }

    #[must_use]
    pub fn without(self, taken: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(taken.cpu),
            memory: self.memory.saturating_sub(taken.memory),
            gpus: self.gpus.saturating_sub(taken.gpus),
        }
    }
}

/// `512 CPU units and 1024 MiB`
impl std::fmt::Display for Resources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} CPU units and {} MiB", self.cpu, self.memory)?;
        if self.gpus > 0 { write!(f, " and {} GPU", self.gpus) } else { Ok(()) }
    }
}

impl Task {
    /// Not a standalone one.
    pub fn is_of_service(&self) -> bool {
        self.service().is_some()
    }

    pub fn service(&self) -> Option<&str> {
        self.group.strip_prefix("service:")
    }
}

impl Member {
    /// Neither on its way in nor on its way out.
    pub fn is_in_place(&self) -> bool {
        matches!(self.lifecycle, Lifecycle::InService | Lifecycle::Standby)
    }

    /// For how much of its group's capacity it counts.
    pub fn weight(&self) -> u32 {
        self.weight.unwrap_or(1)
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
