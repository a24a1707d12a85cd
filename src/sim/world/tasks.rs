//! The life of tasks.
//!
//! PROVISIONING, PENDING, ACTIVATING, RUNNING; and then DEACTIVATING (until its target group has let it go), STOPPING (until its
//! containers have ended), DEPROVISIONING, STOPPED. The *desired* status is STOPPED from the moment it is to stop, so the
//! host's running count no longer counts it while it still serves its last connections.

use std::sync::Arc;

use super::account::{HostNo, Owner, Task, TaskNo};
use super::{FORGET, Physics, World};
use crate::effect::{ContainerInstanceStatus, DesiredStatus, TaskStatus};
use crate::sim::chance::Delay;
use crate::sim::scenario::BadRelease;
use crate::sim::timeline::Happening;

const BRIEFLY: Delay = Delay::millis(300, 2000);

impl World {
    pub(super) fn start_task(&mut self, owner: Owner, host: HostNo) {
        let no = self.add_task(owner, host, TaskStatus::Provisioning);
        self.emit_host(host);
        self.after(BRIEFLY, Physics::TaskStep(no, 0));
    }

    pub(super) fn add_task(&mut self, owner: Owner, host: HostNo, last: TaskStatus) -> TaskNo {
        self.serial += 1;
        // Ids that do not sort by age, as AWS's do not.
        let no = TaskNo { host, serial: self.serial.wrapping_mul(0x9e37_79b9_7f4a_7c15) };
        let task = Task {
            owner,
            last,
            desired: DesiredStatus::Running,
            course: 0,
            drained: false,
            protected: false,
            created: self.now,
            stopping: None,
            broke: false,
        };
        Arc::make_mut(&mut self.account.tasks).insert(no, task);
        no
    }

    /// Begins to stop a task.
    pub(super) fn stop_task(&mut self, no: TaskNo, drained: bool) {
        let now = self.now;
        let Some(task) = self.task_mut(no).filter(|task| task.is_wanted()) else { return };
        (task.desired, task.course, task.drained) = (DesiredStatus::Stopped, task.course + 1, drained);
        task.stopping = Some(now);
        let (owner, course, ran) = (task.owner, task.course, task.last == TaskStatus::Running);
        let (last, delay) = match owner {
            Owner::Service(index) if ran => (TaskStatus::Deactivating, self.account.services[index].deregistration),
            Owner::Service(_) | Owner::Standalone => (TaskStatus::Stopping, self.scenario.task_stop),
        };
        if let Some(task) = self.task_mut(no) {
            task.last = last;
        }
        self.emit_host(no.host);
        self.after(delay, Physics::TaskStep(no, course));
    }

    pub(super) fn task_step(&mut self, no: TaskNo, course: u32) {
        let up = self.account.host(no.host).is_some_and(super::Host::is_up);
        let Some(task) = self.account.tasks.get(&no).filter(|task| task.course == course && up).copied() else {
            return;
        };
        let (last, delay) = match task.last {
            TaskStatus::Provisioning => (TaskStatus::Pending, self.scenario.task_start),
            TaskStatus::Pending => (TaskStatus::Activating, BRIEFLY),
            TaskStatus::Activating if self.breaks_tasks(no.host) => return self.task_breaks(no),
            TaskStatus::Activating => return self.task_runs(no),
            TaskStatus::Running => return self.task_ends(no),
            TaskStatus::Deactivating => (TaskStatus::Stopping, self.scenario.task_stop),
            TaskStatus::Stopping => (TaskStatus::Deprovisioning, BRIEFLY),
            TaskStatus::Deprovisioning => return self.task_stopped(no),
            TaskStatus::Stopped | TaskStatus::Deleted | TaskStatus::Other => return,
        };
        if let Some(task) = self.task_mut(no) {
            task.last = last;
        }
        self.after(delay, Physics::TaskStep(no, course));
    }

    fn task_runs(&mut self, no: TaskNo) {
        let Some(task) = self.task_mut(no) else { return };
        task.last = TaskStatus::Running;
        let owner = task.owner;
        let replica = matches!(owner, Owner::Service(index) if !self.account.services[index].daemon);
        self.ledger.tasks_started += u64::from(replica && self.is_at_home(no.host));
        self.look_at_services_of(no.host);
    }

    /// Does the image of this host let no task run?
    fn breaks_tasks(&self, host: HostNo) -> bool {
        let bad = self.account.host(host).is_some_and(|host| self.bad_images.contains(&host.image));
        self.scenario.bad_release == BadRelease::TasksFail && bad
    }

    /// It ends with an error before it has come to run, and its service starts another.
    fn task_breaks(&mut self, no: TaskNo) {
        let now = self.now;
        let Some(task) = self.task_mut(no) else { return };
        (task.last, task.desired) = (TaskStatus::Deprovisioning, DesiredStatus::Stopped);
        (task.broke, task.stopping) = (true, Some(now));
        let course = task.course;
        self.after(BRIEFLY, Physics::TaskStep(no, course));
        self.look_at_services_of(no.host);
    }

    fn is_at_home(&self, host: HostNo) -> bool {
        self.account.host(host).is_some_and(|host| self.homes.contains(&host.cluster))
    }

    /// A standalone task ends by itself: its containers have exited.
    fn task_ends(&mut self, no: TaskNo) {
        let Some(task) = self.task_mut(no) else { return };
        (task.last, task.desired) = (TaskStatus::Deprovisioning, DesiredStatus::Stopped);
        let course = task.course;
        self.after(BRIEFLY, Physics::TaskStep(no, course));
    }

    pub(super) fn plan_end(&mut self, no: TaskNo, after: Delay) {
        self.after(after, Physics::TaskStep(no, 0));
    }

    fn task_stopped(&mut self, no: TaskNo) {
        let Some(task) = self.task_mut(no) else { return };
        task.last = TaskStatus::Stopped;
        let (owner, drained) = (task.owner, task.drained);
        let replica = matches!(owner, Owner::Service(index) if !self.account.services[index].daemon);
        self.ledger.tasks_drained += u64::from(drained && replica);
        self.emit_task_stopped(no);
        self.emit_host(no.host);
        self.after(FORGET, Physics::ForgetTask(no));
        self.note_drained(no.host);
        self.look_at_services_of(no.host);
    }

    /// What ECS says of the tasks of an instance that is gone.
    pub(super) fn stop_all_tasks(&mut self, host: HostNo) {
        let left: Vec<_> = self.account.tasks_on(host).filter(|(_, task)| !task.is_over()).map(|(no, _)| no).collect();
        for no in left {
            if let Some(task) = self.task_mut(no) {
                (task.last, task.desired) = (TaskStatus::Stopped, DesiredStatus::Stopped);
                task.course += 1;
            }
            self.emit_task_stopped(no);
            self.after(FORGET, Physics::ForgetTask(no));
        }
    }

    /// A task of a service breaks; its service starts another.
    pub(super) fn crash_task(&mut self, no: TaskNo) {
        let Some(task) = self.task_mut(no).filter(|task| task.is_wanted()) else { return };
        (task.desired, task.last, task.course) = (DesiredStatus::Stopped, TaskStatus::Deprovisioning, task.course + 1);
        let course = task.course;
        self.after(BRIEFLY, Physics::TaskStep(no, course));
    }

    pub(super) fn forget_task(&mut self, no: TaskNo) {
        Arc::make_mut(&mut self.account.tasks).remove(&no);
    }

    /// The tasks of replica services on a host that are not STOPPED.
    pub(super) fn replica_tasks_left(&self, no: HostNo) -> usize {
        let replica = |owner| matches!(owner, Owner::Service(index) if !self.account.services[index].daemon);
        self.account.tasks_on(no).filter(|(_, task)| replica(task.owner) && !task.is_over()).count()
    }

    /// Writes down when a draining host has no task left that is not STOPPED.
    pub(super) fn note_drained(&mut self, no: HostNo) {
        let Some(host) = self.account.host(no) else { return };
        let draining = host.status() == Some(ContainerInstanceStatus::Draining) && host.is_up();
        if draining && self.account.tasks_on(no).all(|(_, task)| task.is_over()) {
            self.note(Happening::Drained { host: no.instance() });
        }
    }
}
