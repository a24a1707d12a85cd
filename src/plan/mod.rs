//! What to do next for one cluster: a pure function of what is known, the policy and the time.
//!
//! ```text
//!  outdated ──claim──▶ leaving ──detach──▶ replacing ──mark, drain──▶ draining ─ ─▶ drained ──deregister──▶ retired ──terminate──▶ gone
//!  (in the group)      (tagged)            (a replacement starts)     (tasks move)  (all STOPPED)           (EC2 only)
//! ```
//!
//! [`plan`] never says "then": it names the acts that are right *now*. The engine performs them, writes what they changed
//! into the view, and plans again, until there is nothing left to do but wait. So a worker that starts in the middle of a
//! rotation, or finds that somebody else has acted, needs no other code than one that has been there from the beginning.
//!
//! Where a fact is lacking, or is too old for what shall be done with it, the plan names the [`Look`] and plans nothing on it.
//! What only waits is a [`Wait`](output::Wait), with a since and an until; what has waited too long is a [`Problem`](problem::Problem), and a hold.

pub mod act;
pub mod admission;
pub mod answer;
mod blocking;
pub mod calendar;
mod canary;
mod closing;
pub mod conflicts;
mod context;
pub mod drain_report;
mod exit;
pub mod family;
mod flight;
pub mod forecast;
pub mod gates;
mod groups;
pub mod hold;
pub mod host;
pub mod ladder;
pub mod made;
pub mod model;
pub mod notes;
pub mod others;
pub mod outcome;
pub mod output;
pub mod patch;
pub mod policy;
pub mod problem;
pub mod published;
pub mod release;
mod resumption;
mod retreat;
pub mod room;
pub mod rotation;
pub mod source;
pub mod stall;
pub mod status;
pub mod tag_text;
pub mod tags;
mod taking;
pub mod tenants;
pub mod timing;
pub mod writing;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use host::{MemberHost, Phase};
use model::{ClusterView, Look, Strength};
use policy::Policy;
use release::Resolution;
use rotation::RotationState;

use crate::id::GroupName;
use crate::plan::act::Act;
use crate::plan::closing::plan_closing;
use crate::plan::conflicts::resolutions;
use crate::plan::context::Context;
use crate::plan::output::Plan;
use timing::earlier;

/// Plans one step. `policy` is the cluster's; groups carry their own over it.
pub fn plan(view: &ClusterView, policy: &Policy, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    if !view.opted_in {
        return plan;
    }
    let resolutions = resolutions(view, now);
    let memberships = host::memberships(view);
    let members;
    (plan.phases, members) = host::phases(view, &resolutions, &memberships, now);
    let strength = |members: &Vec<MemberHost<'_>>| Strength::of(members.iter().map(|of| (of.member, of.host)), now);
    let strengths = members.iter().map(|(name, members)| (*name, strength(members))).collect();
    let gone = |host: &&model::Host| host.ec2.here().is_some_and(|ec2| ec2.state.is_gone());
    let give_backs = view.hosts.values().filter(|host| !gone(host)).filter_map(|host| host.give_back.as_ref());
    let stand_ins = give_backs.filter_map(|give_back| give_back.instead.as_ref()).collect();
    let mut ours: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (id, host) in &view.hosts {
        if let Some(of) = &host.ours {
            ours.entry(&of.group).or_default().push((id, host));
        }
    }
    let context = Context {
        view,
        policy,
        resolutions: &resolutions,
        memberships: &memberships,
        members: &members,
        strengths: &strengths,
        ours: &ours,
        stand_ins: &stand_ins,
        now,
    };
    flight::plan_hosts_in_flight(&context, &mut plan);
    groups::plan_groups(&context, &mut plan);
    if plan.acts.iter().any(|act| matches!(act, Act::Reject { .. })) {
        // What would rest on the release waits for that.
        plan.acts.retain(|act| !act.rests_on_release());
    }
    plan_absent(&context, &mut plan);
    plan_closing(&context, &mut plan);
    resumption::plan_resumption(&context, &mut plan);
    let held = view.rotation.as_ref().is_some_and(|rotation| rotation.state == RotationState::Held);
    if !plan.problems.is_empty() && !held && !view.has_looked(&Look::ContainerInstances) {
        // Nobody is woken at night for what only looks so from here.
        plan.look_at_all = true;
    }
    plan
}

/// Agents of which events say that they have left: are they back?
fn plan_absent(context: &Context<'_>, plan: &mut Plan) {
    for (id, at) in &context.view.left {
        let look = Look::Host(id.clone());
        if context.now < *at {
            plan.look_again = earlier(plan.look_again, Some(*at));
        } else if !context.view.has_looked(&look) {
            plan.looks.insert(look);
        }
    }
}

/// Would a rotation have something to do: is some host outdated, or some template behind its release?
pub fn is_due(view: &ClusterView, now: Timestamp) -> bool {
    !due(view, now).is_empty()
}

/// The groups in which a rotation would have something to do.
pub fn due(view: &ClusterView, now: Timestamp) -> BTreeSet<GroupName> {
    if !view.opted_in {
        return BTreeSet::new();
    }
    let resolutions = resolutions(view, now);
    let behind = |resolution: &Resolution<'_>| match resolution {
        Resolution::Resolved(release) => !release.is_in_use(),
        Resolution::Unresolved { .. } | Resolution::Lacks(_) => false,
    };
    let behind = resolutions.iter().filter(|(_, resolution)| behind(resolution)).map(|(name, _)| (*name).clone());
    let (_, members) = host::phases(view, &resolutions, &host::memberships(view), now);
    let outdated = members.iter().filter(|(_, members)| members.iter().any(|of| of.is(Phase::Outdated)));
    behind.chain(outdated.map(|(name, _)| (*name).clone())).collect()
}

#[cfg(test)]
mod cases;
#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::plan::rotation::{Rotation, RotationId};

    #[test]
    fn an_agent_that_has_left_is_looked_at_when_it_should_be_back_and_not_before() {
        let (now, back) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH + SignedDuration::from_secs(60));
        let mut view = ClusterView::blank("arn:aws:ecs:r:1:cluster/c".into(), None);
        view.opted_in = true;
        let id = RotationId::new(&"c".into(), now);
        view.rotation = Some(Rotation { id, state: RotationState::Held, since: now });
        view.left.insert("i-1".into(), back);
        let looks_at = |plan: &Plan| plan.looks.contains(&Look::Host("i-1".into()));
        let early = plan(&view, &Policy::default(), now);
        assert!(!looks_at(&early) && early.look_again == Some(back), "{early:?}");
        assert!(looks_at(&plan(&view, &Policy::default(), back)));
    }
}
