//! What people and schedules do: releases, messages, and hands on single hosts.

use std::sync::Arc;

use super::account::{HostKind, HostNo, Owner, Task};
use super::{Physics, World, cluster_arn};
use crate::effect::{ContainerInstanceStatus, TaskStatus};
use crate::id::{AmiId, GroupName, ParameterName, Zone};
use crate::sim::chance::Delay;
use crate::sim::scenario::{Act, BadRelease, ImageKind, OTHER, Trigger};
use crate::sim::timeline::{By, Happening};

const HOUR: Delay = Delay::secs(3600, 3600);
const NOISE: Delay = Delay::secs(120, 300);

impl World {
    pub(super) fn schedule(&mut self) {
        self.send(r#"{"action":"check-releases"}"#);
        self.after(HOUR, Physics::Schedule);
    }

    /// The image of a generation (0: what everything runs at the start) of the images of one kind.
    pub fn image_of(kind: impl Into<ImageKind>, generation: u32) -> AmiId {
        kind.into().image(generation)
    }

    pub(super) fn release(&mut self, generation: u32) {
        self.released_anew();
        if self.scenario.trigger == Trigger::Force {
            for cluster in self.scenario.cluster_names() {
                self.send(format!(r#"{{"action":"rotate","cluster":"{cluster}","force":true}}"#));
            }
            return;
        }
        for kind in self.scenario.kinds() {
            self.release_kind(kind, generation);
        }
        for cluster in self.scenario.cluster_names() {
            if self.scenario.trigger == Trigger::Message {
                self.send(format!(r#"{{"action":"rotate","cluster":"{cluster}"}}"#));
            }
        }
    }

    fn released_anew(&mut self) {
        self.ledger.released.get_or_insert(self.now);
        // What was said before does not answer this one.
        (self.ledger.closed, self.ledger.held) = (None, None);
        self.ledger.ended.clear();
    }

    fn release_kind(&mut self, kind: ImageKind, generation: u32) {
        let (parameter, image) = (ParameterName::from(kind.parameter()), Self::image_of(kind, generation));
        if self.account.images.get(&image).is_none() {
            self.build_image(kind, generation, self.now);
        }
        if self.scenario.deprecates && generation == 1 {
            let now = self.now;
            self.edit_image(&Self::image_of(kind, 0), |image| image.deprecated = Some(now));
        }
        if generation == 1 && self.scenario.bad_release != BadRelease::No {
            self.bad_images.insert(image.clone());
        }
        self.publish(kind, &image);
        self.note(Happening::ReleasePublished { parameter: parameter.clone(), image: image.clone() });
        // Public parameters are not known to emit events.
        if self.scenario.trigger == Trigger::Event && kind.is_told() {
            self.emit_parameter(&parameter);
        }
    }

    pub(super) fn perform_act(&mut self, act: Act) {
        self.ledger.acts_to_come = self.ledger.acts_to_come.saturating_sub(1);
        match act {
            Act::HostDies(index) => self.with_host(index, |world, no| world.shut_down(no, By::Itself)),
            Act::Terminate(index) => self.with_host(index, |world, no| world.shut_down(no, By::Person)),
            Act::Drain(index) => self.with_host(index, Self::person_drains),
            Act::Activate(index) => self.with_host(index, Self::person_activates),
            Act::Scale { group, desired } => self.scale(&GroupName::from(group), desired),
            Act::SuspendLaunches { group } => self.suspend(&GroupName::from(group), true),
            Act::ResumeLaunches { group } => self.suspend(&GroupName::from(group), false),
            Act::Capacity { group, there: true } => {
                self.without_capacity.remove(&GroupName::from(group));
            }
            Act::Capacity { group, there: false } => {
                self.without_capacity.insert(GroupName::from(group));
            }
            Act::HookAbandons { group, on: true } => {
                self.abandoning.insert(GroupName::from(group));
            }
            Act::HookAbandons { group, on: false } => {
                self.abandoning.remove(&GroupName::from(group));
            }
            Act::ManagedDraining { group } => {
                self.drained_by_ecs.insert(GroupName::from(group));
            }
            Act::Standby(index) => {
                if let Some(no) = self.nth_host(index) {
                    self.stand_by(no);
                }
            }
            Act::StopStandaloneTasks => {
                let alone = |task: &Task| task.owner == Owner::Standalone && task.is_wanted();
                let tasks = self.account.tasks.iter().filter(|(_, task)| alone(task)).map(|(no, _)| *no);
                for no in tasks.collect::<Vec<_>>() {
                    self.stop_task(no, false);
                }
            }
            Act::Zone { zone, there: false } => self.lose_zone(&Zone::from(zone)),
            Act::Zone { zone, there: true } => self.zone_is_back(&Zone::from(zone)),
            Act::Send(body) => self.send(body),
            Act::AgentLost { host, for_ } => {
                let secs = u64::try_from(for_.as_secs()).unwrap_or(0);
                self.with_host(host, |world, no| world.agent_drops(no, Delay::secs(secs, secs)));
            }
            Act::Release(generation) => self.release(generation),
            Act::ReleaseOf(kind, generation) => {
                self.released_anew();
                self.release_kind(kind, generation);
            }
            Act::Deregister(kind, generation) => {
                Arc::make_mut(&mut self.account.images).remove(&Self::image_of(kind, generation));
            }
            Act::Detach(index) => self.with_host(index, Self::person_detaches),
            Act::Protect { host, on } => self.with_host(host, |world, no| world.protect_host(no, on)),
            Act::Forbid { host } => self.with_host(host, Self::forbid_host),
            Act::ProtectFromScaleIn { group } => self.keep_at_scale_in(&GroupName::from(group)),
            Act::Suspend { group, process } => {
                self.edit_group(&group.into(), |group| _ = group.suspended.insert(process.to_owned()));
            }
            Act::OptOut { group } => self.opt_out(&GroupName::from(group)),
            Act::Leave { group } => self.leave_cluster(&GroupName::from(group)),
            Act::Rebalance { group } => self.rebalance(&GroupName::from(group)),
            Act::WarmPool { group, hosts } => self.fill_warm_pool(&GroupName::from(group), hosts),
            Act::StartRefresh { group } => self.start_refresh(&GroupName::from(group)),
            Act::EndRefresh { group } => self.end_refresh(&GroupName::from(group)),
            Act::Alarm { name, state } => self.set_alarm(name, state),
        }
    }

    fn with_host(&mut self, index: usize, act: impl FnOnce(&mut Self, HostNo)) {
        if let Some(no) = self.hosts_by_age().get(index).copied() {
            act(self, no);
        }
    }

    /// The hosts of the opted-in clusters' groups that are up, oldest first.
    pub fn hosts_by_age(&self) -> Vec<HostNo> {
        let of_groups = self.account.hosts.iter().filter(|(_, host)| host.kind == HostKind::OfGroup);
        let up = of_groups.filter(|(_, host)| self.homes.contains(&host.cluster) && host.is_up());
        let mut hosts: Vec<_> = up.map(|(no, host)| (host.launched, *no)).collect();
        hosts.sort_unstable();
        hosts.into_iter().map(|(_, no)| no).collect()
    }

    fn person_drains(&mut self, no: HostNo) {
        let Some(host) = self.account.host(no) else { return };
        if host.status() == Some(ContainerInstanceStatus::Active) {
            self.ledger_set_aside(no);
            self.change_status(no, ContainerInstanceStatus::Draining, By::Person);
        }
    }

    fn person_activates(&mut self, no: HostNo) {
        let Some(host) = self.account.host(no) else { return };
        if host.status() == Some(ContainerInstanceStatus::Draining) {
            self.ledger.set_aside.remove(&no);
            self.change_status(no, ContainerInstanceStatus::Active, By::Person);
        }
    }

    fn scale(&mut self, name: &GroupName, desired: u32) {
        let Some(group) = self.group_mut(name) else { return };
        let desired = desired.clamp(group.min, group.max);
        self.set_desired(name, desired);
        self.note(Happening::Scaled { group: name.clone(), desired });
        self.look_at_group(name);
    }

    fn suspend(&mut self, name: &GroupName, suspended: bool) {
        let Some(group) = self.group_mut(name) else { return };
        match suspended {
            true => group.suspended.insert("Launch".to_owned()),
            false => group.suspended.remove("Launch"),
        };
        self.look_at_group(name);
    }

    /// A task of the other cluster crashes and is replaced, and a parameter that no group follows changes.
    pub(super) fn noise(&mut self) {
        self.after(NOISE, Physics::Noise);
        let cluster = cluster_arn(OTHER);
        let tasks = self.account.hosts_in(&cluster).flat_map(|(no, _)| self.account.tasks_on(no));
        let running: Vec<_> = tasks
            .filter(|(_, task)| task.last == TaskStatus::Running && matches!(task.owner, Owner::Service(_)))
            .map(|(no, _)| no)
            .collect();
        if let Some(no) = running.get(self.others.below(running.len())).copied() {
            self.crash_task(no);
        }
        if self.others.hit(0.2) {
            self.emit_parameter(&ParameterName::from("/app/feature-flags"));
        }
    }

    pub(super) fn random_death(&mut self) {
        self.plan(self.scenario.faults.host_deaths_per_hour, Physics::RandomDeath);
        self.with_random_host(|world, no| world.shut_down(no, By::Itself));
    }

    pub(super) fn random_termination(&mut self) {
        self.plan(self.scenario.faults.person_terminates_per_hour, Physics::RandomTermination);
        self.with_random_host(|world, no| world.shut_down(no, By::Person));
    }

    pub(super) fn random_drain(&mut self) {
        self.plan(self.scenario.faults.person_drains_per_hour, Physics::RandomDrain);
        self.with_random_host(Self::person_drains);
    }

    fn with_random_host(&mut self, act: impl FnOnce(&mut Self, HostNo)) {
        let index = self.others.below(self.hosts_by_age().len());
        self.with_host(index, act);
    }

    /// Puts on the agenda what happens so often in an hour on average.
    pub(super) fn plan(&mut self, per_hour: f64, physics: Physics) {
        if per_hour > 0.0 {
            let at = self.now + self.others.interval(per_hour);
            self.agenda.put(at, physics);
        }
    }
}
