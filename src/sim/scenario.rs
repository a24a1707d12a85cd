//! What is simulated: the shape of the account, what happens in it, and what goes wrong.
//!
//! The account has one opted-in cluster, `demo` (or several of the same shape: `demo-2` and so on), and one that is not,
//! `other`, whose events arrive in the same queue.

mod shape;

use std::collections::BTreeSet;

use jiff::SignedDuration;

pub use shape::{Follows, GroupShape, ImageKind, Membership, TemplateShape};

use super::chance::{Chance, Delay, Stream};
use super::faults::Faults;
use crate::effect::AlarmState;
use crate::engine::Settings;
use crate::id::{ClusterName, GroupName};
use crate::plan::policy::Budget;

/// In the middle of most rotations; and how long what begins then lasts.
const SOON: Delay = Delay::secs(30, 2400);
const LATER: Delay = Delay::secs(120, 7200);

/// The name of the opted-in cluster; of the first one, where there are several.
pub const CLUSTER: &str = "demo";
/// The name of the cluster (and of its group) that has not opted in.
pub const OTHER: &str = "other";
/// The parameter that groups with an own image follow.
pub const OWN_PARAMETER: &str = "/images/ecs-host";

#[derive(Clone, Debug)]
pub struct Scenario {
    pub seed: u64,
    pub settings: Settings,
    /// So many clusters have opted in. Each has the groups, the services and the standalone tasks that are named here.
    pub clusters: u32,
    /// What AWS grants the account.
    pub account: AccountLimits,
    pub groups: Vec<GroupShape>,
    /// What else is in the account.
    pub neighbours: Neighbours,
    /// Replica services; their tasks are spread over all hosts of the cluster.
    pub services: Vec<ServiceShape>,
    /// Where the services are made to measure of the hosts.
    pub tasks_per_host: Option<u32>,
    pub daemon: bool,
    /// Standalone tasks, each of which ends by itself.
    pub standalone_tasks: u32,
    pub standalone_lasts: Delay,
    /// One standalone task never ends.
    pub stuck_task: bool,
    /// How many service tasks fit on a host.
    pub slots_per_host: u32,
    pub placement: Placement,
    /// ECS rebalances services that are spread over the zones.
    pub zone_rebalancing: bool,
    pub workers: usize,
    pub trigger: Trigger,
    /// When the release happens, after the start.
    pub release_after: SignedDuration,
    /// A second release, this long after the first.
    pub second_release_after: Option<SignedDuration>,
    pub bad_release: BadRelease,
    /// Images are made shortly before they are released, and not long ago.
    pub fresh: bool,
    /// The images in use are deprecated when the first release comes.
    pub deprecates: bool,
    /// How long SSM takes to check a value of the data type `aws:ec2:image`.
    pub parameter_check: Delay,
    /// What people do, each at a time after the release.
    pub acts: Vec<(SignedDuration, Act)>,
    pub faults: Faults,
    /// A request's way to AWS and back; most are near the lower bound.
    pub latency: Delay,
    /// From what happens to its event's arrival in the queue, where nothing goes wrong.
    pub event_delay: Delay,
    pub page_size: usize,
    pub launch_delay: Delay,
    pub boot: Delay,
    pub registration: Delay,
    /// How long it takes a task to be RUNNING.
    pub task_start: Delay,
    /// From the signal to the end of its containers: ECS kills them after 30 s.
    pub task_stop: Delay,
    /// How many receives bring a message to the dead-letter queue.
    pub max_receives: u32,
    /// The worker says it runs on a host of the cluster.
    pub self_hosted: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceShape {
    pub name: String,
    pub tasks: u32,
    pub minimum_healthy_percent: u32,
    pub maximum_percent: u32,
    /// How long a stopping task stays in its target group.
    pub deregistration: Delay,
}

/// The account's buckets of calls: they are always accounted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountLimits {
    /// What others in the account leave of each bucket.
    pub left_percent: u32,
    /// A call beyond them fails as throttled.
    pub enforced: bool,
}

/// Which host with room gets a task of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// One in the zone with the fewest tasks of this service, there the host with the fewest, of these the emptiest.
    Spread,
    /// The fullest.
    Binpack,
}

/// How a worker gets to know of the release. (An hourly `check-releases` message always comes as well.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// A `Parameter Store Change`.
    Event,
    /// The hourly message alone.
    Schedule,
    /// A `rotate` message from a person.
    Message,
    /// A `rotate` message with `force`, and no release at all.
    Force,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRelease {
    No,
    /// Its hosts boot, but their agents never register.
    NeverRegisters,
    /// Its hosts do not even launch.
    LaunchFails,
    /// It is encrypted by a key that Auto Scaling may not use: its hosts end before they run.
    KeyDenied,
    /// Its agents register, and fall silent for good a minute or two later.
    AgentsFallSilent,
    /// Its hosts register, and die a minute or two later.
    HostsDie,
    /// Its hosts register, and no task comes to run on them.
    TasksFail,
}

/// Things of a real account that are in a cluster's way, and none of a worker's business.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Neighbours {
    /// Container instances without EC2 (`mi-…`).
    pub external: u32,
    /// Instances that ECS manages itself, with their capacity provider, which has no group.
    pub managed: u32,
    /// Hosts of no group.
    pub strays: u32,
    /// Further capacity providers of the cluster.
    pub providers: u32,
    /// Groups of no cluster, each with a template and no instances.
    pub groups: u32,
}

/// Something a person (or nature) does. Hosts are counted in the order of their launch among those that still run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    HostDies(usize),
    Terminate(usize),
    /// Sets the host to DRAINING.
    Drain(usize),
    /// Sets the host to ACTIVE.
    Activate(usize),
    Scale {
        group: String,
        desired: u32,
    },
    SuspendLaunches {
        group: String,
    },
    ResumeLaunches {
        group: String,
    },
    /// From now on EC2 has no capacity for the group, or has it again.
    Capacity {
        group: String,
        there: bool,
    },
    /// From now on a launching lifecycle hook of the group abandons whatever is launched, or lets it pass again.
    HookAbandons {
        group: String,
        on: bool,
    },
    /// From now on ECS drains what the group ends, before it ends it (managed draining).
    ManagedDraining {
        group: String,
    },
    /// A member is put into Standby, with its desired capacity as it is: the group launches another.
    Standby(usize),
    /// Stops every standalone task.
    StopStandaloneTasks,
    /// An availability zone is lost: its hosts die, and nothing launches there. Or it is back.
    Zone {
        zone: &'static str,
        there: bool,
    },
    /// Puts a message into the queue.
    Send(String),
    AgentLost {
        host: usize,
        for_: SignedDuration,
    },
    /// Releases the images of this generation (0: those that everything ran at the start).
    Release(u32),
    /// Releases the images of one kind alone.
    ReleaseOf(ImageKind, u32),
    /// The image of this kind and generation is no more.
    Deregister(ImageKind, u32),
    /// Takes the host out of its group, without a word on it.
    Detach(usize),
    /// Switches the host's termination protection.
    Protect {
        host: usize,
        on: bool,
    },
    /// No policy allows the worker to terminate the host.
    Forbid {
        host: usize,
    },
    /// Protects every member from scale-in, as managed termination protection does with those that have tasks.
    ProtectFromScaleIn {
        group: String,
    },
    /// Suspends any process of the group.
    Suspend {
        group: String,
        process: &'static str,
    },
    /// One more is launched, and then one of the old ones ended.
    Rebalance {
        group: String,
    },
    /// Says by its tag that it takes part no longer.
    OptOut {
        group: String,
    },
    /// Its capacity provider is taken off its cluster.
    Leave {
        group: String,
    },
    /// So many hosts on the image of now, stopped, that the group's next launches take.
    WarmPool {
        group: String,
        hosts: u32,
    },
    /// An instance refresh, which stands at a checkpoint and replaces nobody.
    StartRefresh {
        group: String,
    },
    EndRefresh {
        group: String,
    },
    /// The alarm (made, if there was none) says so.
    Alarm {
        name: &'static str,
        state: AlarmState,
    },
}

impl Default for Scenario {
    fn default() -> Self {
        Self::new(1)
    }
}

impl Scenario {
    /// Six hosts in one group with an own image, twelve tasks each, one worker, no faults; the release comes after ten minutes.
    pub fn new(seed: u64) -> Self {
        let scenario = Self {
            seed,
            settings: Settings::default(),
            clusters: 1,
            account: AccountLimits { left_percent: 100, enforced: false },
            groups: Vec::new(),
            services: Vec::new(),
            tasks_per_host: None,
            daemon: true,
            standalone_tasks: 2,
            standalone_lasts: Delay::secs(300, 1800),
            stuck_task: false,
            slots_per_host: 0,
            placement: Placement::Spread,
            zone_rebalancing: true,
            workers: 1,
            trigger: Trigger::Event,
            release_after: SignedDuration::from_mins(10),
            second_release_after: None,
            bad_release: BadRelease::No,
            neighbours: Neighbours::default(),
            fresh: false,
            deprecates: false,
            parameter_check: Delay::secs(2, 20),
            acts: Vec::new(),
            faults: Faults::none(),
            latency: Delay::millis(10, 200),
            event_delay: Delay::millis(100, 2000),
            page_size: 100,
            launch_delay: Delay::secs(2, 10),
            boot: Delay::secs(20, 60),
            registration: Delay::secs(10, 60),
            task_start: Delay::secs(3, 20),
            task_stop: Delay::secs(1, 30),
            max_receives: 10,
            self_hosted: false,
        };
        scenario.hosts(6).tasks_per_host(12)
    }

    /// All hosts in one group, `demo-asg`, on `$Latest` of its template.
    pub fn hosts(self, hosts: u32) -> Self {
        self.groups(vec![GroupShape::new("demo-asg", hosts)])
    }

    pub fn groups(mut self, groups: Vec<GroupShape>) -> Self {
        self.groups = groups;
        match self.tasks_per_host {
            Some(tasks) => self.tasks_per_host(tasks),
            None => self,
        }
    }

    /// This many service tasks per host in three services that roll freely, and room for half as many again on each host.
    pub fn tasks_per_host(mut self, tasks: u32) -> Self {
        self.tasks_per_host = Some(tasks);
        let all = tasks * self.hosts_per_cluster();
        // A single task with 50/150 or 50/100 can never be moved: rounding leaves no room.
        let (api, jobs) = if all < 12 { (0, 0) } else { (all / 3, all / 6) };
        self.services = vec![
            ServiceShape::new("web", all - api - jobs, 100, 200),
            ServiceShape::new("api", api, 50, 150),
            ServiceShape::new("jobs", jobs, 50, 100),
        ];
        self.services.retain(|service| service.tasks > 0);
        self.slots_per_host = tasks + tasks.div_ceil(2).max(2);
        self
    }

    /// Services of one's own; the slots per host stay as they are.
    pub fn services(mut self, services: Vec<ServiceShape>) -> Self {
        self.tasks_per_host = None;
        self.services = services;
        self
    }

    pub fn faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    pub fn clusters(mut self, clusters: u32) -> Self {
        self.clusters = clusters;
        self
    }

    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    pub fn trigger(mut self, trigger: Trigger) -> Self {
        self.trigger = trigger;
        self
    }

    pub fn bad_release(mut self, bad: BadRelease) -> Self {
        self.bad_release = bad;
        self
    }

    /// To be given as a time after the release.
    pub fn act(mut self, after_release: SignedDuration, act: Act) -> Self {
        self.acts.push((after_release, act));
        self
    }

    /// The kinds of images that groups follow.
    pub(super) fn kinds(&self) -> BTreeSet<ImageKind> {
        let followed = self.groups.iter().flat_map(GroupShape::kinds);
        followed.chain([ImageKind::from(Follows::Own)]).collect()
    }

    /// As workers and the world are told it: the settings name the groups that no capacity provider names.
    pub(super) fn complete(mut self) -> Self {
        let configured = self.groups.iter().filter(|group| group.membership == Membership::Configured);
        let configured: Vec<GroupShape> = configured.cloned().collect();
        for cluster in self.cluster_names() {
            let names = configured.iter().map(|group| GroupName::from(group.of_cluster(&cluster).name));
            let names: BTreeSet<GroupName> = names.collect();
            if !names.is_empty() {
                self.settings.groups.entry(ClusterName::from(cluster)).or_default().extend(names);
            }
        }
        self
    }

    /// The names of the clusters that have opted in.
    pub fn cluster_names(&self) -> Vec<String> {
        let further = (2..=self.clusters).map(|n| format!("{CLUSTER}-{n}"));
        [CLUSTER.to_owned()].into_iter().chain(further).collect()
    }

    /// In all clusters that have opted in.
    pub fn host_count(&self) -> u32 {
        self.hosts_per_cluster() * self.clusters
    }

    fn hosts_per_cluster(&self) -> u32 {
        self.groups.iter().map(|group| group.hosts).sum()
    }

    /// A shape that is drawn from the seed: a few hosts, one to three groups of any shape and source (perhaps one of them
    /// opted out), neighbours, services that can all be rolled, one worker or two, one release or two. Nothing in it stands in
    /// the way of a close; the faults are the caller's.
    pub fn random(seed: u64) -> Self {
        let mut scenario = Self::plain(seed);
        scenario.make_odd(&mut Chance::new(seed, Stream::OddShapes));
        scenario
    }

    /// The same with plain templates, and without neighbours.
    pub fn plain(seed: u64) -> Self {
        let mut chance = Chance::new(seed, Stream::Shape);
        let count = 1 + chance.below(3);
        let groups = (0..count).map(|n| GroupShape::plain(&format!("demo-{n}-asg"), &mut chance)).collect();
        let mut scenario = Self::new(seed).groups(groups);
        scenario = scenario.tasks_per_host(u32::try_from(4 + chance.below(10)).unwrap_or(4));
        scenario.trigger = [Trigger::Event, Trigger::Event, Trigger::Schedule, Trigger::Message][chance.below(4)];
        scenario.workers = if chance.hit(0.3) { 2 } else { 1 };
        scenario.daemon = chance.hit(0.7);
        scenario.standalone_tasks = u32::try_from(chance.below(4)).unwrap_or(0);
        scenario.page_size = [2, 5, 100][chance.below(3)];
        if chance.hit(0.5) {
            let hosts = u32::try_from(1 + chance.below(3)).unwrap_or(1);
            scenario.settings.policy.max_in_flight = Budget::Hosts(hosts);
        }
        if chance.hit(0.15) {
            scenario.second_release_after = Some(chance.delay(Delay::secs(60, 3600)));
        }
        if count > 1 && chance.hit(0.15) {
            scenario.groups[count - 1].enabled = false;
        }
        scenario
    }

    /// The same, and then things happen: the image is bad, the rotation is paused and resumed, asked for once more, a group opts
    /// out or leaves its cluster in the middle, an instance refresh comes, a task does not end and its host is forced, nothing is
    /// baked. It may end in a hold.
    pub fn eventful(seed: u64) -> Self {
        let mut scenario = Self::random(seed);
        scenario.make_eventful(&mut Chance::new(seed, Stream::Happenings));
        scenario
    }

    fn make_eventful(&mut self, chance: &mut Chance) {
        use BadRelease::{AgentsFallSilent, HostsDie, LaunchFails, NeverRegisters, TasksFail};
        if chance.hit(0.25) {
            let bad = [NeverRegisters, LaunchFails, AgentsFallSilent, HostsDie, TasksFail];
            self.bad_release = bad[chance.below(bad.len())];
        }
        if chance.hit(0.2) {
            self.settings.policy.bake = SignedDuration::ZERO;
        }
        if chance.hit(0.25) {
            let minutes = i64::try_from(65 + chance.below(60)).unwrap_or(65);
            self.settings.policy.ladder.force_after = Some(SignedDuration::from_mins(minutes));
            self.stuck_task = true;
            // Longer than is waited for, so that it is the host that is forced.
            self.task_stop = if chance.hit(0.5) { Delay::secs(400, 1500) } else { self.task_stop };
        }
        if chance.hit(0.3) {
            let at = chance.delay(SOON);
            self.put(at, Act::Send(r#"{"action":"pause","cluster":"demo"}"#.to_owned()));
            let again = at + chance.delay(LATER);
            self.put(again, Act::Send(r#"{"action":"resume","cluster":"demo"}"#.to_owned()));
        }
        if chance.hit(0.3) {
            let one = self.any_group(chance).map(|name| format!(r#","groups":["{name}"]"#)).filter(|_| chance.hit(0.5));
            let (at, groups) = (chance.delay(SOON), one.unwrap_or_default());
            self.put(at, Act::Send(format!(r#"{{"action":"rotate","cluster":"demo"{groups}}}"#)));
        }
        if let Some(group) = self.any_group(chance).filter(|_| chance.hit(0.2)) {
            let at = chance.delay(SOON);
            self.put(at, Act::OptOut { group });
        }
        if let Some(group) = self.any_group(chance).filter(|_| chance.hit(0.2)) {
            let at = chance.delay(SOON);
            self.put(at, Act::Leave { group });
        }
        if let Some(group) = self.any_group(chance).filter(|_| chance.hit(0.2)) {
            let at = chance.delay(SOON);
            self.put(at, Act::StartRefresh { group: group.clone() });
            let over = at + chance.delay(LATER);
            self.put(over, Act::EndRefresh { group });
        }
    }

    fn put(&mut self, after_release: SignedDuration, act: Act) {
        self.acts.push((after_release, act));
    }

    fn any_group(&self, chance: &mut Chance) -> Option<String> {
        self.groups.get(chance.below(self.groups.len())).map(|group| group.name.clone())
    }

    fn make_odd(&mut self, chance: &mut Chance) {
        let mut shaped: Vec<GroupShape> = Vec::new();
        for group in self.groups.drain(..) {
            // A template that somebody shares who has opted out is not written.
            let before = shaped.last().filter(|_| group.enabled);
            let odd = if chance.hit(0.75) { group.odd(before, chance) } else { group };
            shaped.push(odd);
        }
        self.groups = shaped;
        if chance.hit(0.3) {
            let mut some = || u32::try_from(chance.below(3)).unwrap_or(0);
            let (external, managed, strays, groups) = (some(), some(), some(), some());
            self.neighbours = Neighbours { external, managed, strays, providers: groups * 6, groups };
        }
        if chance.hit(0.1) {
            self.groups.push(GroupShape::new("legacy-asg", 1).template(TemplateShape::Configuration));
        }
        self.deprecates = chance.hit(0.2);
        self.fresh = chance.hit(0.4);
        if chance.hit(0.2) {
            self.settings.policy.keep_versions = 1;
        }
    }
}

impl ServiceShape {
    pub fn new(name: &str, tasks: u32, minimum_healthy_percent: u32, maximum_percent: u32) -> Self {
        let deregistration = Delay::secs(5, 60);
        Self { name: name.to_owned(), tasks, minimum_healthy_percent, maximum_percent, deregistration }
    }
}
