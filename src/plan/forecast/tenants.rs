//! Who lives on the hosts that are to go, as far as it would hold up their drains, or is good to know.

use std::collections::{BTreeMap, BTreeSet};

use super::figures::Stuck;
use crate::id::{GroupName, InstanceId};
use crate::plan::model::{ClusterView, GroupView};
use crate::plan::room::{Why, single_copy};
use crate::plan::tenants::{Blocker, Tenant, blockers, tasks_on};

/// Each service with each reason; standalone tasks together, and protected tasks.
pub fn stuck(view: &ClusterView, going: &BTreeSet<&InstanceId>) -> Vec<Stuck> {
    let blockers = blockers(view, going);
    let mut services: BTreeMap<(&Tenant, &Why), Vec<&Blocker>> = BTreeMap::new();
    let (mut standalone, mut protected) = (Vec::new(), Vec::new());
    for blocker in &blockers {
        match &blocker.why {
            Why::Standalone => standalone.push(blocker),
            Why::Protected => protected.push(blocker),
            why @ (Why::NoRoom { .. } | Why::Short { .. } | Why::TooFewHosts { .. } | Why::FitsNowhere(_)) => {
                services.entry((&blocker.tenant, why)).or_default().push(blocker);
            }
        }
    }
    let of_service = |((tenant, why), of): ((&Tenant, &Why), Vec<&Blocker>)| {
        entry(view, tenant.to_string(), why.to_string(), of.iter().map(|blocker| &blocker.host))
    };
    let mut stuck: Vec<Stuck> = services.into_iter().map(of_service).collect();
    stuck.extend(together(view, "standalone tasks", &standalone));
    stuck.extend(together(view, "protected tasks", &protected));
    stuck
}

/// Services with one task, on a host that is to go.
pub fn notes(view: &ClusterView, going: &BTreeSet<&InstanceId>) -> Vec<Stuck> {
    let tasks = tasks_on(view, going);
    let note = |service| {
        let (why, name) = (single_copy(service)?, service.name.as_str());
        let mut of_it = tasks.iter().filter(|(task, _)| task.service() == Some(name)).map(|(_, host)| *host).peekable();
        of_it.peek()?;
        Some(entry(view, format!("service {name}"), why.to_owned(), of_it))
    };
    view.tenants.services.iter().filter_map(note).collect()
}

/// `2 of family:batch, 1 of family:report on i-1 i-2: a drain waits …`
fn together(view: &ClusterView, what: &str, of: &[&Blocker]) -> Option<Stuck> {
    let why = &of.first()?.why;
    let mut counts: BTreeMap<&Tenant, usize> = BTreeMap::new();
    for blocker in of {
        *counts.entry(&blocker.tenant).or_default() += blocker.tasks;
    }
    let counts = counts.into_iter().map(|(tenant, n)| match tenant {
        Tenant::Service(name) => format!("{n} of service {name}"),
        Tenant::Standalone(family) => format!("{n} of {family}"),
    });
    let (counts, hosts) = (counts.collect::<Vec<_>>().join(", "), of.iter().map(|blocker| &blocker.host));
    let why = format!("{counts} on {}: {why}", list(&hosts.clone().collect()));
    Some(entry(view, what.to_owned(), why, hosts))
}

fn entry<'a>(view: &ClusterView, what: String, why: String, hosts: impl Iterator<Item = &'a InstanceId>) -> Stuck {
    let hosts: BTreeSet<InstanceId> = hosts.cloned().collect();
    let of = |name: &GroupName, group: &GroupView| {
        group.facts.members.iter().any(|member| hosts.contains(&member.id)).then(|| name.clone())
    };
    let groups = view.groups.iter().filter_map(|(name, group)| of(name, group)).collect();
    Stuck { what, why, hosts, groups }
}

/// The first few, and how many more.
fn list(hosts: &BTreeSet<&InstanceId>) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<&str> = hosts.iter().take(SHOWN).map(|id| id.as_str()).collect();
    let more = hosts.len().saturating_sub(SHOWN);
    if more == 0 { shown.join(" ") } else { format!("{} and {more} more", shown.join(" ")) }
}
