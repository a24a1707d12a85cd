//! What a forecast says.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{AmiId, ClusterName, GroupName, InstanceId, TemplateId};
use crate::plan::host::Phase;
use jiff::SignedDuration;
use serde::Serialize;

/// What the time of a rotation is reckoned by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assumptions {
    /// From a detach to a replacement that takes tasks.
    pub replacement: SignedDuration,
    pub replacement_windows: SignedDuration,
    /// From the drain to the last task that has stopped.
    pub drain: SignedDuration,
}

impl Default for Assumptions {
    fn default() -> Self {
        Self {
            replacement: SignedDuration::from_mins(3),
            replacement_windows: SignedDuration::from_mins(12),
            drain: SignedDuration::from_mins(5),
        }
    }
}

/// One cluster.
#[derive(Clone, Debug, Serialize)]
pub struct Forecast {
    pub cluster: ClusterName,
    pub account: String,
    pub region: String,
    /// None: no tag says so, and a worker takes it only if it is named in its configuration.
    pub enabled: Option<bool>,
    /// `<id> <state> <since>`
    pub rotation: Option<String>,
    pub hold: Option<String>,
    pub groups: Vec<GroupForecast>,
    /// Groups that the configuration names, and that are not there.
    pub absent: Vec<GroupName>,
    /// Hosts that no group of the cluster has: they are never touched.
    pub of_no_group: Vec<InstanceId>,
    /// Who lives on the hosts that are to go, and would not leave them, and why.
    pub stuck: Vec<Stuck>,
    /// What else is good to know of them; it holds up nothing.
    pub notes: Vec<Stuck>,
    /// What could not be read, and why: nothing hangs on it but the list above.
    pub unread: Vec<String>,
    /// Tags and settings that do nothing, or something else than they seem to.
    pub without_effect: Vec<String>,
    pub due: usize,
    pub in_flight: usize,
    pub takes_seconds: i64,
    pub calls: u64,
    /// Says which plan this is: what is due, from which images to which, and in what order. Whoever looks at the same state
    /// of things by the same settings gets the same one, wherever that is. None: nothing is due.
    pub digest: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct GroupForecast {
    pub group: GroupName,
    pub desired: u32,
    pub status: Status,
    /// Why it is left alone.
    pub reason: Option<String>,
    pub launches: Vec<LaunchForecast>,
    pub hosts: BTreeMap<Phase, usize>,
    /// Those to be replaced, the first to go first.
    pub order: Vec<InstanceId>,
    /// What would be written before the first host goes.
    pub writes: Vec<String>,
    /// What would keep it waiting.
    pub stuck: Vec<String>,
    /// Its own tags that do nothing, or something else than they seem to.
    pub without_effect: Vec<String>,
    /// Hosts in flight at a time.
    pub at_a_time: u32,
    pub takes_seconds: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    UpToDate,
    /// Its hosts run what it launches, and a newer image is not taken: it failed here, or is refused for good.
    Behind,
    /// Something is to be done.
    Due,
    /// It has opted out, or is managed by AWS.
    LeftAlone,
    /// Its release cannot be found.
    Unresolved,
}

/// One way in which a group launches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LaunchForecast {
    /// The template; None for an image that an override of the group names itself.
    pub template: Option<TemplateId>,
    /// `$Default (7)`: the rule and the version; `override`; or the parameter that the template reads.
    pub rule: String,
    pub in_use: ImageForecast,
    pub release: ImageForecast,
    /// Where the release comes from.
    pub from: String,
    /// A newer image that is not taken now, and why.
    pub refused: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImageForecast {
    pub id: AmiId,
    pub name: Option<String>,
    pub age_days: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stuck {
    /// `service web`, `standalone tasks`, …
    pub what: String,
    pub why: String,
    /// Where, of the hosts that are to go.
    pub hosts: BTreeSet<InstanceId>,
    pub groups: BTreeSet<GroupName>,
}

impl Forecast {
    /// Would a rotation change anything, or is one at it?
    pub fn is_due(&self) -> bool {
        self.in_flight > 0 || self.groups.iter().any(|group| group.status == Status::Due)
    }

    /// Is there a group that cannot be brought to its newest image?
    pub fn is_stuck(&self) -> bool {
        self.groups.iter().any(|group| matches!(group.status, Status::Unresolved | Status::Behind))
    }
}
