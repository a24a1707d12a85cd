//! What truly happened in the simulated account, as data, whatever any worker believed.

use jiff::Timestamp;

use crate::id::{AmiId, ClusterArn, GroupName, InstanceId, ParameterName, TemplateId, Zone};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    pub at: Timestamp,
    pub what: Happening,
}

/// By whose doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Worker,
    Person,
    /// The group, for reasons of its own (a scale-in).
    Group,
    /// Nobody: it broke.
    Itself,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    ReleasePublished {
        parameter: ParameterName,
        image: AmiId,
    },
    RotationOpened {
        cluster: ClusterArn,
        id: String,
    },
    RotationPaused {
        cluster: ClusterArn,
        id: String,
    },
    RotationHeld {
        cluster: ClusterArn,
        id: String,
    },
    RotationClosed {
        cluster: ClusterArn,
        id: String,
    },
    /// The reason of a hold was written (or written anew).
    HoldExplained {
        cluster: ClusterArn,
        reason: String,
    },
    TemplateVersionMade {
        template: TemplateId,
        version: u64,
        image: AmiId,
    },
    /// A worker gave a parameter a new value.
    ParameterWritten {
        parameter: ParameterName,
        image: AmiId,
    },
    VersionsPruned {
        template: TemplateId,
        versions: Vec<u64>,
    },
    TemplateInUse {
        group: GroupName,
        template: TemplateId,
        version: u64,
    },
    HostTagged {
        host: InstanceId,
        rotation: String,
    },
    Detached {
        host: InstanceId,
        group: GroupName,
    },
    Attached {
        host: InstanceId,
        group: GroupName,
    },
    /// A worker wrote which images the group shall not launch.
    Rejected {
        group: GroupName,
        images: String,
    },
    Launched {
        host: InstanceId,
        group: GroupName,
        image: AmiId,
    },
    LaunchFailed {
        group: GroupName,
        /// That is lost.
        zone: Option<Zone>,
    },
    /// With so many hosts of the clusters that have opted in.
    ZoneLost {
        zone: Zone,
        hosts: usize,
    },
    ZoneBack {
        zone: Zone,
    },
    /// A service has tasks on a draining host, and its settings leave no room to move one, ever.
    ServiceStuck {
        service: String,
        minimum_healthy_percent: usize,
        maximum_percent: usize,
    },
    Registered {
        host: InstanceId,
    },
    Draining {
        host: InstanceId,
        by: By,
        /// The tasks of replica services on it that are not STOPPED.
        tasks: usize,
    },
    /// The last task on a draining host has stopped.
    Drained {
        host: InstanceId,
    },
    Deregistered {
        host: InstanceId,
    },
    Terminated {
        host: InstanceId,
        by: By,
    },
    /// ACTIVE again, by a person's or a worker's hand.
    Activated {
        host: InstanceId,
        by: By,
    },
    Scaled {
        group: GroupName,
        desired: u32,
    },
    AgentLost {
        host: InstanceId,
    },
    AgentBack {
        host: InstanceId,
    },
    WorkerStarted {
        worker: usize,
    },
    WorkerKilled {
        worker: usize,
    },
    MessageDead {
        body: String,
    },
}
