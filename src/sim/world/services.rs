//! The scheduler of ECS: how services keep their tasks running, and how a drain moves them.
//!
//! A service on a draining host starts replacements while its running and pending tasks stay within maximumPercent (rounded
//! down), and stops old tasks while its RUNNING tasks stay above minimumHealthyPercent (rounded up). So 100 % / 100 %, and one
//! task with 100/150 or 50/100, never get anywhere. Tasks that do not run yet are stopped at once. Daemon tasks stop last.
//! Standalone tasks are none of a scheduler's business.

use std::collections::BTreeMap;

use super::account::{Account, HostNo, Owner, TaskNo};
use super::{Physics, World};
use crate::effect::{ContainerInstanceStatus, TaskStatus};
use crate::id::{ClusterArn, Zone};
use crate::sim::chance::Delay;

/// From a change to the scheduler's next look.
const SCHEDULER: Delay = Delay::millis(500, 2500);

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

/// Where tasks can go: free slots, and how many tasks of each service are there.
struct Place {
    no: HostNo,
    zone: Zone,
    free: u32,
    tasks: u32,
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
        let account = self.account.clone();
        let tallies = tally(&account, cluster);
        let mut places = self.places(cluster);
        for (index, service) in account.services.iter().enumerate().filter(|(_, service)| service.cluster == *cluster) {
            let tally = tallies.get(&index);
            match service.daemon {
                true => self.roll_daemon(index, tally, &places),
                false => self.roll(index, tally, &mut places),
            }
        }
    }

    fn roll(&mut self, index: usize, tally: Option<&Tally>, places: &mut [Place]) {
        let nothing = Tally::default();
        let tally = tally.unwrap_or(&nothing);
        let service = &self.account.services[index];
        let (desired, least, most) = (service.desired, service.least(), service.most());
        for no in &tally.leaving_unready {
            self.stop_task(*no, true);
        }
        let running = tally.staying_running + tally.leaving.len();
        for no in tally.leaving.iter().take(running.saturating_sub(least)) {
            self.stop_task(*no, true);
        }
        // What was just told to stop still counts here: the next look sees it gone.
        let room = most.saturating_sub(tally.staying + tally.leaving.len());
        for _ in 0..desired.saturating_sub(tally.staying).min(room) {
            let Some(place) = choose(index, places) else { break };
            self.start_task(Owner::Service(index), place);
        }
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
        let takes = self.account.hosts.iter().filter(|(_, host)| host.cluster == *cluster && host.is_placeable());
        takes
            .map(|(no, host)| {
                let mut place = Place {
                    no: *no,
                    zone: host.zone.clone(),
                    free: self.scenario.slots_per_host,
                    tasks: 0,
                    of_service: BTreeMap::new(),
                };
                for (_, task) in self.account.tasks_on(*no).filter(|(_, task)| !task.is_over()) {
                    let Owner::Service(index) = task.owner else { continue };
                    let daemon = self.account.services[index].daemon;
                    // A daemon is not placed but belongs to its host, and a stopping task keeps its slot until it is STOPPED.
                    place.free = place.free.saturating_sub(u32::from(!daemon));
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
            for _ in 0..service.desired {
                let Some(host) = choose(index, &mut places) else { break };
                self.add_task(Owner::Service(index), host, TaskStatus::Running);
            }
        }
    }
}

fn tally(account: &Account, cluster: &ClusterArn) -> BTreeMap<usize, Tally> {
    let mut tallies: BTreeMap<usize, Tally> = BTreeMap::new();
    for (no, host) in account.hosts.iter().filter(|(_, host)| host.cluster == *cluster) {
        let leaves = host.status() == Some(ContainerInstanceStatus::Draining);
        for (task_no, task) in account.tasks_on(*no).filter(|(_, task)| task.is_wanted()) {
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

/// Spread: the zone with the fewest of this service's tasks, then the host with the fewest, then the emptiest.
fn choose(index: usize, places: &mut [Place]) -> Option<HostNo> {
    let mut zones: BTreeMap<Zone, u32> = BTreeMap::new();
    for place in places.iter() {
        *zones.entry(place.zone.clone()).or_default() += place.of_service.get(&index).copied().unwrap_or(0);
    }
    let rank = |place: &Place| {
        let here = place.of_service.get(&index).copied().unwrap_or(0);
        (zones.get(&place.zone).copied().unwrap_or(0), here, place.tasks, place.no)
    };
    let best = places.iter_mut().filter(|place| place.free > 0).min_by_key(|place| rank(place))?;
    best.free -= 1;
    best.tasks += 1;
    *best.of_service.entry(index).or_default() += 1;
    Some(best.no)
}
