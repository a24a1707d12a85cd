//! What is known of others who act on the same hosts, or say that it is no time to.

use std::collections::BTreeMap;

use jiff::Timestamp;
use std::collections::BTreeSet;

use crate::effect::{AlarmState, InstanceRefresh};
use crate::id::{AlarmName, GroupName};

/// What is known of others.
#[derive(Clone, Debug, Default)]
pub struct Others {
    /// The instance refresh that is under way in a group, and since when.
    pub(super) refreshing: BTreeMap<GroupName, (InstanceRefresh, Timestamp)>,
    /// None: there is no such alarm.
    pub(super) alarms: BTreeMap<AlarmName, Option<AlarmState>>,
    /// When AWS last said that instance refreshes cannot be asked for.
    pub(super) unread: Option<Timestamp>,
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
    pub(super) fn alarms_of<'a>(
        &'a self,
        named: &'a BTreeSet<AlarmName>,
    ) -> impl Iterator<Item = (&'a AlarmName, Option<&'a AlarmState>)> {
        named.iter().filter_map(|name| Some((name, self.alarms.get(name)?.as_ref())))
    }
}
