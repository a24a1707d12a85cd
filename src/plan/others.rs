//! What others are at: whom to make way for before a host is taken.
//!
//! An instance refresh of the group replaces the same hosts that a rotation would. It can take hours and is nobody's fault,
//! so it is waited for, and only a very long one is a hold. An alarm that the operator names says that the service is unwell
//! now: nobody new is taken, and if it lasts the rotation is held. Both are asked right before a claim, and hosts in flight
//! finish whatever they say.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::admission::Blocked;
use super::hold::{BlockedKind, Problem, in_words};
use super::model::{ClusterView, GroupView, Look};
use super::{Context, Plan, earlier};
use crate::effect::{AlarmState, InstanceRefresh};
use crate::id::{AlarmName, GroupName};

/// How long until an alarm is looked at again.
pub const ALARM_AGAIN: SignedDuration = SignedDuration::from_mins(1);

/// How long until an instance refresh is looked at again: its end wakes nobody.
const REFRESH_AGAIN: SignedDuration = SignedDuration::from_mins(3);

/// An instance refresh that takes longer is a hold: it may have checkpoints that wait for a person.
const REFRESH_TIMEOUT: SignedDuration = SignedDuration::from_hours(12);

/// Where AWS does not tell of instance refreshes, it is asked again after this time.
const UNREAD_FOR: SignedDuration = SignedDuration::from_hours(1);

/// What is known of others.
#[derive(Clone, Debug, Default)]
pub struct Others {
    /// The instance refresh that is under way in a group, and since when.
    refreshing: BTreeMap<GroupName, (InstanceRefresh, Timestamp)>,
    /// None: there is no such alarm.
    alarms: BTreeMap<AlarmName, Option<AlarmState>>,
    /// When AWS last said that instance refreshes cannot be asked for.
    unread: Option<Timestamp>,
}

impl Others {
    /// The refreshes of a group that have not ended. One that has not started counts from when it was first seen.
    pub fn take_refreshes(&mut self, group: &GroupName, refreshes: Vec<InstanceRefresh>, now: Timestamp) {
        self.unread = None;
        let known = self.refreshing.remove(group);
        let Some(refresh) = refreshes.into_iter().next() else { return };
        let seen = known.filter(|(known, _)| known.id == refresh.id).map_or(now, |(_, since)| since);
        let since = refresh.started.unwrap_or(seen);
        self.refreshing.insert(group.clone(), (refresh, since));
    }

    /// One that was asked for and is not among `states` does not exist.
    pub fn take_alarms(&mut self, asked: &[AlarmName], states: &BTreeMap<AlarmName, AlarmState>) {
        self.alarms.extend(asked.iter().map(|name| (name.clone(), states.get(name).cloned())));
    }

    /// AWS does not tell of instance refreshes; true if that is new.
    pub fn cannot_tell(&mut self, now: Timestamp) -> bool {
        self.refreshing.clear();
        self.unread.replace(now).is_none()
    }

    /// What is known of the alarms that the group names.
    fn alarms_of<'a>(&'a self, group: &'a GroupView) -> impl Iterator<Item = (&'a AlarmName, Option<&'a AlarmState>)> {
        group.policy.alarms.iter().filter_map(|name| Some((name, self.alarms.get(name)?.as_ref())))
    }
}

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
    for (name, state) in view.others.alarms_of(group) {
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
