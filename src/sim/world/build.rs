//! An account in the shape that a scenario asks for, as it is when the simulation begins: everything runs, nothing is new.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::account::{ACCOUNT, Account, HostNo, Owner, Service, Template, Version, cluster_arn};
use super::{History, Physics, Queue, World};
use crate::effect::{
    CapacityProvider, Cluster, Group, Image, Launch, Parameter, ParameterKind, TaskStatus, TemplateSpec, VersionRule,
};
use crate::id::{AmiId, CapacityProviderName, GroupName, ParameterName, TemplateId};
use crate::sim::agenda::Agenda;
use crate::sim::chance::{Chance, Delay, Stream};
use crate::sim::invariants::Ledger;
use crate::sim::scenario::{CLUSTER, Follows, GroupShape, OTHER, Scenario, ServiceShape, TemplateShape};

/// The images of three generations exist from the start; releases only move the parameters.
const DATES: [&str; 3] = ["20251205", "20260114", "20260116"];
const OTHER_GROUP: &str = "other-asg";

impl World {
    pub fn new(scenario: &Scenario) -> Self {
        let seed = scenario.seed;
        let mut world = Self {
            now: super::super::START,
            scenario: scenario.clone(),
            account: Account::default(),
            history: History::default(),
            queue: Queue::new(scenario.max_receives),
            agenda: Agenda::default(),
            versions: BTreeMap::new(),
            looking: BTreeSet::new(),
            bad_images: BTreeSet::new(),
            serial: 0,
            launches: 0,
            physics: Chance::new(seed, Stream::Physics),
            names: Chance::new(seed, Stream::Names),
            events: Chance::new(seed, Stream::Events),
            others: Chance::new(seed, Stream::Others),
            ledger: Ledger::default(),
            timeline: Vec::new(),
        };
        world.build_images();
        world.build_clusters();
        world.build_services();
        for shape in scenario.groups.iter().chain([&GroupShape::new(OTHER_GROUP, 2)]) {
            world.build_group(shape);
        }
        world.settle(&cluster_arn(CLUSTER));
        world.settle(&cluster_arn(OTHER));
        world.build_standalone_tasks();
        world.plan_life();
        world
    }

    /// The kinds of images that the groups follow.
    pub(super) fn followed(&self) -> BTreeSet<Follows> {
        self.scenario.groups.iter().map(|group| group.follows).chain([Follows::Own]).collect()
    }

    fn build_images(&mut self) {
        for follows in self.followed() {
            for (generation, date) in (0..).zip(DATES) {
                let id = Self::image_of(follows, generation);
                let image = Image {
                    id: id.clone(),
                    name: follows.image_name(date),
                    architecture: "x86_64".to_owned(),
                    windows: follows == Follows::Os("windows"),
                    state: "available".to_owned(),
                    created: Some(
                        self.now - SignedDuration::from_hours(24 * 30)
                            + SignedDuration::from_hours(i64::from(generation)),
                    ),
                    deprecated: None,
                    owner: ACCOUNT.to_owned(),
                    owner_alias: follows.is_public().then(|| "amazon".to_owned()),
                    virtualization: "hvm".to_owned(),
                    root_device: Some("/dev/xvda".to_owned()),
                };
                Arc::make_mut(&mut self.account.images).insert(id, image);
            }
            self.set_parameter(&ParameterName::from(follows.parameter()), &Self::image_of(follows, 0));
        }
    }

    pub(super) fn set_parameter(&mut self, name: &ParameterName, image: &AmiId) {
        let parameter = Parameter {
            value: image.to_string(),
            kind: ParameterKind::String,
            data_type: Some("text".to_owned()),
            modified: Some(self.now),
        };
        Arc::make_mut(&mut self.account.parameters).insert(name.clone(), parameter);
        self.ledger.releases.entry(name.clone()).or_default().push((self.now, image.clone()));
    }

    fn build_clusters(&mut self) {
        let enabled = (format!("{}enabled", self.scenario.settings.tag_prefix), "true".to_owned());
        let clusters = Arc::make_mut(&mut self.account.clusters);
        for (name, tags) in [(CLUSTER, BTreeMap::from([enabled])), (OTHER, BTreeMap::new())] {
            let arn = cluster_arn(name);
            let fargate = CapacityProviderName::from("FARGATE");
            let cluster =
                Cluster { arn: arn.clone(), status: "ACTIVE".to_owned(), capacity_providers: vec![fargate], tags };
            clusters.insert(arn, cluster);
        }
        let fargate = CapacityProvider { name: CapacityProviderName::from("FARGATE"), group: None };
        Arc::make_mut(&mut self.account.providers).insert(fargate.name.clone(), fargate);
    }

    fn build_services(&mut self) {
        let shapes = self.scenario.services.clone();
        let services = Arc::make_mut(&mut self.account.services);
        services.extend(shapes.iter().map(|shape| service(shape, CLUSTER)));
        services.push(service(&ServiceShape::new("backoffice", 6, 50, 200), OTHER));
        if self.scenario.daemon {
            services.push(Service { daemon: true, ..service(&ServiceShape::new("logs", 0, 0, 100), CLUSTER) });
        }
    }

    fn build_group(&mut self, shape: &GroupShape) {
        let name = GroupName::from(shape.name.as_str());
        let template = TemplateId::new(format!("lt-0{:016x}", self.names.number()));
        let (rule, mixed, image) = match shape.template {
            TemplateShape::Rule { rule, mixed } => (rule, mixed, Self::image_of(shape.follows, 0).to_string()),
            TemplateShape::Resolves => {
                (VersionRule::Default, false, format!("resolve:ssm:{}", shape.follows.parameter()))
            }
        };
        self.build_template(&template, image);
        let group = Group {
            name: name.clone(),
            min: 0,
            max: shape.hosts + 5,
            desired: shape.hosts,
            members: Vec::new(),
            suspended: BTreeSet::new(),
            launch: if mixed {
                Launch::Mixed { base: TemplateSpec { template, rule }, overrides: Vec::new() }
            } else {
                Launch::Template(TemplateSpec { template, rule })
            },
            tags: self.group_tags(shape),
            managed: false,
        };
        self.build_provider(&name);
        Arc::make_mut(&mut self.account.groups).insert(name.clone(), group.clone());
        self.ledger.follows.entry(name).or_default().insert(ParameterName::from(shape.follows.parameter()));
        for age in 0..shape.hosts {
            let no = self.add_host(&group, Self::image_of(shape.follows, 0));
            // A group grew over the last week.
            self.age(no, SignedDuration::from_hours(24 * 7) - SignedDuration::from_mins(37 * i64::from(age % 240)));
            self.plan_agent_drop(no);
        }
    }

    fn build_template(&mut self, id: &TemplateId, image: String) {
        let created = self.now - SignedDuration::from_hours(24 * 20);
        let version = Version {
            number: 1,
            image,
            description: "by hand".to_owned(),
            created,
            client_token: None,
            source: None,
            block_devices: Vec::new(),
        };
        let template = Template { default: 1, versions: vec![version] };
        Arc::make_mut(&mut self.account.templates).insert(id.clone(), template);
    }

    fn build_provider(&mut self, group: &GroupName) {
        let provider = CapacityProviderName::new(format!("{group}-provider"));
        let of = if group.as_str() == OTHER_GROUP { OTHER } else { CLUSTER };
        if let Some(cluster) = self.cluster_mut(&cluster_arn(of)) {
            cluster.capacity_providers.insert(0, provider.clone());
        }
        let described = CapacityProvider { name: provider.clone(), group: Some(group.clone()) };
        Arc::make_mut(&mut self.account.providers).insert(provider, described);
    }

    fn group_tags(&self, shape: &GroupShape) -> BTreeMap<String, String> {
        let prefix = &self.scenario.settings.tag_prefix;
        let mut tags: BTreeMap<_, _> =
            shape.tags.iter().map(|(key, value)| (format!("{prefix}{key}"), value.clone())).collect();
        match shape.follows {
            Follows::Own => tags.insert(format!("{prefix}ami-parameter"), shape.follows.parameter().to_owned()),
            Follows::Os(os) => tags.insert("OS".to_owned(), os.to_owned()),
        };
        if !shape.enabled {
            tags.insert(format!("{prefix}enabled"), "false".to_owned());
        }
        tags
    }

    fn build_standalone_tasks(&mut self) {
        let hosts = self.hosts_by_age();
        let stuck = u32::from(self.scenario.stuck_task);
        for n in 0..self.scenario.standalone_tasks + stuck {
            let Some(host) = hosts.get(self.physics.below(hosts.len())).copied() else { return };
            let no = self.add_task(Owner::Standalone, host, TaskStatus::Running);
            if n >= stuck {
                self.plan_end(no, self.scenario.standalone_lasts);
            }
        }
    }

    /// What will happen by itself.
    fn plan_life(&mut self) {
        self.after(Delay::secs(1800, 1800), Physics::Schedule);
        self.after(Delay::secs(30, 120), Physics::Noise);
        let faults = self.scenario.faults.clone();
        self.plan(faults.host_deaths_per_hour, Physics::RandomDeath);
        self.plan(faults.person_terminates_per_hour, Physics::RandomTermination);
        self.plan(faults.person_drains_per_hour, Physics::RandomDrain);
        let release = self.now + self.scenario.release_after;
        self.agenda.put(release, Physics::Release(1));
        self.ledger.releases_to_come = 1 + u32::from(self.scenario.second_release_after.is_some());
        if let Some(later) = self.scenario.second_release_after {
            self.agenda.put(release + later, Physics::Release(2));
        }
        for (after, act) in self.scenario.acts.clone() {
            self.agenda.put(release + after, Physics::Act(act));
        }
    }

    /// The host with this number of the opted-in cluster, oldest first; for tests and people.
    pub fn nth_host(&self, index: usize) -> Option<HostNo> {
        self.hosts_by_age().get(index).copied()
    }

    /// When the first release was published.
    pub fn released(&self) -> Option<Timestamp> {
        self.ledger.released
    }
}

fn service(shape: &ServiceShape, cluster: &str) -> Service {
    Service {
        name: shape.name.clone(),
        cluster: cluster_arn(cluster),
        desired: usize::try_from(shape.tasks).unwrap_or(0),
        minimum_healthy_percent: usize::try_from(shape.minimum_healthy_percent).unwrap_or(0),
        maximum_percent: usize::try_from(shape.maximum_percent).unwrap_or(0),
        daemon: false,
        deregistration: shape.deregistration,
    }
}
