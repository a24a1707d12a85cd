//! What on a host would get stuck if it were drained, and why: asked by `plan` beforehand, by the admission where the policy
//! says `stuck: wait`, and for a drain that has come to a standstill.
//!
//! Only what can be read is judged. A task fits when some other ACTIVE host has room for it, or some other host of its own
//! group is large enough (its replacement is taken to be like one of them), or nothing is known that speaks against it. Ports,
//! and constraints other than `distinctInstance`, are not looked at.

use std::collections::{BTreeMap, BTreeSet};

use super::host::{Memberships, memberships};
use super::model::{ClusterView, GroupView, Look};
use super::policy::WhenStuck;
use super::room::{Why, no_room};
use crate::effect::{ContainerInstanceStatus, DesiredStatus, Resources, Service, Task};
use crate::id::{GroupName, InstanceId};

/// Who lives on a host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tenant {
    /// By its name.
    Service(String),
    /// A task of no service: `family:batch`.
    Standalone(String),
}

/// One tenant of one host, and one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocker {
    pub host: InstanceId,
    pub tenant: Tenant,
    pub why: Why,
    pub tasks: usize,
}

/// Of the hosts that are due: whom the policy lets go.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Admissible {
    /// To be asked first.
    Look(BTreeSet<Look>),
    /// In the order in which they were given.
    Hosts(Vec<InstanceId>),
    /// Why nobody.
    Nobody(String),
}

impl std::fmt::Display for Tenant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Tenant::Service(name) => write!(f, "service {name}"),
            Tenant::Standalone(family) => write!(f, "standalone task {family}"),
        }
    }
}

/// The tasks that run on these hosts, each once, with their hosts.
pub fn tasks_on<'a>(view: &'a ClusterView, hosts: &BTreeSet<&'a InstanceId>) -> Vec<(&'a Task, &'a InstanceId)> {
    let agent = |id: &&'a InstanceId| Some((view.hosts.get(*id)?.container.here()?.arn.id(), *id));
    let there: BTreeMap<&str, &InstanceId> = hosts.iter().filter_map(agent).collect();
    let mut seen = BTreeSet::new();
    let wanted = view.tenants.tasks.iter().filter(|task| task.desired == DesiredStatus::Running);
    wanted
        .filter(|task| seen.insert(task.arn.id()))
        .filter_map(|task| Some((task, *there.get(task.container_instance.as_ref()?.id())?)))
        .collect()
}

/// Everything on these hosts that would get stuck, by host.
pub fn blockers(view: &ClusterView, hosts: &BTreeSet<&InstanceId>) -> Vec<Blocker> {
    let active = view.hosts.values().filter(|host| host.status() == Some(ContainerInstanceStatus::Active)).count();
    let services: BTreeMap<&str, (&Service, Option<Why>)> = view
        .tenants
        .services
        .iter()
        .map(|service| (service.name.as_str(), (service, stays(service, active))))
        .collect();
    let mut space = Space { view, memberships: memberships(view), known: BTreeMap::new() };
    let mut found: BTreeMap<(&InstanceId, Tenant, Why), usize> = BTreeMap::new();
    for (task, host) in tasks_on(view, hosts) {
        let Some(name) = task.service() else {
            *found.entry((host, Tenant::Standalone(task.group.clone()), Why::Standalone)).or_default() += 1;
            continue;
        };
        let service = services.get(name);
        if service.is_some_and(|(service, _)| service.daemon || service.fargate) {
            continue;
        }
        let protected = view.tenants.protected.contains(&task.arn).then_some(Why::Protected);
        let nowhere = task.needs.filter(|needs| !space.fits(*needs, host)).map(Why::FitsNowhere);
        let stays = service.and_then(|(_, why)| why.clone());
        for why in [stays, protected, nowhere].into_iter().flatten() {
            *found.entry((host, Tenant::Service(name.to_owned()), why)).or_default() += 1;
        }
    }
    let blocker =
        |((host, tenant, why), tasks): ((&InstanceId, _, _), _)| Blocker { host: host.clone(), tenant, why, tasks };
    found.into_iter().map(blocker).collect()
}

/// A host that goes is replaced by one, so their number stays.
fn stays(service: &Service, active: usize) -> Option<Why> {
    let desired = usize::try_from(service.desired).unwrap_or(usize::MAX);
    let too_few = service.distinct && !service.daemon && !service.fargate && desired > active;
    no_room(service).or(too_few.then_some(Why::TooFewHosts { desired: service.desired, hosts: active }))
}

/// Where tasks of some size fit. Of those that do, two are enough to know: one of them is another host.
struct Space<'a> {
    view: &'a ClusterView,
    memberships: Memberships<'a>,
    known: BTreeMap<Resources, Fits<'a>>,
}

#[derive(Default)]
struct Fits<'a> {
    /// Hosts that have room now, or may have it.
    now: Vec<&'a InstanceId>,
    /// Hosts that would have it if they were empty, or may have it.
    empty: BTreeMap<&'a GroupName, Vec<&'a InstanceId>>,
}

impl<'a> Space<'a> {
    fn fits(&mut self, needs: Resources, host: &InstanceId) -> bool {
        let Some((group, _)) = self.memberships.get(host).copied() else { return true };
        let (view, memberships) = (self.view, &self.memberships);
        let fits = self.known.entry(needs).or_insert_with(|| Fits::of(view, memberships, needs));
        let other = |found: &[&InstanceId]| found.iter().any(|id| *id != host);
        let alone = || memberships.iter().all(|(id, (of, _))| *id == host || *of != group);
        other(&fits.now) || fits.empty.get(group).is_some_and(|found| other(found)) || alone()
    }
}

impl<'a> Fits<'a> {
    fn of(view: &'a ClusterView, memberships: &Memberships<'a>, needs: Resources) -> Self {
        const ENOUGH: usize = 2;
        let mut fits = Self::default();
        let active = view.hosts.iter().filter(|(_, host)| host.status() == Some(ContainerInstanceStatus::Active));
        for (id, container) in active.filter_map(|(id, host)| Some((id, host.container.here()?))) {
            let may = |room: Option<Resources>| room.is_none_or(|room| needs.fit_in(room));
            if may(container.free) && fits.now.len() < ENOUGH {
                fits.now.push(id);
            }
            if let Some((group, _)) = memberships.get(id).filter(|_| may(container.whole)) {
                let found = fits.empty.entry(group).or_default();
                if found.len() < ENOUGH {
                    found.push(id);
                }
            }
        }
        fits
    }
}

/// Nobody is asked, and everybody goes, where the policy does not wait. Where it does, those go on whom nothing blocks.
///
/// Two workers that see different tenants at the same moment may then choose different hosts, and the group has one more in
/// flight than its budget until both are gone: the order alone no longer says who is next.
pub fn admissible(view: &ClusterView, group: &GroupView, due: Vec<InstanceId>) -> Admissible {
    match group.policy.stuck {
        WhenStuck::GoOn => return Admissible::Hosts(due),
        WhenStuck::Wait => {}
    }
    let looks: BTreeSet<Look> =
        [Look::Services, Look::AllTasks].into_iter().filter(|look| !view.has_looked(look)).collect();
    if !looks.is_empty() {
        return Admissible::Look(looks);
    }
    if let Some(why) = view.tenants.unread.first() {
        return Admissible::Nobody(format!("who lives on its hosts could not be read ({why})"));
    }
    let blockers = blockers(view, &due.iter().collect());
    let is_free = |id: &InstanceId| blockers.iter().all(|blocker| blocker.host != *id);
    let free: Vec<InstanceId> = due.iter().filter(|id| is_free(id)).cloned().collect();
    if free.is_empty() { Admissible::Nobody(whom(&blockers)) } else { Admissible::Hosts(free) }
}

/// `i-0ab would not be drained: service web (no room with 1 desired at 100/100 %) and 3 more hosts`
fn whom(blockers: &[Blocker]) -> String {
    let Some(first) = blockers.first().map(|blocker| &blocker.host) else { return String::new() };
    let on_first = blockers.iter().filter(|blocker| blocker.host == *first);
    let named: Vec<String> =
        on_first.map(|blocker| format!("{} ({})", blocker.tenant, blocker.why.in_short())).collect();
    let more = blockers.iter().map(|blocker| &blocker.host).collect::<BTreeSet<_>>().len() - 1;
    let more = if more == 0 { String::new() } else { format!(", and {more} more hosts like it") };
    format!("{first} would not be drained: {}{more}", named.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::room::single_copy;

    fn service(desired: u32, minimum: u32, maximum: u32) -> Service {
        Service {
            name: "web".to_owned(),
            desired,
            running: desired,
            daemon: false,
            minimum_healthy_percent: minimum,
            maximum_percent: maximum,
            fargate: false,
            distinct: false,
            events: Vec::new(),
        }
    }

    #[test]
    fn the_minimum_is_rounded_up_and_the_maximum_down() {
        for (desired, minimum, maximum, stuck) in [
            (6, 100, 100, true),
            (1, 100, 150, true),
            (1, 50, 100, true),
            (1, 1, 199, true),
            (1, 100, 200, false),
            (1, 0, 100, false),
            (2, 50, 100, false),
            (2, 51, 149, true),
            (2, 100, 150, false),
            (10, 95, 105, true),
            (10, 90, 100, false),
            (0, 100, 100, false),
        ] {
            let why = no_room(&service(desired, minimum, maximum));
            assert_eq!(why.is_some(), stuck, "{desired} desired, {minimum}/{maximum} %: {why:?}");
        }
        assert_eq!(no_room(&Service { daemon: true, ..service(3, 100, 100) }), None);
        assert_eq!(no_room(&Service { fargate: true, ..service(3, 100, 100) }), None);
    }

    #[test]
    fn a_service_that_is_short_already_gives_nothing_away() {
        for (running, minimum, short) in [(3, 100, true), (4, 100, false), (2, 50, true), (3, 50, false), (1, 50, true)]
        {
            let why = no_room(&Service { running, ..service(4, minimum, 200) });
            assert_eq!(matches!(why, Some(Why::Short { .. })), short, "{running} of 4 at {minimum} %");
        }
    }

    #[test]
    fn of_a_single_copy_there_are_none_or_two_for_a_moment() {
        for (minimum, maximum, word) in
            [(0, 100, Some("none")), (0, 200, Some("none")), (100, 200, Some("two")), (100, 100, None)]
        {
            let told = single_copy(&service(1, minimum, maximum));
            assert_eq!(
                told.map(|told| told.contains(word.unwrap_or("never"))),
                word.map(|_| true),
                "{minimum}/{maximum}"
            );
        }
        assert_eq!(single_copy(&service(2, 0, 100)), None);
    }
}
