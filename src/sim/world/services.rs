//! The scheduler of ECS: how services keep their tasks running, and how a drain moves them.
//!
//! A service on a draining host starts replacements while its running and pending tasks stay within maximumPercent (rounded
//! down), and stops old tasks while its RUNNING tasks stay above minimumHealthyPercent (rounded up). So 100 % / 100 %, and one
//! task with 100/150 or 50/100, never get anywhere. Tasks that do not run yet are stopped at once. Daemon tasks stop last.
//! Standalone tasks are none of a scheduler's business.
//!
//! A service that spreads its tasks is rebalanced over the zones while it is steady: where one zone has two more than another,
//! tasks start in the emptier one, and as soon as they run as many stop in the fuller one. It needs a maximumPercent over 100.
//! (AWS, "Balancing an Amazon ECS service across Availability Zones": on for services made since 2025-06.)

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::account::{Account, HostNo, Owner, TaskNo};
use super::{Physics, World};
use crate::effect::{ContainerInstanceStatus, Resources, ServiceEvent, TaskStatus};
use crate::id::{ClusterArn, Zone};
use crate::sim::chance::Delay;
use crate::sim::scenario::Placement;
use crate::sim::timeline::Happening;

const NOWHERE: &str = "was unable to place a task because no container instance met all of its requirements.";
const NOWHERE_IN_ZONE: &str =
    "is unable to place a task in Availability Zone because no container instance met all of its requirements.";
const NO_ROOM: &str = "was unable to stop or start tasks during a deployment because of the service deployment configuration. \
    Update the minimumHealthyPercent or maximumPercent value and try again.";
const STEADY: &str = "has reached a steady state.";
const MOST_EVENTS: usize = 100;

/// From a change to the scheduler's next look.
const SCHEDULER: Delay = Delay::millis(500, 2500);

/// How long a service stands unevenly over the zones before that is mended. AWS gives no figure.
const REBALANCED_AFTER: Delay = Delay::secs(60, 300);

/// What a task of a service needs, where a test does not say otherwise.
pub(super) const TASK: Resources = Resources { cpu: 128, memory: 256, gpus: 0 };

/// Room for so many of them.
pub(super) fn host_size(slots: u32) -> Resources {
    Resources { cpu: slots.saturating_mul(TASK.cpu), memory: slots.saturating_mul(TASK.memory), gpus: 0 }
}

/// The tasks of one service that are wanted.
#[derive(Default)]
struct Tally {
    /// On hosts that stay.
    staying: usize,
    staying_running: usize,
    /// On draining hosts.
    leaving: Vec<TaskNo>,
    leaving_unready: Vec<TaskNo>,
}

/// Where tasks can go: what is free, and how many tasks of each service are there.
struct Place {
    no: HostNo,
    /// Its number among the zones.
    zone: usize,
    free: Resources,
    tasks: u32,
    /// Is to be replaced itself.
    old: bool,
    of_service: BTreeMap<usize, u32>,
}

impl World {
    pub(super) fn look_at_services_of(&mut self, host: HostNo) {
        if let Some(host) = self.account.host(host) {
            let cluster = host.cluster.clone();
            self.look_at_services(&cluster);
        }
    }

    /// Soon, and once for all that changes until then.
    pub(super) fn look_at_services(&mut self, cluster: &ClusterArn) {
        if self.looking.insert(cluster.clone()) {
            self.after(SCHEDULER, Physics::Services(cluster.clone()));
        }
    }

    pub(super) fn services_look(&mut self, cluster: &ClusterArn) {
        self.looking.remove(cluster);
        let tallies = tally(&self.account, cluster);
        let mut places = self.places(cluster);
        for index in self.services_of.get(cluster).cloned().unwrap_or_default() {
            let tally = tallies.get(&index);
            match self.account.services[index].daemon {
                true => self.roll_daemon(index, tally, &places),
                false => self.roll(index, tally, &mut places),
            }
        }
    }

    fn roll(&mut self, index: usize, tally: Option<&Tally>, places: &mut [Place]) {
        let mut zones = by_zone(index, places);
        let nothing = Tally::default();
        let tally = tally.unwrap_or(&nothing);
        let service = &self.account.services[index];
        let (desired, least, most) = (service.desired, service.least(), service.most());
        let service_needs = service.needs;
        for no in &tally.leaving_unready {
            self.stop_task(*no, true);
        }
        let running = tally.staying_running + tally.leaving.len();
        let may_stop = running.saturating_sub(least);
        for no in tally.leaving.iter().filter(|no| !self.is_protected(**no)).take(may_stop).copied().collect::<Vec<_>>()
        {
            self.stop_task(no, true);
        }
        // What was just told to stop still counts here: the next look sees it gone.
        let room = most.saturating_sub(tally.staying + tally.leaving.len());
        let lacks = desired.saturating_sub(tally.staying);
        if !tally.leaving.is_empty() && may_stop == 0 && room == 0 && tally.staying == tally.staying_running {
            self.say(index, NO_ROOM);
            self.note_stuck(index);
        } else if tally.is_steady() && lacks == 0 {
            self.say(index, STEADY);
            self.rebalance_later(index, &zones, places);
        }
        if tally.is_steady() {
            self.stop_surplus(index, tally.staying.saturating_sub(desired).min(may_stop), &zones, places);
        }
        for _ in 0..lacks.min(room) {
            let Some(place) = choose(self.scenario.placement, None, index, service_needs, &mut zones, places) else {
                self.say(index, NOWHERE);
                break;
            };
            let (no, on_old) = (place.no, place.old);
            let new_has_room = places.iter().any(|place| !place.old && service_needs.fit_in(place.free));
            self.ledger.moves.placed(index, on_old, new_has_room);
            self.start_task(Owner::Service(index), no);
        }
    }

    /// Of the fullest zones, where more run than are desired.
    fn stop_surplus(&mut self, index: usize, surplus: usize, zones: &[u32], places: &[Place]) {
        let mut zones = zones.to_vec();
        for _ in 0..surplus {
            let Some(zone) = (0..zones.len()).max_by_key(|zone| zones[*zone]) else { return };
            let here = places.iter().filter(|place| place.zone == zone);
            let tasks = here.flat_map(|place| self.account.tasks_on(place.no));
            let last = tasks.filter(|(no, task)| {
                task.owner == Owner::Service(index) && task.is_wanted() && !self.is_protected(*no)
            });
            let Some((no, _)) = last.max_by_key(|(no, _)| no.serial) else { return };
            self.stop_task(no, false);
            zones[zone] -= 1;
        }
    }

    fn rebalance_later(&mut self, index: usize, zones: &[u32], places: &[Place]) {
        if self.is_rebalanced(index) && unevenness(zones, places) > 0 && self.uneven.insert(index) {
            self.after(REBALANCED_AFTER, Physics::Rebalance(index));
        }
    }

    fn is_rebalanced(&self, index: usize) -> bool {
        let service = &self.account.services[index];
        self.scenario.zone_rebalancing
            && self.scenario.placement == Placement::Spread
            && service.most() > service.desired
    }

    /// Starts tasks in the emptiest zones, if the service is still steady and stands unevenly.
    pub(super) fn rebalance_service(&mut self, index: usize) {
        self.uneven.remove(&index);
        let service = &self.account.services[index];
        let (cluster, needs, desired, most) = (service.cluster.clone(), service.needs, service.desired, service.most());
        let tallies = tally(&self.account, &cluster);
        if !tallies.get(&index).is_some_and(|tally| tally.is_steady() && tally.staying == desired) {
            return;
        }
        let mut places = self.places(&cluster);
        let mut zones = by_zone(index, &places);
        let moved = unevenness(&zones, &places).min(u32::try_from(most - desired).unwrap_or(u32::MAX));
        for _ in 0..moved {
            let emptiest = places.iter().map(|place| place.zone).min_by_key(|zone| zones[*zone]);
            let Some(place) = choose(Placement::Spread, emptiest, index, needs, &mut zones, &mut places) else {
                self.say(index, NOWHERE_IN_ZONE);
                return;
            };
            let no = place.no;
            self.ledger.moves.rebalanced += 1;
            self.start_task(Owner::Service(index), no);
        }
    }

    /// Once, and only where it is no matter of time.
    fn note_stuck(&mut self, index: usize) {
        let service = &self.account.services[index];
        let for_ever = service.least() >= service.desired && service.most() <= service.desired;
        if for_ever && self.homes.contains(&service.cluster) && self.stuck_services.insert(index) {
            self.note(Happening::ServiceStuck {
                service: service.name.clone(),
                minimum_healthy_percent: service.minimum_healthy_percent,
                maximum_percent: service.maximum_percent,
            });
        }
    }

    fn is_protected(&self, no: TaskNo) -> bool {
        self.account.tasks.get(&no).is_some_and(|task| task.protected)
    }

    /// Its scheduler says what it has not just said.
    fn say(&mut self, index: usize, what: &str) {
        let service = &self.account.services[index];
        let message = format!("(service {}) {what}", service.name);
        if service.events.first().is_some_and(|last| last.message == message) {
            return;
        }
        let event = ServiceEvent { at: self.now, message };
        let events = &mut Arc::make_mut(&mut self.account.services)[index].events;
        events.insert(0, event);
        events.truncate(MOST_EVENTS);
    }

    /// One on every host that takes tasks; on a draining host it stops when no other service has a task there.
    fn roll_daemon(&mut self, index: usize, tally: Option<&Tally>, places: &[Place]) {
        for place in places.iter().filter(|place| !place.of_service.contains_key(&index)) {
            self.start_task(Owner::Service(index), place.no);
        }
        for no in tally.into_iter().flat_map(|tally| tally.leaving.iter().chain(&tally.leaving_unready)) {
            let others = |owner: Owner| matches!(owner, Owner::Service(other) if !self.account.services[other].daemon);
            if !self.account.tasks_on(no.host).any(|(_, task)| others(task.owner) && !task.is_over()) {
                self.stop_task(*no, true);
            }
        }
    }

    fn places(&self, cluster: &ClusterArn) -> Vec<Place> {
        let images = self.images_by_group(cluster);
        let hosts = || self.account.hosts_in(cluster);
        let zones: Vec<&Zone> = hosts().map(|(_, host)| &host.zone).collect::<BTreeSet<_>>().into_iter().collect();
        hosts()
            .filter(|(_, host)| host.is_placeable())
            .map(|(no, host)| {
                let mut place = Place {
                    no,
                    zone: zones.binary_search(&&host.zone).unwrap_or_default(),
                    free: self.account.free_on(no, host),
                    tasks: 0,
                    old: self.is_old(host, &images),
                    of_service: BTreeMap::new(),
                };
                for (_, task) in self.account.tasks_on(no).filter(|(_, task)| !task.is_over()) {
                    let Owner::Service(index) = task.owner else { continue };
                    let daemon = self.account.services[index].daemon;
                    // A daemon is not placed but belongs to its host.
                    place.tasks += u32::from(!daemon);
                    if task.is_wanted() {
                        *place.of_service.entry(index).or_default() += 1;
                    }
                }
                place
            })
            .collect()
    }

    /// Places the tasks that run when the simulation begins.
    pub(super) fn settle(&mut self, cluster: &ClusterArn) {
        let mut places = self.places(cluster);
        for index in 0..self.account.services.len() {
            let service = &self.account.services[index];
            if service.cluster != *cluster {
                continue;
            }
            if service.daemon {
                for place in &places {
                    self.add_task(Owner::Service(index), place.no, TaskStatus::Running);
                }
                continue;
            }
            let needs = service.needs;
            let mut zones = by_zone(index, &places);
            for _ in 0..service.desired {
                let Some(place) = choose(self.scenario.placement, None, index, needs, &mut zones, &mut places) else {
                    break;
                };
                let no = place.no;
                self.add_task(Owner::Service(index), no, TaskStatus::Running);
            }
        }
    }
}

fn tally(account: &Account, cluster: &ClusterArn) -> BTreeMap<usize, Tally> {
    let mut tallies: BTreeMap<usize, Tally> = BTreeMap::new();
    for (no, host) in account.hosts_in(cluster) {
        let leaves = host.status() == Some(ContainerInstanceStatus::Draining);
        for (task_no, task) in account.tasks_on(no).filter(|(_, task)| task.is_wanted()) {
            let Owner::Service(index) = task.owner else { continue };
            let tally = tallies.entry(index).or_default();
            let runs = task.last == TaskStatus::Running;
            match (leaves, runs) {
                (true, true) => tally.leaving.push(task_no),
                (true, false) => tally.leaving_unready.push(task_no),
                (false, _) => {
                    tally.staying += 1;
                    tally.staying_running += usize::from(runs);
                }
            }
        }
    }
    tallies
}

impl Tally {
    /// None is on its way.
    fn is_steady(&self) -> bool {
        self.leaving.is_empty() && self.leaving_unready.is_empty() && self.staying == self.staying_running
    }
}

/// How many tasks would have to go to another zone for them to stand evenly: none while no zone has two more than another.
/// A zone in which no host takes tasks does not count.
fn unevenness(zones: &[u32], places: &[Place]) -> u32 {
    let counts = || places.iter().map(|place| zones[place.zone]);
    let (Some(fewest), Some(most)) = (counts().min(), counts().max()) else { return 0 };
    (most - fewest) / 2
}

/// How many tasks of a service are in each zone.
fn by_zone(index: usize, places: &[Place]) -> Vec<u32> {
    let mut zones = vec![0; places.iter().map(|place| place.zone + 1).max().unwrap_or(0)];
    for place in places {
        zones[place.zone] += place.of_service.get(&index).copied().unwrap_or(0);
    }
    zones
}

/// The host with room (in this zone, if one is named) that comes first by the strategy, on which the task is counted from now on.
fn choose<'a>(
    placement: Placement,
    zone: Option<usize>,
    index: usize,
    needs: Resources,
    zones: &mut [u32],
    places: &'a mut [Place],
) -> Option<&'a Place> {
    let rank = |place: &Place| {
        let here = place.of_service.get(&index).copied().unwrap_or(0);
        match placement {
            Placement::Spread => (zones[place.zone], here, place.tasks, place.no),
            Placement::Binpack => (place.free.cpu, 0, 0, place.no),
        }
    };
    let fits = |place: &&mut Place| needs.fit_in(place.free) && zone.is_none_or(|zone| zone == place.zone);
    let best = places.iter_mut().filter(fits).min_by_key(|place| rank(place))?;
    best.free = best.free.without(needs);
    best.tasks += 1;
    zones[best.zone] += 1;
    *best.of_service.entry(index).or_default() += 1;
    Some(best)
}
