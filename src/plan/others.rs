//! What others are at: whom to make way for before a host is taken.
//!
//! An instance refresh of the group replaces the same hosts that a rotation would. It can take hours and is nobody's fault,
//! so it is waited for, and only a very long one is a hold. An alarm that the operator names says that the service is unwell
//! now: nobody new is taken, and if it lasts the rotation is held. Both are asked right before a claim, and hosts in flight
//! finish whatever they say.

use jiff::Timestamp;

use super::context::Context;
use super::model::{ClusterView, GroupView, Look};
use super::output::Plan;
use super::problem::{Blocked, BlockedKind, Problem};
use super::timing::{REFRESH_AGAIN, REFRESH_TIMEOUT, UNREAD_FOR, earlier, in_words};
use crate::effect::AlarmState;
use crate::id::GroupName;

/// What to ask before a host of this group is taken.
pub fn looks(view: &ClusterView, name: &GroupName, group: &GroupView, now: Timestamp) -> Vec<Look> {
    let asks = view.others.unread.is_none_or(|since| now >= since + UNREAD_FOR);
    let alarms = group.policy.alarms.iter().cloned().map(Look::Alarm);
    asks.then(|| Look::Refreshes(name.clone())).into_iter().chain(alarms).collect()
}

/// Is no instance refresh under way in the group?
pub(super) fn lets_go(context: &Context<'_>, name: &GroupName, plan: &mut Plan) -> bool {
    let (view, now) = (context.view, context.now);
    let Some((refresh, since)) = view.others.refreshing.get(name) else { return true };
    let why = format!("the instance refresh {} is under way", refresh.id);
    // The wait begins anew when a person lets a held rotation go on.
    let opened = view.rotation.as_ref().map_or(now, |rotation| rotation.since);
    let until = (*since).max(opened) + REFRESH_TIMEOUT;
    if now < until {
        plan.look_again = earlier(plan.look_again, Some(until.min(now + REFRESH_AGAIN)));
        plan.not_now.insert(name.clone(), why);
    } else {
        let after = in_words(REFRESH_TIMEOUT);
        plan.problems.insert(Problem::GroupBlocked {
            group: name.clone(),
            kind: BlockedKind::InstanceRefresh,
            why,
            after,
        });
    }
    false
}

/// Is every alarm quiet that the group names?
pub fn alarms(view: &ClusterView, group: &GroupView) -> Result<(), Blocked> {
    let (mut missing, mut in_alarm, mut not_evaluated) = (Vec::new(), Vec::new(), Vec::new());
    for (name, state) in view.others.alarms_of(&group.policy.alarms) {
        match state {
            None => missing.push(name.clone()),
            Some(AlarmState::InAlarm) => in_alarm.push(name.clone()),
            Some(AlarmState::NotEvaluated(why)) => not_evaluated.push((name.clone(), why.clone())),
            Some(AlarmState::Quiet) => {}
        }
    }
    if !missing.is_empty() {
        return Err(Blocked::NoSuchAlarm(missing));
    }
    if !in_alarm.is_empty() {
        return Err(Blocked::InAlarm(in_alarm));
    }
    if not_evaluated.is_empty() { Ok(()) } else { Err(Blocked::AlarmNotEvaluated(not_evaluated)) }
}
