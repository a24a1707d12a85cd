//! What is known of one cluster: the only thing that [`plan`](super::plan) looks at.
//!
//! A view holds AWS's answers, not conclusions: a host's phase, a group's release and whether a group is whole are derived
//! each time. Three kinds of "no" are kept apart, because they mean different acts: not asked yet ([`Seen::Unknown`]),
//! asked and not there ([`Seen::Missing`]), there ([`Seen::Here`]).
//!
//! `looked` is what was asked for *during the present pass*. What cannot be undone is planned only on facts in it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::answer::Answers;
use super::drain_report::Blockers;
use super::gates::Others;
use super::hold::Hold;
use super::outcome::{Skipped, Standing};
use super::policy::{BadSetting, Policy};
use super::problem::{Problem, Refusal};
use super::rotation::{GiveBack, Ours, Rejection, Rotation, RotationState};
use super::source::ImageSource;
use super::tags::{Tags, Thing};
use super::timing::{AGENT_MAY_BE_AWAY, CLAIM_GOOD_FOR, FRESH_FOR, HOOKS_GOOD_FOR, READS_LAG, REFRESHES_GOOD_FOR};
use crate::effect::{
    Activity, ContainerInstance, ContainerInstanceStatus, Group, Image, ImagePattern, Instance, Lifecycle,
    LifecycleHook, Member, Parameter, Service, Task, TemplateSpec, TemplateVersion, VersionRule,
};
use crate::id::{
    AlarmName, AmiId, CapacityProviderName, ClusterArn, ContainerInstanceArn, GroupName, InstanceId, ParameterName,
    TaskArn, TemplateId, Zone,
};

/// One question to AWS about this cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Look {
    /// The cluster itself, with its tags.
    Cluster,
    /// Which groups stand behind its capacity providers.
    Providers,
    /// All its container instances.
    ContainerInstances,
    /// All EC2 instances that carry our tag for this cluster.
    Ours,
    /// One group, with its members.
    Group(GroupName),
    /// The EC2 instances of one group.
    Members(GroupName),
    /// The version of a template that this rule names.
    Template(TemplateId, VersionRule),
    /// The versions of a template that have this image.
    Made(TemplateId, AmiId),
    /// All versions of a template.
    Versions(TemplateId),
    Image(AmiId),
    /// The images that an owner has by such a name.
    Named(ImagePattern),
    Parameter(ParameterName),
    /// Every group of the account: whose templates are whose?
    Everybody,
    /// The services of the cluster, and the tasks on its hosts.
    Services,
    AllTasks,
    /// What a group did lately, and how its launches went.
    Activities(GroupName),
    /// The tasks of a draining host that have not stopped: whose are they?
    Left(InstanceId),
    /// The tasks that broke on a host within the last hour.
    Broken(InstanceId),
    /// The container instance on one EC2 instance.
    Host(InstanceId),
    /// One EC2 instance.
    Instance(InstanceId),
    /// The tasks on one host: those that shall run, those that shall have stopped, and how far each has come.
    Tasks(InstanceId),
    /// The instance refreshes of one group.
    Refreshes(GroupName),
    /// The lifecycle hooks of one group.
    Hooks(GroupName),
    /// The state of one alarm.
    Alarm(AlarmName),
    /// The tasks that are left on a host that drains, and their services.
    Blockers(InstanceId),
}

/// A fact that may not have been asked for yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Seen<T> {
    #[default]
    Unknown,
    Missing,
    Here(T),
}

impl<T> Seen<T> {
    pub fn here(&self) -> Option<&T> {
        match self {
            Seen::Here(fact) => Some(fact),
            Seen::Unknown | Seen::Missing => None,
        }
    }

    pub fn here_mut(&mut self) -> Option<&mut T> {
        match self {
            Seen::Here(fact) => Some(fact),
            Seen::Unknown | Seen::Missing => None,
        }
    }
}

/// One cluster, its groups and its hosts, as far as they are known.
#[derive(Clone, Debug)]
pub struct ClusterView {
    pub arn: ClusterArn,
    /// By its tag, or by configuration.
    pub opted_in: bool,
    /// What its tag `enabled` says.
    pub enabled: Option<bool>,
    /// All its tags, as they were read or written last.
    pub tags: BTreeMap<String, String>,
    /// Since when looks say that somebody has removed what we have written of the rotation: what it said still counts.
    pub wiped_since: Option<Timestamp>,
    /// Those of them under our prefix that nobody reads, each in a sentence.
    pub unread_tags: Vec<String>,
    pub rotation: Option<Rotation>,
    /// Why the rotation is held.
    pub hold: Option<Hold>,
    /// What it is about, where it was this worker that held it.
    pub held_for: BTreeSet<Problem>,
    /// The groups that the rotation left out when it closed.
    pub skipped: Vec<Skipped>,
    /// Hosts launched earlier are outdated whatever their image.
    pub rotate_before: Option<Timestamp>,
    /// When a person last let the rotation go on: every wait counts from then.
    pub resumed: Option<Timestamp>,
    /// What opened the rotation.
    pub because: Option<String>,
    /// The groups that the rotation is about; empty: all.
    pub scope: BTreeSet<GroupName>,
    /// What became of the last messages of people.
    pub answers: Answers,
    /// What its worker has published of its settings, as the tags say it; None: no worker has.
    pub settings: Option<String>,
    pub providers: BTreeSet<CapacityProviderName>,
    /// The groups behind them, and those that the configuration names.
    pub belonging: BTreeSet<GroupName>,
    /// Those of them that the configuration names (`--group-of`).
    pub configured: BTreeSet<GroupName>,
    pub groups: BTreeMap<GroupName, GroupView>,
    pub hosts: BTreeMap<InstanceId, Host>,
    /// On which host a container instance was seen last, by its id: an event of a task names no other.
    pub containers: BTreeMap<String, InstanceId>,
    /// Template versions by the rule that names them; the error says why there is none.
    pub templates: BTreeMap<(TemplateId, VersionRule), Result<TemplateVersion, String>>,
    /// Versions that have an image, by template and image.
    pub made: BTreeMap<(TemplateId, AmiId), Vec<TemplateVersion>>,
    /// All versions, by template.
    pub versions: BTreeMap<TemplateId, Vec<TemplateVersion>>,
    pub images: BTreeMap<AmiId, Seen<Image>>,
    pub named: BTreeMap<ImagePattern, Vec<Image>>,
    /// The error says why there is none.
    pub parameters: BTreeMap<ParameterName, Result<Parameter, String>>,
    /// What we have written ourselves and not read back yet.
    pub written: BTreeMap<ParameterName, Written>,
    /// What the groups of the account launch from; None: not asked.
    pub anywhere: Option<Anywhere>,
    /// Templates whose old versions AWS does not let us delete.
    pub unprunable: BTreeSet<TemplateId>,
    /// Who lives on the hosts, as far as it was asked.
    pub tenants: Tenants,
    /// The lifecycle hooks of its groups, as far as they were asked for.
    pub hooks: BTreeMap<GroupName, Vec<LifecycleHook>>,
    /// What others are at, as far as it was asked.
    pub others: Others,
    /// The container instance on which this worker runs, if it runs on one.
    pub worker: Option<ContainerInstanceArn>,
    /// What was asked during this pass, and when.
    pub looked: BTreeMap<Look, Timestamp>,
    /// What need not be asked in every pass, and when it was.
    pub asked: BTreeMap<Look, Timestamp>,
    /// Hosts whose agent has left, as events say, and when it is looked whether it is back.
    pub left: BTreeMap<InstanceId, Timestamp>,
    /// Since when a newer image has been out that does not run everywhere in a group, as far back as this worker has seen.
    pub behind_since: BTreeMap<GroupName, Timestamp>,
}

/// A value that we gave a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    pub image: AmiId,
    pub at: Timestamp,
}

/// Every launch template (and version) that some group of the account names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Anywhere {
    pub named: BTreeSet<TemplateSpec>,
    /// The same for groups that belong to no cluster we know to have opted in.
    pub strangers: BTreeMap<GroupName, BTreeSet<TemplateSpec>>,
    /// A group whose launches we cannot read: it may name anything.
    pub unclear: Option<GroupName>,
}

/// The services of a cluster and the tasks on its hosts.
#[derive(Clone, Debug, Default)]
pub struct Tenants {
    pub services: Vec<Service>,
    pub tasks: Vec<Task>,
    pub protected: BTreeSet<TaskArn>,
    /// What could not be read, and why.
    pub unread: Vec<String>,
}

/// One Auto Scaling group.
#[derive(Clone, Debug)]
pub struct GroupView {
    pub facts: Group,
    /// The cluster's policy with the group's own settings over it.
    pub policy: Policy,
    /// `enabled` = `false`, or something that is not understood: hands off.
    pub opted_out: bool,
    /// Why it is not known whether it takes part.
    pub opt_out_unread: Option<String>,
    /// Tags of it under our prefix that nobody reads, each in a sentence.
    pub unread_tags: Vec<String>,
    pub source: ImageSource,
    /// A tag of the group that cannot be read, or a call about it that was refused.
    pub problem: Option<String>,
    /// Since when nobody could be admitted although somebody is due.
    pub blocked_since: Option<Timestamp>,
    /// The last image that failed here.
    pub rejection: Option<Rejection>,
    /// Tags in which we had written that, and that somebody has removed; and since when looks say so.
    pub wiped: Option<Wiped>,
    pub activities: Option<Activities>,
}

/// Tags of ours that somebody has removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wiped {
    pub since: Timestamp,
    pub tags: BTreeMap<String, String>,
}

/// What a group did lately, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Activities {
    /// When they were read; None: an event says that a launch has failed since.
    pub read: Option<Timestamp>,
    pub list: Vec<Activity>,
}

/// How many members of a group can take tasks: registered, ACTIVE and connected. Where they are weighted, their weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Strength {
    /// Those that the group has in service.
    pub ready: u32,
    /// Those too that it has not in service yet.
    pub registered: u32,
}

/// One host: an EC2 instance, the container instance on it, or (for a moment) only one of the two.
#[derive(Clone, Debug, Default)]
pub struct Host {
    pub ec2: Seen<Instance>,
    pub container: Seen<ContainerInstance>,
    /// Its image, as its group says it: kept when it leaves.
    pub image_of_member: Option<AmiId>,
    /// The container instance that was last heard of here: where to look again.
    pub arn: Option<ContainerInstanceArn>,
    /// Our tags on it.
    pub ours: Option<Ours>,
    /// Since when we know that they are written, without a gap in which they had lapsed.
    pub claimed: Option<Timestamp>,
    /// When a read last showed them.
    pub tags_read: Option<Timestamp>,
    pub draining_since: Option<Timestamp>,
    /// It goes back to its group.
    pub give_back: Option<GiveBack>,
    /// And we have made it ACTIVE for that.
    pub activated: bool,
    /// And attached it, then.
    pub attached: Option<Timestamp>,
    /// When we wrote our tags on it last: a read that lags behind does not take back what they say.
    pub tagged: Option<Timestamp>,
    /// The drain was marked once more: somebody may have made it ACTIVE meanwhile.
    pub marked_again: bool,
    /// The group that it is, or was, a member of, as its EC2 tags say.
    pub of_group: Option<GroupName>,
    pub watch: Option<TaskWatch>,
    pub broken: Option<BrokenTasks>,
    /// Who keeps its drain from ending, when that was asked last.
    pub blockers: Option<Blockers>,
    /// Since when looks say that its agent is not connected.
    pub away_since: Option<Timestamp>,
    /// When a look last said that it is.
    pub connected: Option<Timestamp>,
    /// Since when looks (not our own deregistration) say that there is no container instance.
    pub missing_since: Option<Timestamp>,
    /// An event says that its agent has registered and is connected: not looked at yet.
    pub said_to_serve: bool,
    /// We have deregistered it.
    pub deregistered: bool,
    /// How often AWS refused a call about it, and when it did so last.
    pub refusals: u32,
    pub refused: Option<Timestamp>,
    /// It was refused too often: what AWS said.
    pub problem: Option<Refusal>,
}

/// The tasks that broke on a host, as far as ECS still lists them (about an hour).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrokenTasks {
    pub read: Timestamp,
    /// And when.
    pub tasks: BTreeMap<TaskArn, Option<Timestamp>>,
}

/// The tasks of a host that drains, followed from our first look on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskWatch {
    /// When we first looked, or were told that it drains.
    pub since: Timestamp,
    /// So many tasks were to run then: they have been counted, and not listed by name.
    pub counted: Option<u32>,
    /// Those that began to stop after that.
    pub begun: BTreeSet<TaskArn>,
    /// Since when looks count none that shall run.
    pub idle_since: Option<Timestamp>,
    pub last_look: Timestamp,
    /// Every task that we know to have been on the host then or later.
    pub tasks: BTreeMap<TaskArn, TaskSeen>,
    /// `service:web`, or `family:batch`: of those of which that is known.
    pub groups: BTreeMap<TaskArn, String>,
    /// Those that we have told to stop, and when.
    pub told: BTreeMap<TaskArn, Timestamp>,
    /// How far those have come that are on their way out.
    pub stopping: BTreeMap<TaskArn, Stopping>,
}

/// How far a task has come on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopping {
    /// Its target groups let go of it; its containers have not been told yet (`DEACTIVATING`).
    Deactivating,
    /// Its containers have been told to stop (`STOPPING`, or further); since when we have seen that.
    Told(Timestamp),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskSeen {
    NotStopped,
    /// An event said that it has stopped: a reason to look, not a fact.
    SaidToHaveStopped,
    Stopped,
}

impl ClusterView {
    /// Nothing known but the name.
    pub fn blank(arn: ClusterArn, worker: Option<ContainerInstanceArn>) -> Self {
        Self {
            arn,
            opted_in: false,
            enabled: None,
            tags: BTreeMap::new(),
            wiped_since: None,
            unread_tags: Vec::new(),
            rotation: None,
            hold: None,
            held_for: BTreeSet::new(),
            skipped: Vec::new(),
            rotate_before: None,
            resumed: None,
            because: None,
            scope: BTreeSet::new(),
            answers: Answers::default(),
            settings: None,
            providers: BTreeSet::new(),
            belonging: BTreeSet::new(),
            configured: BTreeSet::new(),
            groups: BTreeMap::new(),
            hosts: BTreeMap::new(),
            containers: BTreeMap::new(),
            templates: BTreeMap::new(),
            made: BTreeMap::new(),
            versions: BTreeMap::new(),
            images: BTreeMap::new(),
            named: BTreeMap::new(),
            parameters: BTreeMap::new(),
            written: BTreeMap::new(),
            anywhere: None,
            unprunable: BTreeSet::new(),
            tenants: Tenants::default(),
            hooks: BTreeMap::new(),
            others: Others::default(),
            worker,
            looked: BTreeMap::new(),
            asked: BTreeMap::new(),
            left: BTreeMap::new(),
            behind_since: BTreeMap::new(),
        }
    }

    /// Has this been asked during this pass?
    pub fn has_looked(&self, look: &Look) -> bool {
        self.looked.contains_key(look)
    }

    /// Has it been asked just now? A pass in which calls have to be made again can take a while.
    pub fn is_fresh(&self, look: &Look, now: Timestamp) -> bool {
        self.looked.get(look).is_some_and(|at| now < *at + FRESH_FOR)
    }

    /// Is it known well enough to take a host, or to drain it? Of what others may have changed meanwhile each has its own time.
    pub fn is_known(&self, look: &Look, now: Timestamp) -> bool {
        #[expect(clippy::wildcard_enum_match_arm, reason = "all others are as old as any look")]
        let good_for = match look {
            Look::Refreshes(_) => REFRESHES_GOOD_FOR,
            Look::Hooks(_) => HOOKS_GOOD_FOR,
            _ => FRESH_FOR,
        };
        self.is_fresh(look, now) || self.asked.get(look).is_some_and(|at| now < *at + good_for)
    }

    /// These questions are asked now.
    pub fn note_asked(&mut self, looks: impl IntoIterator<Item = Look>, now: Timestamp) {
        for look in looks {
            if matches!(look, Look::Cluster | Look::Template(..) | Look::Refreshes(_) | Look::Hooks(_)) {
                self.asked.insert(look.clone(), now);
            }
            self.looked.insert(look, now);
        }
    }

    /// Hosts launched earlier are outdated whatever their image: as long as the rotation that was to replace them is not over.
    pub fn forced_before(&self) -> Option<Timestamp> {
        let over = self.rotation.as_ref().is_none_or(|rotation| rotation.state == RotationState::Closed);
        self.rotate_before.filter(|_| !over)
    }

    /// How its rotation stands, or how it ended; None: there has been none.
    pub fn standing(&self) -> Option<Standing> {
        let aborted = self.hold.as_ref().is_some_and(|hold| hold.aborted);
        self.rotation.as_ref().map(|rotation| Standing::of(rotation.state, aborted, !self.skipped.is_empty()))
    }

    /// Groups that the configuration names, and that are not there. Known after a look at everything.
    pub fn absent(&self) -> impl Iterator<Item = &GroupName> {
        self.configured.iter().filter(|name| !self.groups.contains_key(*name))
    }

    /// Is the rotation about this group?
    pub fn in_scope(&self, group: &GroupName) -> bool {
        self.scope.is_empty() || self.scope.contains(group)
    }

    /// The groups that belong to the cluster, and those that hosts in flight have left.
    pub fn groups_named(&self) -> BTreeSet<GroupName> {
        let left = self.hosts.values().filter_map(|host| host.ours.as_ref()).map(|ours| ours.group.clone());
        self.belonging.iter().cloned().chain(left).collect()
    }

    /// The host on which this container instance is.
    pub fn host_of(&self, arn: &ContainerInstanceArn) -> Option<&InstanceId> {
        let (id, host) = self.hosts.get_key_value(self.containers.get(arn.id())?)?;
        // It may have another by now, or none.
        host.container.here().is_some_and(|container| container.arn.id() == arn.id()).then_some(id)
    }

    /// The group that this host left as one of ours, or of which it is a member.
    pub fn group_of(&self, id: &InstanceId) -> Option<&GroupName> {
        let left = self.hosts.get(id).and_then(|host| host.ours.as_ref()).map(|ours| &ours.group);
        left.or_else(|| self.membership(id).map(|(group, _)| group))
    }

    /// How much of a group's capacity serves: its members, and those we have detached, that are ACTIVE and connected.
    pub fn serving(&self, group: &GroupName, now: Timestamp) -> u32 {
        let Some(view) = self.groups.get(group) else { return 0 };
        let serves = |id: &InstanceId| self.hosts.get(id).is_some_and(|host| host.serves(now));
        let members = &view.facts.members;
        let weight: u32 = members.iter().filter(|member| serves(&member.id)).map(Member::weight).sum();
        let ids: BTreeSet<&InstanceId> = members.iter().map(|member| &member.id).collect();
        let left = |(id, host): &(&InstanceId, &Host)| {
            host.ours.as_ref().is_some_and(|ours| ours.group == *group) && !ids.contains(id) && host.serves(now)
        };
        let left = u32::try_from(self.hosts.iter().filter(left).count()).unwrap_or(u32::MAX);
        weight.saturating_add(view.capacity_of(left))
    }

    /// The group of which this instance is a member now.
    pub fn membership(&self, id: &InstanceId) -> Option<(&GroupName, &Member)> {
        self.groups.iter().find_map(|(name, group)| {
            group.facts.members.iter().find(|member| member.id == *id).map(|member| (name, member))
        })
    }

    /// Is it a member of this group that is neither on its way in nor on its way out?
    pub fn is_in_place(&self, id: &InstanceId, group: &GroupName) -> bool {
        let members = self.groups.get(group).into_iter().flat_map(|group| &group.facts.members);
        members.filter(|member| member.is_in_place()).any(|member| member.id == *id)
    }

    /// Is it still listed in this group, which is letting go of it?
    pub fn is_detaching(&self, id: &InstanceId, group: &GroupName) -> bool {
        let members = self.groups.get(group).into_iter().flat_map(|group| &group.facts.members);
        members.filter(|member| member.lifecycle == Lifecycle::Detaching).any(|member| member.id == *id)
    }
}

impl GroupView {
    /// A group as AWS describes it, under the cluster's policy.
    pub fn new(facts: Group, tags: &Tags, policy: &Policy) -> Self {
        let said = |(tag, bad): (String, BadSetting)| format!("its tag `{tag}`: {bad}");
        let (policy, bad_policy) = match tags.group_policy(&facts.tags, policy) {
            Ok(policy) => (policy, None),
            Err(bad) => (policy.clone(), Some(said(bad))),
        };
        let (source, bad_source) = match tags.image_source(&facts.tags) {
            Ok(source) => (source, None),
            Err(bad) => (ImageSource::default(), Some(said(bad))),
        };
        let enabled = tags.enabled(&facts.tags).map_err(said);
        Self {
            policy,
            opted_out: !matches!(enabled, Ok(None | Some(true))),
            opt_out_unread: enabled.err().map(|why| format!("{why}: it is left alone until that says which")),
            unread_tags: tags.unread(Thing::Group, &facts.tags),
            source,
            problem: bad_policy.or(bad_source).or_else(|| odd_capacity(&facts)),
            blocked_since: None,
            rejection: tags.read_rejection(&facts.tags),
            wiped: None,
            activities: None,
            facts,
        }
    }

    /// Do we act on this group at all?
    pub fn is_ours_to_touch(&self) -> bool {
        !self.opted_out && !self.facts.managed
    }

    /// How many members can take tasks.
    pub fn strength(&self, hosts: &BTreeMap<InstanceId, Host>, now: Timestamp) -> Strength {
        Strength::of(self.facts.members.iter().map(|member| (member, hosts.get(&member.id))), now)
    }

    /// Of how many hosts a share is meant. Where they are weighted, the desired capacity does not say how many it shall have:
    /// as many as it has.
    pub fn size(&self) -> u32 {
        if self.facts.launch.least_weight().is_none() {
            return self.facts.desired;
        }
        let counts = |member: &&Member| member.lifecycle.fills_a_place();
        u32::try_from(self.facts.members.iter().filter(counts).count()).unwrap_or(u32::MAX)
    }

    /// How much of the capacity at least is missing when so many hosts are.
    pub fn capacity_of(&self, hosts: u32) -> u32 {
        hosts.saturating_mul(self.facts.launch.least_weight().unwrap_or(1))
    }

    pub fn launches_suspended(&self) -> bool {
        self.facts.suspended.contains("Launch")
    }
}

fn odd_capacity(facts: &Group) -> Option<String> {
    let unit = facts.counted_in.as_ref()?;
    Some(format!(
        "its capacity is counted in `{unit}`: only groups whose capacity is counted in hosts or weights are rotated"
    ))
}

impl Strength {
    pub fn of<'a>(members: impl Iterator<Item = (&'a Member, Option<&'a Host>)>, now: Timestamp) -> Self {
        let mut strength = Self::default();
        for (member, host) in members {
            let serves = host.is_some_and(|host| host.serves(now));
            let in_service = member.lifecycle == Lifecycle::InService;
            let weight = member.weight();
            strength.ready += weight * u32::from(serves && in_service);
            strength.registered += weight * u32::from(serves && member.lifecycle.fills_a_place());
        }
        strength
    }
}

impl Host {
    /// EC2 says that it ends, or has ended.
    pub fn is_gone(&self) -> bool {
        match &self.ec2 {
            Seen::Here(ec2) => ec2.state.is_gone(),
            Seen::Missing => true,
            Seen::Unknown => false,
        }
    }

    /// Our tags on it, as they were written or read at this time. What was written a moment ago is not taken back by a read that
    /// lags behind; nor does one make a claim older than it is known to be.
    pub fn hear_of_claim(&mut self, read: Option<Ours>, now: Timestamp) {
        let lags = match (&self.ours, &read) {
            (Some(known), Some(read)) => read.since < known.since,
            (Some(_), None) => self.claimed.is_some_and(|at| now < at + READS_LAG),
            (None, _) => false,
        };
        if lags {
            return;
        }
        let goes_on =
            matches!((&self.ours, &read), (Some(known), Some(read)) if read.since <= known.since + CLAIM_GOOD_FOR);
        self.claimed = self.claimed.filter(|_| goes_on).or(read.as_ref().map(|_| now));
        self.ours = read;
    }

    pub fn status(&self) -> Option<ContainerInstanceStatus> {
        self.container.here().map(|container| container.status)
    }

    /// ACTIVE, but its agent was not connected when we looked.
    pub fn is_disconnected(&self) -> bool {
        let away = |c: &ContainerInstance| c.status == ContainerInstanceStatus::Active && !c.agent_connected;
        self.container.here().is_some_and(away)
    }

    /// Can it take tasks? An agent that has been connected and has been away for a little while only is on its way back, but
    /// not where EC2 says that the instance is ending: ECS and the group hear of that later.
    pub fn serves(&self, now: Timestamp) -> bool {
        let ends = self.ec2.here().is_some_and(|ec2| ec2.state.is_gone());
        !ends && self.status() == Some(ContainerInstanceStatus::Active) && self.is_connected(now)
    }

    /// A replacement whose agent was never connected is not away: it has not come yet. One that had been registered for long
    /// when we first heard of it is taken for one that was connected.
    fn is_briefly_away(&self, container: &ContainerInstance, now: Timestamp) -> bool {
        let Some(since) = self.away_since else { return false };
        let is_old = container.registered.is_some_and(|at| since > at + AGENT_MAY_BE_AWAY);
        (self.connected.is_some() || is_old) && now < since + AGENT_MAY_BE_AWAY
    }

    /// Has a look said that it is connected when it had been registered for so long?
    pub fn has_served(&self, long: SignedDuration) -> bool {
        let registered = self.container.here().and_then(|container| container.registered);
        matches!((registered, self.connected), (Some(registered), Some(at)) if at >= registered + long)
    }

    /// Is its agent connected, or away for a little while only?
    pub fn is_connected(&self, now: Timestamp) -> bool {
        let connects =
            |container: &ContainerInstance| container.agent_connected || self.is_briefly_away(container, now);
        self.container.here().is_some_and(connects)
    }

    /// The image it runs: its group's word, else EC2's, else the agent's.
    pub fn image(&self) -> Option<&AmiId> {
        let launched_with = self.ec2.here().map(|ec2| &ec2.image);
        self.image_of_member.as_ref().or(launched_with).or_else(|| self.container.here()?.image.as_ref())
    }

    /// When it was launched: EC2's word, else its registration (a little later).
    pub fn launched(&self) -> Option<Timestamp> {
        self.ec2.here().map(|ec2| ec2.launched).or_else(|| self.container.here()?.registered)
    }

    pub fn zone(&self) -> Option<&Zone> {
        self.ec2.here().map(|ec2| &ec2.zone).or_else(|| self.container.here()?.zone.as_ref())
    }

    /// Tasks with the desired status RUNNING.
    pub fn tasks_to_run(&self) -> u32 {
        self.container.here().map_or(0, |container| container.running_tasks.saturating_add(container.pending_tasks))
    }
}

impl TaskWatch {
    /// What is on a host that begins to drain.
    pub fn new(tasks: impl Iterator<Item = TaskArn>, now: Timestamp) -> Self {
        Self {
            since: now,
            counted: None,
            begun: BTreeSet::new(),
            idle_since: None,
            last_look: now,
            tasks: tasks.map(|arn| (arn, TaskSeen::NotStopped)).collect(),
            groups: BTreeMap::new(),
            told: BTreeMap::new(),
            stopping: BTreeMap::new(),
        }
    }

    /// A host has just been made to drain, with so many tasks that shall run as the answer says, and so many at the last look.
    pub fn counted(answer: u32, before: u32, now: Timestamp) -> Self {
        let idle_since = (answer == 0 && before == 0).then_some(now);
        Self { counted: Some(answer), idle_since, ..Self::new(std::iter::empty(), now) }
    }

    /// A look counts so many that shall run. An answer that counted none is corrected by it.
    pub fn recount(&mut self, tasks: u32, now: Timestamp) {
        self.idle_since = (tasks == 0).then(|| self.idle_since.unwrap_or(now));
        if self.counted == Some(0) {
            self.counted = Some(tasks);
        }
    }

    /// Is every task known that was on the host when its drain began? By name from the start; or as many as were counted then
    /// have begun to stop since; or the list of those that shall have stopped is so much younger than the first look that
    /// counted none to run, that it cannot lack one.
    pub fn is_complete(&self, reads_lag: SignedDuration) -> bool {
        let all_begun = |counted| counted > 0 && u32::try_from(self.begun.len()).unwrap_or(u32::MAX) >= counted;
        let listed_since = self.idle_since.is_some_and(|since| self.last_look >= since + reads_lag);
        listed_since || self.counted.is_none_or(all_begun)
    }

    /// How many tasks are on their way out, as far as is known.
    pub fn count_left(&self) -> usize {
        let counted = usize::try_from(self.counted.unwrap_or(0)).unwrap_or(usize::MAX);
        self.left().count().max(counted.saturating_sub(self.tasks.len()))
    }

    /// Tasks that have not stopped, as far as looks (not events) say.
    pub fn left(&self) -> impl Iterator<Item = &TaskArn> {
        self.tasks.iter().filter(|(_, seen)| **seen != TaskSeen::Stopped).map(|(arn, _)| arn)
    }

    /// Does nothing we have heard, by looks or by events, say that a task is left?
    pub fn seems_over(&self) -> bool {
        let heard = u32::try_from(self.tasks.len()).unwrap_or(u32::MAX);
        self.counted.is_none_or(|counted| heard >= counted)
            && self.tasks.values().all(|seen| *seen != TaskSeen::NotStopped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAG: SignedDuration = SignedDuration::from_secs(15);

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn whom_another_worker_may_have_taken_is_asked_anew_in_every_pass() {
        let mut view = ClusterView::blank("arn:aws:ecs:r:1:cluster/c".into(), None);
        let remembered =
            [Look::Cluster, Look::Template("lt-1".into(), VersionRule::Default), Look::Refreshes("web".into())];
        let anew = [Look::Ours, Look::Group("web".into()), Look::Host("i-1".into()), Look::Tasks("i-1".into())];
        view.note_asked(remembered.iter().chain(&anew).cloned(), time(0));
        assert!(remembered.iter().chain(&anew).all(|look| view.is_known(look, time(1))), "in this pass");
        // What the next pass begins with.
        view.looked.clear();
        for look in &remembered {
            assert!(view.is_known(look, time(1)), "{look:?}");
        }
        for look in &anew {
            assert!(!view.is_known(look, time(1)), "{look:?}");
        }
        assert!(!view.is_known(&Look::Cluster, time(31)), "nobody is believed for longer");
    }

    #[test]
    fn a_drain_that_was_counted_is_not_over_before_as_many_have_begun_to_stop() {
        let mut watch = TaskWatch::counted(2, 3, time(0));
        assert!(!watch.seems_over(), "nothing has been heard");
        watch.tasks.insert("t/1".into(), TaskSeen::Stopped);
        watch.begun.insert("t/1".into());
        assert!(!watch.seems_over() && !watch.is_complete(LAG), "the list may lack the second");
        // One that was on its way out already stands for none of them.
        watch.tasks.insert("t/0".into(), TaskSeen::Stopped);
        assert!(watch.seems_over() && !watch.is_complete(LAG));
        watch.begun.insert("t/2".into());
        assert!(watch.is_complete(LAG));
    }

    #[test]
    fn or_before_its_list_is_younger_than_any_that_could_lack_one() {
        let mut watch = TaskWatch::counted(2, 2, time(0));
        watch.recount(0, time(100));
        for (last_look, complete) in [(100, false), (114, false), (115, true)] {
            watch.last_look = time(last_look);
            assert_eq!(watch.is_complete(LAG), complete, "{last_look}");
        }
        watch.recount(1, time(116));
        assert!(!watch.is_complete(LAG), "one is to run after all");
    }

    #[test]
    fn an_answer_that_counts_none_is_not_believed_at_once() {
        let mut empty = TaskWatch::counted(0, 0, time(0));
        empty.last_look = time(15);
        assert!(empty.seems_over() && empty.is_complete(LAG));
        let mut watch = TaskWatch::counted(0, 3, time(0));
        watch.last_look = time(15);
        assert!(!watch.is_complete(LAG), "the last look counted three");
        watch.recount(3, time(15));
        assert!(!watch.seems_over(), "and so does the next");
        assert_eq!(watch.count_left(), 3);
    }
}
