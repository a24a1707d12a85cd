//! The account that the demo is about: its groups, each with another way to name its launch template's version.

use jiff::SignedDuration;

use super::ink::{Line, Phase, count};
use super::{DemoArgs, FaultLevel, PlacementWord};
use crate::effect::VersionRule;
use crate::plan::policy::Policy;
use crate::sim::{
    Act, BadRelease, CLUSTER, Faults, GroupShape, OWN_PARAMETER, Placement, Scenario, ServiceShape, Simulation,
    TemplateShape,
};

const NAMES: [&str; 3] = ["web", "api", "batch"];
/// Nothing happens before the release; long enough for a worker to be there.
const QUIET: SignedDuration = SignedDuration::from_mins(2);
/// From so many hosts on, a person is told to wait.
const LARGE: u32 = 200;
/// With heavy faults a host dies and a person terminates one, whatever else chance brings: in any rotation, so early.
const DEATH: SignedDuration = SignedDuration::from_mins(3);
const PERSON: SignedDuration = SignedDuration::from_mins(7);
/// The zone of the first host of every group; when it is lost, and when it is back.
const ZONE: &str = "eu-west-1a";
const ZONE_LOST: SignedDuration = SignedDuration::from_mins(6);
const ZONE_BACK: SignedDuration = SignedDuration::from_mins(26);
/// Nothing moves a task of it.
const STUCK: &str = "checkout";
/// It has a task on every so many hosts.
const STUCK_EVERY: u32 = 10;
/// More groups than this are not listed one by one.
pub const MOST_LISTED: usize = 4;

pub struct Scene {
    pub scenario: Scenario,
    pub faults: FaultLevel,
    /// What was asked for beside the faults, in words.
    troubles: Vec<&'static str>,
}

impl Scene {
    pub fn new(args: &DemoArgs) -> Self {
        let mut scenario = Scenario::new(args.seed).groups(groups(args.hosts, args.group_count()));
        scenario = scenario.tasks_per_host(args.tasks_per_host).faults(match args.faults {
            FaultLevel::None => Faults::none(),
            FaultLevel::Light => Faults::light(),
            FaultLevel::Heavy => Faults::heavy(),
        });
        scenario.settings.policy = Policy { max_in_flight: args.max_in_flight, ..Policy::default() };
        scenario.release_after = QUIET;
        scenario.placement = match args.placement {
            PlacementWord::Spread => Placement::Spread,
            PlacementWord::Binpack => Placement::Binpack,
        };
        if args.tasks_per_host == 0 {
            (scenario.daemon, scenario.standalone_tasks) = (false, 0);
        }
        if args.faults == FaultLevel::Heavy {
            let host = |nth: u64| usize::try_from((args.seed % 1000 + nth) % u64::from(args.hosts)).unwrap_or(0);
            scenario = scenario.act(DEATH, Act::HostDies(host(1))).act(PERSON, Act::Terminate(host(2)));
        }
        let mut scene = Self { scenario, faults: args.faults, troubles: Vec::new() };
        if args.bad_image {
            scene.bad_image();
        }
        if args.stuck_service {
            scene.stuck_service(args.hosts);
        }
        if args.zone_outage {
            scene.zone_outage();
        }
        scene
    }

    fn bad_image(&mut self) {
        self.troubles.push("a bad image");
        self.scenario.bad_release = BadRelease::NeverRegisters;
    }

    fn stuck_service(&mut self, hosts: u32) {
        self.troubles.push("a service without room");
        self.scenario.services.push(ServiceShape::new(STUCK, hosts.div_ceil(STUCK_EVERY), 100, 100));
    }

    fn zone_outage(&mut self) {
        self.troubles.push("a zone that is lost");
        for (at, there) in [(ZONE_LOST, false), (ZONE_BACK, true)] {
            self.scenario.acts.push((at, Act::Zone { zone: ZONE, there }));
        }
    }

    /// Is anything to go wrong?
    pub fn has_trouble(&self) -> bool {
        self.faults != FaultLevel::None || self.has_scene_of_its_own()
    }

    /// Beside the faults.
    pub fn has_scene_of_its_own(&self) -> bool {
        !self.troubles.is_empty()
    }

    pub fn simulation(&self) -> Simulation {
        Simulation::new(self.scenario.clone())
    }

    /// A day, and half an hour for each round of hosts that leave a group together: several times what it should take.
    pub fn longest(&self) -> SignedDuration {
        let rounds = self.scenario.groups.iter().map(|group| group.hosts.div_ceil(self.budget(group))).max();
        SignedDuration::from_hours(24) + SignedDuration::from_mins(30 * i64::from(rounds.unwrap_or(0)))
    }

    pub fn faults_in_words(&self) -> String {
        let faults = match self.faults {
            FaultLevel::None if self.has_scene_of_its_own() => None,
            FaultLevel::None => Some("no faults"),
            FaultLevel::Light => Some("light faults"),
            FaultLevel::Heavy => Some("heavy faults"),
        };
        let words: Vec<&str> = faults.into_iter().chain(self.troubles.iter().copied()).collect();
        words.join(", ")
    }

    pub fn longest_group_name(&self) -> usize {
        self.scenario.groups.iter().map(|group| group.name.len()).max().unwrap_or(0)
    }

    /// How many hosts of this group may be in flight.
    pub fn budget(&self, group: &GroupShape) -> u32 {
        self.scenario.settings.policy.max_in_flight.hosts(group.hosts)
    }

    /// What is simulated; said before it is.
    pub fn opening(&self) -> Vec<Line> {
        let (groups, hosts) = (&self.scenario.groups, self.scenario.host_count());
        let tasks: u64 = self.scenario.services.iter().map(|service| u64::from(service.tasks)).sum();
        let mut lines = vec![
            Line::plain(
                Phase::Title,
                format!(
                    "Cluster {CLUSTER}, simulated: {} in {}, {}",
                    count(hosts, "host"),
                    count(groups.len(), "group"),
                    count(tasks, "service task")
                ),
            ),
            Line::plain(
                Phase::Aside,
                format!(
                    "seed {}, {}, at most {} of a group in flight; nothing here reaches AWS",
                    self.scenario.seed,
                    self.faults_in_words(),
                    self.scenario.settings.policy.max_in_flight
                ),
            ),
            Line::empty(),
        ];
        let width = self.longest_group_name();
        for group in groups.iter().take(MOST_LISTED) {
            let text = format!(
                "{:>10}   {:>2} in flight   launches {}",
                count(group.hosts, "host"),
                self.budget(group),
                version_rule(group)
            );
            lines.push(Line::row(Phase::Plain, format!("  {:width$}  ", group.name), text));
        }
        if groups.len() > MOST_LISTED {
            let more = groups.len() - MOST_LISTED;
            lines.push(Line::row(Phase::Aside, "  ", format!("… and {} in the same three ways", count(more, "group"))));
        }
        lines.push(Line::row(Phase::Aside, "  ", format!("all follow the parameter {OWN_PARAMETER}")));
        if hosts >= LARGE {
            let text = "a cluster of this size takes a while; the story follows when it is over";
            lines.push(Line::row(Phase::Aside, "  ", text));
        }
        lines.push(Line::empty());
        lines
    }
}

/// The hosts spread over the groups, the first ones taking what is left over.
fn groups(hosts: u32, groups: u32) -> Vec<GroupShape> {
    let (each, left) = (hosts / groups, hosts % groups);
    (0..groups).map(|n| group(n, each + u32::from(n < left))).collect()
}

fn group(n: u32, hosts: u32) -> GroupShape {
    let (kind, round) = (n % 3, n / 3 + 1);
    let name = NAMES[usize::try_from(kind).unwrap_or(0)];
    let name = if round == 1 { format!("{name}-asg") } else { format!("{name}-{round}-asg") };
    let (rule, mixed) = match kind {
        0 => (VersionRule::Default, true),
        1 => (VersionRule::Number(1), false),
        _ => (VersionRule::Latest, false),
    };
    GroupShape::new(&name, hosts).template(TemplateShape::Rule { rule, mixed })
}

fn version_rule(group: &GroupShape) -> String {
    match group.template {
        TemplateShape::Rule { rule: VersionRule::Default, mixed: true } => {
            "$Default (mixed-instances policy)".to_owned()
        }
        TemplateShape::Rule { rule: VersionRule::Default, mixed: false }
        | TemplateShape::Resolves
        | TemplateShape::ReleaseByParameter { .. }
        | TemplateShape::OwnTemplate { .. }
        | TemplateShape::OwnImage { .. }
        | TemplateShape::Attributes { .. }
        | TemplateShape::Configuration => "$Default".to_owned(),
        TemplateShape::Rule { rule: VersionRule::Latest, .. } => "$Latest".to_owned(),
        TemplateShape::Rule { rule: VersionRule::Number(version), .. } => format!("version {version}, pinned"),
    }
}

/// How this group came to launch the new version.
pub fn moved_on(group: &GroupShape) -> &'static str {
    match group.template {
        TemplateShape::Rule { rule: VersionRule::Default, .. }
        | TemplateShape::Resolves
        | TemplateShape::ReleaseByParameter { .. }
        | TemplateShape::OwnTemplate { .. }
        | TemplateShape::OwnImage { .. }
        | TemplateShape::Attributes { .. }
        | TemplateShape::Configuration => "$Default moved to it",
        TemplateShape::Rule { rule: VersionRule::Latest, .. } => "$Latest is it",
        TemplateShape::Rule { rule: VersionRule::Number(_), .. } => "the group is pinned to it now",
    }
}
