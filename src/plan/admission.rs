//! Who goes next: how many hosts of a group may start their way out now, and which.
//!
//! Several workers may plan at once, without a lock. What each of them reads is torn: its reads are of different times, each up
//! to [`READS_LAG`] older than its call, and others write between any two of them. The budget holds all the same. A host is
//! taken in two steps:
//! 1. **Claim.** It is tagged. It stays in its group and serves, and nothing is lost if it goes no further.
//! 2. **Detach**, when its tag has been known to be written for [`READS_LAG`], by reads of all tags and of the group that *began*
//!    after that and still show it, and only if all hosts that carry the tag, out of their group or claimed, by whomever, are within the budget. If
//!    they are more, nobody is detached.
//!
//! A claim is good for [`CLAIM_GOOD_FOR`]. It has *lapsed*, and counts no more, when a read of the group that began so late that
//! whatever was done about it would be seen ([`stands`]) still shows the host there. Then it is claimed anew, in its turn.
//!
//! A host that is to stay after all is let go: its tag is taken off, and with it a claim that was written meanwhile. So it is done
//! on reads only that would show such a claim ([`may_be_let_go_from`]).
//!
//! Why that is enough: suppose that at some time more hosts are out of their group than may be. Each was detached on a claim, and
//! has carried the tag since. One of these claims was written last. Whoever detached that host had read all tags as they were
//! then or later, so it saw all of the others tagged. None of them was gone, as they are not gone now. And none had lapsed: a
//! lapsed host that is detached after all is claimed anew before, and that would be the later claim. So it counted more than may
//! be, and did not detach. (It takes that a call has its effect within [`READS_LAG`] of its decision, and that clocks do not
//! differ by more. Nothing hangs on which host is looked at first, or on how old the reads of the first step were.)
//!
//! Which of two claims goes is not decided between them: the detach for the earlier may be on its way when the later is seen,
//! and the later may be decided on before the earlier can be. Both lapse, which costs a minute or two, and the first of the
//! order is claimed anew.
//!
//! That this is rare, and that workers do the same twice rather than two things at once, is owed to the first step:
//! - **The order is a fixed one.** A host's place depends on the hosts of its zone that were launched *after* it, and those
//!   do not change while the old ones go. A worker that does not see some claims yet picks those hosts before any other, and
//!   tagging or detaching a host twice is harmless.
//! - **The tag comes before the detach**, so whoever sees that a host is missing in the group can see why.
//! - **The release must be the same for all.** Where a group launches in several ways, a worker whose reads lag behind sees other
//!   hosts as outdated, and another one as the first: nobody is taken before such reads can no longer be that old.
//! - **The group must be whole** beyond what the hosts in flight explain: a worker that sees a detached host's place empty
//!   but not its tag sees a group that is not whole, and claims nobody; unless another host in flight, whose replacement has
//!   come already, seems to explain the empty place.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::Timestamp;

use super::model::{ClusterView, GroupView, Host, Look, Strength};
use super::policy::DrainWhen;
use super::problem::Blocked;
use super::rotation::Ours;
use super::timing::{CLAIM_GOOD_FOR, READS_LAG};
use crate::id::{InstanceId, Zone};

/// Does a claim count? It does until a read of the group has begun that would show the host out of it if somebody had acted on
/// the claim.
pub fn stands(view: &ClusterView, ours: &Ours) -> bool {
    view.looked.get(&Look::Group(ours.group.clone())).is_none_or(|read| *read < lapses_at(ours))
}

/// A read of the group that begins from then on would show the host out of it if somebody had acted on the claim.
pub fn lapses_at(ours: &Ours) -> Timestamp {
    ours.since + CLAIM_GOOD_FOR + READS_LAG * 2
}

/// From when on a read shows whether the claim was written anew while it still counted. A host is let go on such reads only: a tag
/// that is taken off takes off a newer claim as well, and whoever wrote that one may not see it in time.
pub fn may_be_let_go_from(ours: &Ours) -> Timestamp {
    lapses_at(ours) + READS_LAG * 2
}

/// Has this been looked at just now, and late enough to let go of a host by it?
pub fn is_known_to_let_go(view: &ClusterView, ours: &Ours, look: &Look, now: Timestamp) -> bool {
    view.is_fresh(look, now) && view.looked.get(look).is_some_and(|read| *read >= may_be_let_go_from(ours))
}

/// So many members that are not ready are named.
const NAMED: usize = 3;

pub fn not_whole(
    group: &GroupView,
    hosts: &BTreeMap<InstanceId, Host>,
    ready: u32,
    explained: u32,
    now: Timestamp,
) -> Blocked {
    let serves = |id: &InstanceId| hosts.get(id).is_some_and(|host| host.serves(now));
    let members = group.facts.members.iter().map(|member| &member.id);
    let absent = members.filter(|id| !serves(id)).take(NAMED).cloned().collect();
    let weighted = group.facts.launch.least_weight().is_some();
    Blocked::NotWhole { ready, desired: group.facts.desired, explained, absent, weighted }
}

/// The gate before the budget.
pub fn gate(
    group: &GroupView,
    hosts: &BTreeMap<InstanceId, Host>,
    strength: Strength,
    replacing: u32,
    emptying: u32,
    now: Timestamp,
) -> Result<(), Blocked> {
    if group.launches_suspended() {
        return Err(Blocked::LaunchesSuspended);
    }
    let (ready, desired) = (strength.ready, group.facts.desired);
    // A host that was drained before its replacement came explains a missing member as long as it is there.
    let explained = match group.policy.drain {
        DrainWhen::AfterReplacement => replacing,
        DrainWhen::AtOnce => replacing.saturating_add(emptying),
    };
    if ready.saturating_add(explained) < desired {
        return Err(not_whole(group, hosts, ready, explained, now));
    }
    Ok(())
}

/// The hosts that are due, first to go first: zones in turn (the one with the most hosts left to go first), the oldest of
/// each zone first, the host of the worker itself last.
pub fn order<'a>(view: &ClusterView, due: impl Iterator<Item = (&'a InstanceId, &'a Host)>) -> Vec<InstanceId> {
    let mut zones: BTreeMap<Option<&Zone>, Vec<Due<'_>>> = BTreeMap::new();
    for (id, host) in due {
        zones.entry(host.zone()).or_default().push((host.launched(), id, host));
    }
    let mut keyed = Vec::new();
    for hosts in zones.values_mut() {
        hosts.sort_by_key(|(launched, id, _)| (*launched, *id));
        let count = hosts.len();
        for (index, (launched, id, host)) in hosts.iter().enumerate() {
            let younger = count - 1 - index;
            keyed.push((carries_worker(view, host), Reverse(younger), *launched, *id));
        }
    }
    keyed.sort();
    keyed.into_iter().map(|(_, _, _, id)| id.clone()).collect()
}

type Due<'a> = (Option<Timestamp>, &'a InstanceId, &'a Host);

fn carries_worker(view: &ClusterView, host: &Host) -> bool {
    match (&view.worker, host.container.here()) {
        (Some(worker), Some(container)) => worker.id() == container.arn.id(),
        (Some(_), None) | (None, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effect::{Instance, InstanceState};
    use crate::plan::model::Seen;

    fn host(id: &str, zone: &str, launched: i64) -> (InstanceId, Host) {
        let ec2 = Instance {
            id: id.into(),
            image: "ami-1".into(),
            state: InstanceState::Running,
            launched: Timestamp::from_second(launched).unwrap(),
            zone: zone.into(),
            tags: BTreeMap::new(),
            managed: false,
            architecture: "x86_64".to_owned(),
            windows: false,
            root_device: None,
        };
        (id.into(), Host { ec2: Seen::Here(ec2), ..Host::default() })
    }

    fn ordered(hosts: &[(InstanceId, Host)]) -> Vec<String> {
        let view = ClusterView::blank("arn:aws:ecs:r:1:cluster/c".into(), None);
        order(&view, hosts.iter().map(|(id, host)| (id, host))).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn zones_take_turns_and_the_oldest_goes_first() {
        let hosts =
            [host("i-1", "a", 1), host("i-2", "a", 2), host("i-3", "b", 3), host("i-4", "b", 4), host("i-5", "b", 5)];
        assert_eq!(ordered(&hosts), ["i-3", "i-1", "i-4", "i-2", "i-5"]);
    }

    #[test]
    fn the_order_of_the_rest_is_the_same_whoever_has_gone_before() {
        let all: Vec<_> = (0..12).map(|n| host(&format!("i-{n:02}"), ["a", "b", "c"][n % 3], 100 - n as i64)).collect();
        let whole = ordered(&all);
        for gone in 1..whole.len() {
            let rest: Vec<_> = all.iter().filter(|(id, _)| !whole[..gone].contains(&id.to_string())).cloned().collect();
            assert_eq!(ordered(&rest), whole[gone..]);
        }
    }
}
