//! Is the cause of a hold gone?
//!
//! Which causes let the rotation go on by themselves is argued in [`hold`](super::hold).

use super::blocking::is_at_capacity;
use super::context::Context;
use super::hold::Cause;
use super::host::Phase;
use super::output::Plan;
use super::problem::{BlockedKind, Code};
use super::release::{Release, Resolution};
use super::rotation::RotationState;
use super::tag_text::word;
use crate::id::{GroupName, InstanceId};

/// What holds the rotation, whether it is gone, and whether the rotation goes on because of that.
pub fn plan_resumption(context: &Context<'_>, plan: &mut Plan) {
    let view = context.view;
    let Some(rotation) = view.rotation.as_ref().filter(|rotation| rotation.state == RotationState::Held) else {
        return;
    };
    let Some(hold) = &view.hold else { return };
    plan.causes = hold.causes.iter().map(|cause| (cause.clone(), is_gone(context, plan, cause))).collect();
    // What is to be looked at first may be a new problem.
    let unclear = !plan.problems.is_empty() || !plan.looks.is_empty() || plan.look_at_all;
    if unclear || hold.aborted || hold.prose.is_some() || plan.causes.is_empty() || context.now <= rotation.since {
        return;
    }
    let over = |(cause, gone): &(Cause, Option<bool>)| cause.clears_itself() && cause.more == 0 && *gone == Some(true);
    if plan.causes.iter().all(over) {
        let causes = plan.causes.iter().map(|(cause, _)| format!("{} is over", cause.sentence()));
        plan.goes_on = Some(causes.collect::<Vec<_>>().join(", "));
    }
}

/// Is what the cause is about as it should be now? None: that cannot be observed.
fn is_gone(context: &Context<'_>, plan: &Plan, cause: &Cause) -> Option<bool> {
    let phase = |id: &InstanceId| plan.phases.get(id).copied();
    let none_is =
        |phases: &[Phase]| cause.hosts.iter().all(|id| phase(id).is_none_or(|phase| !phases.contains(&phase)));
    match cause.code {
        Code::DrainOverdue => Some(none_is(&[Phase::Draining, Phase::Drained])),
        Code::NoReplacement => Some(none_is(&[Phase::Leaving, Phase::Replacing])),
        Code::NotGivenBack => Some(none_is(&[Phase::Returning])),
        Code::BadRelease => Some(groups(context, cause)?.all(|name| serves_no_fallback(context, name))),
        Code::WrongImage => {
            Some(none_is(&[Phase::Replacing]) && cause.hosts.iter().all(|id| runs_release(context, id)))
        }
        Code::GroupBlocked => match cause.blocked_kind()? {
            BlockedKind::NotAtCapacity | BlockedKind::LaunchesSuspended => {
                Some(groups(context, cause)?.all(|name| is_at_capacity(context, name, plan)))
            }
            BlockedKind::NotWritten
            | BlockedKind::InAlarm
            | BlockedKind::NoSuchAlarm
            | BlockedKind::AlarmNotEvaluated
            | BlockedKind::Workloads
            | BlockedKind::InstanceRefresh => None,
        },
        Code::GivenUp | Code::HostRefused | Code::NotAllowed | Code::TemplateRefused => None,
    }
}

/// The groups that a cause names. None: one of them is not known any more.
fn groups<'a>(context: &Context<'a>, cause: &Cause) -> Option<std::vec::IntoIter<&'a GroupName>> {
    let named = |said: &String| context.view.groups.keys().find(|name| word(name.as_str()) == *said);
    cause.groups.iter().map(named).collect::<Option<Vec<_>>>().map(IntoIterator::into_iter)
}

fn release<'a>(context: &Context<'a>, name: &GroupName) -> Option<&'a Release<'a>> {
    match context.resolutions.get(name) {
        Some(Resolution::Resolved(release)) => Some(release),
        Some(Resolution::Unresolved { .. } | Resolution::Lacks(_)) | None => None,
    }
}

/// Its release is known, and is no stand-in for an image that failed.
fn serves_no_fallback(context: &Context<'_>, name: &GroupName) -> bool {
    release(context, name).is_some_and(|release| release.fallbacks.is_empty())
}

fn runs_release(context: &Context<'_>, id: &InstanceId) -> bool {
    let Some((group, _)) = context.memberships.get(id) else { return true };
    let image = context.view.hosts.get(id).and_then(|host| host.image());
    release(context, group).is_some_and(|release| image.is_some_and(|image| release.images.contains(image)))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use jiff::{SignedDuration, Timestamp};

    use crate::effect::{Group, Launch, Lifecycle, Member};
    use crate::plan::hold::Hold;
    use crate::plan::model::{ClusterView, GroupView, Host, Look, Seen};
    use crate::plan::output::Plan;
    use crate::plan::plan;
    use crate::plan::policy::Policy;
    use crate::plan::rotation::{Ours, Rotation, RotationId, RotationState};
    use crate::plan::tags::Tags;

    const HELD: Timestamp = Timestamp::UNIX_EPOCH;

    fn now() -> Timestamp {
        HELD + SignedDuration::from_mins(10)
    }

    /// A held rotation of a group that wants no hosts, or one that it has not.
    fn view(hold: &str, desired: u32) -> ClusterView {
        let facts = Group {
            name: "web".into(),
            min: 0,
            max: 9,
            desired,
            members: Vec::new(),
            suspended: BTreeSet::new(),
            launch: Launch::Unknown,
            tags: BTreeMap::new(),
            managed: false,
            counted_in: None,
            arn: None,
            zones: BTreeSet::new(),
            traffic_sources: BTreeSet::new(),
        };
        let mut view = ClusterView::blank("arn:aws:ecs:r:1:cluster/c".into(), None);
        view.opted_in = true;
        let id = RotationId::new(&"c".into(), HELD);
        view.rotation = Some(Rotation { id, state: RotationState::Held, since: HELD });
        view.hold = Some(Hold::parse(hold));
        view.belonging.insert("web".into());
        view.hooks.insert("web".into(), Vec::new());
        view.groups.insert("web".into(), GroupView::new(facts, &Tags::new("t:"), &Policy::default()));
        view.looked =
            [Look::Group("web".into()), Look::ContainerInstances, Look::Cluster].map(|look| (look, now())).into();
        view
    }

    fn planned(view: &ClusterView) -> Plan {
        plan(view, &Policy::default(), now())
    }

    /// One of ours that its group still lists while it lets go of it.
    fn leaving(view: &mut ClusterView) {
        let ours = Ours { rotation: RotationId::new(&"c".into(), HELD), group: "web".into(), since: HELD };
        view.hosts.insert("i-1".into(), Host { ours: Some(ours), ..Host::default() });
        let member =
            Member { id: "i-1".into(), zone: "a".into(), lifecycle: Lifecycle::InService, weight: None, image: None };
        view.groups.get_mut(&"web".into()).expect("the group").facts.members.push(member);
    }

    #[test]
    fn what_is_observed_to_be_over_lets_the_rotation_go_on() {
        for hold in [
            "drain-overdue=1h i-1",
            "no-replacement=15m @web i-1",
            "drain-overdue=1h i-1 / no-replacement=15m @web i-2",
        ] {
            let because = planned(&view(hold, 0)).goes_on;
            assert!(because.is_some_and(|because| because.contains("i-1 ") && because.contains("is over")), "{hold}");
        }
        for (desired, goes_on) in [(0, true), (1, false)] {
            let blocked = view("group-blocked=not-at-capacity:15m @web", desired);
            assert_eq!(planned(&blocked).goes_on.is_some(), goes_on, "{desired} desired, none there");
        }
    }

    #[test]
    fn what_rests_on_a_judgement_or_cannot_be_observed_waits_for_a_person() {
        for hold in [
            "aborted",
            "aborted / drain-overdue=1h i-1",
            "bad-release @web",
            "given-up=1h i-1",
            "not-given-back i-1",
            "wrong-image=ami-1 @web i-1",
            "host-refused=DetachInstances:ValidationError i-1",
            "not-allowed=DetachInstances",
            "template-refused=ModifyLaunchTemplate:x",
            "group-blocked=in-alarm:15m @web",
            "group-blocked=instance-refresh:12h @web",
            // A group that is not there any more, hosts that found no room, one cause of two.
            "group-blocked=not-at-capacity:15m @api",
            "drain-overdue=1h i-1 +3",
            "drain-overdue=1h i-1 / bad-release @web",
            // An older worker's words.
            "i-1: 2 tasks not stopped after 1h of draining",
        ] {
            assert_eq!(planned(&view(hold, 0)).goes_on, None, "{hold}");
        }
    }

    #[test]
    fn a_host_that_is_still_on_its_way_keeps_it() {
        let mut held = view("no-replacement=15m @web i-1", 0);
        leaving(&mut held);
        let plan = planned(&held);
        assert_eq!((plan.goes_on, plan.causes[0].1), (None, Some(false)), "{:?}", plan.phases);
        held.hosts.get_mut(&"i-1".into()).expect("the host").ec2 = Seen::Missing;
        assert!(planned(&held).goes_on.is_some(), "it is gone");
    }

    #[test]
    fn nothing_goes_on_in_the_moment_in_which_it_is_held_or_while_something_is_to_be_looked_at() {
        let held = view("drain-overdue=1h i-1", 0);
        assert_eq!(plan(&held, &Policy::default(), HELD).goes_on, None);
        let mut asked = held.clone();
        asked.left.insert("i-9".into(), HELD);
        assert_eq!(planned(&asked).goes_on, None, "an agent has left");
        assert!(planned(&held).goes_on.is_some());
    }
}
