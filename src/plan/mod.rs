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
//! What only waits is a [`Wait`], with a since and an until; what has waited too long is a [`Problem`], and a hold.

pub mod admission;
pub mod answer;
pub mod calendar;
mod canary;
mod exit;
pub mod family;
mod flight;
pub mod forecast;
mod groups;
pub mod hold;
pub mod host;
pub mod ladder;
pub mod model;
pub mod notes;
pub mod others;
pub mod outcome;
pub mod patch;
pub mod policy;
pub mod published;
pub mod release;
mod resumption;
mod retreat;
pub mod stall;
pub mod status;
pub mod tags;
mod taking;
pub mod tenants;
pub mod writing;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use hold::{Cause, Problem};
use host::{MemberHost, MemberHosts, Memberships, Phase};
use model::{ClusterView, Look, Strength};
use outcome::SkippedGroup;
use policy::Policy;
use release::{Resolution, resolve};
use tags::{GiveBack, RotationState};

use crate::effect::{BlockDevice, LaunchChange};
use crate::id::{AmiId, GroupName, InstanceId, ParameterName, TaskArn, TemplateId};

/// A rotation stays open at least this long: a look that was a little old when it was opened (a parameter that had just
/// changed) must not close it.
pub const SHORTEST_ROTATION: SignedDuration = SignedDuration::from_secs(60);

/// What is right to do now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Plan {
    pub phases: BTreeMap<InstanceId, Phase>,
    /// To be answered before anything else is planned.
    pub looks: BTreeSet<Look>,
    /// Everything must be looked at again, from the cluster's tags on.
    pub look_at_all: bool,
    pub acts: Vec<Act>,
    pub waits: Vec<Wait>,
    /// Why the rotation must stop.
    pub problems: BTreeSet<Problem>,
    /// Groups whose release cannot be found, with the reason.
    pub unresolved: BTreeMap<GroupName, String>,
    /// Groups for which there is a newer image that is not taken now, with the reason.
    pub refused: BTreeMap<GroupName, String>,
    /// Groups in which there is something to do, and it is not the time for it: why, and when it will be.
    pub not_now: BTreeMap<GroupName, String>,
    /// Groups in which somebody is due and nobody can be admitted, with the reason.
    pub blocked: BTreeMap<GroupName, String>,
    /// No host in scope is outdated, and none is in flight.
    pub complete: bool,
    /// What a rotation that is complete leaves out; what one that has closed still leaves out.
    pub skipped: BTreeMap<GroupName, SkippedGroup>,
    /// What holds the rotation, and whether it is gone (None: that cannot be observed).
    pub causes: Vec<(Cause, Option<bool>)>,
    /// All of that is gone, and the rotation goes on by itself: why.
    pub goes_on: Option<String>,
    /// If no event comes first.
    pub look_again: Option<Timestamp>,
}

/// Something to change. One act may be several calls, where it names more than one call can take.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// A template version like `source`, but with this image.
    MakeVersion {
        template: TemplateId,
        source: u64,
        image: AmiId,
        block_devices: Vec<BlockDevice>,
        description: String,
        client_token: String,
    },
    /// Makes this version the template's default.
    SetDefault {
        template: TemplateId,
        version: u64,
    },
    /// Changes which version, or which image, a group names itself.
    ChangeLaunch {
        group: GroupName,
        mixed: bool,
        change: LaunchChange,
    },
    /// Gives a parameter of the operator's the release.
    PutParameter {
        parameter: ParameterName,
        image: AmiId,
        data_type: Option<String>,
    },
    /// Deletes old versions of ours that nobody uses.
    Prune {
        template: TemplateId,
        versions: Vec<u64>,
    },
    /// Tags hosts as ours.
    Claim {
        group: GroupName,
        hosts: BTreeSet<InstanceId>,
    },
    /// `decrement`: no replacement is wanted.
    Detach {
        group: GroupName,
        hosts: BTreeSet<InstanceId>,
        decrement: bool,
    },
    /// Writes down that the drain begins.
    MarkDraining {
        hosts: BTreeSet<InstanceId>,
    },
    Drain {
        hosts: BTreeSet<InstanceId>,
    },
    Deregister {
        host: InstanceId,
    },
    Terminate {
        hosts: BTreeSet<InstanceId>,
    },
    /// Writes on a group that these images failed here.
    Reject {
        group: GroupName,
        images: BTreeSet<AmiId>,
        why: String,
    },
    /// Writes down that a host goes back to its group.
    GiveBack {
        host: InstanceId,
        give_back: GiveBack,
    },
    /// Makes a draining host ACTIVE again.
    Activate {
        hosts: BTreeSet<InstanceId>,
    },
    Attach {
        group: GroupName,
        hosts: BTreeSet<InstanceId>,
    },
    /// Ends a member through its group.
    End {
        group: GroupName,
        host: InstanceId,
        decrement: bool,
    },
    /// Takes our tags off hosts: they are ours no longer.
    LetGo {
        hosts: BTreeSet<InstanceId>,
    },
    /// Takes it back that a host goes back.
    Keep {
        host: InstanceId,
    },
    /// Tells tasks of a draining host to stop.
    StopTasks {
        host: InstanceId,
        tasks: BTreeSet<TaskArn>,
        why: String,
    },
}

/// Something that is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    pub host: InstanceId,
    pub waits_for: WaitsFor,
    pub since: Timestamp,
    /// When the rotation is held because of it.
    pub until: Timestamp,
    /// Who or what keeps it waiting, as far as it was asked.
    pub why: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaitsFor {
    /// That launches are no longer suspended, so that it can be detached.
    Launches,
    /// That the group is whole without it.
    Replacement,
    /// That its last task has stopped.
    LastTask,
    /// That it has served long enough for others to follow.
    Bake,
    /// That it has served long enough for the next host to be taken.
    Settle,
    /// That its group has it again.
    Return,
}

impl WaitsFor {
    /// All there are, each of which ends: `tests/waits.rs` says how.
    pub const ALL: [Self; 6] =
        [Self::Launches, Self::Replacement, Self::LastTask, Self::Bake, Self::Settle, Self::Return];
}

impl WaitsFor {
    /// In one word, as a label.
    pub const fn word(self) -> &'static str {
        match self {
            WaitsFor::Launches => "launches",
            WaitsFor::Replacement => "replacement",
            WaitsFor::LastTask => "last-task",
            WaitsFor::Bake => "bake",
            WaitsFor::Settle => "settle",
            WaitsFor::Return => "return",
        }
    }
}

impl std::fmt::Display for WaitsFor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            WaitsFor::Launches => "launches to be resumed",
            WaitsFor::Replacement => "a replacement",
            WaitsFor::LastTask => "the last task to stop",
            WaitsFor::Bake => "the end of its bake, before others follow",
            WaitsFor::Settle => "its time to settle, before the next host goes",
            WaitsFor::Return => "its group to have it again",
        })
    }
}

/// Everything that a step is decided by.
struct Context<'a> {
    view: &'a ClusterView,
    policy: &'a Policy,
    resolutions: &'a BTreeMap<&'a GroupName, Resolution<'a>>,
    /// Once for all hosts: a cluster can have thousands.
    memberships: &'a Memberships<'a>,
    members: &'a MemberHosts<'a>,
    strengths: &'a BTreeMap<&'a GroupName, Strength>,
    /// The hosts that carry our tag, by the group that it names.
    ours: &'a BTreeMap<&'a GroupName, Vec<(&'a InstanceId, &'a model::Host)>>,
    /// Replacements that go in the stead of hosts that go back.
    stand_ins: &'a BTreeSet<&'a InstanceId>,
    now: Timestamp,
}

impl<'a> Context<'a> {
    fn ours_of(&self, group: &GroupName) -> &'a [(&'a InstanceId, &'a model::Host)] {
        self.ours.get(group).map_or(&[], Vec::as_slice)
    }

    fn members_of(&self, group: &GroupName) -> &'a [MemberHost<'a>] {
        self.members.get(group).map_or(&[], Vec::as_slice)
    }

    fn strength(&self, group: &GroupName) -> Strength {
        self.strengths.get(group).copied().unwrap_or_default()
    }
}

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
        plan.acts.retain(|act| !rests_on_the_release(act));
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

pub fn resolutions(view: &ClusterView, now: Timestamp) -> BTreeMap<&GroupName, Resolution<'_>> {
    let ours = view.groups.iter().filter(|(_, group)| group.is_ours_to_touch());
    let mut resolutions = ours.map(|(name, group)| (name, resolve(view, name, group, now))).collect();
    for (name, reason) in writing::disturbing(view, &resolutions) {
        resolutions.insert(name, Resolution::Unresolved { reason });
    }
    resolutions
}

/// Does it make hosts leave, or change what their groups launch?
fn rests_on_the_release(act: &Act) -> bool {
    matches!(
        act,
        Act::Claim { .. }
            | Act::Detach { .. }
            | Act::MarkDraining { .. }
            | Act::Drain { .. }
            | Act::MakeVersion { .. }
            | Act::SetDefault { .. }
            | Act::ChangeLaunch { .. }
            | Act::PutParameter { .. }
    )
}

/// Is some host of these phases in flight?
pub fn is_in_flight(phase: Phase) -> bool {
    match phase {
        Phase::Retired | Phase::Returning | Phase::Drained | Phase::Draining | Phase::Replacing | Phase::Leaving => {
            true
        }
        Phase::Gone
        | Phase::Ending
        | Phase::SetAside
        | Phase::Outdated
        | Phase::Unknown
        | Phase::Behind
        | Phase::Current
        | Phase::Foreign => false,
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

/// An open rotation closes when nothing is left to do, by a look at everything, and every group is whole: a group that is
/// not has perhaps just lost a host to another worker, whose tag on it cannot be seen yet.
fn plan_closing(context: &Context<'_>, plan: &mut Plan) {
    let (view, now) = (context.view, context.now);
    let Some(rotation) = &view.rotation else { return };
    if rotation.state == RotationState::Closed && !view.skipped.is_empty() {
        plan.skipped = outcome::skipped(context);
    }
    let waits = !plan.blocked.is_empty() || !plan.not_now.is_empty();
    let busy = !plan.looks.is_empty() || !plan.acts.is_empty() || !plan.problems.is_empty() || waits;
    let left = plan.phases.iter().any(|(id, phase)| is_in_flight(*phase) || is_left_to_do(context, id, *phase));
    if rotation.state != RotationState::Open || busy || left {
        return;
    }
    let soonest = rotation.since + SHORTEST_ROTATION;
    if now < soonest {
        plan.look_again = earlier(plan.look_again, Some(soonest));
    } else if !view.has_looked(&Look::ContainerInstances) {
        plan.look_at_all = true;
    } else {
        groups::plan_wholeness(context, plan);
        if plan.blocked.is_empty() {
            groups::plan_pruning(context, rotation.since, plan);
        }
        plan.complete = plan.blocked.is_empty() && plan.looks.is_empty() && plan.acts.is_empty();
        plan.skipped = outcome::skipped(context);
    }
}

fn is_left_to_do(context: &Context<'_>, id: &InstanceId, phase: Phase) -> bool {
    phase == Phase::Outdated && context.memberships.get(id).is_some_and(|(group, _)| context.view.in_scope(group))
}

/// As EC2 tells when an instance was launched, or a template's version made: what is compared with such a time is cut down in
/// the same way first.
pub fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// The earlier of two times, where there are any.
pub fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, None) | (None, one) => one,
    }
}

#[cfg(test)]
mod cases;
#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tags::{Rotation, RotationId};

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
