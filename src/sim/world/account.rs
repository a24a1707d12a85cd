//! The account as a value: everything that AWS can describe, and nothing else.
//!
//! Every part stands behind an `Arc` and is copied when it is written while a snapshot still holds it, so that keeping the
//! recent past (for stale reads) costs little. Hosts and tasks have numbers; their ids and ARNs are written from them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::effect::{
    Activity, AlarmState, BlockDevice, CapacityProvider, Cluster, ContainerInstance, ContainerInstanceStatus,
    DesiredStatus, Group, Image, Instance, InstanceRefresh, InstanceState, Launch, Lifecycle, LifecycleHook, Member,
    Override, Parameter, Resources, ServiceEvent, TaskStatus, TemplateSpec, TemplateVersion, VersionRule,
};
use crate::id::{
    AlarmName, AmiId, CapacityProviderName, ClusterArn, ContainerInstanceArn, GroupName, InstanceId, ParameterName,
    TaskArn, TemplateId, Zone,
};
use crate::sim::chance::Delay;

pub const REGION: &str = "eu-west-1";
pub const ACCOUNT: &str = "123456789012";
/// The tag by which EC2 knows of an instance's group.
pub const GROUP_NAME_TAG: &str = "aws:autoscaling:groupName";
/// Makes the id of a container instance look unlike that of its EC2 instance.
const AGENT_MASK: u64 = 0x9e37_79b9_7f4a_7c15;

/// One EC2 instance, and the container instance on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostNo(pub u64);

/// One task, which never leaves its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaskNo {
    pub host: HostNo,
    pub serial: u64,
}

#[derive(Clone, Debug, Default)]
pub struct Account {
    pub clusters: Arc<BTreeMap<ClusterArn, Cluster>>,
    pub providers: Arc<BTreeMap<CapacityProviderName, CapacityProvider>>,
    /// `members` is always empty here: who is a member is written on the hosts.
    pub groups: Arc<BTreeMap<GroupName, Group>>,
    pub templates: Arc<BTreeMap<TemplateId, Template>>,
    pub parameters: Arc<BTreeMap<ParameterName, Parameter>>,
    pub images: Arc<BTreeMap<AmiId, Image>>,
    /// The images of launch configurations.
    pub configurations: Arc<BTreeMap<String, AmiId>>,
    pub hosts: Arc<BTreeMap<HostNo, Host>>,
    /// The hosts of each group and of each cluster, so that one is seen without a look at all others.
    pub by_group: Arc<BTreeMap<GroupName, BTreeSet<HostNo>>>,
    pub by_cluster: Arc<BTreeMap<ClusterArn, BTreeSet<HostNo>>>,
    pub tasks: Arc<BTreeMap<TaskNo, Task>>,
    pub services: Arc<Vec<Service>>,
    /// What each group did, the newest first.
    pub activities: Arc<BTreeMap<GroupName, Vec<Activity>>>,
    /// Those that are under way.
    pub refreshes: Arc<BTreeMap<GroupName, InstanceRefresh>>,
    pub hooks: Arc<BTreeMap<GroupName, Vec<LifecycleHook>>>,
    pub alarms: Arc<BTreeMap<AlarmName, AlarmState>>,
}

#[derive(Clone, Debug)]
pub struct Service {
    pub name: String,
    pub cluster: ClusterArn,
    pub desired: usize,
    pub minimum_healthy_percent: usize,
    pub maximum_percent: usize,
    /// One task on every host, whatever is desired.
    pub daemon: bool,
    /// How long a stopping task stays in its target group.
    pub deregistration: Delay,
    /// Of each task.
    pub needs: Resources,
    /// What its scheduler has said, the newest first.
    pub events: Vec<ServiceEvent>,
}

#[derive(Clone, Debug)]
pub struct Template {
    pub default: u64,
    /// In the order of their numbers; the last is `$Latest`.
    pub versions: Vec<Version>,
}

#[derive(Clone, Debug)]
pub struct Version {
    pub number: u64,
    pub image: String,
    pub description: String,
    pub created: Timestamp,
    pub client_token: Option<String>,
    /// The version it was made from; none for one that a person wrote.
    pub source: Option<u64>,
    pub block_devices: Vec<BlockDevice>,
}

/// What a container instance runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostKind {
    /// An EC2 instance that a group has launched.
    OfGroup,
    /// One that somebody has launched by hand.
    Stray,
    /// One that ECS manages.
    Managed,
    /// No EC2 instance at all (`mi-…`). Takes no tasks of ours.
    External,
}

#[derive(Clone, Debug)]
pub struct Host {
    pub kind: HostKind,
    pub cluster: ClusterArn,
    /// The group it was launched by; a name of no group, where there is none.
    pub origin: GroupName,
    /// How it is a member of that group; `None`: no longer.
    pub member: Option<Lifecycle>,
    pub image: AmiId,
    pub zone: Zone,
    pub state: InstanceState,
    pub launched: Timestamp,
    pub tags: BTreeMap<String, String>,
    pub architecture: String,
    pub windows: bool,
    pub root_device: Option<String>,
    /// For how much of its group's capacity it counts; None: for one.
    pub weight: Option<u32>,
    /// From being terminated by a call (`DisableApiTermination`).
    pub protected: bool,
    /// No policy allows to terminate it.
    pub forbidden: bool,
    /// From being taken by a scale-in of its group.
    pub kept_at_scale_in: bool,
    /// What tasks can have there.
    pub size: Resources,
    pub agent: Option<Agent>,
}

/// The container instance; `None` on a host whose agent has not registered, or was deregistered more than an hour ago.
#[derive(Clone, Copy, Debug)]
pub struct Agent {
    pub status: ContainerInstanceStatus,
    pub connected: bool,
    pub registered: Timestamp,
}

#[derive(Clone, Copy, Debug)]
pub struct Task {
    pub owner: Owner,
    pub last: TaskStatus,
    pub desired: DesiredStatus,
    /// Moved on whenever its course changes, so that what was planned for the former course is void.
    pub course: u32,
    /// Stopped because its host drains.
    pub drained: bool,
    /// From being stopped by its service.
    pub protected: bool,
    pub created: Timestamp,
    /// When it was to stop, or broke.
    pub stopping: Option<Timestamp>,
    pub broke: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// An index into the world's services.
    Service(usize),
    Standalone,
}

impl HostNo {
    pub fn instance(self) -> InstanceId {
        InstanceId::new(format!("i-0{:016x}", self.0))
    }

    /// What ECS says of it.
    pub fn instance_of(self, kind: HostKind) -> InstanceId {
        match kind {
            HostKind::OfGroup | HostKind::Stray | HostKind::Managed => self.instance(),
            HostKind::External => InstanceId::new(format!("mi-0{:016x}", self.0)),
        }
    }

    pub fn agent(self, cluster: &ClusterArn) -> ContainerInstanceArn {
        let name = cluster.name();
        let (high, low) = (self.0.rotate_left(17) ^ AGENT_MASK, self.0 ^ AGENT_MASK);
        ContainerInstanceArn::new(format!(
            "arn:aws:ecs:{REGION}:{ACCOUNT}:container-instance/{name}/{high:016x}{low:016x}"
        ))
    }

    pub fn of_instance(id: &InstanceId) -> Option<Self> {
        let hex = id.as_str().strip_prefix("i-0").filter(|hex| hex.len() == 16)?;
        u64::from_str_radix(hex, 16).ok().map(Self)
    }

    pub fn of_agent(arn: &ContainerInstanceArn) -> Option<Self> {
        let low = arn.id().get(16..32)?;
        u64::from_str_radix(low, 16).ok().map(|low| Self(low ^ AGENT_MASK))
    }
}

impl TaskNo {
    pub fn arn(self, cluster: &ClusterArn) -> TaskArn {
        let (name, high) = (cluster.name(), self.host.0.rotate_left(31) ^ AGENT_MASK);
        TaskArn::new(format!("arn:aws:ecs:{REGION}:{ACCOUNT}:task/{name}/{high:016x}{:016x}", self.serial))
    }

    pub fn of(arn: &TaskArn) -> Option<Self> {
        let (high, low) = (arn.id().get(..16)?, arn.id().get(16..32)?);
        let host = HostNo((u64::from_str_radix(high, 16).ok()? ^ AGENT_MASK).rotate_right(31));
        Some(Self { host, serial: u64::from_str_radix(low, 16).ok()? })
    }
}

impl Task {
    /// Serves, or is about to: its desired status is RUNNING.
    pub fn is_wanted(&self) -> bool {
        self.desired == DesiredStatus::Running
    }

    pub fn is_over(&self) -> bool {
        matches!(self.last, TaskStatus::Stopped | TaskStatus::Deleted)
    }
}

impl Service {
    /// Tasks that have to be RUNNING: rounded up.
    pub fn least(&self) -> usize {
        (self.desired * self.minimum_healthy_percent).div_ceil(100)
    }

    /// Tasks that may run or start: rounded down.
    pub fn most(&self) -> usize {
        self.desired * self.maximum_percent / 100
    }
}

impl Host {
    pub fn is_up(&self) -> bool {
        matches!(self.state, InstanceState::Pending | InstanceState::Running)
    }

    pub fn status(&self) -> Option<ContainerInstanceStatus> {
        self.agent.map(|agent| agent.status)
    }

    /// Takes new tasks.
    pub fn is_placeable(&self) -> bool {
        self.kind != HostKind::External
            && self.state == InstanceState::Running
            && self.agent.is_some_and(|agent| agent.connected && agent.status == ContainerInstanceStatus::Active)
    }

    /// Counts towards its group's desired capacity.
    pub fn is_counted(&self) -> bool {
        self.member.is_some_and(Lifecycle::fills_a_place)
    }

    /// For how much of its group's capacity it counts.
    pub fn counts(&self) -> u32 {
        self.weight.unwrap_or(1)
    }

    pub fn described(&self, no: HostNo) -> Instance {
        Instance {
            id: no.instance(),
            image: self.image.clone(),
            state: self.state,
            launched: self.launched,
            zone: self.zone.clone(),
            tags: self.tags.clone(),
            managed: self.kind == HostKind::Managed,
            architecture: self.architecture.clone(),
            windows: self.windows,
            root_device: self.root_device.clone(),
        }
    }
}

impl Template {
    pub fn latest(&self) -> u64 {
        self.versions.last().map_or(0, |version| version.number)
    }

    /// The version that a rule names now.
    pub fn resolve(&self, rule: VersionRule) -> Option<&Version> {
        let number = match rule {
            VersionRule::Default => self.default,
            VersionRule::Latest => self.latest(),
            VersionRule::Number(number) => number,
        };
        self.versions.iter().find(|version| version.number == number)
    }

    pub fn described(&self, id: &TemplateId, version: &Version) -> TemplateVersion {
        TemplateVersion {
            template: id.clone(),
            number: version.number,
            is_default: version.number == self.default,
            image: Some(version.image.clone()),
            description: Some(version.description.clone()),
            created: version.created,
            block_devices: version.block_devices.clone(),
        }
    }
}

impl Account {
    pub fn host(&self, no: HostNo) -> Option<&Host> {
        self.hosts.get(&no)
    }

    pub fn host_of_instance(&self, id: &InstanceId) -> Option<(HostNo, &Host)> {
        let no = HostNo::of_instance(id)?;
        self.hosts.get(&no).map(|host| (no, host))
    }

    pub fn host_of_agent(&self, cluster: &ClusterArn, arn: &ContainerInstanceArn) -> Option<(HostNo, &Host, Agent)> {
        let no = HostNo::of_agent(arn)?;
        let host = self.hosts.get(&no).filter(|host| host.cluster == *cluster)?;
        host.agent.map(|agent| (no, host, agent))
    }

    /// Those that the group has launched, members or not.
    pub fn hosts_of(&self, group: &GroupName) -> impl Iterator<Item = (HostNo, &Host)> {
        self.numbered(self.by_group.get(group))
    }

    /// Those that register, or shall, in the cluster.
    pub fn hosts_in(&self, cluster: &ClusterArn) -> impl Iterator<Item = (HostNo, &Host)> {
        self.numbered(self.by_cluster.get(cluster))
    }

    fn numbered(&self, hosts: Option<&BTreeSet<HostNo>>) -> impl Iterator<Item = (HostNo, &Host)> {
        hosts.into_iter().flatten().filter_map(|no| Some((*no, self.hosts.get(no)?)))
    }

    /// To be called when a host has come, or is now of another group or cluster.
    pub(super) fn enter(&mut self, no: HostNo) {
        let Some(host) = self.hosts.get(&no) else { return };
        Arc::make_mut(&mut self.by_group).entry(host.origin.clone()).or_default().insert(no);
        Arc::make_mut(&mut self.by_cluster).entry(host.cluster.clone()).or_default().insert(no);
    }

    /// To be called before a host goes, or becomes one of another group or cluster.
    pub(super) fn leave(&mut self, no: HostNo) {
        let Some(host) = self.hosts.get(&no) else { return };
        if let Some(hosts) = Arc::make_mut(&mut self.by_group).get_mut(&host.origin) {
            hosts.remove(&no);
        }
        if let Some(hosts) = Arc::make_mut(&mut self.by_cluster).get_mut(&host.cluster) {
            hosts.remove(&no);
        }
    }

    pub fn tasks_on(&self, host: HostNo) -> impl Iterator<Item = (TaskNo, &Task)> {
        let (first, last) = (TaskNo { host, serial: 0 }, TaskNo { host, serial: u64::MAX });
        self.tasks.range(first..=last).map(|(no, task)| (*no, task))
    }

    /// `service:web`, or `family:batch` for a standalone task.
    pub fn task_group(&self, task: &Task) -> String {
        match task.owner {
            Owner::Service(index) => format!("service:{}", self.services[index].name),
            Owner::Standalone => "family:batch".to_owned(),
        }
    }

    pub fn members_of(&self, group: &GroupName) -> impl Iterator<Item = (HostNo, &Host)> {
        self.hosts_of(group).filter(|(_, host)| host.member.is_some())
    }

    pub fn described_group(&self, group: &Group) -> Group {
        let members = self.members_of(&group.name).filter_map(|(no, host)| {
            let lifecycle = host.member?;
            Some(Member {
                id: no.instance(),
                zone: host.zone.clone(),
                lifecycle,
                weight: host.weight,
                image: Some(host.image.clone()),
            })
        });
        Group { members: members.collect(), ..group.clone() }
    }

    pub fn described_agent(&self, no: HostNo, host: &Host, agent: Agent) -> ContainerInstance {
        let count = |running: bool| {
            let of_that_kind = |task: &Task| task.is_wanted() && (task.last == TaskStatus::Running) == running;
            u32::try_from(self.tasks_on(no).filter(|(_, task)| of_that_kind(task)).count()).unwrap_or(u32::MAX)
        };
        let present = agent.status != ContainerInstanceStatus::Inactive;
        ContainerInstance {
            arn: no.agent(&host.cluster),
            instance: Some(no.instance_of(host.kind)),
            status: agent.status,
            agent_connected: agent.connected,
            running_tasks: if present { count(true) } else { 0 },
            pending_tasks: if present { count(false) } else { 0 },
            image: Some(host.image.clone()),
            zone: Some(host.zone.clone()),
            registered: Some(agent.registered),
            whole: Some(host.size),
            free: Some(self.free_on(no, host)),
        }
    }

    /// What tasks have left there; one that stops keeps its share until it is STOPPED.
    pub fn free_on(&self, no: HostNo, host: &Host) -> Resources {
        let alive = self.tasks_on(no).filter(|(_, task)| !task.is_over());
        alive.fold(host.size, |free, (_, task)| free.without(self.needs_of(task)))
    }

    /// Standalone tasks need next to nothing here.
    pub fn needs_of(&self, task: &Task) -> Resources {
        match task.owner {
            Owner::Service(index) => self.services[index].needs,
            Owner::Standalone => Resources::default(),
        }
    }

    pub fn described_service(&self, index: usize, service: &Service) -> crate::effect::Service {
        let of_it = |task: &&Task| task.owner == Owner::Service(index) && task.is_wanted();
        let tasks = self.hosts_in(&service.cluster).flat_map(|(no, _)| self.tasks_on(no)).map(|(_, task)| task);
        let running = tasks.filter(of_it).filter(|task| task.last == TaskStatus::Running).count();
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        crate::effect::Service {
            name: service.name.clone(),
            desired: number(if service.daemon { running } else { service.desired }),
            running: number(running),
            daemon: service.daemon,
            minimum_healthy_percent: number(service.minimum_healthy_percent),
            maximum_percent: number(service.maximum_percent),
            fargate: false,
            distinct: false,
            events: service.events.clone(),
        }
    }

    /// The image that an instance of a group gets now: `None` where its template or its parameter is missing. A policy with
    /// overrides takes them in turn (`turn` counts the launches).
    pub fn image_to_launch(&self, group: &Group, turn: usize) -> Option<AmiId> {
        match &group.launch {
            Launch::Configuration(name) => self.configurations.get(name).cloned(),
            Launch::Unknown => None,
            Launch::Template(spec) => self.resolve_image(&self.image_of(spec)?),
            Launch::Mixed { base, overrides } => {
                let own = overrides.get(turn.checked_rem(overrides.len()).unwrap_or(0));
                let image = own.and_then(|own: &Override| own.image.clone());
                let spec = own.and_then(|own| own.template.as_ref()).unwrap_or(base);
                self.resolve_image(&image.or_else(|| self.image_of(spec))?)
            }
        }
    }

    /// For how much the instance of that turn counts.
    pub fn weight_to_launch(group: &Group, turn: usize) -> Option<u32> {
        match &group.launch {
            Launch::Mixed { overrides, .. } => overrides.get(turn.checked_rem(overrides.len())?)?.weight,
            Launch::Configuration(_) | Launch::Template(_) | Launch::Unknown => None,
        }
    }

    /// All the images that its instances can get now.
    pub fn images_to_launch(&self, group: &Group) -> BTreeSet<AmiId> {
        let turns = match &group.launch {
            Launch::Mixed { overrides, .. } => overrides.len().max(1),
            Launch::Configuration(_) | Launch::Template(_) | Launch::Unknown => 1,
        };
        (0..turns).filter_map(|turn| self.image_to_launch(group, turn)).collect()
    }

    fn image_of(&self, spec: &TemplateSpec) -> Option<String> {
        Some(self.templates.get(&spec.template)?.resolve(spec.rule)?.image.clone())
    }

    /// Do some of its instances take their image from a parameter, whatever a worker writes?
    pub fn reads_parameter(&self, group: &Group) -> bool {
        let own = match &group.launch {
            Launch::Mixed { overrides, .. } => overrides.iter().filter_map(|own| own.image.clone()).collect(),
            Launch::Configuration(_) | Launch::Template(_) | Launch::Unknown => Vec::new(),
        };
        let templates = group.launch.templates().into_iter().filter_map(|spec| self.image_of(spec));
        templates.chain(own).any(|image| image.starts_with("resolve:ssm:"))
    }

    fn resolve_image(&self, written: &str) -> Option<AmiId> {
        match written.strip_prefix("resolve:ssm:") {
            Some(parameter) => {
                self.parameters.get(&ParameterName::from(parameter)).map(|found| AmiId::new(found.value.as_str()))
            }
            None => Some(AmiId::new(written)),
        }
    }
}

pub fn cluster_arn(name: &str) -> ClusterArn {
    ClusterArn::new(format!("arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{name}"))
}

/// Three of them, as in most regions.
pub fn zones() -> BTreeSet<Zone> {
    ["a", "b", "c"].iter().map(|letter| Zone::new(format!("{REGION}{letter}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_back_to_the_numbers_they_were_written_from() {
        let cluster = cluster_arn("demo");
        for number in [0, 1, 0xdead_beef, u64::MAX] {
            let host = HostNo(number);
            assert_eq!(HostNo::of_instance(&host.instance()), Some(host));
            assert_eq!(HostNo::of_agent(&host.agent(&cluster)), Some(host));
            let task = TaskNo { host, serial: 77 };
            assert_eq!(TaskNo::of(&task.arn(&cluster)), Some(task));
        }
    }
}
