//! The account that the demo is about: its groups, each with another way to name its launch template's version.

use jiff::SignedDuration;

use super::ink::{Line, Phase, count};
use super::{DemoArgs, FaultLevel, PlacementWord};
use crate::effect::VersionRule;
use crate::plan::policy::Policy;
use crate::sim::{CLUSTER, Faults, GroupShape, OWN_PARAMETER, Placement, Scenario, Simulation, TemplateShape};

const NAMES: [&str; 3] = ["web", "api", "batch"];
/// Nothing happens before the release; long enough for a worker to be there.
const QUIET: SignedDuration = SignedDuration::from_mins(2);
/// From so many hosts on, a person is told to wait.
const LARGE: u32 = 200;
/// More groups than this are not listed one by one.
pub const MOST_LISTED: usize = 4;

pub struct Scene {
    pub scenario: Scenario,
    pub faults: FaultLevel,
    pub tasks_per_host: u32,
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
        Self { scenario, faults: args.faults, tasks_per_host: args.tasks_per_host }
    }

    pub fn simulation(&self) -> Simulation {
        Simulation::new(self.scenario.clone())
    }

    /// A day, and half an hour for each round of hosts that leave a group together: several times what it should take.
    pub fn longest(&self) -> SignedDuration {
        let rounds = self.scenario.groups.iter().map(|group| group.hosts.div_ceil(self.budget(group))).max();
        SignedDuration::from_hours(24) + SignedDuration::from_mins(30 * i64::from(rounds.unwrap_or(0)))
    }

    pub fn faults_in_words(&self) -> &'static str {
        match self.faults {
            FaultLevel::None => "no faults",
            FaultLevel::Light => "light faults",
            FaultLevel::Heavy => "heavy faults",
        }
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
        let tasks = u64::from(self.tasks_per_host) * u64::from(hosts);
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
                "  {:width$}  {:>10}   {:>2} in flight   launches {}",
                group.name,
                count(group.hosts, "host"),
                self.budget(group),
                version_rule(group)
            );
            lines.push(Line::plain(Phase::Plain, text));
        }
        if groups.len() > MOST_LISTED {
            let more = groups.len() - MOST_LISTED;
            lines.push(Line::plain(Phase::Aside, format!("  … and {} in the same three ways", count(more, "group"))));
        }
        lines.push(Line::plain(Phase::Aside, format!("  all follow the parameter {OWN_PARAMETER}")));
        if hosts >= LARGE {
            let text = "  a cluster of this size takes a while; the story follows when it is over";
            lines.push(Line::plain(Phase::Aside, text));
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
