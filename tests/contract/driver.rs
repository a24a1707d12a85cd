//! The small driver: it plays what moto does not.
//!
//! moto holds the state of the account and answers its API; it boots nothing, places no tasks and sends no events. So the
//! driver looks at the whole account every 100 ms, compares with what it knew, and does what AWS would do next:
//!
//! - a new member of a group boots, and registers as a container instance (moto sets `ecs.ami-id`), unless its image is bad;
//! - a DRAINING host loses one task per look: a copy starts on the ACTIVE host with the fewest tasks, then the task stops;
//! - a container instance whose EC2 instance is gone is deregistered;
//! - each of these is followed by its event, put into the queue in EventBridge's envelope.
//!
//! While it looks it keeps a [`Record`]. One task per look means that a drain takes a while, so that whoever terminates a
//! host too early is caught with a task still running.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::account::{Account, CLUSTER};
use crate::events::{Envelopes, HostNews, TaskNews};
use crate::look::{Host, Machine};
use crate::record::Record;

const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How many looks after it was first seen a machine registers: a boot takes a while.
const LOOKS_TO_BOOT: u32 = 5;
pub const TASKS_PER_HOST: usize = 2;

pub struct Driver {
    record: Arc<Mutex<Record>>,
    stop: Arc<AtomicBool>,
    playing: JoinHandle<()>,
}

impl Driver {
    /// Boots the hosts of all groups, puts tasks on them, and plays from then on.
    pub async fn start(account: Arc<Account>) -> Driver {
        let mut play = Play::new(account);
        while play.hosts.len() < play.account.sizes.values().sum() {
            play.look().await;
        }
        play.place_first_tasks().await;
        *play.record() = Record::default();
        let (record, stop) = (play.record.clone(), Arc::new(AtomicBool::new(false)));
        let playing = tokio::spawn(play.until_stopped(stop.clone()));
        Driver { record, stop, playing }
    }

    pub fn record(&self) -> Record {
        assert!(!self.playing.is_finished(), "the driver has failed: see its panic above");
        self.record.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub async fn stop(self) -> Record {
        self.stop.store(true, Ordering::Relaxed);
        self.playing.await.expect("the driver played to the end");
        self.record.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Task {
    host: String,
    /// The task definition, and the service of the same name.
    family: String,
    stopped: bool,
}

struct Play {
    account: Arc<Account>,
    record: Arc<Mutex<Record>>,
    envelopes: Envelopes,
    /// Of every instance that ever was a member of a group.
    group_of: BTreeMap<String, String>,
    /// Looks since a machine was first seen; each boots once.
    booting: BTreeMap<String, u32>,
    /// Registered container instances as last seen, with the version of their last event.
    hosts: BTreeMap<String, (Host, u64)>,
    tasks: BTreeMap<String, Task>,
    terminated: BTreeSet<String>,
}

impl Play {
    fn new(account: Arc<Account>) -> Play {
        Play {
            account,
            record: Arc::default(),
            envelopes: Envelopes::default(),
            group_of: BTreeMap::new(),
            booting: BTreeMap::new(),
            hosts: BTreeMap::new(),
            tasks: BTreeMap::new(),
            terminated: BTreeSet::new(),
        }
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn until_stopped(mut self, stop: Arc<AtomicBool>) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !stop.load(Ordering::Relaxed) {
            looks.tick().await;
            self.look().await;
        }
    }

    /// The order of the three questions matters: a member that has left its group by then must have its tag by now.
    async fn look(&mut self) {
        let members = self.account.members().await;
        let machines = self.account.machines().await;
        let hosts = self.account.hosts().await;
        for (group, ids) in &members {
            self.group_of.extend(ids.iter().map(|id| (id.clone(), group.clone())));
        }
        self.observe(&members, &machines, &hosts);
        self.notice_changes(&hosts).await;
        self.bury(&machines).await;
        self.boot(&members, &machines).await;
        self.move_tasks(&machines).await;
    }

    fn observe(
        &self,
        members: &BTreeMap<String, Vec<String>>,
        machines: &BTreeMap<String, Machine>,
        hosts: &BTreeMap<String, Host>,
    ) {
        let mut in_flight: BTreeMap<String, usize> = BTreeMap::new();
        let mut active: BTreeMap<String, usize> = self.account.sizes.keys().map(|group| (group.clone(), 0)).collect();
        let mut record = self.record();
        for (id, group) in &self.group_of {
            // Not in an answer that was on its way while the instance was launched.
            let Some(machine) = machines.get(id) else { continue };
            if machine.is_in_flight() {
                *in_flight.entry(group.clone()).or_default() += 1;
            } else if !machine.is_terminated() && !members[group].contains(id) {
                record.violated(format!("{id} left the group {group} without a tag"));
            }
        }
        for host in hosts.values().filter(|host| host.status == "ACTIVE") {
            *active.entry(self.group_of[&host.machine].clone()).or_default() += 1;
        }
        record.note_in_flight(in_flight);
        record.note_active(&active);
    }

    /// Container instances that came, changed their status, or went.
    async fn notice_changes(&mut self, hosts: &BTreeMap<String, Host>) {
        for (arn, host) in hosts {
            let version = match self.hosts.get(arn) {
                Some((known, _)) if known.status == host.status => continue,
                Some((_, version)) => version + 1,
                None => 1,
            };
            self.hosts.insert(arn.clone(), (host.clone(), version));
            self.announce(host, version).await;
        }
        let gone: Vec<String> = self.hosts.keys().filter(|arn| !hosts.contains_key(*arn)).cloned().collect();
        for arn in gone {
            let Some((mut host, version)) = self.hosts.remove(&arn) else { continue };
            self.check_no_task_is_left(&arn, "deregistered");
            self.record().deregistered.insert(arn, host.machine.clone());
            host.status = "INACTIVE".to_owned();
            self.announce(&host, version + 1).await;
        }
    }

    /// Machines that are gone, and their container instances where nobody deregistered them.
    async fn bury(&mut self, machines: &BTreeMap<String, Machine>) {
        for machine in machines.values().filter(|machine| machine.is_terminated()) {
            if !self.terminated.insert(machine.id.clone()) {
                continue;
            }
            self.record().terminated.insert(machine.id.clone());
            let dead = self.hosts.iter().find(|(_, (host, _))| host.machine == machine.id).map(|(arn, _)| arn.clone());
            if let Some(arn) = dead {
                self.check_no_task_is_left(&arn, "terminated");
                self.deregister_dead(&arn).await;
            }
            let body = self.envelopes.instance_state(&machine.id, "terminated");
            self.send(body).await;
        }
    }

    async fn deregister_dead(&mut self, arn: &str) {
        let request =
            self.account.ecs.deregister_container_instance().cluster(CLUSTER).container_instance(arn).force(true);
        request.send().await.expect("the dead container instance is deregistered");
        let (mut host, version) = self.hosts.remove(arn).expect("a host that was just found");
        self.record().left_registered.insert(arn.to_owned());
        host.status = "INACTIVE".to_owned();
        self.announce(&host, version + 1).await;
    }

    fn check_no_task_is_left(&self, host: &str, what: &str) {
        for (arn, task) in self.tasks.iter().filter(|(_, task)| task.host == host && !task.stopped) {
            self.record().violated(format!("{host} was {what} while {arn} of {} was running", task.family));
        }
    }

    async fn boot(&mut self, members: &BTreeMap<String, Vec<String>>, machines: &BTreeMap<String, Machine>) {
        let boots = |m: &Machine| !m.is_terminated() && !self.account.mute.contains(&m.image);
        for id in members.values().flatten().filter(|id| machines.get(*id).is_some_and(boots)) {
            let looks = self.booting.entry(id.clone()).or_default();
            *looks += 1;
            if *looks == LOOKS_TO_BOOT {
                let identity = serde_json::json!({ "instanceId": id }).to_string();
                let request = self
                    .account
                    .ecs
                    .register_container_instance()
                    .cluster(CLUSTER)
                    .instance_identity_document(identity);
                request.send().await.expect("the new host registers");
            }
        }
    }

    /// One task of each draining host.
    async fn move_tasks(&mut self, machines: &BTreeMap<String, Machine>) {
        let draining = |(host, _): &&(Host, u64)| host.status == "DRAINING" && !machines[&host.machine].is_terminated();
        let draining: Vec<Host> = self.hosts.values().filter(draining).map(|(host, _)| host.clone()).collect();
        for host in draining {
            self.record().drained.insert(host.machine.clone());
            let task = self.tasks.iter().find(|(_, task)| task.host == host.arn && !task.stopped);
            let (Some((arn, task)), Some(target)) = (task, self.least_busy()) else { continue };
            let (arn, family) = (arn.clone(), task.family.clone());
            self.start_task(&family, &target).await;
            if self.account.machines().await[&host.machine].is_terminated() {
                // `bury` reports it at the next look.
                continue;
            }
            self.stop_task(&arn).await;
        }
    }

    fn least_busy(&self) -> Option<String> {
        let busy = |arn: &str| self.tasks.values().filter(|task| task.host == arn && !task.stopped).count();
        let active = self.hosts.values().filter(|(host, _)| host.status == "ACTIVE").map(|(host, _)| &host.arn);
        active.min_by_key(|arn| busy(arn)).cloned()
    }

    async fn stop_task(&mut self, arn: &str) {
        let request = self.account.ecs.stop_task().cluster(CLUSTER).task(arn).reason("the driver drains its host");
        request.send().await.expect("the task stops");
        let task = self.tasks.get_mut(arn).expect("a task that the driver started");
        task.stopped = true;
        let group = format!("service:{}", task.family);
        let news = TaskNews { cluster: &self.account.cluster_arn, arn, container_instance: &task.host, group: &group };
        let body = self.envelopes.task_stopped(&news);
        self.record().tasks_moved += 1;
        self.send(body).await;
    }

    async fn start_task(&mut self, family: &str, host: &str) {
        let request = self.account.ecs.start_task().cluster(CLUSTER).task_definition(family).container_instances(host);
        let started = request.group(format!("service:{family}")).send().await.expect("the task starts");
        let arn = started.tasks()[0].task_arn().expect("a task has an ARN").to_owned();
        self.tasks.insert(arn, Task { host: host.to_owned(), family: family.to_owned(), stopped: false });
    }

    async fn place_first_tasks(&mut self) {
        let hosts: Vec<Host> = self.hosts.values().map(|(host, _)| host.clone()).collect();
        for host in hosts {
            let family = self.group_of[&host.machine].clone();
            for _ in 0..TASKS_PER_HOST {
                self.start_task(&family, &host.arn).await;
            }
        }
    }

    async fn announce(&mut self, host: &Host, version: u64) {
        let news = HostNews {
            cluster: &self.account.cluster_arn,
            arn: &host.arn,
            instance: &host.machine,
            image: &host.image,
            status: &host.status,
            version,
        };
        let body = self.envelopes.container_instance(&news);
        self.send(body).await;
    }

    async fn send(&self, body: String) {
        self.account.happens(&body).await;
        self.record().events_sent += 1;
    }
}
