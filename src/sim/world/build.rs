//! An account in the shape that a scenario asks for, as it is when the simulation begins: everything runs, nothing is new.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::account::{Account, HostNo, Owner, Service, cluster_arn};
use super::groups::OTHER_GROUP;
use super::services::TASK;
use super::{History, Physics, Queue, World};
use crate::effect::{CapacityProvider, Cluster, Resources, TaskStatus};
use crate::id::CapacityProviderName;
use crate::sim::agenda::Agenda;
use crate::sim::chance::{Chance, Delay, Stream};
use crate::sim::ledger::Ledger;
use crate::sim::mishaps::Mishaps;
use crate::sim::scenario::{GroupShape, OTHER, Scenario, ServiceShape};

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
            homes: scenario.cluster_names().iter().map(|name| cluster_arn(name)).collect(),
            homes_of_groups: BTreeMap::new(),
            services_of: BTreeMap::new(),
            tagged: BTreeSet::new(),
            looking: BTreeSet::new(),
            bad_images: BTreeSet::new(),
            without_capacity: BTreeSet::new(),
            abandoning: BTreeSet::new(),
            drained_by_ecs: BTreeSet::new(),
            stuck_services: BTreeSet::new(),
            uneven: BTreeSet::new(),
            lost_zones: BTreeSet::new(),
            avoided_zones: BTreeSet::new(),
            serial: 0,
            launches: 0,
            physics: Chance::new(seed, Stream::Physics),
            names: Chance::new(seed, Stream::Names),
            events: Chance::new(seed, Stream::Events),
            others: Chance::new(seed, Stream::Others),
            ledger: Ledger::default(),
            mishaps: Mishaps::default(),
            timeline: Vec::new(),
            told: Vec::new(),
        };
        world.build_images();
        world.build_clusters();
        world.build_services();
        for cluster in scenario.cluster_names() {
            for shape in &scenario.groups {
                world.build_group(&shape.of_cluster(&cluster), &cluster);
            }
        }
        world.build_group(&GroupShape::new(OTHER_GROUP, 2), OTHER);
        world.build_neighbours();
        for cluster in scenario.cluster_names() {
            world.settle(&cluster_arn(&cluster));
        }
        world.settle(&cluster_arn(OTHER));
        world.build_standalone_tasks();
        world.plan_life();
        world
    }

    fn build_clusters(&mut self) {
        let enabled = (format!("{}enabled", self.scenario.settings.tag_prefix), "true".to_owned());
        let clusters = Arc::make_mut(&mut self.account.clusters);
        let opted_in = self.scenario.cluster_names().into_iter().map(|name| (name, BTreeMap::from([enabled.clone()])));
        for (name, tags) in opted_in.chain([(OTHER.to_owned(), BTreeMap::new())]) {
            let arn = cluster_arn(&name);
            let fargate = CapacityProviderName::from("FARGATE");
            let cluster =
                Cluster { arn: arn.clone(), status: "ACTIVE".to_owned(), capacity_providers: vec![fargate], tags };
            clusters.insert(arn, cluster);
        }
        let fargate = CapacityProvider { name: CapacityProviderName::from("FARGATE"), group: None };
        Arc::make_mut(&mut self.account.providers).insert(fargate.name.clone(), fargate);
    }

    fn build_services(&mut self) {
        let (shapes, clusters) = (self.scenario.services.clone(), self.scenario.cluster_names());
        let services = Arc::make_mut(&mut self.account.services);
        for cluster in &clusters {
            services.extend(shapes.iter().map(|shape| service(shape, cluster)));
        }
        services.push(service(&ServiceShape::new("backoffice", 6, 50, 200), OTHER));
        for cluster in clusters.iter().filter(|_| self.scenario.daemon) {
            services.push(Service {
                daemon: true,
                needs: Resources::default(),
                ..service(&ServiceShape::new("logs", 0, 0, 100), cluster)
            });
        }
        self.index_services();
    }

    pub(super) fn index_services(&mut self) {
        self.services_of.clear();
        for (index, service) in self.account.services.iter().enumerate() {
            self.services_of.entry(service.cluster.clone()).or_default().push(index);
        }
    }

    fn build_standalone_tasks(&mut self) {
        let hosts = self.hosts_by_age();
        let stuck = u32::from(self.scenario.stuck_task);
        for n in 0..self.scenario.standalone_tasks * self.scenario.clusters + stuck {
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
        self.ledger.acts_to_come = self.scenario.acts.len();
        if let Some(later) = self.scenario.second_release_after {
            self.agenda.put(release + later, Physics::Release(2));
        }
        for (after, act) in self.scenario.acts.clone() {
            self.agenda.put(release + after, Physics::Act(act));
        }
    }

    /// The host with this number of the opted-in clusters, oldest first; for tests and people.
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
        needs: TASK,
        events: Vec::new(),
    }
}
