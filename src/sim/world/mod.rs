//! The simulated account and its physics.
//!
//! A [`World`] is a value with a clock of its own: [`World::perform`] performs one request at this instant,
//! [`World::advance_to`] lets happen what happens by itself until then. It knows nothing of workers, latency or retries.
//!
//! What AWS can describe is in [`Account`]; services, the queue, what is planned (`Physics`) and what is only true but
//! cannot be asked for (the ledger of [`super::invariants`]) stand beside it. Physics is event-driven: whatever changes
//! something puts on the agenda what follows from it, and nothing scans the world at every tick.

mod account;
mod answer;
mod autoscaling;
mod build;
mod ec2;
mod ecs;
mod events;
mod fleet;
mod groups;
#[cfg(test)]
pub(super) mod hand;
mod images;
mod others;
mod people;
mod queue;
mod requests;
mod services;
mod tasks;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

pub use account::{
    ACCOUNT, Account, Agent, Host, HostKind, HostNo, Owner, REGION, Service, Task, TaskNo, Template, Version,
    cluster_arn,
};
pub use queue::Queue;

use super::agenda::Agenda;
use super::chance::{Chance, Delay};
use super::ledger::Ledger;
use super::mishaps::Mishaps;
use super::scenario::{Act, CLUSTER, Membership, Scenario};
use super::timeline::{Happening, Moment};
use crate::effect::{Cluster, Group, Image, Message, Notice, Parameter, Resources};
use crate::id::{AmiId, ClusterArn, GroupName, ParameterName, TemplateId, Zone};

/// How long AWS describes what is gone: stopped tasks, INACTIVE container instances, terminated instances.
const FORGET: Delay = Delay::secs(3600, 3600);

#[derive(Clone, Debug)]
pub struct World {
    now: Timestamp,
    pub(super) scenario: Scenario,
    pub(super) account: Account,
    history: History,
    queue: Queue,
    agenda: Agenda<Physics>,
    /// The version of each container instance: rises with every event of it, also when nothing that can be described changed.
    versions: BTreeMap<HostNo, u64>,
    /// The clusters of the scenario that have opted in from the start.
    homes: BTreeSet<ClusterArn>,
    /// The cluster that each group was made for, by its name, and how it belongs there.
    homes_of_groups: BTreeMap<GroupName, (String, Membership)>,
    /// The numbers of each cluster's services.
    services_of: BTreeMap<ClusterArn, Vec<usize>>,
    /// Hosts whose tags workers have written, and which are not TERMINATED: to be found without a look at all.
    tagged: BTreeSet<HostNo>,
    /// Clusters whose services are to be looked at soon.
    looking: BTreeSet<ClusterArn>,
    /// The images that do not work.
    bad_images: BTreeSet<AmiId>,
    /// Groups for which EC2 has no capacity.
    without_capacity: BTreeSet<GroupName>,
    /// Groups of which a launching hook abandons whatever is launched.
    abandoning: BTreeSet<GroupName>,
    /// Groups under managed draining.
    drained_by_ecs: BTreeSet<GroupName>,
    /// Services that were noted to be unable to move a task.
    stuck_services: BTreeSet<usize>,
    /// Services that stand unevenly over the zones, and are to be rebalanced.
    uneven: BTreeSet<usize>,
    /// Zones that are lost, and which groups have tried to launch there and do not try again.
    lost_zones: BTreeSet<Zone>,
    avoided_zones: BTreeSet<(GroupName, Zone)>,
    serial: u64,
    /// How many instances groups have tried to launch.
    launches: usize,
    physics: Chance,
    names: Chance,
    events: Chance,
    others: Chance,
    pub(super) ledger: Ledger,
    pub(super) mishaps: Mishaps,
    timeline: Vec<Moment>,
    /// What workers told of their own.
    told: Vec<Notice>,
}

/// What happens by itself.
#[derive(Clone, Debug)]
enum Physics {
    /// A group compares its members with its desired capacity.
    GroupLook(GroupName),
    Booted(HostNo),
    Register(HostNo),
    /// Is a member that ECS drains before its group ends it empty?
    ManagedDrain(HostNo),
    /// A launching hook has not answered in time.
    Abandoned(HostNo),
    Detached(HostNo),
    Terminated(HostNo),
    /// The group notices that a member is gone.
    MemberGone(HostNo),
    /// ECS notices that an instance is gone.
    AgentGone(HostNo),
    ForgetHost(HostNo),
    ForgetAgent(HostNo),
    AgentDrops(HostNo),
    AgentBack(HostNo),
    /// Its agent falls silent for good.
    AgentDies(HostNo),
    /// The instance breaks.
    Dies(HostNo),
    /// The scheduler of ECS looks at the services of a cluster.
    Services(ClusterArn),
    /// It rebalances a service over the zones.
    Rebalance(usize),
    /// A task goes on, unless its course has changed meanwhile.
    TaskStep(TaskNo, u32),
    ForgetTask(TaskNo),
    /// A message arrives in the queue.
    Deliver(String),
    /// SSM has checked the image that a parameter is to name.
    ParameterChecked(ParameterName, AmiId),
    /// The hourly message.
    Schedule,
    /// The n-th release.
    Release(u32),
    Act(Act),
    /// Life in the cluster that is none of our business.
    Noise,
    RandomDeath,
    RandomTermination,
    RandomDrain,
}

impl World {
    pub fn now(&self) -> Timestamp {
        self.now
    }

    pub fn account(&self) -> &Account {
        &self.account
    }

    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub fn told(&self) -> &[Notice] {
        &self.told
    }

    pub fn timeline(&self) -> &[Moment] {
        &self.timeline
    }

    /// Puts a message into the queue now.
    pub fn send(&mut self, body: impl Into<String>) {
        self.queue.send(body.into(), self.now);
    }

    /// Lets a person (or nature) do something now.
    pub fn act(&mut self, act: Act) {
        self.remember();
        self.happens(Physics::Act(act));
    }

    /// Clusters as somebody else has left them.
    pub fn edit_clusters(&mut self, edit: impl FnOnce(&mut BTreeMap<ClusterArn, Cluster>)) {
        self.remember();
        let before = self.taking_part();
        edit(Arc::make_mut(&mut self.account.clusters));
        self.ledger_taking_part(before);
    }

    /// When the next thing happens by itself.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.agenda.next_at()
    }

    /// Lets happen whatever is due by then.
    pub fn advance_to(&mut self, until: Timestamp) {
        while let Some((at, physics)) = self.agenda.pop(until) {
            self.now = at;
            self.remember();
            self.happens(physics);
        }
        self.now = self.now.max(until);
    }

    pub fn advance(&mut self, by: SignedDuration) {
        self.advance_to(self.now + by);
    }

    fn happens(&mut self, physics: Physics) {
        match physics {
            Physics::GroupLook(group) => self.group_look(&group),
            Physics::Booted(host) => self.booted(host),
            Physics::Register(host) => self.register(host),
            Physics::Detached(host) => self.detached(host),
            Physics::Terminated(host) => self.terminated(host),
            Physics::MemberGone(host) => self.member_gone(host),
            Physics::AgentGone(host) => self.agent_gone(host),
            Physics::ForgetHost(host) => self.forget_host(host),
            Physics::ForgetAgent(host) => self.forget_agent(host),
            Physics::AgentDrops(host) => self.agent_drops(host, self.scenario.faults.agent_gone_for),
            Physics::AgentBack(host) => self.agent_back(host),
            Physics::ManagedDrain(host) => self.managed_drain(host),
            Physics::Abandoned(host) => self.abandoned(host),
            Physics::AgentDies(host) => self.agent_dies(host),
            Physics::Dies(host) => self.dies(host),
            Physics::Services(cluster) => self.services_look(&cluster),
            Physics::Rebalance(service) => self.rebalance_service(service),
            Physics::TaskStep(task, course) => self.task_step(task, course),
            Physics::ForgetTask(task) => self.forget_task(task),
            Physics::Deliver(body) => self.queue.send(body, self.now),
            Physics::ParameterChecked(name, image) => self.parameter_checked(&name, &image),
            Physics::Schedule => self.schedule(),
            Physics::Release(generation) => {
                self.ledger.releases_to_come = self.ledger.releases_to_come.saturating_sub(1);
                self.release(generation);
            }
            Physics::Act(act) => self.perform_act(act),
            Physics::Noise => self.noise(),
            Physics::RandomDeath => self.random_death(),
            Physics::RandomTermination => self.random_termination(),
            Physics::RandomDrain => self.random_drain(),
        }
    }

    fn receive(&mut self, visibility_seconds: u32) -> Vec<Message> {
        let (rate, now, buried) = (self.scenario.faults.duplicate_delivery, self.now, self.queue.dead.len());
        let chance = &mut self.events;
        let messages = self.queue.receive(visibility_seconds, now, || chance.hit(rate));
        let dead = self.queue.dead[buried..].iter().map(|body| Happening::MessageDead { body: body.clone() });
        self.timeline.extend(dead.map(|what| Moment { at: now, what }));
        messages
    }

    /// Keeps the account as it is, before it changes: only where reads may be stale.
    fn remember(&mut self) {
        if self.scenario.faults.stale_reads > 0.0 {
            self.history.keep(self.now, &self.account, self.scenario.faults.max_staleness);
        }
    }

    fn after(&mut self, delay: Delay, physics: Physics) {
        let at = self.now + self.physics.delay(delay);
        self.agenda.put(at, physics);
    }

    /// Makes an image something that nobody shall take: for tests, before it is released.
    pub fn spoil(&mut self, id: &AmiId, spoil: impl FnOnce(&mut Image)) {
        if let Some(image) = Arc::make_mut(&mut self.account.images).get_mut(id) {
            spoil(image);
        }
        self.ledger.spoiled.insert(id.clone());
    }

    /// Says otherwise what an image says; it stays a good one.
    pub fn edit_image(&mut self, id: &AmiId, edit: impl FnOnce(&mut Image)) {
        if let Some(image) = Arc::make_mut(&mut self.account.images).get_mut(id) {
            edit(image);
        }
    }

    /// Makes a parameter say anything, or nothing at all: for tests. No event tells.
    pub fn put_any_parameter(&mut self, name: &ParameterName, parameter: Option<Parameter>) {
        let parameters = Arc::make_mut(&mut self.account.parameters);
        match parameter {
            Some(parameter) => parameters.insert(name.clone(), parameter),
            None => parameters.remove(name),
        };
    }

    /// Changes a template as a person would: for tests.
    pub fn edit_templates(&mut self, edit: impl FnOnce(&mut BTreeMap<TemplateId, Template>)) {
        edit(Arc::make_mut(&mut self.account.templates));
    }

    /// Changes a group as a person would: for tests.
    pub fn edit_group(&mut self, name: &GroupName, edit: impl FnOnce(&mut Group)) {
        let before = self.taking_part();
        if let Some(group) = self.group_mut(name) {
            edit(group);
        }
        self.ledger_taking_part(before);
    }

    /// Changes services as a person would: for tests.
    pub fn edit_services(&mut self, edit: impl FnOnce(&mut Vec<Service>)) {
        edit(Arc::make_mut(&mut self.account.services));
        self.index_services();
    }

    /// Makes hosts larger or smaller, each by its number: for tests.
    pub fn resize_hosts(&mut self, size: impl Fn(HostNo, Resources) -> Resources) {
        for (no, host) in Arc::make_mut(&mut self.account.hosts) {
            host.size = size(*no, host.size);
        }
    }

    /// Protects the tasks of a service from being stopped by it, or no longer: for tests.
    pub fn protect(&mut self, service: &str, protected: bool) {
        let index = self.account.services.iter().position(|of| of.name == service);
        let of_it = |task: &Task| matches!((task.owner, index), (Owner::Service(of), Some(index)) if of == index);
        for task in Arc::make_mut(&mut self.account.tasks).values_mut().filter(|task| of_it(task)) {
            task.protected = protected;
        }
        self.look_at_services(&cluster_arn(CLUSTER));
    }

    /// Workers cannot find the release of this group: they report it and leave it as it is.
    pub fn put_beyond_workers(&mut self, group: &GroupName) {
        self.ledger.beyond_workers.insert(group.clone());
    }

    pub(super) fn note(&mut self, what: Happening) {
        self.timeline.push(Moment { at: self.now, what });
    }

    /// The clusters of the scenario that have opted in from the start.
    pub(super) fn homes(&self) -> &BTreeSet<ClusterArn> {
        &self.homes
    }

    pub(super) fn tagged(&self) -> &BTreeSet<HostNo> {
        &self.tagged
    }

    /// The cluster that a group was made for.
    pub(super) fn home_of(&self, group: &GroupName) -> ClusterArn {
        cluster_arn(self.homes_of_groups.get(group).map_or(CLUSTER, |(cluster, _)| cluster))
    }

    fn host_mut(&mut self, no: HostNo) -> Option<&mut Host> {
        Arc::make_mut(&mut self.account.hosts).get_mut(&no)
    }

    fn task_mut(&mut self, no: TaskNo) -> Option<&mut Task> {
        Arc::make_mut(&mut self.account.tasks).get_mut(&no)
    }

    fn cluster_mut(&mut self, arn: &ClusterArn) -> Option<&mut Cluster> {
        Arc::make_mut(&mut self.account.clusters).get_mut(arn)
    }

    fn group_mut(&mut self, name: &GroupName) -> Option<&mut Group> {
        Arc::make_mut(&mut self.account.groups).get_mut(name)
    }

    fn template_mut(&mut self, id: &TemplateId) -> Option<&mut Template> {
        Arc::make_mut(&mut self.account.templates).get_mut(id)
    }
}

/// The recent past, for stale reads: each entry is the account as it was until an instant at which it changed.
#[derive(Clone, Debug, Default)]
struct History(VecDeque<(Timestamp, Account)>);

impl History {
    fn keep(&mut self, now: Timestamp, account: &Account, most: SignedDuration) {
        if self.0.back().is_some_and(|(until, _)| *until == now) {
            return;
        }
        self.0.push_back((now, account.clone()));
        while self.0.front().is_some_and(|(until, _)| *until < now - most) {
            self.0.pop_front();
        }
    }

    /// As it was at that time; `None`: as it is now.
    fn at(&self, time: Timestamp) -> Option<&Account> {
        let later = self.0.partition_point(|(until, _)| *until <= time);
        self.0.get(later).map(|(_, account)| account)
    }
}
