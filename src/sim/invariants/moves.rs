//! Where tasks go that a drain moves: those that go to a host which is going to be replaced itself will be moved once more.
//!
//! ECS does not say which new task takes the place of which old one, so they are counted by service: as many tasks as ran on a
//! host when it began to drain are *to be moved*, and the next that are placed are those.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{AmiId, ClusterArn, GroupName};
use crate::sim::world::{Host, HostNo, Owner, World};

impl World {
    /// A host was set to DRAINING, or to ACTIVE again.
    pub(in crate::sim) fn ledger_drains(&mut self, no: HostNo, drains: bool) {
        let Some(host) = self.account.host(no) else { return };
        let images = self.images_by_group(&host.cluster);
        if !self.account.host(no).is_some_and(|host| self.is_old(host, &images)) {
            return;
        }
        for (_, task) in self.account.tasks_on(no).filter(|(_, task)| task.is_wanted()) {
            let Owner::Service(index) = task.owner else { continue };
            if self.account.services[index].daemon {
                continue;
            }
            let due = self.ledger.moves.due.entry(index).or_default();
            *due = if drains { *due + 1 } else { due.saturating_sub(1) };
        }
    }

    /// What each group launches now that has opted in, of those that have hosts in this cluster.
    pub(in crate::sim) fn images_by_group(&self, cluster: &ClusterArn) -> BTreeMap<GroupName, BTreeSet<AmiId>> {
        let names: BTreeSet<&GroupName> = self.account.hosts_in(cluster).map(|(_, host)| &host.origin).collect();
        let opted_in = names.into_iter().filter(|name| self.group_opted_in(name));
        let groups = opted_in.filter_map(|name| Some((name, self.account.groups.get(name)?)));
        groups.map(|(name, group)| (name.clone(), self.account.images_to_launch(group))).collect()
    }

    /// A rotation replaces it: its group launches something else by now, or it is too old for a `force`.
    pub(in crate::sim) fn is_old(&self, host: &Host, images: &BTreeMap<GroupName, BTreeSet<AmiId>>) -> bool {
        let forced = self.rotate_before(&host.cluster).is_some_and(|before| host.launched < before);
        images.get(&host.origin).is_some_and(|images| forced || !images.contains(&host.image))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::ledger::Moves;

    #[test]
    fn only_tasks_that_a_drain_moves_are_counted() {
        let mut moves = Moves { due: BTreeMap::from([(0, 3)]), ..Moves::default() };
        moves.placed(1, true, true);
        moves.placed(0, true, true);
        moves.placed(0, true, false);
        moves.placed(0, false, true);
        moves.placed(0, true, true);
        assert_eq!((moves.old_to_old, moves.for_want_of_room), (1, 1));
    }
}
